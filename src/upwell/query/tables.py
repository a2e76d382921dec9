"""Answers as tables, for files: CSV after RFC 4180 and Parquet, every number as it was computed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import singledispatch
from itertools import zip_longest
from typing import Any, Literal

import msgspec

from upwell.money import PLACES
from upwell.query.question import Answer
from upwell.query.revenue.shapes import Bridge, BridgeAnswer, Cohorts
from upwell.query.usage.shapes import (
    FunnelAnswer,
    FunnelStep,
    LifecycleAnswer,
    LifecyclePoint,
    PathsAnswer,
    RetentionAnswer,
    StickinessAnswer,
)

Kind = Literal["text", "whole", "number", "money", "yes"]
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_MOST_DIGITS = 38  # of a decimal in Parquet that everybody reads


@dataclass(frozen=True, slots=True)
class Table:
    """Named columns with what they hold, and rows of as many values; None: nothing known."""

    columns: tuple[tuple[str, Kind], ...]
    rows: list[tuple[Any, ...]]


@singledispatch
def table(answer: Any) -> Table:
    """The table behind an answer, one row a point; raises TypeError for what has none."""
    raise TypeError(f"no table is made of {type(answer).__name__}")


def as_csv(made: Table) -> bytes:
    """The table after RFC 4180, in UTF-8; no text in it can start a spreadsheet's formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([name for name, _ in made.columns])
    kinds = [kind for _, kind in made.columns]
    for row in made.rows:
        writer.writerow([_cell(value, kind) for value, kind in zip(row, kinds, strict=True)])
    return out.getvalue().encode()


