"""Law: which events of a customer count follows the newest e-mail, whatever came first."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.laws.test_sums import examples
from upwell.billing import Origin
from upwell.event import LATEST, Delivery, DeliveryKind
from upwell.flow import translate
from upwell.projection import Projection, Staged
from upwell.projection.ground import Ground, GroundProduct
from upwell.projection.verify import differences
from upwell.warehouse.slices import NOBODY
from upwell.warehouse.timelines import Timelines

WALKED = (
    "select ts from events where actor is not null and not excluded and superseded_at is null"
    f" and type not in {NOBODY} order by ts"
)
BEGUN, MICROS = 1_767_225_600, 1_000_000
SHOP = Origin(id="shop", product="mail")
GROUND = Ground(
    products=(GroundProduct(id="mail"),), sources=(SHOP,), exclude=("ours.example", "plan=inner")
)
EMAILS = ("", "bob@a.example", "bob@ours.example")
TABLES = {
    "events": "select type, key_low, excluded from events where superseded_at is null",
    "cells": "select type, day, sum(n), sum(value) from cells group by all having sum(n) <> 0",
    "hours": "select type, hour, sum(n), sum(value) from hours group by all having sum(n) <> 0",
    "changes": "select type, day, sum(n) from cell_changes group by all having sum(n) <> 0",
    "days": "select a.actor, d.members, d.day from actor_days d join actors a on a.no = d.actor",
}


def invoice(number: int, email: str) -> dict[str, Any]:
    """An invoice that was paid."""
    at = BEGUN + number * 86_400
    return {
        "id": f"in_{number}", "object": "invoice", "customer": f"cus_{number % 2}",
        "currency": "usd", "status": "paid", "amount_paid": 4900, "amount_due": 4900,
        "total": 4900, "created": at, "customer_email": email, "attempt_count": 1,
        "status_transitions": {"finalized_at": at, "paid_at": at},
    }  # fmt: skip


def fee(number: int, email: str) -> dict[str, Any]:
    """What Stripe took of it."""
    charge = {
        "id": f"ch_{number}", "object": "charge", "customer": f"cus_{number % 2}",
        "receipt_email": email,
    }  # fmt: skip
    return {
        "id": f"txn_{number}", "object": "balance_transaction", "amount": 4900, "fee": 172,
        "net": 4728, "currency": "usd", "created": BEGUN + number * 86_400, "type": "charge",
        "source": charge,
    }  # fmt: skip


def customer(number: int, email: str) -> dict[str, Any]:
    """A customer as they are known."""
    return {"id": f"cus_{number % 2}", "object": "customer", "email": email or None}


MADE = {"invoice": invoice, "fee": fee, "customer": customer}
told = st.tuples(
    st.sampled_from(sorted(MADE)), st.integers(0, 5), st.sampled_from(EMAILS)
)  # fmt: skip


def sent(seq: int, body: Any = None, kind: DeliveryKind = "stripe", **about: Any) -> Delivery:
    """A delivery; they come on one day, long after all that they tell of."""
    return Delivery(
        seq=seq, kind=kind, source="shop", received_at=(BEGUN + 30 * 86_400) * MICROS + seq,
        about=about, body=json.dumps(body).encode(),
    )  # fmt: skip


def event(place: int, what: str, number: int, email: str) -> dict[str, Any]:
    """What happened `place` seconds after the beginning."""
    return {
        "id": f"evt_{place}", "object": "event", "type": f"{what}.updated",
        "created": BEGUN + place, "data": {"object": MADE[what](number, email)},
    }  # fmt: skip


class Made:
    """A projection that deliveries are applied to."""

    def __init__(self, ground: Ground = GROUND) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.projection = Projection(Path(self._folder.name))
        self.projection.set_ground(ground, 1, BEGUN * MICROS)
        folder = Path(self._folder.name) / "timelines"
        self.lines = Timelines(folder, self.projection.reader, fresh=0)

    def take(self, parts: list[list[Delivery]]) -> None:
        """Apply some together, one lot after the other."""
        for part in filter(None, parts):
            names = self.projection.products
            staged = [Staged(one, translate(one, names, origin=SHOP)) for one in part]
            self.projection.apply(staged)
            self.walked()

    def walked(self) -> list[int]:
        """When what counts happened, as timelines have it that were there all the while."""
        self.lines.refresh(repr(self.projection.ground.exclude))
        found = self.lines.reading(["mail"], None, (0, LATEST), ("plan",)).take()
        assert len(found.properties["plan"].codes) == len(found.ts)
        return sorted(found.ts.tolist())

    def stands(self) -> dict[str, list[Any]]:
        """All tables, once they were found to be those of the events."""
        wrong = [line for _, lines, _ in differences(self.projection) for line in lines]
        assert not wrong
        db = self.projection.reader()
        assert self.walked() == [ts for (ts,) in db.execute(WALKED).fetchall()]
        return {name: sorted(db.execute(sql).fetchall()) for name, sql in TABLES.items()}

    def close(self) -> None:
        """Throw it away."""
        self.projection.close()
        self._folder.cleanup()


def facts(given: list[tuple[str, int, str]]) -> list[dict[str, Any]]:
    """Events at different seconds; an invoice and a fee are told once, in one way."""
    known = {(what, number): email for what, number, email in given if what != "customer"}
    found = [(what, number, email) for (what, number), email in known.items()]
    found += [one for one in given if one[0] == "customer"]
    return [event(place, *one) for place, one in enumerate(found)]


@examples(6)
@given(st.lists(told, min_size=1, max_size=14), st.randoms(use_true_random=False), st.data())
def test_order_parts_retractions_and_rules_that_come_later_say_the_same(
    given: list[tuple[str, int, str]], dice: Any, data: st.DataObject
) -> None:
    """6 examples, as many times over as UPWELL_LAW_TIMES says."""
    bodies = facts(given)
    one, other, late = Made(), Made(), Made(Ground(products=GROUND.products, sources=(SHOP,)))
    one.take([[sent(seq, body) for seq, body in enumerate(bodies, 2)]])
    wanted = one.stands()
    mixed = list(bodies)
    dice.shuffle(mixed)
    deliveries = [sent(seq, body) for seq, body in enumerate(mixed, 2)]
    cut = data.draw(st.integers(0, len(mixed)))
    other.take([deliveries[:cut], deliveries[cut:]])
    late.take([[delivery] for delivery in deliveries])
    last = len(mixed) + 2
    late.projection.set_ground(GROUND, last, (BEGUN + 40 * 86_400) * MICROS)
    assert other.stands() == wanted
    assert late.stands() == wanted
    gone = data.draw(st.integers(2, last - 1))
    seqs, projection = [gone], other.projection
    projection.supersede(sent(last, kind="retract", deliveries=seqs), seqs)
    fewer = Made()
    fewer.take([[delivery for delivery in deliveries if delivery.seq != gone]])
    assert other.stands()["events"] == fewer.stands()["events"]
    projection.restore(sent(last + 1, kind="restore", retraction=last), last)
    assert other.stands()["events"] == wanted["events"]
    projection.retranslate(
        sent(last + 2, kind="retranslate"),
        [Staged(one, translate(one, projection.products, origin=SHOP)) for one in deliveries],
    )
    assert other.stands()["events"] == wanted["events"]
    for made in (one, other, late, fewer):
        made.close()


def test_timelines_see_who_is_staff_since() -> None:
    """An invoice of somebody whose newer e-mail is ours is not walked any more."""
    made = Made()
    bodies = [
        event(0, "invoice", 0, "ann@theirs.example"),
        event(1, "invoice", 1, "bob@theirs.example"),
        event(2, "customer", 0, "ann@ours.example"),
    ]
    seen = []
    for seq, body in enumerate(bodies, 2):
        made.take([[sent(seq, body)]])
        seen.append(len(made.walked()))
    assert seen == [1, 2, 1]
    made.stands()
    made.close()
