"""Rates and unit economics from numbers alone (R9, R10, R11).

Amounts are in any one unit; results are exact fractions, never rounded inside, and None where
they are not defined (0/0, no history): never 0, never infinite.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.policy import MetricPolicy

Number = int | Decimal | Fraction
Sides = tuple[Number, Number]  # what is divided, and by what
USAGE_MONTHS = 3
"""Closed months that the usage run rate is the mean of."""


class Turnover(NamedTuple):
    """Customers of one bucket, counted.

    `joined_and_churned` and `churned_and_returned` are parts of `churned`, without overlap;
    `returned` are all who came back in the bucket; `days` holds (churned, at the start) of each
    day.
    """

    start: int
    new: int = 0
    churned: int = 0
    joined_and_churned: int = 0
    churned_and_returned: int = 0
    returned: int = 0
    days: Sequence[tuple[int, int]] = ()


class Movement(NamedTuple):
    """MRR at the start of a bucket and what moved it; contraction and churn are positive."""

    start: Number
    new: Number = 0
    expansion: Number = 0
    reactivation: Number = 0
    contraction: Number = 0
    churn: Number = 0


@lru_cache(maxsize=20_000)
def _fraction(part: int, whole: int) -> Fraction:
    return Fraction(part, whole)  # after a commit nearly all that a question asks for are known


def ratio(part: Number, whole: Number) -> Fraction | None:
    """Part over whole; None where the whole is 0."""
    if not whole:
        return None
    if isinstance(part, int) and isinstance(whole, int):
        return _fraction(part, whole)
    return Fraction(part) / Fraction(whole)


def customer_churn_rate(of: Turnover, policy: MetricPolicy) -> Fraction | None:
    """The share of customers lost in a bucket, by the policy's formula (R9)."""
    if (sides := customer_churn_sides(of, policy)) is not None:
        return ratio(*sides)
    shares = [ratio(churned, start) for churned, start in of.days]
    known = [share for share in shares if share is not None]
    return sum(known, Fraction(0)) if known else None


def customer_churn_sides(of: Turnover, policy: MetricPolicy) -> Sides | None:
    """Who was lost, and of how many; None where the rate is a sum of the rates of days."""
    match policy.customer_churn:
        case "standard":
            return of.churned - of.joined_and_churned - of.churned_and_returned, of.start
        case "stripe":
            return of.churned, of.start + of.new
        case "resubscribed":
            return of.churned - of.returned, of.start
        case "naive":
            return of.churned, of.start
        case "daily":
            return None


def gross_mrr_churn_rate(of: Movement) -> Fraction | None:
    """MRR lost to churn and contraction, over the MRR at the start."""
    return ratio(*gross_mrr_churn_sides(of))


def gross_mrr_churn_sides(of: Movement) -> Sides:
    """What was lost, and of what."""
    return Fraction(of.churn) + Fraction(of.contraction), of.start


def net_mrr_churn_rate(of: Movement, policy: MetricPolicy) -> Fraction | None:
    """The same less expansion, and less reactivation where the policy says so."""
    return ratio(*net_mrr_churn_sides(of, policy))


def net_mrr_churn_sides(of: Movement, policy: MetricPolicy) -> Sides:
    """What was lost and not gained again, and of what."""
    lost = Fraction(of.churn) + Fraction(of.contraction) - Fraction(of.expansion)
    if policy.net_churn_with_reactivation:
        lost -= Fraction(of.reactivation)
    return lost, of.start


def quick_ratio(of: Movement, policy: MetricPolicy) -> Fraction | None:
    """MRR gained for each unit lost."""
    return ratio(*quick_ratio_sides(of, policy))


def quick_ratio_sides(of: Movement, policy: MetricPolicy) -> Sides:
    """What was gained, and what was lost."""
    gained = Fraction(of.new) + Fraction(of.expansion)
    if policy.quick_ratio_with_reactivation:
        gained += Fraction(of.reactivation)
    return gained, Fraction(of.contraction) + Fraction(of.churn)


def net_revenue_retention(
    opening: NDArray[np.int64], closing: NDArray[np.int64]
) -> Fraction | None:
    """NRR: what the customers of the start pay now, over what they paid then.

    One element a customer, at the same constant rates on both sides; who paid nothing at the start
    does not count, who left and came back counts with what they pay now.
    """
    payers = opening > 0
    return ratio(int(closing[payers].sum()), int(opening[payers].sum()))


def gross_revenue_retention(
    opening: NDArray[np.int64], closing: NDArray[np.int64]
) -> Fraction | None:
    """GRR: the same, each customer counted with at most what they paid at the start."""
    payers = opening > 0
    kept = np.minimum(opening[payers], closing[payers])
    return ratio(int(kept.sum()), int(opening[payers].sum()))


def arpa(mrr: Number, customers: int) -> Fraction | None:
    """MRR at the end per paying customer at the end."""
    return ratio(mrr, customers)


def asp(new_mrr: Number, new_customers: int) -> Fraction | None:
    """New MRR per new customer."""
    return ratio(new_mrr, new_customers)


def mean_churn(rates: Sequence[Fraction | None], policy: MetricPolicy) -> Fraction | None:
    """Mean customer churn rate of the last months given, oldest first, the current one left out.

    Months without a rate (nobody there at the start) are passed over.
    """
    known = [rate for rate in rates[-policy.ltv_churn_months :] if rate is not None]
    above, below = 0, 1  # reduced once, at the end: many are asked for
    for rate in known:
        part, whole = rate.as_integer_ratio()
        above = above * whole + part * below
        below *= whole
    return Fraction(above, below * len(known)) if known else None


def ltv(arpa: Number | None, churn: Number | None, gross_margin: Number = 1) -> Fraction | None:
    """Lifetime value: ARPA x margin / churn; None while nobody leaves ("not enough churn")."""
    if arpa is None or churn is None or churn <= 0:
        return None
    each, heads = arpa.as_integer_ratio()
    margin, whole = gross_margin.as_integer_ratio()
    left, there = churn.as_integer_ratio()
    return Fraction(each * margin * there, heads * whole * left)  # reduced once: many are asked for


def cac(spend: Number, new_customers: int) -> Fraction | None:
    """What one new customer cost."""
    return ratio(spend, new_customers)


def cac_payback(
    spend: Number, new_customers: int, new_arpa: Number | None, gross_margin: Number = 1
) -> Fraction | None:
    """Months until a new customer has paid back what they cost."""
    cost = cac(spend, new_customers)
    if cost is None or new_arpa is None:
        return None
    return ratio(cost, Fraction(new_arpa) * Fraction(gross_margin))


def usage_run_rate(months: Sequence[Number]) -> Fraction | None:
    """Mean of the last three closed months of metered revenue, of fewer where there are fewer."""
    last = months[-USAGE_MONTHS:]
    return sum((Fraction(month) for month in last), Fraction(0)) / len(last) if last else None
