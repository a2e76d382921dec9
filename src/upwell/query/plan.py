"""A question made certain: which metric, products, days, buckets; or why it cannot be answered."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import Literal

import msgspec

from upwell.access import Viewer
from upwell.errors import Forbidden, Rejected, nearest
from upwell.event import DIMENSIONS
from upwell.metrics.catalog import (
    CATALOG,
    Cohort,
    Distinct,
    Latest,
    Ledger,
    MeanOfDays,
    Metric,
    Net,
    Ratio,
    Reported,
    Sessions,
    Sum,
    Trailing,
    Unique,
    metric_named,
)
from upwell.metrics.own import PREFIX
from upwell.metrics.policy import policy_named
from upwell.money import currencies
from upwell.period import (
    Bucket,
    Grain,
    Zone,
    add_months,
    buckets,
    to_date,
    to_day,
    to_micros,
)
from upwell.query.among import Among
from upwell.query.question import Compare, Question, days_compared

FIRST_DAY, LAST_DAY = to_day(dt.date(1900, 1, 1)), to_day(dt.date(2200, 1, 1))
LONGEST = {"hour": 92, "day": 3_700}  # days a question may span, by grain; 37,000 for the others
SCANNED_DAYS = 400  # days that may be scanned for what no sum is kept of
DEFAULT_DAYS = 30

How = Literal["sums", "cells", "days", "scan", "ledger"]
CELL_KEYS = (*DIMENSIONS, "source")
NOBODYS = frozenset({"fee", "report", "spend"})  # events that name neither user nor customer
OF_ACCOUNTS = frozenset({"cash", "cac_payback"})  # metrics of bookings and of spend: no one user's


@dataclass(frozen=True)
class Plan:
    """What to read, over which days, and how."""

    question: Question
    metric: Metric
    products: tuple[str, ...]
    zone: Zone
    week_start: int
    start: int  # first day
    end: int  # day after the last
    now: int  # UTC micros: what lies beyond is not over yet
    currency: str | None  # None: each currency apart
    how: How
    known_at: int | None = None
    among: Among | None = None  # only these users, or their customers
    only: str | None = None  # the one currency of the ledger that is meant

    @cached_property
    def buckets(self) -> list[Bucket]:
        """The buckets of the question's own span."""
        return buckets(self.zone, self.start, self.end, self.question.grain, self.week_start)

    @cached_property
    def slots(self) -> list[int]:
        """Where each bucket of a day or an hour finds its amount."""
        if self.hourly:
            return [bucket.opens for bucket in self.buckets]
        return [bucket.first for bucket in self.buckets]

    @cached_property
    def begun(self) -> int:
        """How many of the buckets had begun at the moment the answer speaks of."""
        return bisect_right(self.buckets, self.seen, key=attrgetter("opens"))

    @cached_property
    def seen(self) -> int:
        """UTC micros of the moment the answer speaks of: now, or the past time asked for."""
        return self.now if self.known_at is None else min(self.known_at, self.now)

    @cached_property
    def today(self) -> int:
        """The local day at that moment."""
        return self.zone.day_of(self.seen)

    @cached_property
    def last(self) -> int:
        """The day after the last one that had begun: what lies ahead is not counted yet."""
        return max(self.start, min(self.end, self.today + 1))

    @property
    def additive(self) -> bool:
        """Whether the metric is a sum of events, so that any dimension divides it exactly."""
        return isinstance(self.metric.rule, Sum | Net)

    @property
    def owned(self) -> bool:
        """Whether it counts events as those of a company's own metric."""
        return any(kind.startswith(PREFIX) for kind in self.metric.reads)

    @property
    def parts_add(self) -> bool:
        """Whether the lines of a breakdown add up to what all of them are together."""
        return adds(self.metric)

    @property
    def native(self) -> bool:
        """Whether each currency has lines of its own."""
        return self.metric.unit == "money" and self.currency is None

    @property
    def hourly(self) -> bool:
        """Whether the points are hours."""
        return self.question.grain == "hour"

    def moved(self, start: int, end: int) -> Plan:
        """The same question over other days."""
        return replace(self, start=start, end=end)

    def of(self, product: str) -> Plan:
        """The same question about one product."""
        return replace(self, products=(product,))

    def about(self, metric: Metric, currency: str) -> Plan:
        """The same question about another metric, money of it in this currency."""
        question = msgspec.structs.replace(self.question, metric=metric.name)
        how = _how(question, metric, self.end - self.start)
        shown = currency if metric.unit == "money" else None
        return replace(self, question=question, metric=metric, currency=shown, how=how)

    def by_day(self) -> Plan:
        """The same question with a point a day."""
        return replace(self, question=msgspec.structs.replace(self.question, grain="day"))


