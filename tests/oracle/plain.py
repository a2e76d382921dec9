"""The sums by brute force: lists, sets and loops, straight from the definitions.

Nothing of the product is used but names of event types; days come from `zoneinfo`, identity from a
set of tuples. Slow and plain on purpose.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

MICROS = 1_000_000
HOUR = 3600 * MICROS
TYPES = {"activation", "engagement", "page_view", "signup", "session"}
NOBODY = {"", "null", "anonymous"}  # some of the ids that stand for nobody
NOT_ACTIVITY = {"report", "identify", "merge", "unmerge"}
ACTIVE = {"engagement", "session", "page_view", "activation", "signup"}
MEASURES = {
    "revenue": {"revenue", "refund", "fee"},
    "signups": {"signup"},
    "activations": {"activation"},
    "sessions": {"session"},
    "page_views": {"page_view"},
    "engagement": {"engagement"},
}
DIMENSIONS = ("plan", "country", "channel", "reason", "name")


@dataclass(frozen=True)
class Event:
    """One event as it was sent; `at` and `sent_at` are UTC microseconds."""

    product: str
    type: str
    at: int
    source: str = "app"
    actor: str | None = None
    value: Decimal | None = None
    currency: str | None = None
    key: str | None = None
    sent_at: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def wire(self) -> dict[str, Any]:
        """The event as the API takes it."""
        found: dict[str, Any] = {
            "product_id": self.product,
            "event_type": self.type,
            "timestamp": _text(self.at),
            "source": self.source,
        }
        if self.actor is not None:
            found["actor_id"] = self.actor
        if self.value is not None:
            found["value"] = str(self.value)
        if self.currency is not None:
            found["currency"] = self.currency
        if self.key is not None:
            found["idempotency_key"] = self.key
        if self.sent_at is not None:
            found["sent_at"] = _text(self.sent_at)
        if self.metadata:
            found["metadata"] = dict(self.metadata)
        return found


def _text(micros: int) -> str:
    at = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=micros)
    return at.isoformat()


@dataclass(frozen=True)
class OwnMetric:
    """Which events count for a metric of the company's own; `types` None: any activity."""

    name: str
    types: frozenset[str] | None = None
    named: str | None = None
    where: Mapping[str, frozenset[str]] = field(default_factory=dict)
    users: bool = False  # different users are counted

    def counts(self, event: Event) -> bool:
        """Whether the event is one of them."""
        if event.type in NOT_ACTIVITY if self.types is None else event.type not in self.types:
            return False
        if self.named is not None and _dimension(event.metadata.get("name")) != self.named:
            return False
        return all(
            _dimension(event.metadata.get(key)) in allowed for key, allowed in self.where.items()
        )


@dataclass(frozen=True)
class Rules:
    """What the numbers stand on."""

    zone: str = "UTC"
    exclude: tuple[str, ...] = ()
    active: frozenset[str] = frozenset(ACTIVE)
    own_active: Mapping[str, frozenset[str]] = field(default_factory=dict)  # by product
    identity: tuple[str, ...] = ("external_id", "email")
    own: tuple[OwnMetric, ...] = ()
    # By product ("" for all others): an event's type or name, how often, within how many days.
    activation: Mapping[str, tuple[str, int, int]] = field(default_factory=dict)
    # By product and measure the source whose word counts.
    authority: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def members(self, name: str, product: str) -> set[str]:
        """The types that make an actor a member of the set."""
        if name == "visitors":
            return {"page_view"}
        if name == "active":
            return set(self.own_active.get(product, self.active))
        return set()  # every activity; see `Counted.belongs`

    def overrules(self, event: Event) -> bool:
        """Whether another source is the authority for what the event tells."""
        for measure, source in self.authority.get(event.product, {}).items():
            if event.type in MEASURES[measure] and event.source != source:
                return True
        return False

    def leaves_out(self, event: Event) -> bool:
        """Whether the event is by staff, a test or a bot."""
        email = str(event.metadata.get("email") or "")
        names = {(event.actor or "").lower(), email.lower()} - {""}
        if ip := str(event.metadata.get("ip") or ""):
            names.add(ip)
        for pattern in self.exclude:
            key, equals, wanted = pattern.partition("=")
            if equals:
                if key in event.metadata and str(event.metadata[key]).lower() == wanted.lower():
                    return True
                continue
            for name in names:
                domain = name.rpartition("@")[2] if "@" in name else None
                if fnmatch.fnmatchcase(name, pattern.lower()) or domain == pattern.lower():
                    return True
        return False


