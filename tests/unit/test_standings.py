"""Which sources a product's numbers wait for: promises, failures, pauses, and what they deliver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.laws.world import NOW, batch
from tests.oracle.plain import Event
from upwell.app.complete import BILLING, allowed
from upwell.app.health import Health
from upwell.app.house import House
from upwell.app.mending import Mending
from upwell.errors import NotFound, Rejected
from upwell.event import Delivery
from upwell.period import to_instant
from upwell.query.complete import Through
from upwell.settings import Product, Settings, StripeSource
from upwell.sources.contract import Promise
from upwell.web.health_shapes import Replay

MINUTE = 60_000_000
SIGNUPS = frozenset({"signup"})


class Town:
    """A house with an account that is read for Mail, as far as the test says."""

    def __init__(self, folder: Path) -> None:
        self.now, self.reached = NOW, dict[str, int | None]()
        source = StripeSource(id="billing", product="mail", api_key="env:NOWHERE")
        products = (Product(id="mail"), Product(id="docs"))
        settings = Settings(products=products, sources=(source,))
        self.house = House(folder, settings, lambda: to_instant(self.now))
        self.house.standings.read_to = self.reached.get
        self.house.standings.kept = -1.0

    def behind(self, product: str, types: frozenset[str] = BILLING) -> tuple[Through, ...]:
        return self.house.standings.behind(product, types)

    def send(self, *events: Event) -> None:
        self.house.journal.append([batch(list(events), self.now)])
        assert self.house.caught_up(30)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    found = Town(tmp_path)
    yield found
    found.house.close()


def test_how_far_a_source_was_is_known_after_a_restart(tmp_path: Path) -> None:
    town = Town(tmp_path)
    town.house.journal.append([_cursor()])
    town.reached["billing"] = NOW - MINUTE
    town.house.standings.keep()
    town.house.close()
    town = Town(tmp_path)
    town.reached["billing"] = NOW - 50 * MINUTE  # as the newest cursor of the journal says
    assert town.behind("mail") == (Through("billing", NOW - MINUTE, ""),)
    town.now += 30 * MINUTE
    assert town.behind("mail")[0].late == "late"  # nothing of the time it was off was read
    town.house.journal.append([_cursor()])  # by another program: what was kept is older than that
    town.house.close()
    town = Town(tmp_path)
    town.reached["billing"] = NOW - 3 * MINUTE
    assert town.behind("mail") == (Through("billing", NOW - 3 * MINUTE, ""),)
    town.house.close()


@pytest.mark.parametrize("text", [b"", b"[1]", b'{"billing": [1, "x"]}'])
def test_what_was_kept_may_be_lost_or_broken(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "pulls").mkdir()
    (tmp_path / "pulls" / "reached.json").write_bytes(text)
    town = Town(tmp_path)
    assert town.behind("mail") == (Through("billing", None, ""),)
    town.house.close()


def _cursor() -> Delivery:
    return Delivery(kind="pull", source="billing", received_at=NOW, about={"of": "x", "pull": {}})


def test_a_source_is_late_by_its_own_promise(town: Town) -> None:
    assert town.behind("mail") == (Through("billing", None, ""),)  # being read for the first time
    town.reached["billing"] = NOW - 2 * MINUTE
    assert town.behind("mail") == (Through("billing", NOW - 2 * MINUTE, ""),)
    town.reached["billing"] = NOW - 4 * MINUTE
    assert town.behind("mail")[0].late == ""  # it looks forward only: what was here is here
    town.now += 4 * MINUTE
    assert town.behind("mail") == (Through("billing", NOW - 2 * MINUTE, "late"),)


def test_one_that_fails_or_is_paused_stands_still(town: Town) -> None:
    links = town.house.links
    town.reached["billing"] = NOW
    town.behind("mail")
    links.failed("billing", "sign-in", "The key is not taken.")
    town.reached["billing"] = None  # its reader is gone
    assert town.behind("mail") == (Through("billing", NOW, "failed"),)
    links.went_well("billing")
    links.pause("billing", True)
    town.now += 60 * MINUTE
    assert town.behind("mail") == (Through("billing", NOW, "paused"),)
    links.pause("billing", False)
    town.reached["billing"] = town.now
    assert town.behind("mail") == (Through("billing", town.now, ""),)


def test_numbers_wait_for_what_delivers_them(town: Town) -> None:
    assert town.behind("docs") == ()
    assert town.behind("mail", SIGNUPS) == ()
    assert town.behind("mail", frozenset({"refund"})) != ()
    town.send(Event("mail", "signup", NOW, actor="u1", key="1"))  # by the events API
    assert town.behind("mail", SIGNUPS) == ()
    town.house.standings.read_to = None
    assert town.behind("mail") == ()


def test_what_is_promised_for_days_later_is_late_after_them() -> None:
    day = 86_400_000_000
    assert allowed(Promise(every=60.0)) == 3 * MINUTE
    assert allowed(Promise(every=1.0)) == 2 * MINUTE
    assert allowed(Promise(every=3_600.0, late=86_400.0)) == 2 * day + 180 * MINUTE


def test_the_health_of_a_source_in_detail(town: Town) -> None:
    signup = Event("mail", "signup", NOW, actor="u1", key="1", metadata={"plan": "team"})
    other = Event("mail", "signup", NOW, actor="u2", key="1")
    town.send(signup)
    town.send(other)  # the same key, another event
    health = Health(town.house)
    (name,) = [one["id"] for one in health.listed() if one["id"] != "billing"]
    found = health.detail(name)
    assert [(one.name, one.events) for one in found.events] == [("signup", 1)]
    assert sum(one.events for one in found.volumes) == 1
    assert len(found.volumes) == 90
    (left,) = found.unusable
    assert (left.code, left.records) == ("conflicting_duplicate", 1)
    assert "u2" in left.record
    mending = Mending(town.house, None)
    tried = mending.replay(Replay(source=name, code=left.code))
    assert (tried.tried, tried.still_unusable, tried.added) == (1, 1, 0)
    assert mending.replay(Replay(source="billing")).tried == 0
    with pytest.raises(NotFound):
        health.detail("nowhere")
    with pytest.raises(Rejected, match="is not a day"):
        mending.reset("billing", "soon")
    with pytest.raises(Rejected, match="Nothing of source"):
        mending.reset("billing", "2026-01-01")
    town.house.links.pause("billing", True)
    with pytest.raises(Rejected, match="is paused"):
        mending.read_now("billing")
