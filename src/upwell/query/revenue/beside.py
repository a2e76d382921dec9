"""Metrics beside the movements: trials, dunning, cash, what is set to end, what was cancelled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import numpy as np

from upwell.billing import Payment
from upwell.metrics.revenue import dunning
from upwell.metrics.revenue.rates import ratio
from upwell.projection import Projection
from upwell.query.lines import Amounts, Number, Reading, counted
from upwell.query.plan import Plan, versions
from upwell.query.read import sum_up
from upwell.query.revenue import acquisition, clicks, committed, usage
from upwell.query.revenue.apart import lines_of, separate
from upwell.query.revenue.cash import PAYOUTS
from upwell.query.revenue.clicks import Click
from upwell.query.revenue.exchange import nanos_of, worth
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.part import alive
from upwell.query.revenue.reading import Asked

FINE = 10**6  # of a minor unit
Spans = Sequence[tuple[int, int]]


def keys_of(plan: Plan) -> list[str]:
    """The lines of metrics that split by product alone."""
    return list(plan.products) if plan.question.by == "product" else [""]


def spans_of(plan: Plan) -> list[tuple[int, int]]:
    """The instants of each bucket that has begun, and last of the whole span."""
    begun = [(b.opens, min(b.closes, plan.seen + 1)) for b in plan.buckets[: plan.begun]]
    return [*begun, (begun[0][0], begun[-1][1])] if begun else []


def rates_of(plan: Plan, work: Callable[[str, int, int], Fraction | None]) -> Reading:
    """Lines of a rate; `work(key, opens, closes)` says it of one span."""
    lines = []
    for key in keys_of(plan):
        found = [work(key, *span) for span in spans_of(plan)]
        values: list[Number] = [None if one is None else float(one) for one in found]
        lines.append(counted(plan, key, values[:-1], values[-1] if values else None))
    return Reading(lines)


def read(plan: Plan, ledgers: Ledgers, projection: Projection) -> Reading:
    """The lines of a metric of this module."""
    match plan.metric.name:
        case "trial_conversion_rate":
            return trial_conversion(plan, ledgers)
        case "recovery_rate":
            return recovery(plan, ledgers, projection)
        case "mrr_set_to_cancel":
            return committed.set_to_cancel(plan, ledgers)
        case "cancelling_mrr":
            return clicks.read(plan, ledgers, projection)
        case "cmrr":
            return committed.committed(plan, ledgers)
        case "usage_run_rate":
            return usage.read(plan, ledgers)
        case "cac_payback":
            return acquisition.read(plan, ledgers, projection)
    return cash(plan, ledgers, projection)


def trial_conversion(plan: Plan, ledgers: Ledgers) -> Reading:
    """The share of trials that became paying, by the policy's way (R12)."""
    spans, keys = spans_of(plan), keys_of(plan)
    said = ledgers.said(plan)
    edges = np.array([*(opens for opens, _ in spans[:-1]), *(end for _, end in spans[-1:])])
    found = said.trials.counts(_keys_of(plan, said.products), len(keys), edges, plan.seen)
    each = (np.append(one, one.sum(axis=1, keepdims=True), axis=1).tolist() for one in found)
    above, below = each
    shares = {
        (key, *span): ratio(above[n][place], below[n][place])
        for n, key in enumerate(keys)
        for place, span in enumerate(spans)
    }
    return rates_of(plan, lambda *span: shares[span])


def _keys_of(plan: Plan, products: Sequence[str]) -> list[int]:
    """The line of each product, -1 where it is not asked for."""
    numbers = {name: n for n, name in enumerate(plan.products)}
    if plan.question.by != "product":
        numbers = dict.fromkeys(numbers, 0)
    return [numbers.get(name, -1) for name in products]


