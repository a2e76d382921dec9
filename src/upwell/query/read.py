"""Reading the sums: for every line of an answer, its value in each bucket and over the whole span.

Three ways lead to the same numbers: the sums in memory (no dimension asked), the cells on disk
(declared dimensions), and a bounded scan of stored events (anything else, and what was known at a
past time where no sum was kept of it).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from upwell.metrics.catalog import (
    Cohort,
    Distinct,
    Latest,
    MeanOfDays,
    Net,
    Reported,
    Sessions,
    Sum,
    Trailing,
    Unique,
)
from upwell.money import Quote, Rates, converted
from upwell.period import to_date
from upwell.projection import Projection
from upwell.projection.store import ENTERED, REACHED, VISIT
from upwell.query import own, people, reported, scan
from upwell.query.lines import (
    APART,
    Amounts,
    Line,
    Number,
    Reading,
    Slots,
    counted,
    keys_of,
    parts,
    share,
    summed,
)
from upwell.query.once import Once, once, once_among
from upwell.query.plan import Plan


def read(plan: Plan, projection: Projection, rates: Callable[[], Rates]) -> Reading:
    """Every line of the question over its days."""
    if plan.additive:
        amounts, scanned = amounts_of(plan, projection)
        reading = sum_up(plan, amounts, rates)
        reading.scanned = scanned
        return reading
    if isinstance(plan.metric.rule, Unique | Latest):
        return own.read(plan, projection)
    if isinstance(plan.metric.rule, Reported):
        return reported.read(plan, projection, lambda found: sum_up(plan, found, rates))
    if plan.known_at is not None or plan.how == "scan":
        return people.read(plan, projection)
    ways = ways_of(plan, projection)
    with projection.sums.lock:
        found = from_histories(plan, projection, ways)
    found.scanned = plan.how == "days"
    return found


# -- sums of events ------------------------------------------------------------------------------


def amounts_of(plan: Plan, projection: Projection) -> tuple[Amounts, bool]:
    """Amounts of the question's days, and whether events were read for it."""
    if plan.known_at is not None:
        return scan.amounts_known(plan, projection)
    if plan.how == "scan":
        return scan.amounts(plan, projection), True
    if plan.how == "cells":
        return scan.cells(plan, projection), False
    if plan.hourly:
        return hot(plan, projection, plan.zone.opens(plan.start), plan.zone.opens(plan.last)), False
    return hot(plan, projection, plan.start, plan.last), False


def hot(plan: Plan, projection: Projection, low: int, high: int, day: int | None = None) -> Amounts:
    """Amounts from memory: of the days [low, high), or of the hours that begin in it.

    With `day` hours are read and booked on that day.
    """
    found: Amounts = defaultdict(lambda: defaultdict(dict))
    rule, sums, by = plan.metric.rule, projection.sums, plan.question.by
    assert isinstance(rule, Sum | Net)
    with sums.lock:
        tables = sums.hours if plan.hourly or day is not None else sums.days
        for product in plan.products:
            for part, sign in parts(rule):
                place = 0 if part.of == "count" else 1
                for currency in sums.currencies(product, part.type):
                    table = tables[product, part.type, currency]
                    key = {"product": product, "currency": currency}.get(by or "", "")
                    into = found[key][currency if plan.metric.unit == "money" else ""]
                    for slot in _slots(table, low, high):
                        at = slot if day is None else day
                        into[at] = into.get(at, 0) + sign * table[slot][place]
    return found


def _slots(table: Mapping[int, object], low: int, high: int) -> Iterable[int]:
    if high - low < len(table):
        return [slot for slot in range(low, high) if slot in table]
    return [slot for slot in table if low <= slot < high]


def sum_up(plan: Plan, amounts: Amounts, rates: Callable[[], Rates]) -> Reading:
    """Lines of the amounts, converted day by day where the question shows one currency."""
    reading = Reading([])
    quotes: dict[str, dict[int, Quote | None]] = {}  # by currency and slot, for all lines
    for key in keys_of(
        plan, (key for key, by_currency in amounts.items() if any(by_currency.values()))
    ):
        currencies = amounts.get(key, {})
        if plan.metric.unit != "money":
            reading.lines.append(_plain(plan, summed(plan, key, currencies.get("", {}))))
        elif plan.currency is None:
            apart = key and plan.question.by != "currency"
            for currency, slots in sorted(currencies.items()):
                if slots:
                    name = f"{key}{APART}{currency}" if apart else currency
                    reading.lines.append(summed(plan, name, slots, currency))
        else:
            reading.lines.append(
                _converted(plan, key, currencies, rates, quotes, reading.unconverted)
            )
    return reading


def _plain(plan: Plan, line: Line) -> Line:
    """The line as numbers, where values that are no money were added."""
    rule = plan.metric.rule
    if isinstance(rule, Reported) or (isinstance(rule, Sum) and rule.of == "value"):
        line.values = [own.plain(value) for value in line.values]
        line.total = own.plain(line.total)
    return line


