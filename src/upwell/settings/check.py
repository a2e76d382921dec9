"""What types cannot say about the settings: zones, currencies, ids, references. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import lru_cache
from zoneinfo import available_timezones

from babel import Locale
from babel.numbers import list_currencies
from msgspec import Struct

from upwell.errors import nearest
from upwell.settings.lines import Path
from upwell.settings.schema import (
    Activation,
    Ga4Source,
    MixpanelSource,
    OwnMetric,
    Settings,
    SqlSource,
)

Mistake = tuple[Path, str, str, str]  # path, code, message, fix

_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_RESERVED = {"unassigned": "the built-in product of rows that map to none", "*": "every product"}
_DURATION = re.compile(r"(\d+)\s*(s|m|h|d|w)")
_SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class Names(Struct, frozen=True):
    """The names that higher parts know; an empty set is not checked."""

    metrics: frozenset[str] = frozenset()
    event_types: frozenset[str] = frozenset()
    measures: frozenset[str] = frozenset()
    sources: tuple[type[Struct], ...] = ()
    """Tables of the kinds of source that were added beside those of `schema`."""
    judge: Callable[[tuple[OwnMetric, ...]], Iterable[tuple[int, str, str, str, str]]] | None = None
    """What is wrong with a company's own metrics: index, key, code, message, fix."""


def duration(text: str) -> timedelta:
    """The span written as `60s`, `5m`, `2h`, `14d` or `2w`; raises ValueError for other text."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"not a span of time: {text!r}")
    return timedelta(seconds=int(found[1]) * _SPANS[found[2]])


def mistakes(settings: Settings, names: Names) -> Iterator[Mistake]:
    """Every mistake, in the order of the file's sections."""
    yield from _workspace(settings, names)
    yield from _server(settings)
    yield from _products(settings, names)
    yield from _sources(settings, names)
    yield from _channels(settings)
    yield from _rules(settings, names)
    yield from _own_metrics(settings, names)


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


@lru_cache(maxsize=1)
def _countries() -> frozenset[str]:
    codes = map(str, Locale("en").territories)
    return frozenset(code for code in codes if re.fullmatch("[A-Z]{2}", code))


def _zone(path: Path, name: str) -> Iterator[Mistake]:
    if name not in _zones():
        # 'Berlin' is near to 'Europe/Berlin' for a person, not for an edit distance.
        ends = sorted(z for z in _zones() if z.lower().rpartition("/")[2] == name.lower())
        fix = f"Did you mean '{ends[0]}'?" if ends else nearest(name, _zones())
        yield (path, "unknown_timezone", f"'{name}' is not an IANA time zone.", fix)


def _slug(path: Path, word: str, seen: dict[str, int], what: str) -> Iterator[Mistake]:
    if not _SLUG.fullmatch(word):
        fix = re.sub(r"[^a-z0-9_-]+", "-", word.lower()).strip("-_") or "mail"
        yield (
            path,
            "bad_id",
            f"'{word}' cannot be a {what}'s id: small letters, digits, - and _, at most 63.",
            f'Write: id = "{fix[:63]}".',
        )
    if word in seen:
        yield (
            path,
            "duplicate_id",
            f"The {what} '{word}' is there twice.",
            "Give each its own id, or remove one.",
        )
    seen[word] = 1


def _span(path: Path, text: str) -> Iterator[Mistake]:
    if text and not _DURATION.fullmatch(text.strip()):
        yield (path, "bad_span", f"'{text}' is not a span of time.", "Write 30s, 5m, 2h or 14d.")


def _known(path: Path, word: str, known: Iterable[str], what: str) -> Iterator[Mistake]:
    known = set(known)
    if word not in known:
        yield (
            path,
            f"unknown_{what.replace(' ', '_')}",
            f"Unknown {what} '{word}'.",
            nearest(word, known),
        )


def _types(path: Path, words: tuple[str, ...] | None, names: Names) -> Iterator[Mistake]:
    for index, word in enumerate(words or ()):
        if names.event_types:
            yield from _known((*path, index), word, names.event_types, "event type")


def _workspace(settings: Settings, names: Names) -> Iterator[Mistake]:
    space = settings.workspace
    yield from _zone(("workspace", "timezone"), space.timezone)
    if space.currency not in list_currencies():
        fix = nearest(space.currency.upper(), list_currencies())
        yield (
            ("workspace", "currency"),
            "unknown_currency",
            f"'{space.currency}' is not an ISO 4217 currency.",
            fix if "Did you mean" in fix else "Use a code such as USD, EUR or JPY.",
        )
    if not 0 <= space.gross_margin <= 1:
        yield (
            ("workspace", "gross_margin"),
            "bad_value",
            f"A gross margin of {space.gross_margin} is not a share.",
            "Write it between 0 and 1: 0.8 is 80 %.",
        )
    for index, pattern in enumerate(space.exclude):
        if not pattern.strip("*?@. "):
            yield (
                ("workspace", "exclude", index),
                "bad_pattern",
                f"The pattern '{pattern}' would leave out everybody.",
                'Name a domain or an address: "*@acme.example".',
            )
    yield from _types(("workspace", "active"), space.active, names)
    yield from _activation(("workspace", "activation"), space.activation)


