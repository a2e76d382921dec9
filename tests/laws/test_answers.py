"""Every answer of the desk is what brute force over the events gives; parts add up to the whole."""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.laws.world import PRODUCTS, World, batch, config, ground, world
from tests.oracle import answers as model
from tests.oracle.plain import Counted, Event, Rules
from upwell.access import SYSTEM
from upwell.errors import Rejected
from upwell.event import NEEDS_ACTOR, Delivery
from upwell.money import Rates
from upwell.period import to_instant
from upwell.query import Answer, Desk, Question
from upwell.query.rows import rows

ZONES = (
    "UTC", "America/New_York", "Europe/Berlin", "Asia/Kathmandu",
    "Asia/Beirut",  # clocks change at midnight
    "Australia/Lord_Howe",  # and by half an hour
)  # fmt: skip
# Days around changes of clocks, leap days, ends of years.
AROUND = tuple(
    dt.date.fromisoformat(day)
    for day in ("2024-03-30", "2024-10-26", "2024-11-02", "2024-10-05", "2024-02-28", "2023-12-31")
)
OWN_KEYS = ("team", 'a.b"c/d~*', "größe")
METRICS = (*model.PLUS, *model.PEOPLE, "sessions", "activation_rate")
RATES = {
    "USD": {dt.date(2023, 1, 2): Decimal("1.07"), dt.date(2024, 2, 29): Decimal("1.0813")},
    "JPY": {dt.date(2023, 1, 2): Decimal("140.55"), dt.date(2024, 3, 30): Decimal("163.45")},
    "ZAR": {dt.date(2024, 3, 31): Decimal("20.52")},  # no rate before
}
TYPES = (
    "revenue", "refund", "signup", "activation", "page_view", "page_view", "session", "churn",
    "engagement", "kpi", "identify", "identify", "merge", "merge", "unmerge",
)  # fmt: skip


def per_euro(currency: str, day: dt.date) -> Fraction | None:
    if currency == "EUR":
        return Fraction(1)
    known = [at for at in RATES.get(currency, {}) if at <= day]
    return Fraction(RATES[currency][max(known)]) if known else None


class Town(NamedTuple):
    """A house with some history, and what brute force knows of it."""

    world: World
    desk: Desk
    house: model.House


DAYS = (-370, -30, -15, -7, -2, -1, 0, 0, 0, 1, 2, 3, 16)


@st.composite
def histories(
    draw: st.DrawFn, types: tuple[str, ...] = TYPES, days: tuple[int, ...] = DAYS
) -> tuple[Any, ...]:
    """Zone, first weekday, deliveries with their times, which is retracted when, and now."""
    zone, week_start = draw(st.sampled_from(ZONES)), draw(st.sampled_from((0, 6)))
    base = model.opens(zone, draw(st.sampled_from(AROUND)))
    events = st.builds(
        _event,
        st.sampled_from(types),
        st.sampled_from(PRODUCTS),
        st.sampled_from(days),
        st.integers(0, 24 * 12 - 1),
        st.sampled_from((None, "ann", "bob", "cy", "staff-1")),
        st.sampled_from(("9.99", "0", "100", "0.000000001", "12345678.5")),
        st.sampled_from(("USD", "EUR", "JPY", "ZAR", "NGN")),
        st.dictionaries(
            st.sampled_from(("plan", "country", "channel", "reason", *OWN_KEYS)),
            st.sampled_from(("a", "b", "", "(none)", 7, True)),
            max_size=3,
        ),
    )
    deliveries, at = [], base - 400 * 24 * model.HOUR
    for part in draw(st.lists(st.lists(events, min_size=1, max_size=8), min_size=1, max_size=4)):
        placed = [event._replace(at=base + event.at) for event in part]
        newest = max(event.at for event in placed)
        at = max(
            at + 1, newest + draw(st.sampled_from((-30, 5, 60, 3000, 60 * 24 * 20))) * 60_000_000
        )
        deliveries.append((at, placed))
    gone = draw(st.one_of(st.none(), st.integers(0, len(deliveries) - 1)))
    at += draw(st.integers(1, 3 * 24 * 60)) * 60_000_000
    retracted = None if gone is None else (gone, at)
    now = at + draw(st.sampled_from((0, 1, 60, 60 * 30, 60 * 24 * 15))) * 60_000_000
    return zone, week_start, deliveries, retracted, now


