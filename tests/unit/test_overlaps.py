"""Where several sources tell of the same: who counts, who only reports, and what is said of it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.laws.test_authority import billed
from tests.laws.world import NOW, batch, config, world
from tests.oracle.plain import Event, Rules
from upwell.access import Viewer
from upwell.billing import Origin
from upwell.period import to_date, to_instant
from upwell.query.overlaps import Overlap, Sender, overlaps

DAY = 86_400_000_000
EVERYBODY = Viewer(id="v", scopes=frozenset({"read"}))
TODAY = to_date(NOW // DAY)
USD: dict[str, Any] = {"value": Decimal(5), "currency": "USD"}


def signups(source: str, count: int, at: int = NOW) -> list[Event]:
    return [
        Event("mail", "signup", at, source=source, actor=f"{source}{n}", key=f"{n}")
        for n in range(count)
    ]


def sender(source: str, events: int, counts: bool) -> Sender:
    return Sender(source=source, events=events, last=TODAY, counts=counts)


def test_who_counts_is_told_of_measures_with_several_sources(tmp_path: Path) -> None:
    money = [
        Event("docs", kind, NOW, source=source, key=f"{kind}{source}", **USD)
        for kind in ("revenue", "refund")
        for source in ("bill", "sdk")
    ]
    old = signups("long-ago", 2, NOW - 31 * DAY)
    views = [Event("docs", "page_view", NOW, source="sdk", actor="ann", key="v")]
    sent = batch([*signups("app", 2), *signups("mixpanel", 3), *money, *old, *views])
    nobody = Overlap(
        product="mail",
        measure="signups",
        decided="nobody",
        authority=(),
        sources=(sender("app", 2, True), sender("mixpanel", 3, True)),
    )
    with world(tmp_path) as house:
        house.take(config(Rules()), sent)
        found = overlaps(house.projection, EVERYBODY, to_instant(NOW)).overlaps
        assert [(one.product, one.measure, one.decided) for one in found] == [
            ("docs", "revenue", "nobody"),
            ("mail", "signups", "nobody"),
        ]
        assert found[1] == nobody
        house.take(billed((Origin(id="bill", product="docs"),)))
        found = overlaps(house.projection, EVERYBODY, to_instant(NOW)).overlaps
        assert found[0] == Overlap(
            product="docs",
            measure="revenue",
            decided="billing",
            authority=("bill",),
            sources=(sender("bill", 2, True), sender("sdk", 2, False)),
        )
        only = Viewer(id="w", scopes=frozenset({"read"}), products=frozenset({"mail"}))
        assert overlaps(house.projection, only, to_instant(NOW)).overlaps == (nobody,)


def test_an_authority_that_says_nothing_is_told(tmp_path: Path) -> None:
    rules = Rules(authority={"mail": {"signups": "apq"}})
    with world(tmp_path) as house:
        house.take(config(rules), batch(signups("app", 2)))
        assert overlaps(house.projection, EVERYBODY, to_instant(NOW)).overlaps == (
            Overlap(
                product="mail",
                measure="signups",
                decided="configured",
                authority=("apq",),
                sources=(sender("app", 2, False),),
            ),
        )
