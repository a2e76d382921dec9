"""What the desk must answer, by brute force: loops over plain events, straight from definitions.

Calendars are walked by the quarter of an hour with `zoneinfo`; money is exact fractions.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, cached_property
from typing import Any
from zoneinfo import ZoneInfo

from tests.oracle.plain import ACTIVE, NOT_ACTIVITY, Event, Rules, person_of, persons

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
QUARTER = 15 * 60 * 1_000_000
HOUR = 4 * QUARTER
WINDOW = 14 * 24 * HOUR
PLUS = {
    "revenue": "revenue", "gross_revenue": "revenue", "refunds": "refund", "signups": "signup",
    "cancellations": "churn", "churned_customers": "churn", "activations": "activation",
    "page_views": "page_view",
}  # fmt: skip
MINUS = {"revenue": "refund"}
MONEY = {"revenue", "gross_revenue", "refunds"}
PEOPLE = {"actors": None, "dau": ACTIVE, "visitors": {"page_view"}}

Number = Fraction | float | int | None
Day = dt.date


@dataclass(frozen=True)
class Version:
    """An event as it was known from one moment to another (UTC microseconds)."""

    event: Event
    recorded: int
    superseded: int | None = None
    delivery: int = 0

    def known(self, at: int | None) -> bool:
        """Whether this version held at that time; None: holds now."""
        if at is None:
            return self.superseded is None
        return self.recorded <= at and (self.superseded is None or self.superseded > at)


@dataclass(frozen=True)
class Asked:
    """A question, in plain words; `start` and `end` are days, `known_at` microseconds."""

    metric: str
    start: Day
    end: Day
    products: tuple[str, ...]
    grain: str = "day"
    by: str | None = None
    where: Mapping[str, tuple[str, ...]] = frozenset()  # type: ignore[assignment]
    compare: str | None = None
    known_at: int | None = None
    currency: str | None = None


@dataclass
class Series:
    """One line of the expected answer."""

    starts: list[str]
    values: list[Number]
    complete: list[bool]
    total: Number
    compare: Series | None = None


@dataclass(frozen=True)
class House:
    """What the answers stand on; `rates` gives the units of a currency for one euro on a day."""

    zone: str
    week_start: int
    now: int
    currency: str
    rates: Callable[[str, Day], Fraction | None]
    versions: Sequence[Version]
    came: Mapping[str, int]  # product: when its first event came, counted or not

    @cached_property
    def _persons(self) -> Mapping[tuple[str, str], frozenset[Any]]:
        return persons([v.event for v in self.versions if v.known(None)], Rules().identity)

    def person(self, event: Event) -> Any:
        """Who did it, as is known now."""
        return person_of(self._persons, event)


# -- the calendar --------------------------------------------------------------------------------


def local(zone: str, at: int) -> dt.datetime:
    """The wall clock at an instant."""
    return (EPOCH + dt.timedelta(microseconds=at)).astimezone(ZoneInfo(zone))


@cache
def opens(zone: str, day: Day) -> int:
    """The first instant of a day, or of the next one where the zone leaves it out."""
    at = (dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC) - EPOCH) // dt.timedelta(
        microseconds=1
    ) - 20 * HOUR
    while local(zone, at).date() < day:
        at += QUARTER
    return at


@dataclass(frozen=True)
class Span:
    """A bucket: its label and its instants [opens, closes)."""

    label: str
    opens: int
    closes: int


def spans(house: House, asked: Asked) -> list[Span]:
    """The buckets of the question, cut to its days."""
    if asked.grain == "hour":
        steps = range(opens(house.zone, asked.start), opens(house.zone, asked.end), QUARTER)
        named = [(_hour_name(house, at), at) for at in steps]
    else:
        days = [asked.start + dt.timedelta(n) for n in range((asked.end - asked.start).days)]
        named = [(_day_name(house, asked, day), opens(house.zone, day)) for day in days]
    firsts = [(key, at) for (key, at), (before, _) in zip(named, [(None, 0), *named], strict=False)
              if key != before]  # fmt: skip
    ends = [at for _, at in firsts[1:]] + [opens(house.zone, asked.end)]
    return [
        Span(_label(house, asked, at), at, end) for (_, at), end in zip(firsts, ends, strict=True)
    ]


def _hour_name(house: House, at: int) -> Any:
    wall = local(house.zone, at)
    return wall.date(), wall.hour, wall.utcoffset()


def _day_name(house: House, asked: Asked, day: Day) -> Any:
    if asked.grain == "week":
        return day - dt.timedelta(days=(day.weekday() - house.week_start) % 7)
    return {
        "day": day,
        "month": (day.year, day.month),
        "quarter": (day.year, (day.month - 1) // 3),
        "year": day.year,
    }[asked.grain]


def _label(house: House, asked: Asked, at: int) -> str:
    if asked.grain == "hour":
        return local(house.zone, at).isoformat(timespec="seconds")
    wall = local(house.zone, at).date()
    return max(wall, asked.start).isoformat()


# -- the answer ----------------------------------------------------------------------------------


def answer(house: House, asked: Asked) -> dict[str, Series]:
    """The expected lines by key."""
    found = _lines(house, asked, None)
    if asked.compare is None:
        return found
    start, end = compared(asked.compare, asked.start, asked.end)
    before = replace(asked, start=start, end=end, compare=None)
    earlier = _lines(house, before, None)
    seen = _seen(house, asked)
    if asked.start <= local(house.zone, seen).date() < asked.end:
        elapsed = seen - opens(house.zone, asked.start)
        until = min(opens(house.zone, start) + elapsed, opens(house.zone, end))
        totals = _lines(house, replace(before, grain="day"), until)
        for key, line in earlier.items():
            line.total = totals[key].total if key in totals else _nothing(house, before).total
    for key in found.keys() | earlier.keys():
        line = found.setdefault(key, _nothing(house, asked))
        line.compare = earlier.get(key) or _nothing(house, before)
    return found


def compared(kind: str, start: Day, end: Day) -> tuple[Day, Day]:
    """The span that a span is compared with."""
    if ".." in kind:
        first, last = map(Day.fromisoformat, kind.split(".."))
        return first, last
    days = (end - start).days
    if kind == "week":
        back = dt.timedelta(days=7 if days <= 7 else (days + 6) // 7 * 7)
        return start - back, end - back
    if kind == "year":
        if start.day == end.day == 1:
            return start.replace(year=start.year - 1), end.replace(year=end.year - 1)
        last = _year_before(end - dt.timedelta(days=1))
        return _year_before(start), last + dt.timedelta(days=1)
    if start.day == end.day == 1:
        months = (end.year - start.year) * 12 + end.month - start.month
        index = start.year * 12 + start.month - 1 - months
        return Day(index // 12, index % 12 + 1, 1), start
    return start - dt.timedelta(days=days), start


def _year_before(day: Day) -> Day:
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)


def _seen(house: House, asked: Asked) -> int:
    return house.now if asked.known_at is None else min(asked.known_at, house.now)


def _nothing(house: House, asked: Asked) -> Series:
    values: list[Number] = [None if asked.metric == "activation_rate" else 0]
    seen = _seen(house, asked)
    lines = [values[0] if span.opens <= seen else None for span in spans(house, asked)]
    begun = opens(house.zone, asked.start) <= seen
    return _series(house, asked, lines, values[0] if begun else None)


def _series(house: House, asked: Asked, values: list[Number], total: Number) -> Series:
    seen = _seen(house, asked)
    ripens = WINDOW if asked.metric == "activation_rate" else 0
    buckets = spans(house, asked)
    return Series(
        [span.label for span in buckets],
        [v if span.opens <= seen else None for v, span in zip(values, buckets, strict=True)],
        [span.closes + ripens <= seen for span in buckets],
        total,
    )


def _lines(house: House, asked: Asked, until: int | None) -> dict[str, Series]:
    """Every line; `until` leaves out what happened from that instant on."""
    at = None if asked.known_at is None else _seen(house, asked)
    events = [
        version.event
        for version in house.versions
        if version.known(at) and version.event.product in asked.products
    ]
    if asked.metric in PLUS:
        return _sums(house, asked, events, _to_the_hour(house, asked, until))
    if asked.metric in PEOPLE:
        return _people(house, asked, events, until)
    groups = {p: [e for e in events if e.product == p] for p in asked.products}
    if asked.by is None:
        groups = {"": events}
    if asked.metric == "sessions":
        cut = _to_the_hour(house, asked, until)
        return {k: _sessions(house, asked, own, cut) for k, own in groups.items()}
    return {k: _rate(house, asked, own, until) for k, own in groups.items()}


def _to_the_hour(house: House, asked: Asked, until: int | None) -> int | None:
    """Kept sums of a span that has run for two days are compared to the full hour."""
    kept = asked.by in (None, "product", "currency") and not asked.where and asked.known_at is None
    if until is None or not kept:
        return until
    wall = local(house.zone, until)
    if (wall.date() - asked.start).days < 2:
        return until
    whole = wall.replace(minute=0, second=0, microsecond=0)
    return (whole.astimezone(dt.UTC) - EPOCH) // dt.timedelta(microseconds=1)


def key_of(asked: Asked, event: Event) -> str:
    """The line that an event belongs to."""
    if asked.by is None:
        return ""
    return _value_of(asked.by, event)


def _value_of(name: str, event: Event) -> str:
    if name in ("product", "source", "currency"):
        return getattr(event, name) or "(none)"
    value = event.metadata.get(name)
    if value is None or value == "":
        return "(none)"
    return value if isinstance(value, str) else json.dumps(value)


def passes(asked: Asked, event: Event) -> bool:
    """Whether the filters let the event through."""
    return all(_value_of(name, event) in allowed for name, allowed in dict(asked.where).items())


def inside(house: House, asked: Asked, event: Event) -> bool:
    """Whether the event lies in the days asked for, of those that have begun."""
    day = local(house.zone, event.at).date()
    return asked.start <= day < asked.end and day <= local(house.zone, _seen(house, asked)).date()


# -- sums ----------------------------------------------------------------------------------------


def _sums(
    house: House, asked: Asked, events: Iterable[Event], until: int | None
) -> dict[str, Series]:
    signs = {PLUS[asked.metric]: 1}
    if asked.metric in MINUS:
        signs[MINUS[asked.metric]] = -1
    own = [e for e in events if e.type in signs and inside(house, asked, e) and passes(asked, e)
           and (until is None or e.at < until)]  # fmt: skip
    groups: dict[str, list[Event]] = {}
    if asked.by in (None, "product") and not (asked.currency == "native" and asked.metric in MONEY):
        groups = {key: [] for key in ([""] if asked.by is None else asked.products)}
    for event in own:
        key = key_of(asked, event)
        if asked.currency == "native" and asked.metric in MONEY and asked.by != "currency":
            key = f"{key} · {event.currency}" if key else str(event.currency)
        groups.setdefault(key, []).append(event)
    found = {}
    for key, mine in groups.items():
        values = [
            _amount(house, asked, [e for e in mine if span.opens <= e.at < span.closes], signs)
            for span in spans(house, asked)
        ]
        seen = _seen(house, asked)
        shown = [s for s in spans(house, asked) if s.opens <= seen]
        whole = [e for e in mine if any(s.opens <= e.at < s.closes for s in shown)]
        total = _amount(house, asked, whole, signs) if shown else None
        found[key] = _series(house, asked, values, total)
    return found


def _amount(
    house: House, asked: Asked, events: Sequence[Event], signs: Mapping[str, int]
) -> Number:
    if asked.metric not in MONEY:
        return sum(signs[event.type] for event in events)
    total, lost = Fraction(0), 0
    for event in events:
        assert event.value is not None
        assert event.currency is not None
        rate = _rate_of(house, asked, event)
        if rate is None:
            lost += 1
        else:
            total += signs[event.type] * Fraction(event.value) * rate
    return None if lost and lost == len(events) else total


def _rate_of(house: House, asked: Asked, event: Event) -> Fraction | None:
    target = asked.currency or house.currency
    assert event.currency is not None
    if target in ("native", event.currency):
        return Fraction(1)
    day = local(house.zone, event.at).date()
    one, other = house.rates(event.currency, day), house.rates(target, day)
    return None if one is None or other is None else other / one


# -- people --------------------------------------------------------------------------------------


def _people(
    house: House, asked: Asked, events: Iterable[Event], until: int | None
) -> dict[str, Series]:
    today = local(house.zone, _seen(house, asked)).date()
    if until is not None and asked.metric == "dau":
        cut = local(house.zone, until).date()
        asked = replace(asked, end=max(cut, asked.start + dt.timedelta(days=1)))
    own = _did(house, asked, events, until)
    groups: dict[str, list[Event]] = {}
    if asked.by in (None, "product"):
        groups = {key: [] for key in ([""] if asked.by is None else asked.products)}
    for event in own:
        groups.setdefault(key_of(asked, event), []).append(event)
    found = {}
    for key, mine in groups.items():
        if asked.metric == "dau" and asked.grain != "hour":
            values: list[Number] = [
                _mean(house, mine, _date(house, s.opens), _last(house, s), today)
                for s in spans(house, asked)
            ]
        else:
            values = [
                _count(house, (e for e in mine if s.opens <= e.at < s.closes))
                for s in spans(house, asked)
            ]
        total: Number = _count(house, mine)
        if asked.metric == "dau":
            total = _mean(house, mine, asked.start, asked.end, today)
        found[key] = _series(house, asked, values, total if asked.start <= today else None)
    return found


def _did(
    house: House, asked: Asked, events: Iterable[Event], until: int | None = None
) -> list[Event]:
    """The events that make people count."""
    types, seen = PEOPLE[asked.metric], _seen(house, asked)
    return [
        e for e in events
        if e.actor is not None
        and (e.type in types if types is not None else e.type not in NOT_ACTIVITY)
        and inside(house, asked, e) and passes(asked, e) and (until is None or e.at < until)
        and (asked.grain != "hour" or asked.metric == "dau" or _hour_begun(house, asked, e, seen))
    ]  # fmt: skip


def others_now(house: House, asked: Asked) -> bool:
    """Whether it was said after the past time asked for who is one with whom, or taken back."""
    if asked.known_at is None or asked.metric in PLUS:
        return False
    said = [v for v in house.versions if v.event.type in ("identify", "merge", "unmerge")]
    return any(v.known(_seen(house, asked)) != v.known(None) for v in said)


def unlinked(house: House, asked: Asked) -> int | None:
    """How many of the people counted are not known to be the same in two of the products."""
    if asked.metric not in ("actors", "visitors") or len(asked.products) < 2:
        return None
    if asked.by not in (None, "product"):
        return None
    today = local(house.zone, _seen(house, asked)).date()
    known = [v.event for v in house.versions if v.known(asked.known_at)]
    here = [e for e in known if e.product in asked.products and _date(house, e.at) <= today]
    did = _did(house, asked, here)
    people = {house.person(event) for event in did}
    places = [{one[0] for one in who if len(one) == 2} for who in people]
    return sum(len(own.intersection(asked.products)) < 2 for own in places)


def _hour_begun(house: House, asked: Asked, event: Event, seen: int) -> bool:
    return any(s.opens <= event.at < s.closes and s.opens <= seen for s in spans(house, asked))


def _count(house: House, events: Iterable[Event]) -> int:
    return len({house.person(event) for event in events})


def _date(house: House, at: int) -> Day:
    return local(house.zone, at).date()


def _last(house: House, span: Span) -> Day:
    return _date(house, span.closes - 1) + dt.timedelta(days=1)


def _mean(house: House, events: Sequence[Event], start: Day, end: Day, today: Day) -> Number:
    """The mean of the days that are over; before the first is, the running day so far."""
    days = [start + dt.timedelta(n) for n in range((end - start).days)]
    over = [day for day in days if day < today] or [day for day in days if day <= today][:1]
    if not over:
        return None
    counts = [_count(house, (e for e in events if _date(house, e.at) == day)) for day in over]
    return Fraction(sum(counts), len(counts))


def _sessions(house: House, asked: Asked, events: Sequence[Event], until: int | None) -> Series:
    begins: list[int] = []
    for product in {event.product for event in events}:
        own = [e for e in events if e.product == product]
        if any(e.type == "session" for e in own):
            begins += [e.at for e in own if e.type == "session"]
            continue
        views: dict[Any, set[int]] = {}
        for event in own:
            early = until is None or event.at < until
            if event.type == "page_view" and event.actor is not None and early:
                views.setdefault(house.person(event), set()).add(event.at // 1_000_000)
        for seconds in views.values():
            begins += [
                second * 1_000_000
                for second in seconds
                if not any(0 < second - other < 1800 for other in seconds)
            ]
    seen = _seen(house, asked)
    today = _date(house, seen)
    begins = [at for at in begins if until is None or at < until]
    begins = [at for at in begins if _date(house, at) <= today]
    values: list[Number] = [
        sum(s.opens <= at < s.closes for at in begins) for s in spans(house, asked)
    ]
    shown = [v for v, s in zip(values, spans(house, asked), strict=True) if s.opens <= seen]
    return _series(house, asked, values, sum(v or 0 for v in shown) if shown else None)


def _rate(house: House, asked: Asked, events: Sequence[Event], until: int | None) -> Series:
    own = [e for e in events if e.actor is not None and (until is None or e.at < until)]
    entered: dict[tuple[str, Any], int] = {}
    for event in own:
        if event.type == "signup":
            who = (event.product, house.person(event))
            entered[who] = min(entered.get(who, event.at), event.at)
    reached = {
        who
        for who, at in entered.items()
        if any(
            e.type == "activation"
            and (e.product, house.person(e)) == who
            and at <= e.at <= at + WINDOW
            for e in own
        )
    }

    today = _date(house, _seen(house, asked))

    def share(low: int, high: int) -> Number:
        begun = [who for who, at in entered.items() if _date(house, at) <= today]
        inside = [who for who in begun if low <= entered[who] < high]
        return Fraction(sum(who in reached for who in inside), len(inside)) if inside else None

    values = [share(s.opens, s.closes) for s in spans(house, asked)]
    whole = share(opens(house.zone, asked.start), opens(house.zone, asked.end))
    return _series(house, asked, values, whole if asked.start <= today else None)
