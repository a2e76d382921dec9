"""A company's own metrics: what is said of one in the configuration, and its catalogue entry.

Events that count for one are counted once more under a type of its own, `own:NAME`. So its sums,
hours, dimensions, corrections and distinct users are kept by what keeps those of every type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from upwell.event import DIMENSIONS, EVENT_TYPES, MONEY_TYPES
from upwell.metrics.catalog import (
    CATALOG,
    SETS,
    Cohort,
    Direction,
    Distinct,
    Latest,
    Metric,
    Ratio,
    Rule,
    Sum,
    Unique,
    Unit,
)

PREFIX = "own:"
METADATA = "metadata."


class Own(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of the company's own, as configured; `types` None: any activity."""

    name: str
    title: str = ""
    unit: Literal["count", "money", "ratio", "seconds"] = "count"
    direction: Direction = "up"
    aggregate: Literal["sum", "count", "unique", "latest", "ratio"] = "sum"
    types: tuple[str, ...] | None = None
    named: str | None = None
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()  # metadata key, and the texts it may have
    of: str = "value"
    numerator: str = ""
    denominator: str = ""

    @property
    def kind(self) -> str:
        """The type under which its events are counted."""
        return PREFIX + self.name

    @property
    def reads(self) -> tuple[str, ...]:
        """The types of the events that may count."""
        return tuple(sorted(SETS["actors"] if self.types is None else self.types))

    @property
    def counts(self) -> tuple[object, ...] | None:
        """All that its sums depend on; None for a ratio, of which none are kept."""
        if self.aggregate == "ratio":
            return None
        return self.kind, self.reads, self.named, self.where, self.by_user

    @property
    def by_user(self) -> bool:
        """Whether it counts different users."""
        return self.aggregate == "unique" and self.of == "actor_id"


class Activation(msgspec.Struct, frozen=True, kw_only=True):
    """What activates: an event type or name, so often within so many days of the first signup."""

    event: str = "activation"
    times: int = 1
    days: int = 14

    @property
    def type(self) -> str | None:
        """The event type, where it is one."""
        return self.event if self.event in EVENT_TYPES else None

    @property
    def named(self) -> str | None:
        """The event's name, where it is no type."""
        return None if self.event in EVENT_TYPES else self.event


def activating(found: Mapping[str, Metric], rules: Iterable[Activation]) -> dict[str, Metric]:
    """The entries that follow what activates: as many as signed up in the bucket and then did."""
    rules = set(rules)
    if rules == {Activation()}:
        return dict(found)
    days = max(rule.days for rule in rules)
    rate, count = found["activation_rate"], found["activations"]
    said = " or, by product, ".join(sorted(map(_activates, rules)))
    return {
        **found,
        "activation_rate": msgspec.structs.replace(
            rate,
            rule=Cohort("signup", "activation", days),
            definition="Of the users who first signed up in the period, the share who activated: "
            f"{said}. Complete only when {days} days have passed.",
        ),
        "activations": msgspec.structs.replace(
            count,
            rule=Cohort("signup", "activation", days, of="reached"),
            dimensions=(),
            definition="Users who first signed up in the period and activated: "
            f"{said}. Complete only when {days} days have passed.",
        ),
    }


def _activates(rule: Activation) -> str:
    often = "" if rule.times == 1 else f" {rule.times} times"
    return f"{rule.event}{often} within {rule.days} days"


Fault = tuple[str, str, str, str]  # key, code, message, fix


def faults(own: Own, others: Mapping[str, Own]) -> Iterator[Fault]:
    """What types cannot say about one of them; `others` are all of the company's own."""
    if own.aggregate == "ratio":
        yield from _ratio_faults(own, others)
        return
    for key in ("numerator", "denominator"):
        if getattr(own, key):
            yield key, "bad_value", f"Only a ratio has '{key}'.", f"Leave '{key}' out."
    if own.unit == "ratio":
        fix = 'Write aggregate = "ratio" with numerator and denominator, or another unit.'
        yield "unit", "bad_unit", "Only a ratio of two metrics is measured in percent.", fix
    if own.aggregate in ("count", "unique") and own.unit != "count":
        said = f"'{own.unit}' does not fit what counts events or users."
        yield "unit", "bad_unit", said, 'Write: unit = "count".'
    yield from _of_faults(own)
    money = set(own.reads) <= MONEY_TYPES
    if own.aggregate in ("sum", "latest") and (own.unit == "money") != money:
        if own.unit == "money":
            fix = f"Name event types that are money: {', '.join(sorted(MONEY_TYPES))}."
            yield "unit", "bad_unit", "These events carry no currency.", fix
        else:
            yield "unit", "bad_unit", "Values of these events are money.", 'Write: unit = "money".'
    if own.aggregate == "latest" and own.unit == "money":
        said = "The latest value cannot be money."
        yield "aggregate", "bad_value", said, 'Write: aggregate = "sum".'


