"""What the sums stand on: zone, what counts as active, who is excluded, which products exist.

It comes as a delivery like everything else, so that the state stays a function of the journal.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from upwell.billing import Origin
from upwell.event import Delivery
from upwell.metrics.authority import MEASURES, REPORTED, sent_as
from upwell.metrics.catalog import DEFAULT_ACTIVE, SETS, Metric
from upwell.metrics.own import Activation, Own, activating, catalogue
from upwell.metrics.policy import (
    ChurnRecognition,
    FxPolicy,
    MetricPolicy,
    RefundedInvoices,
    RefundWithCancel,
    policy_named,
)


class GroundProduct(msgspec.Struct, frozen=True, kw_only=True):
    """A product as the sums know it."""

    id: str
    name: str = ""
    active: tuple[str, ...] | None = None
    retired: bool = False
    activation: Activation | None = None
    authority: tuple[tuple[str, str], ...] = ()  # measure, and the source whose word counts
    made: bool = False  # on a page, not in the configuration file
    named: tuple[tuple[str, str], ...] = ()  # what clients of vendors call an event, and its type


class Relinked(msgspec.Struct, frozen=True, kw_only=True, tag="identity"):
    """How those who belong together change: groups that end, groups that begin, what is by hand."""

    gone: tuple[tuple[str, ...], ...] = ()
    come: tuple[tuple[str, ...], ...] = ()
    by_hand: tuple[tuple[str, ...], ...] = ()
    alone: tuple[str, ...] = ()

    def of(self, ground: Ground) -> Ground:
        """The configuration after it."""
        merges = {*ground.merges}.difference(self.gone).union(self.come)
        return msgspec.structs.replace(
            ground, merges=tuple(sorted(merges)), by_hand=self.by_hand, alone=self.alone
        )


class Ground(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The configuration that changes results; equal grounds give equal sums."""

    name: str = "Workspace"
    currency: str = "USD"
    week_start: int = 0
    timezone: str = "UTC"
    chosen: bool = False  # the four above were chosen on a page
    active: tuple[str, ...] = DEFAULT_ACTIVE
    exclude: tuple[str, ...] = ()
    products: tuple[GroundProduct, ...] = ()
    policy: str = "upwell"  # counting rules of recurring revenue, by name
    fiscal_year_start: int = 1  # month, 1 to 12
    gross_margin: Decimal = Decimal(1)
    closed_months: Literal["restate", "adjust"] = "restate"
    fx: FxPolicy | None = None  # None: as the counting rules say
    churn_recognition: ChurnRecognition | None = None  # None: as the counting rules say
    refunded_invoices: RefundedInvoices = "keep"
    refund_with_cancel: RefundWithCancel = "keep"
    rates: tuple[tuple[str, Decimal], ...] = ()  # constant, by hand: worth of one in `currency`
    sources: tuple[Origin, ...] = ()
    activation: Activation = Activation()
    metrics: tuple[Own, ...] = ()  # the company's own
    rules: tuple[str, ...] = ("external_id", "email")  # by which customers are one (`identity`)
    # Customers that are one person, as `source:id`. They come by deliveries of their own, which
    # say only what changed: a configuration that names none keeps those there are.
    merges: tuple[tuple[str, ...], ...] = ()
    by_hand: tuple[tuple[str, ...], ...] = ()  # joined by people
    alone: tuple[str, ...] = ()  # parted by people

    def origin(self, source: str) -> Origin:
        """The configured source of that name; one that nobody configured belongs to no product."""
        return next((one for one in self.sources if one.id == source), Origin(id=source))

    def origin_of(self, delivery: Delivery) -> Origin:
        """Where a delivery comes from; what clients of vendors send belongs to their key's product.

        Its names mean what that product says.
        """
        if delivery.kind != "sdk":
            return self.origin(delivery.source)
        product = delivery.about["product"]
        named = next((one.named for one in self.products if one.id == product), ())
        return Origin(
            id=delivery.source, kind="sdk", product=product, given={"events": dict(named)}
        )

    def counting(self, name: str | None = None) -> MetricPolicy:
        """The counting rules of that name, or the workspace's own with what it chose of them.

        Rejected where there are none of that name.
        """
        found = policy_named(name or self.policy)
        if found.name != self.policy:
            return found
        return msgspec.structs.replace(
            found,
            churn_recognition=self.churn_recognition or found.churn_recognition,
            refunded_invoices=self.refunded_invoices,
            refund_with_cancel=self.refund_with_cancel,
        )

    @cached_property
    def same(self) -> dict[tuple[str, str], tuple[str, str]]:
        """The customers that were merged into another: source and id of both."""
        found = {}
        for group in self.merges:
            first, *rest = [(name.partition(":")[0], name.partition(":")[2]) for name in group]
            found.update(dict.fromkeys(rest, first))
        return found

    @cached_property
    def _groups(self) -> dict[tuple[str, str], list[tuple[str, str]]]:
        found: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for member, first in self.same.items():
            found.setdefault(first, []).append(member)
        return found

    def around(
        self, customers: Iterable[tuple[str, str]]
    ) -> dict[tuple[str, str], tuple[str, str]]:
        """The part of `same` about those who are one with these customers."""
        firsts = {self.same.get(customer, customer) for customer in customers}
        return {member: first for first in firsts for member in self._groups.get(first, ())}

    def over(self, other: Ground) -> Ground:
        """This configuration with the merges of another where it names none itself."""
        if self.merges or self.by_hand or self.alone:
            return self
        return msgspec.structs.replace(
            self, merges=other.merges, by_hand=other.by_hand, alone=other.alone
        )

    def counts_like(self, other: Ground) -> bool:
        """Whether ledgers counted by the same rules are the same on both."""
        return all(getattr(self, name) == getattr(other, name) for name in _LEDGER)

    @cached_property
    def catalogue(self) -> dict[str, Metric]:
        """Every metric by its name, the company's own among them."""
        rules = (self.activation, *self.activations.values())
        return activating(catalogue(self.metrics), rules)

    @cached_property
    def activations(self) -> dict[str, Activation]:
        """What activates in the products that say so themselves."""
        return {p.id: p.activation for p in self.products if p.activation is not None}

    @cached_property
    def authorities(self) -> dict[tuple[str, str], frozenset[str]]:
        """By product and event type the sources whose word counts; where none is, all count.

        What a product names holds. For money it is otherwise the billing sources that are
        configured for the product, if there are any.
        """
        found: dict[tuple[str, str], frozenset[str]] = {}
        for origin in self.sources:
            billed = {origin.product, *origin.assign.values()} if origin.kind == "stripe" else ()
            for product in billed:
                for kind in MEASURES["revenue"]:
                    known = found.get((product or "", kind), frozenset())
                    found[product or "", kind] = known | {origin.id}
        for own in self.products:
            for measure, source in own.authority:
                kinds = MEASURES.get(measure, ())
                found |= {(own.id, kind): frozenset({source}) for kind in kinds}
        return found

    def counted_as(self, product: str, source: str, kind: str) -> str:
        """The type under which an event is kept: another where another source is the authority."""
        sent = sent_as(kind)
        counts = self.authorities.get((product, sent))
        return sent if counts is None or source in counts else REPORTED + sent

    @property
    def reads_more(self) -> bool:
        """Whether an event may count for more than its own type's sums, or activate by its name."""
        return bool(self.kept or self.activations or self.activation != Activation())

    def activates(self, product: str) -> Activation:
        """What activates in a product."""
        return self.activations.get(product, self.activation)

    @cached_property
    def kept(self) -> tuple[Own, ...]:
        """The company's own metrics whose events are counted once more, as a type of their own."""
        return tuple(own for own in self.metrics if own.counts is not None)

    @cached_property
    def sets(self) -> tuple[str, ...]:
        """The sets of users whose active days are kept."""
        return (*SETS, *(own.kind for own in self.kept if own.by_user))

    @property
    def user_rules(self) -> tuple[str, ...]:
        """The rules by which users are one person: a business domain is many people's."""
        return tuple(rule for rule in self.rules if rule != "domain")

    def members(self, name: str, product: str) -> frozenset[str]:
        """The event types that make an actor a member of a set, in that product."""
        if name != "active":
            return SETS.get(name, frozenset({name}))
        own = next((p.active for p in self.products if p.id == product), None)
        return frozenset(self.active if own is None else own)

    def folds_like(self, other: Ground) -> bool:
        """Whether sums made on one are the sums of the other."""
        mine = {p.id: p.active for p in self.products if p.active is not None}
        theirs = {p.id: p.active for p in other.products if p.active is not None}
        return (self._folding, mine) == (other._folding, theirs)

    @property
    def _folding(self) -> tuple[object, ...]:
        counts = {own.counts for own in self.kept}
        return (
            self.timezone,
            self.active,
            self.exclude,
            set(self.user_rules),
            counts,
            self.activation,
            self.activations,
        )