def as_parquet(made: Table) -> bytes:
    """The table as Parquet; money as decimals, shares and the like as doubles."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "text": pa.string(),
        "whole": pa.int64(),
        "number": pa.float64(),
        "money": pa.decimal128(_MOST_DIGITS, PLACES),
        "yes": pa.bool_(),
    }
    columns = {}
    for place, (name, kind) in enumerate(made.columns):
        values = [row[place] for row in made.rows]
        if kind == "money":
            values = [None if value is None else Decimal(value) for value in values]
        columns[name] = pa.array(values, types[kind])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    found: bytes = sink.getvalue().to_pybytes()
    return found


def _cell(value: Any, kind: Kind) -> str:
    if value is None:
        return ""
    if kind == "yes":
        return "true" if value else "false"
    cell = str(value)
    return f"'{cell}" if kind == "text" and cell.startswith(FORMULA) else cell


@table.register
def _series(answer: Answer) -> Table:
    """A row a point of each line; `before` is the point in the same place of the span compared."""
    kind: Kind = "money" if answer.unit == "money" else "number"
    compared = any(line.compare is not None for line in answer.series)
    columns: list[tuple[str, Kind]] = [
        ("start", "text"),
        ("key", "text"),
        ("value", kind),
        ("complete", "yes"),
    ]
    if compared:
        columns += [("before_start", "text"), ("before", kind)]
    rows: list[tuple[Any, ...]] = []
    for line in answer.series:
        before = line.compare.points if line.compare else ()
        for point, earlier in zip_longest(line.points, before[: len(line.points)]):
            row = (point.start, line.key, point.value, point.complete)
            then = (earlier.start, earlier.value) if earlier else (None, None)
            rows.append(row + then if compared else row)
    return Table(tuple(columns), rows)


@table.register
def _bridge(answer: BridgeAnswer) -> Table:
    """The whole bridge, then its parts and its buckets; other currencies after it."""
    movements = [field.name for field in msgspec.structs.fields(Bridge)]
    columns: list[tuple[str, Kind]] = [("currency", "text"), ("of", "text"), ("key", "text")]
    columns += [(name, "money") for name in movements]
    rows: list[tuple[Any, ...]] = []
    for one in (answer, *answer.apart):
        bridges = [
            ("whole", "", one.bridge),
            *(("part", part.key, part.bridge) for part in one.parts),
            *(("bucket", bucket.start, bucket.bridge) for bucket in one.buckets),
        ]
        for of, key, bridge in bridges:
            rows.append((one.currency, of, key, *(getattr(bridge, name) for name in movements)))
    return Table(tuple(columns), rows)


@table.register
def _cohorts(answer: Cohorts) -> Table:
    """A row a cohort and period; `value` is the share of `size` that is left."""
    money = any(
        isinstance(one.size, str) for each in (answer, *answer.apart) for one in each.cohorts
    )
    rows = [
        (each.only or each.currency, str(one.start), one.size, age, value)
        for each in (answer, *answer.apart)
        for one in each.cohorts
        for age, value in enumerate(one.values)
    ]
    columns: tuple[tuple[str, Kind], ...] = (
        ("currency", "text"),
        ("start", "text"),
        ("size", "money" if money else "whole"),
        ("age", "whole"),
        ("share", "number"),
    )
    return Table(columns, rows)


@table.register
def _retention(answer: RetentionAnswer) -> Table:
    """A row a cohort and distance, of all and then of each value of the split."""
    groups = [("all", "", answer.cohorts)]
    groups += [("other" if p.other else "part", p.key or "", p.cohorts) for p in answer.parts]
    rows = [
        (of, key, one.start, one.size, after, value, share)
        for of, key, cohorts in groups
        for one in cohorts
        for after, value, share in zip(answer.columns, one.values, one.shares, strict=False)
    ]
    columns: tuple[tuple[str, Kind], ...] = (
        ("of", "text"),
        ("key", "text"),
        ("start", "text"),
        ("size", "whole"),
        ("after", "text"),
        ("value", "money" if answer.currency else "whole"),
        ("share", "number"),
    )
    return Table(columns, rows)


@table.register
def _lifecycle(answer: LifecycleAnswer) -> Table:
    """A row a bucket."""
    return _flat(LifecyclePoint, answer.points)


@table.register
def _stickiness(answer: StickinessAnswer) -> Table:
    """A row a number of buckets: users of so many, and of so many or more."""
    pairs = zip(answer.exact, answer.cumulative, strict=True)
    rows: list[tuple[Any, ...]] = [(k, exact, more) for k, (exact, more) in enumerate(pairs, 1)]
    return Table((("times", "whole"), ("users", "whole"), ("or_more", "whole")), rows)


@table.register
def _funnel(answer: FunnelAnswer) -> Table:
    """A row a step, of all and then of each value of the split; a row a route between steps."""
    about: tuple[tuple[str, Kind], ...] = (("of", "text"), ("key", "text"), ("step", "whole"))
    steps = _flat(FunnelStep, ())
    groups = [("all", "", answer.steps)]
    groups += [("other" if p.other else "part", p.key or "", p.steps) for p in answer.parts]
    rows: list[tuple[Any, ...]] = [
        (of, key, place, *line)
        for of, key, each in groups
        for place, line in enumerate(_flat(FunnelStep, each).rows, 1)
    ]
    names = [name for name, _ in steps.columns]
    nodes = {node.id: node for node in answer.flow.nodes}
    for link in answer.flow.links:
        source, target = nodes[link.source], nodes[link.target]
        said = {
            "label": f"{source.label} → {target.label}",
            "count": link.count,
            "median_seconds": link.median_seconds,
        }
        route = ("route", f"{link.source}>{link.target}", target.step)
        rows.append((*route, *(said.get(name) for name in names)))
    return Table(about + steps.columns, rows)


@table.register
def _paths(answer: PathsAnswer) -> Table:
    """A row a way from one place to the next, and a row where visits end: without a `target`."""
    labels = {node.id: node.label for node in answer.nodes}
    rows: list[tuple[Any, ...]] = [
        (
            edge.source,
            labels[edge.source],
            edge.target,
            labels[edge.target],
            edge.transitions,
            edge.actors,
            edge.mean_seconds,
        )
        for edge in answer.edges
    ]
    rows += [
        (node.id, node.label, None, None, node.ends, None, None)
        for node in answer.nodes
        if node.ends
    ]
    columns: tuple[tuple[str, Kind], ...] = (
        ("source", "text"),
        ("source_label", "text"),
        ("target", "text"),
        ("target_label", "text"),
        ("times", "whole"),
        ("users", "whole"),
        ("mean_seconds", "number"),
    )
    return Table(columns, rows)


_KINDS: dict[Any, Kind] = {
    str: "text",
    int: "whole",
    int | None: "whole",
    bool: "yes",
    float: "number",
    float | None: "number",
}


def _flat(struct: type[msgspec.Struct], lines: Iterable[msgspec.Struct]) -> Table:
    """Structs of plain fields, a row each."""
    hints = {field.name: field.type for field in msgspec.structs.fields(struct)}
    columns = tuple((name, _KINDS[hint]) for name, hint in hints.items())
    rows = [tuple(getattr(line, name) for name in hints) for line in lines]
    return Table(columns, rows)
