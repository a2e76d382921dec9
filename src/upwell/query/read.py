"""Reading the sums: for every line of an answer, its value in each bucket and over the whole span.

Three ways lead to the same numbers: the sums in memory (no dimension asked), the cells on disk
(declared dimensions), and a bounded scan of stored events (anything else, and what was known at a
past time where no sum was kept of it).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal

from upwell.metrics.catalog import Cohort, Distinct, MeanOfDays, Net, Sessions, Sum
from upwell.money import Rates
from upwell.period import HOUR_MICROS, Bucket, to_date
from upwell.projection import Projection
from upwell.projection.store import ENTERED, REACHED, VISIT
from upwell.query import scan
from upwell.query.lines import Amounts, Line, Number, Reading, Slots, parts, share
from upwell.query.plan import Plan


def read(plan: Plan, projection: Projection, rates: Callable[[], Rates]) -> Reading:
    """Every line of the question over its days."""
    if plan.additive:
        amounts, scanned = _amounts(plan, projection)
        reading = _sum_up(plan, amounts, rates)
        reading.scanned = scanned
        return reading
    if plan.known_at is not None or plan.how == "scan":
        return scan.people(plan, projection)
    with projection.sums.lock:
        return _from_histories(plan, projection)


# -- sums of events ------------------------------------------------------------------------------


def _amounts(plan: Plan, projection: Projection) -> tuple[Amounts, bool]:
    if plan.known_at is not None:
        return scan.amounts_known(plan, projection)
    if plan.how == "scan":
        return scan.amounts(plan, projection), True
    if plan.how == "cells":
        return scan.cells(plan, projection), False
    return _hot(plan, projection), False


def _hot(plan: Plan, projection: Projection) -> Amounts:
    found: Amounts = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    rule, sums = plan.metric.rule, projection.sums
    assert isinstance(rule, Sum | Net)
    hourly = plan.question.grain == "hour"
    low, high = (
        (plan.zone.opens(plan.start), plan.zone.opens(plan.end))
        if hourly
        else (plan.start, plan.end)
    )
    with sums.lock:
        for product in plan.products:
            key = product if plan.question.by == "product" else ""
            for part, sign in parts(rule):
                place = 0 if part.of == "count" else 1
                for currency in sums.currencies(product, part.type):
                    table = (sums.hours if hourly else sums.days)[product, part.type, currency]
                    into = found[key]["" if part.of == "count" else currency]
                    for slot in _slots(table, low, high):
                        into[slot] += sign * table[slot][place]
    return found


def _slots(table: Mapping[int, object], low: int, high: int) -> Iterable[int]:
    if high - low < len(table):
        return [slot for slot in range(low, high) if slot in table]
    return [slot for slot in table if low <= slot < high]


def _sum_up(plan: Plan, amounts: Amounts, rates: Callable[[], Rates]) -> Reading:
    """Lines of the amounts, converted day by day where the question shows one currency."""
    reading = Reading([])
    for key in _keys(plan, amounts):
        currencies = amounts.get(key, {})
        if plan.metric.unit != "money":
            reading.lines.append(_line(plan, key, currencies.get("", {}), None))
        elif plan.currency is None:
            for currency, slots in sorted(currencies.items()):
                name = f"{key} · {currency}" if key and plan.question.by != "currency" else currency
                reading.lines.append(_line(plan, name, slots, currency))
        else:
            slots, provisional, lost = _convert(plan, currencies, plan.currency, rates)
            for currency, amount in lost.items():
                reading.unconverted[currency] = reading.unconverted.get(currency, 0) + amount
            line = _line(plan, key, slots, plan.currency)
            line.provisional = _buckets_of(plan, provisional)
            reading.lines.append(line)
    return reading


def _keys(plan: Plan, amounts: Amounts) -> list[str]:
    by = plan.question.by
    if by is None:
        return [""]
    if by == "product":
        return list(plan.products)
    return list(amounts)


def _line(plan: Plan, key: str, slots: Slots, currency: str | None) -> Line:
    values = [_within(slots, bucket, plan.question.grain == "hour") for bucket in plan.buckets]
    return Line(key, list(values), sum(values), currency)


def _within(slots: Slots, bucket: Bucket, hourly: bool) -> int:
    if hourly:
        return slots.get(bucket.opens, 0)
    if bucket.end - bucket.first == 1:
        return slots.get(bucket.first, 0)
    return sum(slots.get(day, 0) for day in range(bucket.first, bucket.end))


def _convert(
    plan: Plan, currencies: Mapping[str, Slots], target: str, rates: Callable[[], Rates]
) -> tuple[dict[int, int], set[int], dict[str, int]]:
    """Amounts in one currency, the slots at a last known rate, and money without any rate."""
    total: dict[int, int] = dict(currencies.get(target, {}))
    provisional: set[int] = set()
    lost: dict[str, int] = {}
    today = to_date(plan.zone.day_of(plan.now))
    for currency, slots in currencies.items():
        if currency == target or not slots:
            continue
        table = rates()
        for slot, amount in slots.items():
            date = to_date(plan.zone.day_of(slot) if plan.question.grain == "hour" else slot)
            rate = table.rate(currency, target, date) if table.knows(currency) else None
            if rate is None:
                lost[currency] = lost.get(currency, 0) + amount
                continue
            exact = Decimal(amount) * rate
            total[slot] = total.get(slot, 0) + int(exact.quantize(Decimal(1), ROUND_HALF_EVEN))
            if table.provisional(currency, target, date, today):
                provisional.add(slot)
    return total, provisional, lost


def _buckets_of(plan: Plan, slots: set[int]) -> set[int]:
    if not slots:
        return set()
    hourly = plan.question.grain == "hour"
    return {
        index
        for index, bucket in enumerate(plan.buckets)
        if (bucket.opens in slots if hourly else any(bucket.first <= s < bucket.end for s in slots))
    }


def elapsed_total(
    plan: Plan, projection: Projection, rates: Callable[[], Rates], until: int
) -> dict[str, Number]:
    """Totals of an earlier span up to the instant `until`, to the hour, for a fair comparison."""
    cut = plan.zone.day_of(until)
    whole = (
        {
            line.key: line.total
            for line in read(plan.moved(plan.start, cut), projection, rates).lines
        }
        if cut > plan.start
        else {}
    )
    if plan.how != "sums" or not plan.additive:
        return whole
    amounts = _hot_hours(plan, projection, cut, until)
    part = _sum_up(plan.moved(cut, cut + 1), amounts, rates)
    for line in part.lines:
        whole[line.key] = (whole.get(line.key) or 0) + (line.total or 0)
    return whole


def _hot_hours(plan: Plan, projection: Projection, day: int, until: int) -> Amounts:
    """The hours of one day that had ended by `until`, booked on that day."""
    found: Amounts = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    rule, sums = plan.metric.rule, projection.sums
    assert isinstance(rule, Sum | Net)
    opens = plan.zone.opens(day)
    with sums.lock:
        for product in plan.products:
            key = product if plan.question.by == "product" else ""
            for part, sign in parts(rule):
                place = 0 if part.of == "count" else 1
                for currency in sums.currencies(product, part.type):
                    hours = sums.hours[product, part.type, currency]
                    into = found[key]["" if part.of == "count" else currency]
                    for hour in range(opens, until - HOUR_MICROS + 1, HOUR_MICROS):
                        if hour in hours:
                            into[day] += sign * hours[hour][place]
    return found


# -- people --------------------------------------------------------------------------------------


def _from_histories(plan: Plan, projection: Projection) -> Reading:
    groups = (
        {product: (product,) for product in plan.products}
        if plan.question.by == "product"
        else {"": plan.products}
    )
    lines = []
    for key, products in groups.items():
        measure = _measure(plan, projection, products)
        values = [measure(bucket) for bucket in plan.buckets]
        whole = Bucket("", plan.start, plan.end, plan.zone.opens(plan.start), plan.now)
        hourly = plan.question.grain == "hour"
        total = sum(value or 0 for value in values) if hourly else measure(whole)
        lines.append(Line(key, values, total))
    return Reading(lines)


def _measure(
    plan: Plan, projection: Projection, products: tuple[str, ...]
) -> Callable[[Bucket], Number]:
    """How a bucket's value is read from the sums in memory."""
    rule, sums = plan.metric.rule, projection.sums
    if isinstance(rule, Distinct):
        return lambda b: sum(sums.distinct(p, rule.set, b.first, b.end) for p in products)
    if isinstance(rule, MeanOfDays):
        tables = [sums.members.get((product, rule.set), {}) for product in products]
        return lambda b: _mean(plan, tables, b)
    if isinstance(rule, Sessions):
        kinds = [(p, "session" if sums.has(p, "session") else VISIT) for p in products]
        days = [sums.days.get((product, kind, ""), {}) for product, kind in kinds]
        hours = [sums.hours.get((product, kind, ""), {}) for product, kind in kinds]
        if plan.question.grain == "hour":
            return lambda b: sum(table[b.opens][0] for table in hours if b.opens in table)
        return lambda b: sum(
            table[day][0] for table in days for day in range(b.first, b.end) if day in table
        )
    assert isinstance(rule, Cohort)
    name = plan.metric.name
    entered = [sums.days.get((p, f"{ENTERED}:{name}", ""), {}) for p in products]
    reached = [sums.days.get((p, f"{REACHED}:{name}", ""), {}) for p in products]
    return lambda b: share(_count(reached, b), _count(entered, b))


def _count(tables: list[dict[int, list[int]]], bucket: Bucket) -> int:
    return sum(
        table[day][0] for table in tables for day in range(bucket.first, bucket.end) if day in table
    )


def _mean(plan: Plan, tables: list[dict[int, int]], bucket: Bucket) -> Number:
    """Mean over the days that have begun; a single day is its own whole number."""
    end = min(bucket.end, plan.zone.day_of(plan.now) + 1)
    days = end - bucket.first
    if days <= 0:
        return None
    total = sum(table.get(day, 0) for table in tables for day in range(bucket.first, end))
    return total if days == 1 else total / days