def plan(
    question: Question,
    viewer: Viewer,
    products: tuple[str, ...],
    zone: Zone,
    *,
    now: dt.datetime,
    currency: str,
    week_start: int,
    billed: Container[str] = (),
    catalogue: Mapping[str, Metric] = CATALOG,
) -> Plan:
    """Check a question against what exists and what the viewer may see; Rejected or Forbidden.

    `billed` are the products that a billing source tells of: in others events stand in for the
    ledger where the metric has any.
    """
    may_read(viewer)
    chosen = scope(question.product, products, viewer)
    metric = by_events(metric_named(question.metric, catalogue), chosen, billed)
    start, end = days_of(question.start, question.end, zone, now)
    fits(question.grain, end - start)
    if question.compare is not None:
        _may_compare(question, end)
    if question.policy is not None:
        policy_named(question.policy)
    how = _how(question, metric, end - start)
    known_at = None if question.known_at is None else to_micros(question.known_at)
    shown = _currency(question, currency)
    return Plan(
        question,
        metric,
        chosen,
        zone,
        week_start,
        start,
        end,
        to_micros(now),
        shown if metric.unit == "money" else None,
        how,
        known_at,
    )


def adds(metric: Metric) -> bool:
    """Whether the lines of any breakdown add up to what all of them are together."""
    rule = metric.rule
    if not isinstance(rule, Ledger):
        return isinstance(rule, Sum | Net) or (isinstance(rule, Reported) and rule.adds)
    return rule.kind == "flow" or (rule.kind == "stock" and metric.unit == "money")


def versions(asked: Plan) -> str:
    """The SQL of the versions that stand, or stood at the past time asked for."""
    if asked.known_at is None:
        return "superseded_at is null"
    at = int(asked.seen)
    return f"recorded_at <= {at} and (superseded_at is null or superseded_at > {at})"


def by_events(metric: Metric, products: Iterable[str], billed: Container[str]) -> Metric:
    """The metric as events answer it, where none of the products has a ledger."""
    rule = metric.rule
    if not isinstance(rule, Ledger) or rule.events is None or any(p in billed for p in products):
        return metric
    return msgspec.structs.replace(metric, rule=rule.events)


def scope(asked: tuple[str, ...], products: tuple[str, ...], viewer: Viewer) -> tuple[str, ...]:
    """The products asked for, or all visible; one out of scope is unknown, like one that is not."""
    visible = tuple(product for product in products if viewer.sees(product))
    for product in asked:
        if product not in visible:
            raise Rejected(
                "unknown_product",
                f"Unknown product '{product}'.",
                fix=nearest(product, visible),
                where="product",
            )
    return tuple(dict.fromkeys(asked)) or visible


