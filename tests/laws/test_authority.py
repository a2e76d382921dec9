"""Laws of one truth per number: what others report is kept, and counted nowhere else.

The sums are those of a plain model whatever source is the authority for which measure, and also
when that changes after the events came.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.test_restated import Said, sale
from tests.laws.test_sums import LISTS, RULES, examples, keyed
from tests.laws.test_timelines import same
from tests.laws.world import NOW, agree, batch, changes, config, ground, held, right, world
from tests.oracle.plain import MEASURES, Counted, Event, Rules, standing
from upwell.access import SYSTEM
from upwell.billing import Origin
from upwell.event import Delivery
from upwell.flow import replay
from upwell.metrics import authority
from upwell.period import to_date, to_instant
from upwell.projection import Projection
from upwell.projection.ground import Ground
from upwell.query import Desk, Question
from upwell.warehouse.timelines import Timelines

DAY = 86_400_000_000
AUTHORITIES = st.dictionaries(
    st.sampled_from(("mail", "docs", "x")),
    st.dictionaries(st.sampled_from(sorted(MEASURES)), st.sampled_from(("app", "shop", "gone"))),
)


def test_the_model_knows_the_same_measures() -> None:
    assert {name: set(kinds) for name, kinds in authority.MEASURES.items()} == MEASURES


@examples(5)
@given(LISTS, RULES, AUTHORITIES, AUTHORITIES)
def test_what_counts_is_what_the_authority_says(
    found: list[Event],
    rules: Rules,
    before: dict[str, dict[str, str]],
    after: dict[str, dict[str, str]],
) -> None:
    """From the start, after another configuration, and read again from the journal."""
    events = keyed(found)
    first, then = replace(rules, authority=before), replace(rules, authority=after)
    with (
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as other,
        world(Path(one)) as house,
    ):
        house.take(config(first), batch(events))
        agree(house.projection, Counted([(NOW, event) for event in events], first))
        house.take(config(then), batch(events))  # said again: repeats under any authority
        agree(house.projection, Counted([(NOW, event) for event in events], then))
        right(house.projection)
        expected, recorded = held(house.projection), changes(house.projection)
        fresh = Projection(Path(other), memory="256MB")
        for _ in replay(house.journal, fresh):
            pass
        assert held(fresh) == expected
        assert changes(fresh) == recorded
        fresh.close()


@examples(3)
@given(LISTS, AUTHORITIES, AUTHORITIES)
def test_timelines_hold_what_counts(
    found: list[Event], before: dict[str, dict[str, str]], after: dict[str, dict[str, str]]
) -> None:
    events = [replace(event, sent_at=None, at=min(event.at, NOW)) for event in keyed(found)]
    with tempfile.TemporaryDirectory() as folder, world(Path(folder)) as house:
        lines = Timelines(Path(folder) / "timelines", house.projection.reader, fresh=0)
        for rules in (Rules(authority=before), Rules(authority=after)):
            house.take(config(rules), batch(events))
            same(house, lines, events, rules)


def test_restated_amounts_of_others_stay_reported(tmp_path: Path) -> None:
    rules = Rules(authority={"mail": {"revenue": "shop"}})
    said = [Said(NOW, True, [sale(1, "5.00")]), Said(NOW + 1, True, [sale(1, "7.00")])]
    with world(tmp_path) as house:
        house.take(config(rules), *(one.delivery for one in said))
        agree(house.projection, Counted(standing(said), rules))
        right(house.projection)


def billed(origins: tuple[Origin, ...]) -> Delivery:
    body = msgspec.json.encode(msgspec.structs.replace(ground(Rules()), sources=origins))
    return Delivery(kind="config", source="upwell", received_at=NOW, body=body)


def test_where_a_billing_source_is_connected_its_money_counts(tmp_path: Path) -> None:
    """Until then all that was sent counts; what others send of it is reported, and told apart."""
    ours = [sale(1, "5.00"), Event("docs", "revenue", NOW, key="d", **_USD)]
    theirs = Event("mail", "revenue", NOW, source="bill", key="i", actor="ann", **_USD)
    with world(tmp_path) as house:
        house.take(config(Rules()), batch([*ours, theirs]))
        assert _total(house.projection, "revenue") == {"": "17.00"}
        house.take(billed((Origin(id="bill", kind="stripe", product="mail"),)))
        assert _total(house.projection, "revenue") == {"": "12.00"}
        reported = _total(house.projection, "reported_revenue", by="source")
        assert reported == {"app": "5.00"}
        house.take(billed((Origin(id="bill", kind="stripe", assign={"price_1": "docs"}),)))
        assert _total(house.projection, "revenue") == {"": "11.00"}
        house.take(billed((Origin(id="bill", kind="stripe", product_from="metadata.product"),)))
        assert _total(house.projection, "revenue") == {"": "17.00"}
        assert _total(house.projection, "reported_revenue").get("") in (None, "0.00")
        right(house.projection)


_USD: dict[str, Any] = {"value": Decimal("6.00"), "currency": "USD"}


def _total(projection: Projection, metric: str, by: str | None = None) -> dict[str, object]:
    day = to_date(NOW // DAY)
    asked = Question(metric=metric, start=day, end=to_date(NOW // DAY + 1), by=by)
    answer = Desk(projection).answer(asked, SYSTEM, to_instant(NOW + DAY))
    return {series.key: series.total for series in answer.series}


def test_a_product_that_names_an_authority_needs_no_billing_source() -> None:
    own = Ground(
        sources=(Origin(id="bill", product="mail"), Origin(id="mixpanel", kind="mixpanel")),
        products=(*ground(Rules(authority={"mail": {"revenue": "app"}})).products,),
    )
    assert own.counted_as("mail", "bill", "revenue") == "reported_revenue"
    assert own.counted_as("mail", "app", "reported_refund") == "refund"
    assert own.counted_as("mail", "app", "spend") == "spend"
    assert own.counted_as("docs", "anybody", "revenue") == "revenue"
