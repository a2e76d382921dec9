"""Laws of reading a property: wherever reading ends and whatever comes between, nothing is lost.

The property is a table of days that grow while they run and are corrected for three days. What was
told of it, page after page, must be that table as the last look found it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.laws.world import NOW, config, ground, world
from tests.oracle.plain import Rules
from tests.unit.ga4_site import ORIGIN, Clock, Site, near, site
from upwell.access import SYSTEM
from upwell.demo.ga4.fake import Failure
from upwell.errors import UpwellError
from upwell.event import Delivery
from upwell.metrics.reported import MEASURES, REPORTS
from upwell.period import to_micros
from upwell.query.desk import Desk
from upwell.query.question import Answer, Question
from upwell.sources.contract import Page
from upwell.sources.ga4.reports import DIMENSIONS

DAYS = 35  # of the past, in laws


class Step(NamedTuple):
    """What happens next: time passes, and so many pages are read, by a process that is new or not.

    `fails` is how the vendor answers in the middle; `lost` is the folder that may be thrown away.
    """

    hours: float
    pages: int
    restart: bool
    fails: Failure | None = None
    lost: bool = False


FAILS = st.sampled_from([None, None, None, 401, 429, 503, "cut", "short"])
STEPS = st.lists(
    st.builds(
        Step,
        hours=st.sampled_from([0, 0, 0.3, 1, 5, 24, 80]),
        pages=st.integers(0, 6),
        restart=st.booleans(),
        fails=FAILS,
        lost=st.booleans(),
    ),
    max_size=6,
)


def _run(one: Site, clock: Clock, steps: list[Step]) -> None:
    reader = one.open()
    _take(one, reader.read(near(one, DAYS), clock), 1)
    for step in steps:
        clock.on(hours=step.hours)
        if step.lost:
            one.lose_folder()
        if step.restart or step.lost:
            reader.close()
            reader = one.open()
        if step.fails is not None:
            one.fake.fail.append(step.fails)
        with suppress(UpwellError):
            one.read(reader, step.pages)
        one.fake.fail.clear()
    clock.on(hours=24 * 4)
    one.read(one.open())
    reader.close()


def _take(one: Site, reading: Iterator[Page], most: int) -> None:
    one.pages += list(islice(reading, most))


@given(STEPS)
@settings(max_examples=10)
def test_nothing_is_lost_or_told_otherwise(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    """Ended after any page, repeated, restated, without the vendor for days, without its folder."""
    clock = Clock()
    with site(tmp_path_factory.mktemp("site"), clock, page=40) as one:
        first = one.days(DAYS)[0]
        _run(one, clock, steps)
        days = [day for day in one.days(DAYS + 60) if day >= first]
        assert one.told() == one.truth(days)


class Held(NamedTuple):
    """A house that took what was told of a property, and what the property says."""

    desk: Desk
    one: Site


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """After a fortnight of looks; the property's days are those of another zone than ours."""
    clock, folder = Clock(), tmp_path_factory.mktemp("site")
    with (
        site(folder / "site", clock, currency="USD", zone="Pacific/Auckland") as one,
        world(folder) as house,
    ):
        zone = msgspec.structs.replace(
            ground(Rules()), sources=(ORIGIN,), timezone="America/New_York"
        )
        stands = Delivery(
            kind="config", source="upwell", received_at=NOW, body=msgspec.json.encode(zone)
        )
        house.take(config(Rules()), stands)
        reader, cursor = one.open(), near(one, DAYS)
        for hours in (0, 5, 19, 30, 100, 180):
            clock.on(hours=hours)
            for page in reader.read(cursor, clock):
                cursor = page.cursor
                house.journal.append([_delivery(page, clock)])
        house.catch_up()
        reader.close()
        yield Held(Desk(house.projection), one)


def _delivery(page: Page, clock: Clock) -> Delivery:
    about = {"of": "ga4", "pull": page.cursor, **({"restates": True} if page.restates else {})}
    at = to_micros(clock())
    return Delivery(kind="pull", source="site", received_at=at, about=about, body=page.body)


SPANS = st.tuples(st.integers(0, DAYS), st.integers(1, DAYS))


@given(st.sampled_from(MEASURES), st.sampled_from(sorted(REPORTS)), SPANS)
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_answers_are_the_propertys_own_table(
    held: Held, measure: str, report: str, span: tuple[int, int]
) -> None:
    """By day alone and by each dimension; totals are sums of days, or not reported."""
    one, place, by = held.one, MEASURES.index(measure), REPORTS[report]
    first = one.days(span[0])[0] - dt.timedelta(days=1)
    days = [first + dt.timedelta(days=n) for n in range(span[1])]
    days = [day for day in days if day < one.days(0)[0]]
    truth = [one.fake.rows(() if by is None else (DIMENSIONS[by],), day) for day in days]
    answer = _ask(held.desk, f"ga4_{measure}", by, days, one.fake.clock())
    keys = {key for rows in truth for key, row in rows.items() if row[place]} if by else {()}
    assert {line.key for line in answer.series} == {"".join(key) for key in keys}
    for line in answer.series:
        key = (line.key,) if by else ()
        own = [Decimal(f"{rows.get(key, (0,) * 6)[place]:.12g}") for rows in truth]
        assert [Decimal(str(point.value)) for point in line.points] == own
        if measure != "users":
            assert Decimal(str(line.total)) == sum(own)
        elif len(days) > 1:
            assert line.total is None


def _ask(desk: Desk, metric: str, by: str | None, days: list[dt.date], now: dt.datetime) -> Answer:
    question = Question(
        metric=metric,
        product=("mail",),
        start=days[0],
        end=days[-1] + dt.timedelta(days=1),
        by=by,
        currency="USD" if metric == "ga4_revenue" else None,
    )
    return desk.answer(question, SYSTEM, now)