def _converted(
    plan: Plan,
    key: str,
    currencies: Mapping[str, Slots],
    rates: Callable[[], Rates],
    quotes: dict[str, dict[int, Quote | None]],
    unconverted: dict[str, int],
) -> Line:
    """The line in the currency shown; what has no rate is added to `unconverted`."""
    assert plan.currency is not None
    total: dict[int, int] = dict(currencies.get(plan.currency, {}))
    provisional: set[int] = set()
    lost: set[int] = set()
    for currency, slots in currencies.items():
        if currency == plan.currency or not slots:
            continue
        table = quotes.setdefault(currency, {})
        for slot, amount in slots.items():
            if slot not in table:
                date = to_date(plan.zone.day_of(slot) if plan.hourly else slot)
                table[slot] = rates().quote(currency, plan.currency, date)
            quote = table[slot]
            if quote is None:
                lost.add(slot)
                unconverted[currency] = unconverted.get(currency, 0) + amount
                continue
            total[slot] = total.get(slot, 0) + converted(amount, quote)
            if quote.provisional:
                provisional.add(slot)
    line = summed(plan, key, total, plan.currency, frozenset(lost))
    line.provisional = _buckets_of(plan, provisional)
    return line


def _buckets_of(plan: Plan, slots: set[int]) -> set[int]:
    if not slots:
        return set()
    return {
        index
        for index, bucket in enumerate(plan.buckets)
        if not slots.isdisjoint((bucket.opens,) if plan.hourly else range(bucket.first, bucket.end))
    }


# -- people --------------------------------------------------------------------------------------


def groups_of(plan: Plan) -> dict[str, tuple[str, ...]]:
    """The products of each line."""
    if plan.question.by == "product":
        return {product: (product,) for product in plan.products}
    return {"": plan.products}


def ways_of(plan: Plan, projection: Projection) -> dict[tuple[str, ...], Once]:
    """How people are counted in the products of each line, and in all of them."""
    rule = plan.metric.rule
    if not isinstance(rule, Distinct | MeanOfDays | Trailing):
        return {}
    groups = {*groups_of(plan).values(), plan.products}
    if plan.among is not None:
        since = plan.start - (rule.days if isinstance(rule, Trailing) else 0)
        return once_among(projection, plan.among, groups, rule.set, since)
    return {products: once(projection, products, rule.set) for products in groups}


def from_histories(
    plan: Plan,
    projection: Projection,
    ways: Mapping[tuple[str, ...], Once],
    until: int | None = None,
) -> Reading:
    """The lines of people, visits and cohorts; with `until` visits of hours ended by then."""
    lines = []
    for key, products in groups_of(plan).items():
        if isinstance(plan.metric.rule, Sessions):
            lines.append(_sessions(plan, projection, key, products, until))
            continue
        measure = _measure(plan, projection, products, ways)
        values = [measure(b.first, min(b.end, plan.last)) for b in plan.buckets]
        lines.append(counted(plan, key, values, measure(plan.start, plan.last)))
    found = Reading(lines)
    rule = plan.metric.rule
    if isinstance(rule, Distinct | Trailing) and len(plan.products) > 1:
        start = plan.start if isinstance(rule, Distinct) else plan.last - rule.days
        found.unlinked = ways[plan.products].unlinked(start, plan.last)
    return found


def _sessions(
    plan: Plan, projection: Projection, key: str, products: tuple[str, ...], until: int | None
) -> Line:
    """Sessions by slot; with `until` only those that began in an hour which had ended by then."""
    sums, zone = projection.sums, plan.zone
    slots: dict[int, int] = defaultdict(int)
    cut = plan.last if until is None else zone.day_of(until)
    for product in products:
        kind = "session" if sums.has(product, "session") else VISIT
        days = sums.days.get((product, kind, ""), {})
        hours = sums.hours.get((product, kind, ""), {})
        if plan.hourly:
            for slot in _slots(hours, zone.opens(plan.start), zone.opens(plan.last)):
                slots[slot] += hours[slot][0]
            continue
        for slot in _slots(days, plan.start, cut):
            slots[slot] += days[slot][0]
        if until is not None:
            for slot in _slots(hours, zone.opens(cut), zone.hour_of(until)):
                slots[cut] += hours[slot][0]
    return summed(plan, key, slots)


def _measure(
    plan: Plan,
    projection: Projection,
    products: tuple[str, ...],
    ways: Mapping[tuple[str, ...], Once],
) -> Callable[[int, int], Number]:
    """How the value of a span of days is read from the sums in memory."""
    rule, sums = plan.metric.rule, projection.sums
    if isinstance(rule, Distinct):
        way, daily = ways[products], ways[products].by_day(plan.start, plan.last).tolist()
        return lambda first, end: (
            daily[first - plan.start] if end - first == 1 else way.people(first, end)
        )
    if isinstance(rule, MeanOfDays):
        daily = ways[products].by_day(plan.start, plan.last).tolist()
        return lambda first, end: people.mean(plan, first, end, lambda day: daily[day - plan.start])
    if isinstance(rule, Trailing):
        table = ways[products].trailing(rule.days, plan.start, plan.last).tolist()
        return lambda first, end: table[end - 1 - plan.start] if first < end else 0
    assert isinstance(rule, Cohort)
    name = rule.kept
    entered = [sums.days.get((p, f"{ENTERED}:{name}", ""), {}) for p in products]
    reached = [sums.days.get((p, f"{REACHED}:{name}", ""), {}) for p in products]
    if rule.of != "share":
        tables = reached if rule.of == "reached" else entered
        return lambda first, end: _count(tables, first, end)
    return lambda first, end: share(_count(reached, first, end), _count(entered, first, end))


def _count(tables: list[dict[int, list[int]]], first: int, end: int) -> int:
    return sum(table[day][0] for table in tables for day in range(first, end) if day in table)