def standing(deliveries: Iterable[tuple[int, bool, Iterable[Event]]]) -> list[tuple[int, Event]]:
    """What stands of (received at, whether it restates, events): told in order of arrival.

    The first of a key counts, but what a delivery restates takes its place if it differs.
    """
    found: dict[Any, tuple[int, Event]] = {}
    for number, (at, restates, events) in enumerate(deliveries):
        for place, event in enumerate(events):
            key = (event.product, event.source, event.key)
            known = found.get(key if event.key is not None else (number, place))
            if known is None or (restates and _body(known[1]) != _body(event)):
                found[key if event.key is not None else (number, place)] = (at, event)
    return list(found.values())


class Counted:
    """Every number of a list of events, told in order of arrival: the first of a key counts."""

    def __init__(self, arrived: Iterable[tuple[int, Event]], rules: Rules) -> None:
        self.rules = rules
        self.zone = ZoneInfo(rules.zone)
        self.stored: list[tuple[int, Event]] = []
        keys: set[tuple[str, str, str]] = set()
        for received_at, event in arrived:
            if event.key is not None:
                identity = (event.product, event.source, event.key)
                if identity in keys:
                    continue
                keys.add(identity)
            self.stored.append((received_at, replace(event, at=_corrected(event, received_at))))
        left = [event for _, event in self.stored if not rules.leaves_out(event)]
        self.events = [event for event in left if not rules.overrules(event)]
        self.reported = [
            replace(event, type=f"reported_{event.type}")
            for event in left
            if rules.overrules(event)
        ]

    @cached_property
    def all_kinds(self) -> list[Event]:
        """Every event, and once more for each metric of the company's own that it counts for.

        What only reports what another source counts has a type of its own.
        """
        return [
            *self.events,
            *self.reported,
            *(
                replace(event, type=f"own:{own.name}")
                for own in self.rules.own
                for event in self.events
                if own.counts(event)
            ),
        ]

    def day(self, at: int) -> int:
        """The local day that holds the instant."""
        local = dt.datetime.fromtimestamp(at // MICROS, tz=dt.UTC).astimezone(self.zone)
        return (local.date() - dt.date(1970, 1, 1)).days

    def hour(self, at: int) -> int:
        """When the local hour that holds the instant began."""
        offset = dt.datetime.fromtimestamp(at // MICROS, tz=dt.UTC).astimezone(self.zone)
        shift = offset.utcoffset()
        assert shift is not None
        micros = int(shift.total_seconds()) * MICROS
        return (at + micros) // HOUR * HOUR - micros

    def cells(self) -> dict[tuple[Any, ...], tuple[int, Decimal]]:
        """Count and value by product, type, currency, source, day and dimensions."""
        found: dict[tuple[Any, ...], list[Any]] = defaultdict(lambda: [0, Decimal(0)])
        for event in self.all_kinds:
            dims = tuple(_dimension(event.metadata.get(name)) for name in DIMENSIONS)
            key = (event.product, event.type, event.currency or "", event.source)
            cell = found[*key, self.day(event.at), *dims]
            cell[0] += 1
            cell[1] += _value(event)
        return {key: (n, value) for key, (n, value) in found.items()}

    def series(self, bucket: str) -> dict[tuple[str, str, str], dict[int, tuple[int, Decimal]]]:
        """Count and value of each type, by "day" or "hour", in each currency."""
        place = self.day if bucket == "day" else self.hour
        found: dict[tuple[str, str, str], dict[int, tuple[int, Decimal]]] = defaultdict(dict)
        for event in self.all_kinds:
            into = found[event.product, event.type, event.currency or ""]
            n, value = into.get(place(event.at), (0, Decimal(0)))
            into[place(event.at)] = (n + 1, value + _value(event))
        return dict(found)

    def belongs(self, event: Event, name: str) -> bool:
        """Whether the event makes its actor a member of the set."""
        if event.actor is None:
            return False
        if name.startswith("own:"):
            return event.type == name
        if name == "actors":
            others = event.type.startswith(("own:", "reported_"))
            return event.type not in NOT_ACTIVITY and not others
        return event.type in self.rules.members(name, event.product)

    def days_of(self, name: str) -> dict[tuple[str, str], set[int]]:
        """The days on which each actor of each product was a member of the set."""
        found: dict[tuple[str, str], set[int]] = defaultdict(set)
        for event in self.all_kinds:
            if self.belongs(event, name):
                assert event.actor is not None
                found[event.product, event.actor].add(self.day(event.at))
        return found

    @cached_property
    def persons(self) -> dict[tuple[str, str], frozenset[Any]]:
        """Actors that are one with something, and all of it: actors and traits."""
        return persons(self.events, self.rules.identity)

    def person(self, event: Event) -> Any:
        """Who did it, over all products."""
        return person_of(self.persons, event)

    def days_of_people(self, name: str, *, company: bool) -> dict[Any, set[int]]:
        """The days on which each person was a member of the set, by product or anywhere."""
        found: dict[Any, set[int]] = defaultdict(set)
        for event in self.all_kinds:
            if self.belongs(event, name):
                where = "" if company else event.product
                found[where, self.person(event)].add(self.day(event.at))
        return found

    def visits(self) -> Counter[tuple[str, int]]:
        """Visits by product and day: page views 30 minutes or more after the one before."""
        seconds: dict[Any, set[int]] = defaultdict(set)
        for event in self.events:
            if event.type == "page_view" and event.actor is not None:
                seconds[event.product, self.person(event)].add(event.at // MICROS)
        found: Counter[tuple[str, int]] = Counter()
        for (product, _), own in seconds.items():
            ordered = sorted(own)
            for before, second in zip([None, *ordered], ordered, strict=False):
                if before is None or second - before >= 30 * 60:
                    found[product, self.day(second * MICROS)] += 1
        return found

    def activated(self) -> tuple[Counter[tuple[str, int]], Counter[tuple[str, int]]]:
        """By product and day of the first signup: who signed up, who activated in time."""
        signed: dict[Any, int] = {}
        for event in self.events:
            if event.type == "signup" and event.actor is not None:
                who = (event.product, self.person(event))
                signed[who] = min(signed.get(who, event.at), event.at)
        entered = Counter((who[0], self.day(at)) for who, at in signed.items())
        reached = Counter(
            (who[0], self.day(at)) for who, at in signed.items() if self._reached(who, at)
        )
        return entered, reached

    def _reached(self, who: tuple[str, Any], at: int) -> bool:
        rules = self.rules.activation
        name, times, days = rules.get(who[0], rules.get("", ("activation", 1, 14)))
        done = 0
        for event in self.events:
            own = event.type if name in TYPES else _dimension(event.metadata.get("name"))
            if own == name and event.actor is not None and at <= event.at <= at + days * 24 * HOUR:
                done += (event.product, self.person(event)) == who
        return done >= times


def persons(
    events: Iterable[Event], rules: tuple[str, ...]
) -> dict[tuple[str, str], frozenset[Any]]:
    """Actors that are one with something, and all of it: actors and traits."""
    groups: dict[Any, frozenset[Any]] = {}
    for ends in _standing(events, rules):
        whole = frozenset().union(*(groups.get(end, {end}) for end in ends))
        groups.update(dict.fromkeys(whole, whole))
    return groups


def person_of(known: Mapping[tuple[str, str], frozenset[Any]], event: Event) -> Any:
    """Who did it, over all products."""
    who = (event.product, event.actor or "")
    return known.get(who, frozenset([who]))


def _standing(events: Iterable[Event], rules: tuple[str, ...]) -> Iterable[set[Any]]:
    """What is linked in the end, told in order of time; of one instant parting comes last."""
    links: list[set[Any]] = []
    for event in sorted(events, key=lambda one: (one.at, one.type == "unmerge")):
        data = {key: str(value) for key, value in event.metadata.items() if value is not None}
        me = (event.product, event.actor)
        others: list[Any] = []
        if event.type == "unmerge":
            other = (event.product, data["into"]) if data.get("into") else None
            nobody = "into" in event.metadata and data.get("into", "").lower() in NOBODY
            if other != me and not nobody:  # nobody can be parted from oneself
                parted = {me, other} - {None}
                links = [link for link in links if not parted <= link]
        elif event.type == "merge":
            others = (
                [] if data.get("into", "").lower() in NOBODY else [(event.product, data["into"])]
            )
        elif event.type == "identify":
            names = ("anonymous_id", "user_id")
            others = [(event.product, data[name]) for name in names if data.get(name)]
            if data.get("external_id"):
                of = "" if "external_id" in rules else event.product
                others.append(("external_id", data["external_id"], of))
            if "@" in data.get("email", "") and "email" in rules:
                others.append(("email", data["email"].lower(), ""))
        links += [{me, other} for other in others if other != me]
    return links


def _body(event: Event) -> Event:
    return replace(event, value=_value(event))


def _corrected(event: Event, received_at: int) -> int:
    at = event.at
    if event.sent_at is not None:
        at = max(at + received_at - event.sent_at, 24 * HOUR)
    return received_at if at > received_at + HOUR else at


def _value(event: Event) -> Decimal:
    return Decimal(1) if event.value is None else event.value


def _dimension(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)
