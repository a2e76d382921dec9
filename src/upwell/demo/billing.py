"""What the customers of one product pay, fail to pay, get back, and when they leave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from upwell.demo.cast import Company, Product
from upwell.demo.columns import PLANS_FROM, Columns, Ints, columns, several
from upwell.demo.lives import (
    BURST_SIZE,
    MONTH,
    NEVER,
    PAYMENT_FAILED,
    Subscriptions,
    currencies,
)
from upwell.demo.rhythm import DAY, Calendar, index_of, outage_index, tuesday


def payments(
    company: Company,
    product: Product,
    days: Calendar,
    bought: Subscriptions,
    rng: np.random.Generator,
) -> tuple[list[Columns], Subscriptions]:
    """Invoices with their failures and refunds, and cancellations.

    Also the subscriptions again, with the end of those who left because a payment failed moved
    to the end of the dunning.
    """
    row, k, due = _invoices(days, bought)
    unpaid = due > bought.end[row]
    involuntary = (bought.reason == PAYMENT_FAILED) & (bought.end < NEVER)
    first_unpaid = np.full(len(bought), NEVER)
    np.minimum.at(first_unpaid, row[unpaid], due[unpaid])
    dunned = first_unpaid + rng.integers(8 * DAY, 12 * DAY, len(bought))
    end = np.where(involuntary, np.where(first_unpaid < NEVER, dunned, NEVER), bought.end)
    final = unpaid & involuntary[row] & (due == first_unpaid[row])

    row, k, due, unpaid, final = (x[~unpaid | final] for x in (row, k, due, unpaid, final))
    amount = _amounts(company, product, days, bought, row, due)
    fails = (rng.random(len(row)) < 0.016) & (k > 0)
    if product.id in company.outage.products:
        day = index_of(days, due) == outage_index(company, days)
        fails |= day & (k > 0) & (rng.random(len(row)) < 0.7)
    fails |= final
    delay = (rng.uniform(0.7, 3.2, len(row)) * DAY).astype(np.int64)
    paid_at = np.where(fails, due + delay, due)
    paid = ~final & (paid_at <= np.maximum(end[row], due))
    plan, money = bought.plan[row] + PLANS_FROM, bought.currency[row]
    person = bought.person[row]

    def some(type: str, rows: Ints, at: Ints, amounts: Ints) -> Columns:
        return columns(
            type,
            at[rows],
            person[rows],
            k[rows],
            plan=plan[rows],
            amount=amounts[rows],
            currency=money[rows],
        )

    refunded = np.flatnonzero(paid & (rng.random(len(row)) < 0.014))
    refund_at = paid_at + 3600 + (rng.exponential(3.0, len(row)) * DAY).astype(np.int64)
    part = np.where(rng.random(len(row)) < 0.75, amount, amount // 200 * 100)
    events = [
        some("revenue", np.flatnonzero(paid), paid_at, amount),
        some("payment_failed", np.flatnonzero(fails), due, amount),
        some("payment_recovered", np.flatnonzero(fails & paid), paid_at, amount),
        some("refund", refunded, refund_at, part),
    ]
    left = np.flatnonzero(end < NEVER)
    if product.id == company.burst:
        left = left[left >= BURST_SIZE]  # the others leave when `burst` says so
    events.append(cancellations(company, product, days, replace(bought, end=end), left, end))
    return events, replace(bought, end=end)


def cancellations(
    company: Company,
    product: Product,
    days: Calendar,
    bought: Subscriptions,
    rows: Ints,
    at: Ints,
) -> Columns:
    """The cancellation of the subscriptions named, at their times; the amount is a month's."""
    monthly = replace(bought, months=np.ones(len(bought), dtype=np.int64))
    return columns(
        "churn",
        at[rows],
        bought.person[rows],
        plan=bought.plan[rows] + PLANS_FROM,
        detail=bought.reason[rows],
        amount=_amounts(company, product, days, monthly, rows, at[rows]),
        currency=bought.currency[rows],
    )


def gauges(days: Calendar, bought: Subscriptions) -> Columns:
    """Seats paid for, read on Monday mornings; the reading stands in `amount`, in hundredths."""
    mondays = np.flatnonzero((days.days + 3) % 7 == 0)
    at = days.home[mondays] + 9 * 3600
    runs = (bought.start <= at[:, None]) & (bought.end > at[:, None])
    seats = np.round((runs * bought.seats).sum(axis=1)).astype(np.int64)
    return columns("kpi", at, np.full(len(at), -1), days.days[mondays], amount=seats * 100)


def _invoices(days: Calendar, bought: Subscriptions) -> tuple[Ints, Ints, Ints]:
    """Subscription, number and due time of each invoice within the story."""
    begun = (bought.start // DAY).astype("datetime64[D]")
    month = begun.astype("datetime64[M]")
    of_month = (begun - month.astype("datetime64[D]")).astype(np.int64)
    month_number = month.astype(np.int64)
    first, last = (
        int(day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64))
        for day in (days.days[0], days.days[-1])
    )
    low = np.maximum(-((month_number - first) // bought.months), 0)
    high = np.maximum((last - month_number) // bought.months, -1)
    counts = np.maximum(high - low + 1, 0)
    row, step = several(np.arange(len(bought)), counts)
    k = low[row] + step
    due_month = (month_number[row] + k * bought.months[row]).astype("datetime64[M]")
    opens = due_month.astype("datetime64[D]").astype(np.int64)
    length = (due_month + 1).astype("datetime64[D]").astype(np.int64) - opens
    due_day = opens + np.minimum(of_month[row], length - 1)
    due = due_day * DAY + bought.start[row] % DAY
    inside = (due >= days.home[0]) & (due < days.home[-1])
    return row[inside], k[inside], due[inside]


def _amounts(
    company: Company,
    product: Product,
    days: Calendar,
    bought: Subscriptions,
    row: Ints,
    at: Ints,
) -> Ints:
    """What each of the rows pays at its time, in minor units of its currency."""
    codes = currencies(company, product)
    list_price = np.array(
        [[dict(plan.prices).get(code, plan.price) for code in codes] for plan in product.plans]
    )
    price = list_price[bought.plan[row], bought.currency[row]]
    for launch in company.launches:
        if launch.product == product.id and launch.prices:
            old = np.array([plan.was or plan.price for plan in product.plans])
            earlier = at < days.home[tuesday(days, launch.days_ago)]
            price = np.where(earlier, old[bought.plan[row]], price)
    elapsed = np.clip((at - bought.start[row]) / (MONTH * DAY), 0, 36)
    seats = np.maximum(np.round(bought.seats[row] * (1 + bought.growth[row]) ** elapsed), 1)
    minor = np.array([1 if code == "JPY" else 100 for code in codes])[bought.currency[row]]
    months = np.where(bought.months[row] == 12, 10, 1)
    found: Ints = (price * seats * months * minor).astype(np.int64)
    return found
