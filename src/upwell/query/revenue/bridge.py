"""From one MRR to another: the bridge, its causes, its parts and its buckets (R5, R8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import NamedTuple

import msgspec
import numpy as np

from upwell.metrics.revenue.causes import CAUSES
from upwell.metrics.revenue.ledger import classify, product_group
from upwell.money import Quote, major
from upwell.query.plan import Plan
from upwell.query.question import Unconverted
from upwell.query.revenue import measures
from upwell.query.revenue.closed import closed_months
from upwell.query.revenue.cuts import Cuts
from upwell.query.revenue.exchange import worth, worths
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.measures import FLOWS
from upwell.query.revenue.part import (
    CHURN,
    CONTRACTION,
    EXPANSION,
    NEW,
    NONE,
    REACTIVATION,
    RESTATEMENT,
    Part,
)
from upwell.query.revenue.reading import Asked
from upwell.query.revenue.shapes import (
    Bridge,
    BridgeAnswer,
    BridgeBucket,
    BridgePart,
    Cause,
    Cross,
)
from upwell.query.revenue.sums import I64, added
from upwell.query.revenue.table import Table, placed

MOVES = ("new", "expansion", "reactivation", "contraction", "churn")
FLOW_OF = {
    "new": "new_mrr",
    "expansion": "expansion_mrr",
    "reactivation": "reactivation_mrr",
    "contraction": "contraction_mrr",
    "churn": "churned_mrr",
}


def kinds_of(movement: str) -> tuple[tuple[int, ...], int]:
    """The kinds of rows that make a bar, and the sign it shows them with."""
    return ((RESTATEMENT,), 1) if movement == "restatement" else FLOWS[FLOW_OF[movement]]


class Bars(NamedTuple):
    """A bridge in nano-units."""

    opening: int
    moves: tuple[int, ...]  # as MOVES
    restatement: int
    closing: int

    @property
    def net(self) -> int:
        """What the movements come to."""
        new, expansion, reactivation, contraction, churn = self.moves
        return new + expansion + reactivation - contraction - churn

    @property
    def fx(self) -> int:
        """What the rates did: the change that no movement made."""
        return self.closing - self.opening - self.net - self.restatement

    def joined(self, later: Bars) -> Bars:
        """The bridge over both spans."""
        moves = tuple(a + b for a, b in zip(self.moves, later.moves, strict=True))
        return Bars(self.opening, moves, self.restatement + later.restatement, later.closing)

    def shown(self, currency: str) -> Bridge:
        """The bridge in words."""
        named = dict(zip(MOVES, self.moves, strict=True))
        return Bridge(
            opening=major(self.opening, currency),
            **{name: major(amount, currency) for name, amount in named.items()},
            fx=major(self.fx, currency),
            restatement=major(self.restatement, currency),
            closing=major(self.closing, currency),
        )


@dataclass(slots=True)
class Bridges:
    """Bars of each bucket, with what no rate could convert and whether a rate is not final."""

    bars: list[Bars]
    lost: dict[str, int]
    provisional: bool

    @property
    def whole(self) -> Bars:
        """The bridge over all buckets."""
        return reduce(Bars.joined, self.bars) if self.bars else Bars(0, (0,) * len(MOVES), 0, 0)


def bars_of(asked: Asked, table: Table, keys: Sequence[int]) -> list[Bridges]:
    """The bridge of each bucket, of each of the keys."""
    currencies, exchange, quotes = asked.book.currencies, asked.exchange, asked.quotes
    levels = measures.levels(table, asked.cuts)
    moved = [measures.of_kinds(table, *FLOWS[FLOW_OF[name]]) for name in MOVES]
    late = measures.of_kinds(table, (RESTATEMENT,), 1)
    before = [exchange.closing(currency, asked.plan.start - 1) for currency in currencies]
    found = []
    for key in keys:
        ends = measures.stock(levels[key], quotes)
        flows = [measures.flow(one[key], quotes) for one in moved]
        restated = measures.flow(late[key], quotes)
        opening, lost = 0, dict(ends.lost)
        for code in np.flatnonzero(table.opening[key]).tolist():
            if (quote := before[code]) is not None:
                opening += worth(int(table.opening[key, code]), currencies[code], quote)
        bars = []
        for n in range(len(asked.cuts.spans)):
            closing = ends.values[n] or 0
            each = tuple(flow.values[n] or 0 for flow in flows)
            bars.append(Bars(opening, each, restated.values[n] or 0, closing))
            opening = closing
        for flow in (restated, *flows):
            lost |= {name: units for name, units in flow.lost.items() if name not in lost}
        marks = any(one.provisional for one in (ends, restated, *flows))
        found.append(Bridges(bars, lost, marks))
    return found


def bridge(plan: Plan, ledgers: Ledgers, label: dict[str, str]) -> BridgeAnswer:
    """The bridge over the days of a plan; `label` names products."""
    assert plan.currency is not None
    currency = plan.currency
    whole, total, parts = attributed(plan, ledgers)
    return BridgeAnswer(
        currency=currency,
        policy=whole.policy.name,
        as_of={},
        position="",
        complete=plan.zone.opens(plan.end) <= plan.seen,
        provisional=total.provisional,
        bridge=total.whole.shown(currency),
        causes=tuple(_causes(whole, currency)),
        cross=_cross(whole, currency),
        parts=tuple(
            BridgePart(key=key, label=label.get(key, key), bridge=bars.shown(currency))
            for key, bars in parts
        ),
        buckets=tuple(
            BridgeBucket(
                start=bucket.label,
                complete=bucket.closes <= plan.seen,
                bridge=bars.shown(currency),
            )
            for bucket, bars in zip(plan.buckets, total.bars, strict=False)
        ),
        closed=closed_months(whole, ledgers.closes),
        unconverted=tuple(
            Unconverted(currency=name, total=major(units, name))
            for name, units in sorted(total.lost.items())
        ),
    )


def attributed(
    plan: Plan, ledgers: Ledgers, until: int | None = None
) -> tuple[Asked, Bridges, list[tuple[str, Bars]]]:
    """The undivided question, its bridge, and what each value of the split has of it.

    `until` (UTC micros) leaves out what happened from then on.
    """
    asked = Asked(plan, ledgers, until)
    whole = Asked(undivided(plan), ledgers, until) if plan.question.by else asked
    (total,) = bars_of(whole, whole.table(), [0])
    return whole, total, _parts(asked, whole, total) if plan.question.by else []


def undivided(plan: Plan) -> Plan:
    """The same question without its split."""
    return replace(plan, question=msgspec.structs.replace(plan.question, by=None))


def _wholes(asked: Asked, table: Table, keys: Sequence[int]) -> list[Bars]:
    """The bridge of each key over all buckets; slots of one rate are valued together."""
    currencies, exchange, quotes = asked.book.currencies, asked.exchange, asked.quotes
    ends = measures.levels(table, asked.cuts)[:, :, -1] if quotes.cuts.spans else table.opening
    before = [exchange.closing(currency, asked.plan.start - 1) for currency in currencies]
    after = [row[-1] if row else None for row in quotes.closing]
    rates = [_together(row) for row in quotes.moving]

    def flows(amounts: I64) -> list[int]:
        """What movements of each key come to; those at one rate are valued together."""
        totals = [0] * len(amounts)
        for code, parts in enumerate(rates):
            for quote, slots in parts:
                sums = amounts[:, code, slots].sum(axis=1).tolist()
                own = worths(sums, currencies[code], [quote] * len(sums))
                totals = [total + value for total, value in zip(totals, own, strict=True)]
        return totals

    def stock(amounts: I64, at: Sequence[Quote | None]) -> int:
        return sum(
            worth(int(amounts[code]), currencies[code], quote)
            for code in np.flatnonzero(amounts).tolist()
            if (quote := at[code]) is not None
        )

    late = flows(measures.of_kinds(table, (RESTATEMENT,), 1))
    moved = [flows(measures.of_kinds(table, *FLOWS[FLOW_OF[name]])) for name in MOVES]
    return [
        Bars(
            stock(table.opening[key], before),
            tuple(one[key] for one in moved),
            late[key],
            stock(ends[key], after),
        )
        for key in keys
    ]


def _together(row: Sequence[Quote | None]) -> list[tuple[Quote, list[int]]]:
    """The slots of each rate."""
    found: dict[int, tuple[Quote, list[int]]] = {}
    for slot, quote in enumerate(row):
        if quote is not None:
            found.setdefault(quote.scaled, (quote, []))[1].append(slot)
    return list(found.values())


def _parts(asked: Asked, undivided: Asked, total: Bridges) -> list[tuple[str, Bars]]:
    """The bridge of each value of the split; parts of the whole add up to it to the last digit.

    What was classified for the whole is attributed, also to products.
    """
    table = asked.table(undivided.scope)
    keys = [(key.name, key.number) for key in asked.keys(table) if key.number is not None]
    wholes = _wholes(asked, table, [number for _, number in keys])
    found = [(name, bars) for (name, _), bars in zip(keys, wholes, strict=True)]
    if not found:
        return found
    # Each part was rounded on its own: the largest one takes what is left of the last digit.
    largest = max(range(len(found)), key=lambda n: abs(found[n][1].closing))
    name, _ = found[largest]
    whole, rest = total.whole, [part for n, (_, part) in enumerate(found) if n != largest]
    found[largest] = (
        name,
        Bars(
            whole.opening - sum(part.opening for part in rest),
            tuple(
                amount - sum(part.moves[n] for part in rest) for n, amount in enumerate(whole.moves)
            ),
            whole.restatement - sum(part.restatement for part in rest),
            whole.closing - sum(part.closing for part in rest),
        ),
    )
    return found


def _causes(asked: Asked, currency: str) -> list[Cause]:
    table = asked.table(by="cause")
    found = []
    for movement in (*MOVES, "restatement"):
        kinds, sign = kinds_of(movement)
        moved = measures.of_kinds(table, kinds, sign)
        for code, cause in enumerate(CAUSES):
            customers = int(table.moved[code][:, list(kinds)].sum())
            amount = sum(value or 0 for value in measures.flow(moved[code], asked.quotes).values)
            if amount or customers:
                shown = major(amount, currency)
                found.append(
                    Cause(movement=movement, cause=cause, amount=shown, customers=customers)
                )
    return found


def _cross(asked: Asked, currency: str) -> Cross | None:
    """Between products of customers who stayed; None where there is one product only."""
    book, cuts, scope = asked.book, asked.cuts, asked.scope
    if len(scope.products) < 2 or not cuts.spans:
        return None
    many, policy = max(1, len(book.currencies)), asked.policy

    def work(part: Part, cuts: Cuts) -> tuple[I64]:
        inside, slot = placed(part, cuts)
        by_product = book.rows.by_product[part.place]
        if scope.where:
            group = product_group(part.person, part.product)
            by_product = classify(group, part.day, part.delta, policy, at=part.at)
        stayed = inside & np.isin(part.kind, (NONE, EXPANSION, CONTRACTION))
        begun = stayed & np.isin(by_product, (NEW, REACTIVATION))
        size = cuts.slots + 1
        place = part.currency.astype(np.int64) * size + slot
        delta = asked.at_service(part, cuts).delta
        found = [
            added(place[rows], delta[rows], many * size).reshape(many, size)
            for rows in (begun, stayed & (by_product == CHURN))
        ]
        return (np.stack(found),)

    known = asked.periods.version if asked.periods else None
    (sums,) = asked.sum(scope, ("cross", asked.exchange.target, known), cuts, work)
    amounts = []
    for one in sums[:, :, 1:]:
        flow = measures.flow(one, asked.quotes)
        amounts.append(major(sum(value or 0 for value in flow.values), currency))
    return Cross(cross_sell=amounts[0], product_drop=amounts[1])