def compared_days(compare: Compare, start: int, end: int) -> tuple[int, int]:
    """The days that a span is compared with; whole months go with whole months."""
    named = days_compared(compare)
    if named is not None:
        return to_day(named[0]), to_day(named[1])
    first, after = to_date(start), to_date(end)
    if compare == "week":
        back = 7 * max(1, -(-(end - start) // 7)) if end - start > 7 else 7
        return start - back, end - back
    whole_months = first.day == 1 and after.day == 1
    if compare == "year" and whole_months:
        return to_day(add_months(first, -12)), to_day(add_months(after, -12))
    if compare == "year":  # from day to day: the last one counts, not the one after it
        last = after - dt.timedelta(days=1)
        return to_day(add_months(first, -12)), to_day(add_months(last, -12)) + 1
    if whole_months:
        months = (after.year - first.year) * 12 + after.month - first.month
        return to_day(add_months(first, -months)), start
    return start - (end - start), start


def _may_compare(question: Question, end: int) -> None:
    """Nothing, or Rejected for days to compare with that are none, too many, or not earlier."""
    named = None if question.compare is None else days_compared(question.compare)
    if named is None:
        return
    first, after = map(to_day, named)
    if not FIRST_DAY <= first < after < end:
        raise Rejected(
            "bad_comparison",
            f"{named[0]} to {named[1]} is no span that ends before {to_date(end)}.",
            fix="Compare with earlier days, as compare=2026-01-01..2026-02-01; the second day "
            "is not one of them.",
            where="compare",
        )
    fits(question.grain, after - first)


def may_read(viewer: Viewer) -> None:
    """Nothing, or Forbidden for a key that asks no questions."""
    if not viewer.may("read"):
        raise Forbidden(
            "no_read_scope",
            "This key may not ask questions.",
            fix="Use a key with the scope 'read'.",
        )


def days_of(
    start: dt.date | None, end: dt.date | None, zone: Zone, now: dt.datetime
) -> tuple[int, int]:
    """The local days asked for, or the last 30; Rejected where there are none."""
    last = zone.today(now) + 1 if end is None else to_day(end)
    first = last - DEFAULT_DAYS if start is None else to_day(start)
    if first >= last:
        raise Rejected(
            "empty_range",
            f"'from' {to_date(first)} is not before 'to' {to_date(last)}.",
            fix="'from' is included and 'to' is not: one day is from=2026-01-01&to=2026-01-02.",
            where="from",
        )
    if first < FIRST_DAY or last > LAST_DAY:
        raise Rejected(
            "far_range",
            f"{to_date(first)} to {to_date(last)} is beyond the calendar kept here.",
            fix=f"Ask for days from {to_date(FIRST_DAY)} to {to_date(LAST_DAY)}.",
            where="from",
        )
    return first, last


def fits(grain: Grain, days: int) -> None:
    """Nothing, or Rejected where so many days by this grain are too many points."""
    longest = LONGEST.get(grain, 37_000)
    if days > longest:
        raise Rejected(
            "long_range",
            f"{days:,} days by {grain} are too many points.",
            fix=f"Ask for at most {longest:,} days, or for a coarser grain.",
            where="grain",
        )


def _currency(question: Question, own: str) -> str | None:
    asked = question.currency
    if asked == "native":
        return None
    if asked is not None and asked.upper() not in currencies():
        raise Rejected(
            "unknown_currency",
            f"'{asked}' is not an ISO 4217 currency.",
            fix='Use a code such as "EUR", or "native" for each currency apart.',
            where="currency",
        )
    return (asked or own).upper()


def _how(question: Question, metric: Metric, days: int) -> How:
    if question.segment is not None and not of_users(metric):
        raise Rejected(
            "no_segment",
            f"{metric.title} cannot be told apart by users.",
            fix="Ask without a segment, or for what users do or what their customers pay.",
            where="segment",
        )
    if isinstance(metric.rule, Ledger):
        return "ledger"
    by = None if question.by in ("product", "currency") else question.by
    keys = {key for key in (by, *question.where) if key is not None}
    additive = isinstance(metric.rule, Sum | Net)
    for key, allowed in question.where.items():
        if key == "product" or not allowed:
            raise _no_filter(key)
    if question.by == "currency" and "currency" not in metric.dimensions:
        raise _no_split(metric, "currency")
    hourly = question.grain == "hour"
    if hourly and isinstance(metric.rule, Trailing | Ratio | Reported) and not metric.hourly:
        raise Rejected(
            "no_hours",
            f"{metric.title} can only be asked for whole days.",
            fix="Ask with grain=day.",
            where="grain",
        )
    if isinstance(metric.rule, Ratio):
        if question.currency == "native":
            raise _no_split(metric, "currency")
        return "sums"  # as each of its two metrics is read
    if isinstance(metric.rule, Reported):
        return "cells"
    scanned = question.segment is not None or isinstance(metric.rule, Unique | Latest)
    if not keys and not scanned and (_by_hour(metric) or not hourly):
        return "sums"
    if not keys and not hourly and isinstance(metric.rule, Distinct | MeanOfDays | Trailing):
        return "days"  # of the users of a segment
    if additive and not hourly and question.segment is None and keys <= {*CELL_KEYS, "currency"}:
        return "cells"
    for key in keys:
        if isinstance(metric.rule, Sessions | Cohort):
            raise _no_split(metric, key)
    if days > SCANNED_DAYS:
        raise Rejected(
            "long_scan",
            f"No sum is kept of this, and {days:,} days are too many to read event by event.",
            fix=f"Ask for at most {SCANNED_DAYS} days, or split by one of: "
            f"{', '.join(metric.dimensions) or 'product'}."
            if question.segment is None
            else f"Of a segment ask for at most {SCANNED_DAYS} days.",
            where="from",
        )
    return "scan"


def of_users(metric: Metric) -> bool:
    """Whether users, or their customers, are behind a metric, so that a segment narrows it."""
    return metric.name not in OF_ACCOUNTS and not metric.reads <= NOBODYS


def _no_filter(key: str) -> Rejected:
    if key == "product":
        message, fix = "Products are no filter of events.", "Ask with product=mail,docs."
    else:
        message, fix = f"The filter on '{key}' allows nothing.", "Name a value, or leave it out."
    return Rejected("bad_filter", message, fix=fix, where="where")


def _by_hour(metric: Metric) -> bool:
    return isinstance(metric.rule, Sum | Net | Sessions)


def _no_split(metric: Metric, key: str) -> Rejected:
    return Rejected(
        "no_such_split",
        f"{metric.title} cannot be split by '{key}'.",
        fix=f"It can be split by: {', '.join(('product', *metric.dimensions))}.",
        where="by",
    )
