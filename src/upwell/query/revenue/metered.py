"""The invoices that charged for use, kept between questions: few of all that is billed."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock
from typing import NamedTuple

import msgspec

from upwell.billing import Payment
from upwell.projection import Projection
from upwell.query.plan import Plan, versions

_PAYMENT = msgspec.json.Decoder(Payment)
USE = '"usage":'
Name = tuple[str, str]  # source and id


class Invoice(NamedTuple):
    """One invoice as a billing system last told of it; `order` is by time, then as it came."""

    payment: Payment
    seq: int
    recorded_at: int
    order: tuple[int, int]


class Metered:
    """Invoices with use; those of now move on with what deliveries have changed of them."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self._lock = Lock()
        self._generation = -1
        self._applied = -1  # the delivery up to which all is known
        self._kept: dict[Name, Invoice] = {}
        self._sorted: list[Invoice] = []

    def invoices(self, plan: Plan) -> list[Invoice]:
        """All of them, as known at the moment the plan asks for, the oldest first."""
        if plan.known_at is not None:
            return _in_order(self._read(versions(plan)))
        with self._lock:
            self._read_on(versions(plan))
            return self._sorted

    def _read_on(self, standing: str) -> None:
        generation, applied = self._projection.generation, self._projection.applied
        if (generation, applied) == (self._generation, self._applied):
            return
        if generation != self._generation:
            self._kept = self._read(standing)
        else:
            changed = self._changed()
            if not changed:
                self._applied = applied
                return
            kept = {name: one for name, one in self._kept.items() if name not in changed}
            self._kept = kept | self._read(standing, changed)
        self._sorted = _in_order(self._kept)
        self._generation, self._applied = generation, applied

    def _changed(self) -> frozenset[Name]:
        """The invoices of which versions came or went after the delivery up to which is known."""
        rows = self._projection.reader().execute(
            "select source, id, body from billing"
            " where kind = 'pay' and (version_seq > $1 or superseded_seq > $1)",
            [self._applied],
        )
        return frozenset((source, id_) for source, id_, body in rows.fetchall() if USE in body)

    def _read(self, which: str, names: Iterable[Name] | None = None) -> dict[Name, Invoice]:
        values: list[list[str]] = []
        if names is not None:
            values = [list(column) for column in zip(*sorted(names), strict=True)]
            which += (
                " and (source, id) in (select (s, i) from"
                " (select unnest($1::varchar[]) s, unnest($2::varchar[]) i))"
            )
        rows = self._projection.reader().execute(
            f"""select source, id, body, seq, recorded_at, ts, no from billing
            where kind = 'pay' and body like '%{USE}%' and {which} order by ts, ord, no""",
            values,
        )
        return {  # of several the last one
            (source, id_): Invoice(_PAYMENT.decode(body), seq, recorded_at, (ts, no))
            for source, id_, body, seq, recorded_at, ts, no in rows.fetchall()
        }


def _in_order(found: dict[Name, Invoice]) -> list[Invoice]:
    return sorted(found.values(), key=lambda one: one.order)