_LEDGER = (
    "timezone", "currency", "exclude", "fiscal_year_start", "rates", "merges"
)  # fmt: skip


def weighed(columns: pa.Table, ground: Ground) -> pa.Table:
    """Events under the types that they are kept under."""
    if not ground.authorities and not pc.any(pc.starts_with(columns["type"], REPORTED)).as_py():
        return columns
    told = pc.binary_join_element_wise(columns["product"], columns["source"], columns["type"], "\0")
    coded = told.combine_chunks().dictionary_encode()
    kinds = []
    for one in coded.dictionary.to_pylist():
        product, _, rest = one.partition("\0")
        source, _, kind = rest.rpartition("\0")
        kinds.append(ground.counted_as(product, source, kind))
    place = columns.column_names.index("type")
    return columns.set_column(place, "type", pa.array(kinds, pa.string()).take(coded.indices))


def excluded(ground: Ground, actors: pa.ChunkedArray, metadata: pa.ChunkedArray) -> pa.Array:
    """Which rows are by staff, tests or bots: by actor, e-mail, domain, address or trait."""
    if not ground.exclude:
        return pa.array([False] * len(actors), pa.bool_())
    judged: dict[tuple[str | None, str | None], bool] = {}
    marks = []
    for pair in zip(actors.to_pylist(), metadata.to_pylist(), strict=True):
        if pair not in judged:
            judged[pair] = _matches(ground.exclude, *pair)
        marks.append(judged[pair])
    return pa.array(marks, pa.bool_())


