"""Every way in which a company's own metric counts answers what brute force over events does."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.laws.world import PRODUCTS, batch, ground, world
from tests.oracle import answers as model
from tests.oracle.plain import NOT_ACTIVITY, Event, Rules
from upwell.access import SYSTEM
from upwell.event import Delivery
from upwell.metrics.own import Own
from upwell.period import to_instant
from upwell.query import Desk, Question

ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu")
DAY = 24 * model.HOUR
MONDAY = dt.date(2024, 4, 1)  # a day after clocks changed in Berlin
LOOKS_BACK = 400  # days for which a newest value stands
Number = Fraction | None


class Counted(NamedTuple):
    """An event, when it was received, and its place among those of one instant."""

    event: Event
    received: int
    place: int


@st.composite
def stories(draw: st.DrawFn) -> tuple[str, list[Own], list[list[Event]], bool]:
    """Zone, metrics, events in deliveries, and whether the metrics were there before them."""
    zone = draw(st.sampled_from(ZONES))
    base = model.opens(zone, MONDAY)
    events = st.builds(
        lambda kind, product, day, half, who, value, metadata: Event(
            product,
            kind,
            base + day * DAY + half * model.HOUR // 2,
            actor=who,
            value=Decimal(value) if kind == "kpi" else None,
            metadata=metadata,
        ),
        st.sampled_from(("kpi", "kpi", "engagement", "page_view")),
        st.sampled_from(PRODUCTS),
        st.sampled_from((-402, -400, -399, -9, -2, -1, -1, 0, 0, 0)),
        st.integers(0, 47),
        st.sampled_from((None, "ann", "bob", "cy")),
        st.sampled_from(("1", "0", "2.5", "-3", "100")),
        st.dictionaries(
            st.sampled_from(("name", "plan", "doc")),
            st.sampled_from(("a", "b", "", 7, True)),
            max_size=3,
        ),
    )
    parts = draw(st.lists(st.lists(events, min_size=1, max_size=9), min_size=1, max_size=3))
    keyed = [
        [Event(**{**vars(event), "key": f"{part}-{n}"}) for n, event in enumerate(own)]
        for part, own in enumerate(parts)
    ]
    owns = [draw(metrics(f"m{number}")) for number in range(3)]
    ratio = Own(name="share", aggregate="ratio", numerator="m0", denominator="m1")
    return zone, [*owns, ratio], keyed, draw(st.booleans())


@st.composite
def metrics(draw: st.DrawFn, name: str) -> Own:
    aggregate, of = draw(
        st.sampled_from(
            (
                ("sum", "value"),
                ("count", "value"),
                ("latest", "value"),
                ("latest", "value"),
                ("unique", "actor_id"),
                ("unique", "metadata.doc"),
                ("unique", "metadata.doc"),
            )
        )
    )
    return Own(
        name=name,
        aggregate=aggregate,  # type: ignore[arg-type]
        of=of,
        types=draw(st.sampled_from((None, ("kpi",), ("engagement", "page_view")))),
        named=draw(st.sampled_from((None, None, "a"))),
        where=draw(st.sampled_from(((), (), (("plan", ("a", "7")),)))),
    )


def text(event: Event, name: str) -> str | None:
    """A value of the metadata as text."""
    value = event.metadata.get(name)
    return value if value is None or isinstance(value, str) else json.dumps(value)


def counts(own: Own, event: Event) -> bool:
    if event.type in NOT_ACTIVITY if own.types is None else event.type not in own.types:
        return False
    if own.named is not None and text(event, "name") != own.named:
        return False
    return all(text(event, key) in allowed for key, allowed in own.where)


def brute(
    own: Own, events: Sequence[Counted], opens: int, closes: int, day_of: Callable[[int], dt.date]
) -> Number:
    """The value of a bucket, from the events that count and had happened."""
    now = [one.event for one in events if opens <= one.event.at < closes]
    match own.aggregate, own.of:
        case "count", _:
            return Fraction(len(now))
        case "sum", _:
            return sum((worth(event) for event in now), Fraction(0))
        case "unique", "actor_id":
            return Fraction(len({(e.product, e.actor) for e in now if e.actor is not None}))
        case "unique", _:
            return Fraction(len({text(e, "doc") for e in now} - {None}))
    last = day_of(closes - 1)
    newest: dict[str, Fraction] = {}
    for one in sorted(events, key=lambda one: (one.event.at, one.place)):
        since = last - dt.timedelta(days=LOOKS_BACK)
        if one.event.at < closes and day_of(one.event.at) >= since:
            newest[one.event.product] = worth(one.event)
    return sum(newest.values(), Fraction(0)) if newest else None


def worth(event: Event) -> Fraction:
    return Fraction(1) if event.value is None else Fraction(event.value)


def over(above: Number, below: Number) -> Number:
    return None if above is None or not below else above / below


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(stories(), st.data())
def test_own_metrics_are_what_brute_force_gives(
    story: tuple[str, list[Own], list[list[Event]], bool], data: st.DataObject
) -> None:
    zone, owns, parts, before = story
    rules = msgspec.structs.replace(ground(Rules(zone=zone)), metrics=tuple(owns))
    first = model.opens(zone, MONDAY) + DAY  # when everything had happened
    opening = [Event(p, "signup", first - 8 * DAY, actor="zoe", key=p) for p in PRODUCTS]
    told = [
        (first + n * model.HOUR, [*opening, *own] if n == 0 else own) for n, own in enumerate(parts)
    ]
    now = told[-1][0] + 2 * model.HOUR
    config = Delivery(
        kind="config", source="upwell", received_at=first, body=msgspec.json.encode(rules)
    )
    with tempfile.TemporaryDirectory() as path, world(Path(path)) as house:
        plain = Delivery(
            kind="config",
            source="upwell",
            received_at=first,
            body=msgspec.json.encode(ground(Rules(zone=zone))),
        )
        house.take(config if before else plain)
        house.take(*(batch(events, at) for at, events in told))
        house.take(config)
        known = [
            Counted(event, at, place)
            for at, events in told
            for place, event in enumerate(events, 100 * at)
        ]
        for _ in range(6):
            _agree(Desk(house.projection), zone, owns, known, now, data)


def _agree(
    desk: Desk, zone: str, owns: list[Own], known: list[Counted], now: int, data: st.DataObject
) -> None:
    # As known before the last delivery, once there was one; before all there is no answer.
    times = sorted({now, known[-1].received - 1} - {known[0].received - 1})
    grain = data.draw(st.sampled_from(("hour", "day", "day", "week", "month")))
    start = MONDAY - dt.timedelta(days=data.draw(st.sampled_from((0, 1, 3, 12))))
    end = start + dt.timedelta(days=data.draw(st.sampled_from((1, 2, 9, 33))))
    asked = model.Asked(
        metric=data.draw(st.sampled_from([own.name for own in owns])),
        start=start,
        end=end,
        products=data.draw(st.sampled_from((PRODUCTS, PRODUCTS[:1]))),
        grain=grain,
        by=data.draw(st.sampled_from((None, None, "product", "plan"))),
        where=data.draw(st.sampled_from(({}, {}, {"plan": ("a", "(none)")}))),
        known_at=data.draw(st.sampled_from((None, None, *times))),
    )
    question = Question(
        metric=asked.metric,
        product=asked.products,
        start=start,
        end=end,
        grain=grain,  # type: ignore[arg-type]
        by=asked.by,
        where=dict(asked.where),
        known_at=None if asked.known_at is None else to_instant(asked.known_at),
    )
    found = {line.key: line for line in desk.answer(question, SYSTEM, to_instant(now)).series}
    expected = _expected(zone, owns, known, now, asked)
    assert set(found) == set(expected), asked
    for key, (values, total) in expected.items():
        shown = [point.value for point in found[key].points]
        assert all(map(same, shown, values)), (asked, key, shown, values)
        assert same(found[key].total, total), (asked, key, found[key].total, total)


def same(shown: Any, expected: Number) -> bool:
    if shown is None or expected is None:
        return shown is None and expected is None
    return abs(Fraction(str(shown)) - expected) < Fraction(1, 10**6)


def _expected(
    zone: str, owns: list[Own], known: list[Counted], now: int, asked: model.Asked
) -> dict[str, tuple[list[Number], Number]]:
    """Points and total of each line."""
    seen = now if asked.known_at is None else min(now, asked.known_at)
    named = {own.name: own for own in owns}
    own = named[asked.metric]
    if own.aggregate == "ratio":
        assert own.numerator is not None
        assert own.denominator is not None
        above, below = (
            _expected(zone, owns, known, now, replace(asked, metric=name))
            for name in (own.numerator, own.denominator)
        )
        return {
            key: (
                [over(*pair) for pair in zip(values, below[key][0], strict=True)],
                over(total, below[key][1]),
            )
            if key in below
            else ([None] * len(values), None)
            for key, (values, total) in above.items()
        }

    def day_of(at: int) -> dt.date:
        return model.local(zone, at).date()

    spans = model.spans(model.House(zone, 0, now, "USD", lambda *_: None, [], {}), asked)
    back = asked.start - dt.timedelta(days=LOOKS_BACK if own.aggregate == "latest" else 0)
    lines: dict[str, list[Counted]] = {}
    if asked.by in (None, "product"):
        lines = {key: [] for key in (asked.products if asked.by else ("",))}
    for one in known:
        event = one.event
        there = event.product in asked.products and back <= day_of(event.at) < asked.end
        what = {"actor_id": event.actor, "metadata.doc": text(event, "doc")}.get(own.of, "")
        counted = counts(own, event) and model.passes(asked, event) and one.received <= seen
        if there and what is not None and counted:
            lines.setdefault(model.key_of(asked, event), []).append(one)
    begun = [span for span in spans if span.opens <= seen]
    ahead: list[Number] = [None] * (len(spans) - len(begun))
    found = {}
    for key, events in lines.items():
        values = [brute(own, events, span.opens, span.closes, day_of) for span in begun]
        whole = brute(own, events, begun[0].opens, begun[-1].closes, day_of)
        found[key] = ([*values, *ahead], whole)
    return found
