"""What is counted with a doubt is kept with its reason, and is a function of the journal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from upwell.event import Delivery, DeliveryKind
from upwell.flow import Flow, replay
from upwell.journal import Journal
from upwell.projection import Projection
from upwell.projection.doubts import Doubts, listed
from upwell.projection.readings import READING, outdated

CAME = 1_790_000_000
MICROS = 1_000_000


def paused(number: int) -> dict[str, Any]:
    """A subscription of long ago that is paused."""
    price = {
        "id": "price_1", "object": "price", "currency": "usd", "unit_amount": 4900,
        "recurring": {"interval": "month", "interval_count": 1}, "product": "prod_1",
    }  # fmt: skip
    return {
        "id": f"sub_{number}", "object": "subscription", "customer": f"cus_{number}",
        "status": "active", "currency": "usd", "created": CAME - 9_000_000,
        "start_date": CAME - 9_000_000, "pause_collection": {"behavior": "void"},
        "items": {"data": [{"id": f"si_{number}", "price": price, "quantity": 1}]},
    }  # fmt: skip


def page(*numbers: int, at: int = CAME) -> Delivery:
    """A page of the list of subscriptions."""
    body = {
        "list": "subscriptions", "data": [paused(n) for n in numbers], "read_at": at,
        "history": True,
    }  # fmt: skip
    return sent("stripe", json.dumps(body).encode(), at=at)


def sent(kind: DeliveryKind, body: bytes = b"", at: int = CAME, **about: Any) -> Delivery:
    """A delivery of the account, or about it."""
    return Delivery(kind=kind, source="shop", received_at=at * MICROS, about=about, body=body)


class House:
    """A journal and what is made of it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.journal = Journal(place / "journal.sqlite")
        self.projection = Projection(place)

    def take(self, *deliveries: Delivery) -> dict[str, Doubts]:
        """Journal and apply."""
        self.journal.append(deliveries)
        flow = Flow(self.journal, self.projection)
        while flow.follow():
            pass
        return self.doubts()

    def doubts(self, projection: Projection | None = None) -> dict[str, Doubts]:
        """What is listed, by reason."""
        found = list(listed((projection or self.projection).reader()))
        assert {one.source for one in found} <= {"shop"}
        return {one.code: one for one in found}

    def outdated(self) -> list[str]:
        """Sources that an earlier reading read."""
        return outdated(self.projection.reader(), self.journal.every("retranslate"))

    def close(self) -> None:
        """Let go of the files."""
        self.projection.close()
        self.journal.close()


def test_each_record_is_listed_once_with_its_newest_delivery(tmp_path: Path) -> None:
    house = House(tmp_path)
    assert house.take(page(1, 2))["paused_since"].records == 2
    found = house.take(page(2, 3, at=CAME + 60), page(3, at=CAME + 120))
    assert found.keys() == {"paused_since", "past_from_invoices"}
    newest = found["paused_since"]
    assert (newest.records, newest.seq, newest.object) == (3, 3, "sub_3")
    assert newest.last_seen == (CAME + 120) * MICROS
    assert "Stripe does not keep since when" in newest.reason
    house.close()


def test_restart_rebuild_replay_and_reading_anew_list_the_same(tmp_path: Path) -> None:
    house = House(tmp_path)
    found = house.take(page(1, 2), page(2, 3))
    house.projection.rebuild()
    assert house.doubts() == found
    house.close()
    house = House(tmp_path)
    assert house.doubts() == found
    assert house.take(sent("retranslate", source="shop", since=0)) == found
    again = Projection(tmp_path / "again")
    for _ in replay(house.journal, again):
        pass
    assert house.doubts(again) == found
    again.close()
    house.close()


def test_what_is_taken_out_is_not_listed_until_it_is_back(tmp_path: Path) -> None:
    house = House(tmp_path)
    found = house.take(page(1), page(2))
    assert house.take(sent("retract", deliveries=[2]))["paused_since"].object == "sub_1"
    assert house.take(sent("restore", retraction=3)) == found
    house.close()


def test_what_an_earlier_reading_read_is_named_until_it_is_read_again(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.take(page(1))
    assert house.outdated() == []
    house.projection.reader().execute("delete from meta where key = ?", [READING])  # as it was then
    house.close()
    house = House(tmp_path)
    house.take(page(2))
    assert house.outdated() == ["shop"]
    house.take(sent("retranslate", source="shop", since=CAME))  # not all of it
    assert house.outdated() == ["shop"]
    house.take(sent("retranslate", source="shop", since=0))
    assert house.outdated() == []
    house.close()
    house = House(tmp_path)
    assert house.outdated() == []
    house.close()