def _of_faults(own: Own) -> Iterator[Fault]:
    key = own.of.removeprefix(METADATA)
    if own.aggregate != "unique":
        if own.of != "value":
            fix = "Leave 'of' out, or write aggregate = \"unique\"."
            yield "of", "bad_value", f"'{own.of}' cannot be added.", fix
    elif own.of != "actor_id" and (not own.of.startswith(METADATA) or not key):
        fix = 'Write of = "actor_id", or of = "metadata.KEY".'
        yield "of", "bad_value", f"'{own.of}' cannot be told apart.", fix


def _ratio_faults(own: Own, others: Mapping[str, Own]) -> Iterator[Fault]:
    units: dict[str, str] = {}
    for key in ("numerator", "denominator"):
        name = getattr(own, key)
        known = CATALOG.get(name) or others.get(name)
        if known is None:
            continue
        if known.unit in ("ratio", "number") or getattr(known, "aggregate", "") == "ratio":
            fix = "Name metrics that are counted or added."
            yield key, "bad_value", f"'{name}' is a ratio itself.", fix
        else:
            units[key] = known.unit
    for key, absent in (("of", "value"), ("types", None), ("named", None), ("where", ())):
        if getattr(own, key) != absent:
            shown = "event" if key == "types" else key
            yield shown, "bad_value", f"A ratio has no '{shown}'.", f"Leave '{shown}' out."
    if len(units) == 2 and own.unit not in (fit := _units(*units.values())):
        said = f"'{own.unit}' does not fit {units['numerator']} over {units['denominator']}."
        yield "unit", "bad_unit", said, "Write: unit = " + " or ".join(f'"{u}"' for u in fit) + "."


def _units(above: str, below: str) -> tuple[str, ...]:
    """What a ratio of these may be measured in; a count is a plain number, 3.4 messages a user."""
    if above == below:
        return ("ratio", "count")
    return (above,) if below == "count" else ("count",)


def catalogue(owns: Iterable[Own]) -> dict[str, Metric]:
    """The built-in entries, and those of the company's own after them."""
    found = dict(CATALOG)
    ratios = []
    for own in owns:
        if own.aggregate == "ratio":
            ratios.append(own)
        else:
            found[own.name] = _entry(own, own.unit, _rule(own))
    for own in ratios:
        types = tuple(sorted({t for n in (own.numerator, own.denominator) for t in found[n].reads}))
        # A count over a count is read as a plain number: 3.4 messages a user.
        unit: Unit = "number" if own.unit == "count" else own.unit
        hours = found[own.numerator].hourly and found[own.denominator].hourly
        rule = Ratio(own.numerator, own.denominator, types, hours)
        found[own.name] = _entry(own, unit, rule)
    return found


def gone(name: str) -> Metric:
    """What is left of a metric of the company's own that was taken out: its name."""
    return _entry(Own(name=name, title=name), "count", Sum(PREFIX + name, "value"))


def _rule(own: Own) -> Rule:
    if own.aggregate in ("sum", "count"):
        return Sum(own.kind, "value" if own.aggregate == "sum" else "count")
    if own.aggregate == "latest":
        return Latest(own.kind)
    if own.by_user:
        return Distinct(own.kind)
    return Unique(own.kind, own.of.removeprefix(METADATA))


def _entry(own: Own, unit: Unit, rule: Rule) -> Metric:
    kept = (*DIMENSIONS, "source") if isinstance(rule, Sum) else ()
    return Metric(
        name=own.name,
        title=own.title,
        unit=unit,
        direction=own.direction,
        definition=_definition(own),
        rule=rule,
        dimensions=(*kept, "currency") if unit == "money" and kept else kept,
    )


def _definition(own: Own) -> str:
    if own.aggregate == "ratio":
        return f"`{own.numerator}` over `{own.denominator}` of the same period."
    said = {
        "sum": "The sum of the values",
        "count": "The number",
        "latest": "The newest value by the end of the period, known for at most 400 days,",
        "unique": "The number of different users"
        if own.by_user
        else f"The number of different values of {own.of}",
    }[own.aggregate]
    events = "any event" if own.types is None else " or ".join(own.types) + " events"
    named = f" named {own.named}" if own.named else ""
    where = "".join(f", with {key} {' or '.join(allowed)}" for key, allowed in own.where)
    return f"{said} of {events}{named}{where}. A metric of your own."
