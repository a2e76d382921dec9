"""From the configuration's `[[alerts]]` to rules, and the rules that hold without any."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import NormalDist

from upwell.alerts.incident import Rule
from upwell.detect import USUAL, Limits
from upwell.errors import Rejected
from upwell.metrics.catalog import CATALOG, Metric, metric_named
from upwell.settings import Alert, duration

WATCHED = ("cancellations", "failed_payments")
"""What is watched unless somebody says otherwise: the click, not the end weeks later."""

_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}


def rules(
    configured: Iterable[Alert], products: int, catalogue: Mapping[str, Metric] = CATALOG
) -> tuple[Rule, ...]:
    """The rules to follow in a workspace of so many products; the default ones where none is set.

    Raises Rejected for what is not followed yet, rather than leave somebody waiting for it.
    """
    found = tuple(
        _rule(index, alert, products, catalogue) for index, alert in enumerate(configured)
    )
    return found or tuple(Rule(metric=name) for name in WATCHED if name in CATALOG)


def limits(budget: str, series: int) -> Limits:
    """From which z on a point is news, so that false alarms stay within `2 a month`.

    The budget is shared out over the series; 2.5 is the least, as in the founding rule.
    """
    count, _, span = budget.split()
    a_day = int(count) / (_DAYS[span] * max(series, 1))
    least = -NormalDist().inv_cdf(min(max(a_day, 1e-9), 0.5))
    medium = max(USUAL.medium, round(least, 2))
    return Limits(medium=medium, high=max(USUAL.high, medium + 1))


def _rule(index: int, alert: Alert, products: int, catalogue: Mapping[str, Metric]) -> Rule:
    if alert.kind != "anomaly":
        raise Rejected(
            "alert_kind",
            f"Alerts of kind '{alert.kind}' are not watched yet.",
            fix='Use kind = "anomaly", or leave the rule out.',
            where=f"alerts.{index}.kind",
        )
    for key in ("quiet_hours", "escalate_after"):
        if getattr(alert, key):
            raise Rejected(
                "alert_setting",
                f"'{key}' of alerts is not followed yet.",
                fix="Leave it out.",
                where=f"alerts.{index}.{key}",
            )
    metric_named(alert.metric, catalogue)
    every = "*" in alert.products
    return Rule(
        metric=alert.metric,
        products=() if every else tuple(sorted(set(alert.products))),
        to=alert.to or None,
        hold=duration(alert.hold),
        limits=limits(alert.budget, products + 1 if every else len(alert.products)),
        people=alert.people,
    )