@lru_cache(maxsize=100_000)
def leaves_out(patterns: tuple[str, ...], customer: str, email: str) -> bool:
    """Whether a customer is staff, a test or a bot, by id or e-mail."""
    return bool(patterns) and _judged(patterns, customer, {"email": email})


def _matches(patterns: tuple[str, ...], actor: str | None, metadata: str | None) -> bool:
    return _judged(patterns, actor, msgspec.json.decode(metadata) if metadata else {})


def judged_by(ground: Ground, actor: str | None, metadata: str | None, email: str) -> bool:
    """The same of one event, with another e-mail than its own where one is known."""
    traits = msgspec.json.decode(metadata) if metadata else {}
    return _judged(ground.exclude, actor, {**traits, "email": email} if email else traits)


def _judged(patterns: tuple[str, ...], actor: str | None, traits: Mapping[str, Any]) -> bool:
    email = str(traits.get("email") or "").lower()
    names = [name for name in (actor and actor.lower(), email, str(traits.get("ip") or "")) if name]
    domains = {name.rpartition("@")[2] for name in names if "@" in name}
    for pattern in patterns:
        key, equals, value = pattern.partition("=")
        if equals:
            if key in traits and str(traits[key]).lower() == value.lower():
                return True
        elif (
            any(fnmatch.fnmatchcase(name, pattern.lower()) for name in names)
            or pattern.lower() in domains
        ):
            return True
    return False


# Made once, here: where two threads decode a type for the first time at the same moment, the one
# may meet what the other has half prepared, and the process ends.
GROUND = msgspec.json.Decoder(Ground)
RELINKED = msgspec.json.Decoder(Relinked)
