"""Plain events become columns: the short way for a `translate` that is not in a hurry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from upwell.errors import Rejected
from upwell.event import UNASSIGNED, DeadLetter, Delivery, Translated
from upwell.sources.refusals import explain, judge
from upwell.sources.wire import Wire, columns


def translated(
    delivery: Delivery, products: frozenset[str], events: Iterable[Mapping[str, Any]]
) -> Translated:
    """The events of a delivery, given one by one in the form that the events API takes.

    One that breaks a rule is set aside with the reason, and the others are taken.
    """
    known = products | {UNASSIGNED}
    wires: list[Wire] = []
    kept: list[int] = []
    dead: list[DeadLetter] = []
    for index, event in enumerate(events):
        try:
            wire = msgspec.convert(event, Wire, strict=False)
            judge(wire, known)
        except (msgspec.ValidationError, Rejected) as error:
            refusal = error if isinstance(error, Rejected) else explain(error)
            problem = refusal.problem
            dead.append(
                DeadLetter(
                    seq=delivery.seq,
                    idx=index,
                    source=delivery.source,
                    code=problem.code,
                    reason=f"{problem.message} {problem.fix}".strip(),
                    recorded_at=delivery.received_at,
                )
            )
        else:
            wires.append(wire)
            kept.append(index)
    table, _ = columns(wires, kept, delivery.source, delivery.received_at)
    return Translated(table, tuple(dead))