def recovery(plan: Plan, ledgers: Ledgers, projection: Projection) -> Reading:
    """Of the money whose payment failed in the bucket, the share that came after all (R16)."""
    payments = _failed(plan, projection)
    if separate(plan, ledgers) and payments:
        currencies = sorted({payment.currency for payment in payments})
        return lines_of(plan, currencies, lambda one: recovery(one, ledgers, projection))
    if plan.only is not None:
        payments = [payment for payment in payments if payment.currency == plan.only]
    asked = Asked(plan, ledgers)

    def work(key: str, opens: int, closes: int) -> Fraction | None:
        came = lost = 0
        for payment in payments:
            failed = payment.first_failed or 0
            if not opens <= failed < closes or key not in ("", payment.product):
                continue
            day = plan.zone.day_of(failed)
            quote = asked.exchange.constant(payment.currency, day)
            units = worth(payment.due * FINE, payment.currency, quote) if quote else 0
            match dunning.outcome(payment, asked.policy, plan.seen):
                case "recovered":
                    came += units
                case "lost":
                    lost += units
        return ratio(came, came + lost)

    return rates_of(plan, work)


def _failed(plan: Plan, projection: Projection) -> list[Payment]:
    """The payments that first failed within the days, as they stand."""
    rows = projection.reader().execute(
        f"""select source, id, any_value(product), any_value(currency), max(due),
          arg_max(status, (ts, no)), min(first_failed) as failed, max(paid_at),
          arg_max(customer, (ts, no))
        from payments where {versions(plan)} and product in (select unnest(?::varchar[]))
        group by source, id having failed >= ? and failed < ?""",
        [list(plan.products), plan.zone.opens(plan.start), plan.zone.opens(plan.last)],
    )
    return [
        Payment(
            source=source, id=id_, at=failed, customer=customer, product=product, currency=currency,
            due=due, status=status, first_failed=failed, paid_at=paid,
        )
        for source, id_, product, currency, due, status, failed, paid, customer in rows.fetchall()
        if plan.among is None or (source, customer) in plan.among.accounts
    ]  # fmt: skip


# -- money ---------------------------------------------------------------------------------------


def cash(plan: Plan, ledgers: Ledgers, projection: Projection) -> Reading:
    """The sum of the accounts' balance transactions but payouts, at the rate of each day."""
    key = {"product": "product", "currency": "currency", "source": "source"}.get(
        plan.question.by or "", "''"
    )
    slot = "ts" if plan.hourly else "day"
    rows = projection.reader().execute(
        f"""select {key}, currency, {slot}, sum(net)::bigint from cash
        where {versions(plan)} and day >= ? and day < ? and product in (select unnest(?::varchar[]))
          and kind not in (select unnest(?::varchar[])) group by all""",
        [plan.start, plan.last, list(plan.products), list(PAYOUTS)],
    )
    found: Amounts = {}
    for name, currency, at_slot, net in rows.fetchall():
        place = plan.zone.hour_of(at_slot) if plan.hourly else at_slot
        slots = found.setdefault(name, {}).setdefault(currency, {})
        slots[place] = slots.get(place, 0) + nanos_of(net * FINE, currency)
    return sum_up(plan, found, ledgers.rates)


def before(
    plan: Plan, ledgers: Ledgers, asked: Sequence[Click]
) -> Iterator[tuple[Click, list[int]]]:
    """For each click the movements of its subscription in its product before it, by place."""
    book = ledgers.book(plan.question.policy)
    rows, wanted = book.rows, {(click.source, click.subscription) for click in asked}
    lines: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
    for number, line in enumerate(book.lines):
        if (line.source, line.subscription) in wanted:
            lines[line.source, line.subscription, line.product].append(number)
    own = np.isin(rows.line, [number for numbers in lines.values() for number in numbers])
    places: defaultdict[int, list[int]] = defaultdict(list)
    for place in np.flatnonzero(own & alive(rows, plan.known_at)).tolist():
        places[int(rows.line[place])].append(place)
    for click in asked:
        of = lines.get((click.source, click.subscription, click.product), ())
        mine = [place for number in of for place in places[number] if rows.at[place] < click.at]
        yield click, mine