class Draft(NamedTuple):
    """An event whose time is still relative."""

    type: str
    product: str
    at: int
    actor: str | None
    value: str
    currency: str
    metadata: dict[str, Any]

    def event(self, number: int) -> Event:
        money = self.type in ("revenue", "refund")
        needs = self.type in NEEDS_ACTOR
        return Event(
            product=self.product,
            type=self.type,
            at=self.at,
            source=("app", "site")[number % 2],
            actor=self.actor or ("dee" if needs else None),
            value=Decimal(self.value) if money or self.type == "kpi" else None,
            currency=self.currency if money else None,
            key=f"k{number}",
            metadata=self.metadata | self._identity(number),
        )

    def _identity(self, number: int) -> dict[str, Any]:
        """Whom an event of identity names."""
        other = ("ann", "bob", "cy", "staff-1")[number % 4]
        if self.type == "identify":
            trait = {"email": f"{other}@b.example"}, {"external_id": number % 3}
            return {"anonymous_id": other} if number % 3 == 0 else trait[number % 2]
        return {"into": other} if self.type == "merge" else {}


def _event(
    kind: str, product: str, day: int, five: int, actor: str | None, value: str, currency: str,
    metadata: dict[str, Any],
) -> Draft:  # fmt: skip
    at = day * 24 * model.HOUR + five * 300_000_000
    return Draft(kind, product, at, actor, value, currency, metadata)


@contextmanager
def town(history: tuple[Any, ...]) -> Iterator[Town]:
    """The history told to a real house, and to the model."""
    zone, week_start, deliveries, retracted, now = history
    rules = Rules(zone=zone, exclude=("staff-*",))
    own = msgspec.structs.replace(ground(rules, PRODUCTS), week_start=week_start, currency="USD")
    number = 0
    told: list[tuple[int, list[Event]]] = []
    for at, drafts in deliveries:
        told.append((at, [draft.event(number + n) for n, draft in enumerate(drafts)]))
        number += len(drafts)
    with tempfile.TemporaryDirectory() as path, world(Path(path)) as opened:
        body = msgspec.json.encode(own)
        opened.take(
            Delivery(kind="config", source="upwell", received_at=deliveries[0][0], body=body)
        )
        seqs = [opened.take(batch(events, at))[0] for at, events in told]
        versions = [
            model.Version(event, at, delivery=seq)
            for seq, (at, events) in zip(seqs, told, strict=True)
            for _, event in Counted([(at, event) for event in events], rules).stored
            if not rules.leaves_out(event)
        ]
        came = {e.product: at for at, events in reversed(told) for e in events}
        if retracted is not None:
            gone, when = retracted
            about = {"deliveries": [seqs[gone]], "import_id": None}
            opened.take(Delivery(kind="retract", source="upwell", received_at=when, about=about))
            versions = [
                replace(v, superseded=when) if v.delivery == seqs[gone] else v for v in versions
            ]
        house = model.House(zone, week_start, now, "USD", per_euro, versions, came)
        desk = Desk(opened.projection, lambda: Rates(RATES))
        yield Town(opened, desk, house)


