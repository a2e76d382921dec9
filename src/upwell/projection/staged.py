"""Deliveries with what translation made of them: events as one table, records listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from upwell.event import SCHEMA, Delivery, Translated
from upwell.projection.billing import Told


class Staged(NamedTuple):
    """A delivery with what translation made of it."""

    delivery: Delivery
    translated: Translated


def told_of(staged: Sequence[Staged]) -> list[Told]:
    """The records of all deliveries."""
    return [
        Told(record, delivery.seq, index, delivery.received_at)
        for delivery, translated in staged
        for index, record in enumerate(translated.records)
    ]


def placed(delivery: Delivery, events: pa.Table) -> pa.Table:
    """The events with the delivery that brought them, when, and by which this version came."""
    for name, value in (
        ("seq", delivery.seq),
        ("recorded_at", delivery.received_at),
        ("version_seq", delivery.seq),
    ):
        column = pa.repeat(pa.scalar(value, pa.int64()), len(events))
        events = events.append_column(name, column)
    return events


def facts_of(staged: Sequence[Staged]) -> frozenset[int]:
    """The deliveries whose events have keys by what happened, whoever tells of it."""
    return frozenset(one.delivery.seq for one in staged if one.delivery.kind == "stripe")


def restating_of(staged: Sequence[Staged]) -> frozenset[int]:
    """The deliveries whose events take the place of those that are known by their keys."""
    return frozenset(one.delivery.seq for one in staged if one.delivery.about.get("restates"))


def alone(staged: Sequence[Staged]) -> Sequence[Staged]:
    """The first of them, up to one that must be applied by itself: it restates subscriptions."""
    restating = restating_of(staged)
    for place, (delivery, translated) in enumerate(staged if restating else ()):
        if delivery.seq in restating and "subscription" in set(
            translated.events["type"].unique().to_pylist()
        ):
            return staged[: max(place, 1)]
    return staged


def stacked(staged: Sequence[Staged]) -> pa.Table:
    """The events of all deliveries as one table."""
    tables = [placed(delivery, translated.events) for delivery, translated in staged]
    if not tables:
        tables = [placed(Delivery(source="", received_at=0), SCHEMA.empty_table())]
    return pa.concat_tables(tables).combine_chunks()
