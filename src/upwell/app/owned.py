"""A company's own metrics and names, from the configuration to what counts and checks them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from upwell import settings as config
from upwell.event import EVENT_TYPES
from upwell.metrics.authority import MEASURES
from upwell.metrics.catalog import CATALOG
from upwell.metrics.own import Activation, Own, faults
from upwell.settings import Names, OwnMetric, duration
from upwell.sources.kinds import added


def names() -> Names:
    """The names that a configuration may use, and what judges the metrics in it."""
    return Names(
        metrics=frozenset(CATALOG),
        event_types=frozenset(EVENT_TYPES),
        measures=frozenset(MEASURES),
        sources=added(),
        judge=_judged,
    )


def own_of(metric: OwnMetric) -> Own:
    """The metric as it is counted."""
    types = (metric.event,) if isinstance(metric.event, str) else metric.event
    return Own(
        name=metric.name,
        title=metric.title,
        unit=metric.unit,
        direction=metric.direction,
        aggregate=metric.aggregate,
        types=types,
        named=metric.named,
        where=tuple(
            (key, (texts,) if isinstance(texts, str) else texts)
            for key, texts in sorted(metric.where.items())
        ),
        of=metric.of,
        numerator=metric.numerator or "",
        denominator=metric.denominator or "",
    )


def activation_of(activation: config.Activation | None) -> Activation | None:
    """What activates, as it is counted."""
    if activation is None:
        return None
    return Activation(
        event=activation.event,
        times=activation.times,
        days=duration(activation.within).days,
    )


def _judged(metrics: Iterable[OwnMetric]) -> Iterator[tuple[int, str, str, str, str]]:
    owns = [own_of(metric) for metric in metrics]
    others = {own.name: own for own in owns}
    for index, own in enumerate(owns):
        for fault in faults(own, others):
            yield (index, *fault)