@st.composite
def questions(draw: st.DrawFn, /, history: tuple[Any, ...], **fixed: Any) -> model.Asked:
    zone, _, deliveries, _, now = history
    times = [now, *(draft.at for _, drafts in deliveries for draft in drafts)]
    near = model.local(zone, draw(st.sampled_from(times))).date()
    start = near - dt.timedelta(days=draw(st.sampled_from((0, 0, 1, 2, 5, 30))))
    grain = draw(st.sampled_from(("hour", "day", "day", "week", "month", "quarter", "year")))
    length = (1, 2) if grain == "hour" else (1, 2, 3, 8, 31, 60)
    if draw(st.booleans()) and grain != "hour":
        start = start.replace(day=1)
    end = start + dt.timedelta(days=draw(st.sampled_from(length)))
    if draw(st.booleans()) and grain != "hour":
        end = (start.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
    received = [at for at, _ in deliveries]
    metric = fixed.get("metric") or draw(st.sampled_from(METRICS))
    keys: tuple[str | None, ...] = (None, "product")
    if metric not in ("sessions", "activation_rate"):
        keys += ("plan", "country", "channel", "source", "reason", *OWN_KEYS)
    if metric in model.MONEY:
        keys += ("currency",)
    filters = {}
    if len(keys) > 2 and draw(st.booleans()):
        name = draw(st.sampled_from([key for key in keys[2:] if key != "currency"]))
        filters[str(name)] = tuple(
            draw(
                st.lists(
                    st.sampled_from(("a", "b", "(none)", "7", "true")),
                    min_size=1,
                    max_size=2,
                    unique=True,
                )
            )
        )
    begun = start - dt.timedelta(days=draw(st.integers(1, 40)))
    over = min(begun + dt.timedelta(days=draw(st.sampled_from(length))), start)
    own = f"{begun}..{over}"
    asked = model.Asked(
        metric=metric,
        start=start,
        end=end,
        products=draw(st.sampled_from((PRODUCTS, PRODUCTS[:2], PRODUCTS[:1]))),
        grain=grain,
        by=draw(st.sampled_from(keys)),
        where=filters,
        compare=draw(st.sampled_from((None, None, "previous", "week", "year", own))),
        known_at=draw(
            st.one_of(
                st.none(),
                st.sampled_from(received).map(lambda at: at - 1),
                st.sampled_from(received),
                st.integers(received[0] - 10, now + model.HOUR),
            )
        ),
        currency=draw(st.sampled_from((None, None, "EUR", "JPY", "ZAR", "native"))),
    )
    return replace(asked, **fixed)


def ask(town: Town, asked: model.Asked) -> Answer:
    question = as_question(asked)
    return town.desk.answer(question, SYSTEM, to_instant(town.house.now))


def as_question(asked: model.Asked) -> Question:
    """What the desk is asked."""
    return Question(
        metric=asked.metric,
        product=asked.products,
        start=asked.start,
        end=asked.end,
        grain=asked.grain,  # type: ignore[arg-type]
        by=asked.by,
        where=dict(asked.where),
        compare=asked.compare,
        known_at=None if asked.known_at is None else to_instant(asked.known_at),
        currency=asked.currency,
    )


def same(found: Any, expected: model.Number) -> bool:
    if found is None or expected is None:
        return found is None and expected is None
    return abs(Fraction(str(found)) - Fraction(expected)) < Fraction(1, 10**6)


def agree(town: Town, asked: model.Asked) -> None:
    """Assert that the desk answers what brute force does."""
    found, expected = ask(town, asked), model.answer(town.house, asked)
    lines = {line.key: line for line in found.series}
    unknown = _unknown(town.house, asked)
    assert set(lines) == set(expected)
    for key, line in expected.items():
        own = (key.split(" · ")[0],) if asked.by == "product" else asked.products
        blank = unknown.issuperset(own)
        for wanted, got in ((line, lines[key]), (line.compare, lines[key].compare)):
            if wanted is None or got is None:
                assert wanted is None
                assert got is None
                continue
            values = [None] * len(wanted.values) if blank else wanted.values
            total = None if blank else wanted.total
            assert [point.start for point in got.points] == wanted.starts
            assert [point.complete for point in got.points] == wanted.complete
            shown = [point.value for point in got.points]
            assert all(map(same, shown, values)), (shown, list(map(str, values)))
            assert same(got.total, total), (got.total, str(total))
    assert bool(found.note) == bool(unknown or model.others_now(town.house, asked))
    if not unknown:
        assert found.unlinked == model.unlinked(town.house, asked)


def _unknown(house: model.House, asked: model.Asked) -> set[str]:
    """The products of which nothing was known at the time asked for."""
    if asked.known_at is None:
        return set()
    at = min(asked.known_at, house.now)
    return {
        product
        for product in asked.products
        if product not in house.came or house.came[product] > at
    }


UNHURRIED = settings(
    deadline=None,
    max_examples=int(os.environ.get("UPWELL_EXAMPLES", "12")),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # one failure prints the whole history
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@UNHURRIED
@given(st.data())
def test_answers_are_what_brute_force_gives(data: st.DataObject) -> None:
    history = data.draw(histories())
    with town(history) as here:
        for _ in range(12):
            agree(here, data.draw(questions(history)))


@UNHURRIED
@given(st.data())
def test_a_rate_so_far_goes_beside_the_same_part_of_an_earlier_span(data: st.DataObject) -> None:
    """Who had entered by then, for the first time, and who of them had done it by then."""
    entering = ("signup", "signup", "activation", "activation", "merge", "unmerge")
    history = data.draw(histories(entering, tuple(range(-40, 1))))
    zone, _, _, _, now = history
    today = model.local(zone, now).date()
    with town(history) as here:
        for back in (0, 1, 7, 19):
            start = today - dt.timedelta(days=back)
            asked = model.Asked(
                "activation_rate",
                start,
                start + dt.timedelta(days=20),
                PRODUCTS,
                compare="previous",
            )
            for by in (None, "product"):
                agree(here, replace(asked, by=by))


@UNHURRIED
@given(st.data())
def test_every_metric_over_the_same_history(data: st.DataObject) -> None:
    history = data.draw(histories())
    shape = data.draw(questions(history, metric="revenue", by=None, where={}, currency=None))
    with town(history) as here:
        for metric in METRICS:
            agree(here, replace(shape, metric=metric))


@UNHURRIED
@given(st.data())
def test_parts_of_sums_add_up_and_rows_too(data: st.DataObject) -> None:
    history = data.draw(histories())
    with town(history) as here:
        for _ in range(4):
            metric = data.draw(st.sampled_from(tuple(model.PLUS)))
            asked = data.draw(questions(history, metric=metric, compare=None, currency="EUR"))
            if _unknown(here.house, asked):
                continue
            whole = ask(here, replace(asked, by=None))
            lost = {money.currency: money.total for money in whole.unconverted}
            for by in ("product", "plan", "source", *OWN_KEYS):
                split = ask(here, replace(asked, by=by))
                assert same(_sum(split), _exact(_sum(whole)))
                assert lost == {money.currency: money.total for money in split.unconverted}
            middle = asked.start + (asked.end - asked.start) // 2
            if middle > asked.start and asked.grain != "hour":
                parts = [
                    ask(here, replace(asked, end=middle)),
                    ask(here, replace(asked, start=middle)),
                ]
                assert same(sum(map(_sum, parts)), _exact(_sum(whole)))
            _rows_add_up(here, replace(asked, currency="native"))


def _exact(value: Decimal) -> Fraction:
    return Fraction(value)


def _sum(answer: Answer) -> Decimal:
    return sum((Decimal(str(line.total or 0)) for line in answer.series), Decimal(0))


def _rows_add_up(here: Town, asked: model.Asked) -> None:
    """The events behind each line, read page by page, add up to its total."""
    seen = to_instant(here.house.now)
    plan = here.desk.plan(as_question(asked), SYSTEM, seen)
    for line in ask(here, asked).series:
        total, cursor = Decimal(0), None
        while True:
            page = rows(
                plan, here.world.projection, SYSTEM, lambda _: None, key=line.key, limit=3,
                cursor=cursor,
            )  # fmt: skip
            for row in page.rows:
                sign = -1 if asked.metric == "revenue" and row.event.event_type == "refund" else 1
                money = asked.metric in model.MONEY
                total += sign * (row.event.value if money else 1)
                assert "E" not in str(row.event.value) or abs(row.event.value) < 1
            cursor = page.cursor
            if cursor is None:
                break
        begun = [p for p in line.points if p.value is not None]
        if len(begun) == len(line.points):  # rows of what lies ahead are shown, and not counted
            assert total == Decimal(str(line.total))


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"where": {"plan": ()}}, "bad_filter"),
    ({"where": {"product": ("mail",)}}, "bad_filter"),
    ({"by": "currency"}, "no_such_split"),
    ({"metric": "sessions", "by": "plan"}, "no_such_split"),
    ({"metric": "activation_rate", "where": {"plan": ("a",)}}, "no_such_split"),
    ({"currency": "QQQ"}, "unknown_currency"),
    ({"policy": "recurly"}, "unknown_policy"),
    ({"product": ("male",)}, "unknown_product"),
    ({"end": dt.date(2024, 3, 1)}, "empty_range"),
    ({"start": dt.date(1, 1, 1)}, "far_range"),
    ({"end": dt.date(9999, 1, 1)}, "far_range"),
    ({"start": dt.date(2000, 1, 1)}, "long_range"),
    ({"start": dt.date(2022, 1, 1), "by": "team"}, "long_scan"),
]


@pytest.mark.parametrize(("change", "code"), REFUSED)
def test_an_unusual_question_is_refused_and_says_why(
    tmp_path: Path, change: dict[str, Any], code: str
) -> None:
    days = {"start": dt.date(2024, 3, 1), "end": dt.date(2024, 3, 2)}
    with world(tmp_path) as empty:
        empty.take(config(Rules()))
        desk = Desk(empty.projection)
        question = Question(**({"metric": "signups"} | days | change))
        with pytest.raises(Rejected) as refused:
            desk.answer(question, SYSTEM, dt.datetime(2024, 3, 9, tzinfo=dt.UTC))
    assert refused.value.problem.code == code
    assert refused.value.problem.fix