def _activation(path: Path, activation: Activation | None) -> Iterator[Mistake]:
    if activation is None:
        return
    within = activation.within
    span = duration(within) if _DURATION.fullmatch(within.strip()) else timedelta()
    if not span or span % timedelta(days=1):
        said = f"'{within}' are no whole days."
        yield ((*path, "within"), "bad_span", said, 'Write: within = "14d".')


def _server(settings: Settings) -> Iterator[Mistake]:
    url = settings.server.public_url
    if url and not re.match(r"https?://[^/\s]+", url):
        yield (
            ("server", "public_url"),
            "bad_url",
            f"'{url}' is not a web address.",
            'Begin it with https://, as "https://upwell.acme.example".',
        )
    if not re.fullmatch(r"duckdb|bigquery://[^/\s]+/[^/\s]+", settings.warehouse.url):
        yield (
            ("warehouse", "url"),
            "bad_warehouse",
            f"'{settings.warehouse.url}' is not a warehouse.",
            'Write "duckdb" or "bigquery://project/dataset".',
        )


def _products(settings: Settings, names: Names) -> Iterator[Mistake]:
    seen: dict[str, int] = {}
    ids = {product.id for product in settings.products}
    for index, product in enumerate(settings.products):
        path: Path = ("products", index)
        if product.id in _RESERVED:
            yield (
                (*path, "id"),
                "reserved_id",
                f"'{product.id}' is {_RESERVED[product.id]}.",
                "Choose another id.",
            )
        else:
            yield from _slug((*path, "id"), product.id, seen, "product")
        for place, country in enumerate(product.countries):
            if country not in _countries():
                yield (
                    (*path, "countries", place),
                    "unknown_country",
                    f"'{country}' is not an ISO 3166 country code.",
                    "Use two capital letters, such as US or DE.",
                )
        yield from _types((*path, "active"), product.active, names)
        yield from _activation((*path, "activation"), product.activation)
        for measure in product.authority if names.measures else ():
            inner = (*path, "authority", measure)
            yield from _known(inner, measure, names.measures, "measure")
        for name, kind in product.events.items():
            if names.event_types:
                inner = (*path, "events", name)
                yield from _known(inner, kind, names.event_types, "event type")
        if product.renamed_from in ids:
            yield (
                (*path, "renamed_from"),
                "still_there",
                f"'{product.renamed_from}' is still a product of its own.",
                "Remove that product's block, or this line.",
            )


def _sources(settings: Settings, names: Names) -> Iterator[Mistake]:
    seen: dict[str, int] = {}
    products = {product.id for product in settings.products}
    for index, source in enumerate(settings.sources):
        path: Path = ("sources", index)
        yield from _slug((*path, "id"), source.id, seen, "source")
        if source.product is not None:
            yield from _known((*path, "product"), source.product, products, "product")
            if source.product_from is not None:
                yield (
                    (*path, "product_from"),
                    "two_products",
                    "Both 'product' and 'product_from' are given.",
                    "Keep one of them.",
                )
        if isinstance(source, SqlSource):
            yield from _span((*path, "every"), source.every)
            yield from _span((*path, "timeout"), source.timeout)
            yield from _zone((*path, "timezone"), source.timezone)
            queries: dict[str, int] = {}
            for place, query in enumerate(source.queries):
                inner = (*path, "queries", place)
                yield from _slug((*inner, "name"), query.name, queries, "query")
                yield from _span((*inner, "look_back"), query.look_back)
                if names.event_types:
                    yield from _known(
                        (*inner, "event_type"), query.event_type, names.event_types, "event type"
                    )
        if isinstance(source, Ga4Source):
            yield from _span((*path, "every"), source.every)
            if not source.property.removeprefix("properties/").isdecimal():
                yield (
                    (*path, "property"),
                    "bad_property",
                    f"'{source.property}' is no number of a property.",
                    "Take the number from Admin, Property details; G-… is that of a stream.",
                )
        if isinstance(source, MixpanelSource):
            yield from _zone((*path, "timezone"), source.timezone)
            for name, kind in source.events.items() if names.event_types else ():
                yield from _known((*path, "events", name), kind, names.event_types, "event type")
            yield from _span((*path, "every"), source.every)


_NEEDS = {
    "slack": ("url", 'url = "env:SLACK_URL"'),
    "webhook": ("url", 'url = "https://…"'),
    "email": ("to", 'to = ["ops@acme.example"]'),
    "pagerduty": ("key", 'key = "env:PAGERDUTY_KEY"'),
}


