"""A funnel by when people entered it, and who they were."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from upwell.errors import Rejected, nearest
from upwell.metrics.compiled import THREADS
from upwell.metrics.funnel.rule import FunnelRule
from upwell.metrics.funnel.run import Outcome, Timelines, Trend, trend
from upwell.metrics.funnel.split import pick
from upwell.metrics.funnel.sums import TrendSum, trend_sums
from upwell.period import Bucket, buckets
from upwell.query.plan import fits
from upwell.query.usage import shapes
from upwell.query.usage.asked import FunnelAsked
from upwell.query.usage.ground import Ground


def counted(lines: Timelines, rule: FunnelRule, asked: FunnelAsked, of: Ground) -> TrendSum:
    """What became of the entries of each bucket that has begun."""
    spans = _spans(asked, of)
    if not spans:
        return TrendSum(*np.zeros((4, 0), dtype=np.int64))
    found = _followed(lines, rule, spans)
    return trend_sums(found.bucket, found.outcome, len(spans))


def added(sums: Sequence[TrendSum]) -> TrendSum:
    """The same of all people, of whom each is in one of these."""
    return TrendSum(*(np.sum(column, axis=0) for column in zip(*sums, strict=True)))


def points(
    sums: TrendSum, rule: FunnelRule, asked: FunnelAsked, of: Ground
) -> tuple[shapes.FunnelPoint, ...]:
    """The trend as it is answered."""
    spans = _spans(asked, of)
    columns = (column.tolist() for column in sums)
    return tuple(
        shapes.FunnelPoint(
            start=bucket.label,
            complete=bucket.closes + rule.reach <= of.here,
            entered=entered,
            converted=converted,
            open=waiting,
            conversion=converted / entered if entered else None,
            matured_conversion=converted / (converted + dropped) if converted + dropped else None,
        )
        for bucket, entered, converted, dropped, waiting in zip(spans, *columns, strict=True)
    )


def entered_in(
    lines: Timelines, rule: FunnelRule, asked: FunnelAsked, of: Ground, bucket: str
) -> Outcome:
    """What became of the entries of one bucket, by its start; Rejected where the trend has none."""
    spans = _spans(asked, of) if asked.trend else []
    labels = [span.label for span in spans]
    if bucket not in labels:
        raise Rejected(
            "bad_bucket",
            f"No entries of '{bucket[:40]}' are in the funnel's trend.",
            fix=nearest(bucket, labels) if labels else "Ask the funnel with a 'trend' by day.",
            where="of",
        )
    found = _followed(lines, rule, spans)
    return pick(found.outcome, found.bucket == labels.index(bucket))


def _spans(asked: FunnelAsked, of: Ground) -> list[Bucket]:
    """The buckets of the trend that have begun; Rejected where they are too many."""
    assert asked.trend is not None
    fits(asked.trend, of.end - of.start)
    every = buckets(of.zone, of.start, of.end, asked.trend, of.week_start)
    return [bucket for bucket in every if bucket.opens <= of.now]


def _followed(lines: Timelines, rule: FunnelRule, spans: Sequence[Bucket]) -> Trend:
    edges = np.array([spans[0].opens, *(bucket.closes for bucket in spans)], dtype=np.int64)
    return trend(lines, rule, edges, THREADS)
