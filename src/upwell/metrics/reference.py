"""The pages of metrics and of counting rules, made from what the program itself goes by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, groupby
from operator import attrgetter

from upwell.metrics.catalog import CATALOG, Metric
from upwell.metrics.choices import CHOICES
from upwell.metrics.policy import PRESETS

_UNITS = {
    "money": "money",
    "count": "number",
    "ratio": "ratio",
    "number": "number",
    "seconds": "seconds",
}
_BETTER = {"up": "more", "down": "less", "none": "neither"}

_NOT_BUILT = (
    (
        "count the churn of the last 30 days at any moment (Stripe)",
        "Rates are over the bucket that is asked for. 30 days are asked for as a span, whose total "
        "is that rate.",
    ),
    (
        "keep MRR itself at the rate of each subscription's own period (ChartMogul)",
        "Under `tx_date` movements are; MRR is worth what it is at the end of the bucket, and the "
        "difference stands as `fx` in the bridge.",
    ),
)


def metrics_page() -> str:
    """docs/reference/metrics.md: each metric with its unit, its splits and its definition."""
    families = groupby(CATALOG.values(), key=attrgetter("family"))
    return "\n".join(
        [
            "# Metrics",
            "",
            "Every metric there is, as `GET /v1/metrics` lists them too. All of them split by "
            "product. [What answers mean](answers.md) says how points and totals are made, "
            "[counting rules](counting-rules.md) where the definitions leave a choice.",
            "",
            *chain.from_iterable(_family(name, metrics) for name, metrics in families),
        ]
    )


def _family(name: str, metrics: Iterable[Metric]) -> list[str]:
    head = [
        "| name | title | unit | better | splits by | definition |",
        "|---|---|---|---|---|---|",
    ]
    return [f"## {name}", "", *head, *map(_metric, metrics), ""]


def _metric(metric: Metric) -> str:
    splits = " ".join(f"`{name}`" for name in metric.dimensions)
    unit, better = _UNITS[metric.unit], _BETTER[metric.direction]
    name = f"`{metric.name}`"
    return f"| {name} | {metric.title} | {unit} | {better} | {splits} | {metric.definition} |"


def rules_page() -> str:
    """docs/reference/counting-rules.md: each choice, and what each set of rules makes of it."""
    names = " | ".join(f"`{name}`" for name in PRESETS)
    rows = [
        f"| `{choice.name}` | {choice.title} | {choice.definition} | "
        + " | ".join(_said(getattr(policy, choice.name)) for policy in PRESETS.values())
        + " |"
        for choice in CHOICES
    ]
    return "\n".join(
        [
            "# Counting rules",
            "",
            "Where serious products count recurring revenue in different ways, Upwell has a "
            "choice. A set of rules makes all of them: `policy` in the configuration or in a "
            "question names it, and every answer carries the name. Changes to closed months "
            "(`closed_months`) are the workspace's own choice under every set, and so are rates "
            "where the configuration names them (`fx`). The date of churn "
            "(`churn_recognition`) and what refunds do to MRR (`refunded_invoices`, "
            "`refund_with_cancel`; nothing in all of them) the workspace may choose for its own.",
            "",
            f"| choice | about | means | {names} |",
            "|---|---|---|" + "---|" * len(PRESETS),
            *rows,
            "",
            "## What no choice does yet",
            "",
            "| other products can | why not here |",
            "|---|---|",
            *(f"| {wish} | {reason} |" for wish, reason in _NOT_BUILT),
            "",
        ]
    )


def _said(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value) or "none"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "no limit"}[value]
    return f"`{value}`"


PAGES: dict[str, Callable[[], str]] = {"metrics": metrics_page, "counting-rules": rules_page}
"""The pages by the names of their files in docs/reference."""