def _channels(settings: Settings) -> Iterator[Mistake]:
    seen: dict[str, int] = {}
    for index, channel in enumerate(settings.channels):
        path: Path = ("channels", index)
        yield from _slug((*path, "id"), channel.id, seen, "channel")
        key, line = _NEEDS[channel.kind]
        if not getattr(channel, key):
            yield (
                path,
                "missing_key",
                f"A channel of kind {channel.kind} needs '{key}'.",
                f"Add: {line}.",
            )
        url = channel.url
        if url and not url.startswith(("env:", "file:", "http://", "https://")):
            yield (
                (*path, "url"),
                "bad_url",
                f"The address of channel '{channel.id}' is no web address.",
                "Begin it with https://, or point to it with env:NAME or file:PATH.",
            )


def _rules(settings: Settings, names: Names) -> Iterator[Mistake]:
    products = {product.id for product in settings.products}
    channels = {channel.id for channel in settings.channels}
    metrics = names.metrics | {metric.name for metric in settings.metrics}
    for index, alert in enumerate(settings.alerts):
        path: Path = ("alerts", index)
        if names.metrics:
            yield from _known((*path, "metric"), alert.metric, metrics, "metric")
        for place, product in enumerate(alert.products):
            if product != "*":
                yield from _known((*path, "products", place), product, products, "product")
        for key in ("to", "escalate_to"):
            for place, channel in enumerate(getattr(alert, key)):
                yield from _known((*path, key, place), channel, channels, "channel")
        yield from _span((*path, "hold"), alert.hold)
        yield from _span((*path, "escalate_after"), alert.escalate_after)
        if alert.quiet_hours and not re.fullmatch(
            r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", alert.quiet_hours
        ):
            yield (
                (*path, "quiet_hours"),
                "bad_hours",
                f"'{alert.quiet_hours}' are no hours.",
                'Write: quiet_hours = "22:00-07:00".',
            )
        if alert.kind == "threshold" and alert.above is None and alert.below is None:
            yield (
                path,
                "missing_key",
                "A threshold needs a value.",
                "Add: above = … or below = ….",
            )
        if alert.kind == "change" and alert.by is None:
            yield (path, "missing_key", "A change needs its size.", "Add: by = 0.2 (for 20 %).")
    goals: set[str] = set()
    for index, goal in enumerate(settings.goals):
        if names.metrics:
            yield from _known(("goals", index, "metric"), goal.metric, metrics, "metric")
        if goal.product is not None:
            yield from _known(("goals", index, "product"), goal.product, products, "product")
        if goal.since is not None and goal.since > goal.by:
            yield (
                ("goals", index, "since"),
                "bad_day",
                f"The goal is to be reached on {goal.by}, and set after it.",
                "Write a day before 'by', or leave 'since' out.",
            )
        name = goal.id or "-".join(filter(None, (goal.metric, goal.product, goal.by.isoformat())))
        if name in goals:
            yield (
                ("goals", index),
                "duplicate_id",
                f"The goal '{name}' is there twice.",
                'Give one of them an id of its own: id = "…".',
            )
        goals.add(name)
    for index, report in enumerate(settings.reports):
        if len(report.schedule.split()) != 5:
            yield (
                ("reports", index, "schedule"),
                "bad_schedule",
                f"'{report.schedule}' is no cron line.",
                'Write five fields: "0 7 1 * *" is the 1st of each month at 07:00.',
            )
        for place, to in enumerate(report.to):
            if "@" not in to:
                yield from _known(("reports", index, "to", place), to, channels, "channel")


def _own_metrics(settings: Settings, names: Names) -> Iterator[Mistake]:
    seen: dict[str, int] = {}
    metrics = names.metrics | {metric.name for metric in settings.metrics}
    for index, metric in enumerate(settings.metrics):
        path: Path = ("metrics", index)
        yield from _slug((*path, "name"), metric.name, seen, "metric")
        if metric.name in names.metrics:
            yield (
                (*path, "name"),
                "duplicate_id",
                f"'{metric.name}' is a metric that Upwell has already.",
                "Choose another name.",
            )
        events = (metric.event,) if isinstance(metric.event, str) else metric.event
        yield from _types((*path, "event"), events, names)
        for key in ("numerator", "denominator"):
            word = getattr(metric, key)
            if metric.aggregate == "ratio" and word is None:
                yield (path, "missing_key", f"A ratio needs '{key}'.", f'Add: {key} = "…".')
            elif word is not None and names.metrics:
                yield from _known((*path, key), word, metrics, "metric")
    if names.judge is not None:
        for index, key, *said in names.judge(settings.metrics):
            code, message, fix = said
            yield (("metrics", index, key), code, message, fix)
