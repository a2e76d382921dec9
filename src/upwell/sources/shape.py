"""What the events of a source look like, and what about them is not as it was. Pure.

A field is told by samples of stored events in the order in which they came. It is new where the
event was well known without it, gone where it should have been seen `SURE` times since and was
not, and of another type where a value of a type comes that it never had.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

KNOWN = 100  # events from which on what one looks like is known
SURE = 20.0  # times that a field should have been there, before it is said to be gone
MOST = 300  # fields of one event that are followed

Change = Literal["new_field", "vanished_field", "changed_type"]


class Sample(NamedTuple):
    """A stored event: where it is, when it came (UTC micros), and its metadata."""

    seq: int
    idx: int
    at: int
    metadata: Mapping[str, Any]


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A field as it was seen: in `seen` of the first `of` events since it came, not in `missed`.

    `seq` and `idx` are the newest event that has it, or the first that changed its type.
    """

    types: tuple[str, ...]
    first: int
    last: int
    seq: int
    idx: int
    seen: int = 1
    of: int = 1
    missed: int = 0
    new: bool = False
    changed: int = 0  # when another type came; 0: never, or somebody has seen it


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a source: since when it is known, in how many samples, with which fields."""

    first: int
    last: int
    seen: int = 0
    fields: dict[str, Field] = {}


class Changed(NamedTuple):
    """A field that is not as it was, since when (UTC micros), and where an example is."""

    kind: Change
    field: str
    text: str
    since: int
    seq: int
    idx: int


def type_of(value: object) -> str:
    """What people call the type of a value."""
    match value:
        case bool():
            return "yes or no"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list():
            return "list"
        case _:
            return "object"


def learned(shape: Shape | None, samples: Iterable[Sample]) -> Shape | None:
    """The shape after more samples, in the order in which they came; None while there are none."""
    for sample in samples:
        if shape is None:
            shape = Shape(first=sample.at, last=sample.at)
        fields = {
            name: _met(field, sample, sample.metadata[name])
            if sample.metadata.get(name) is not None
            else replace(field, missed=field.missed + 1)
            for name, field in shape.fields.items()
        }
        for name, value in sample.metadata.items():
            if value is not None and name not in fields and len(fields) < MOST:
                fields[name] = Field(
                    types=(type_of(value),),
                    first=sample.at,
                    last=sample.at,
                    seq=sample.seq,
                    idx=sample.idx,
                    new=shape.seen >= KNOWN,
                )
        last = max(shape.last, sample.at)
        shape = Shape(first=shape.first, last=last, seen=shape.seen + 1, fields=fields)
    return shape


def _met(field: Field, sample: Sample, value: object) -> Field:
    another = type_of(value) not in field.types
    known = field.seen >= KNOWN or not another
    return replace(
        field,
        types=(*field.types, type_of(value)) if another else field.types,
        last=sample.at,
        seq=field.seq if field.changed else sample.seq,
        idx=field.idx if field.changed else sample.idx,
        seen=field.seen + 1,
        of=field.of + field.missed + 1,
        missed=0,
        changed=field.changed or (sample.at if another and known else 0),
    )


def changes(shape: Shape) -> Iterator[Changed]:
    """What nobody has seen yet of the fields that are new, gone, or of another type."""
    for name, field in sorted(shape.fields.items()):
        place = (field.seq, field.idx)
        if field.new:
            text = f"'{name}' is new: {field.types[-1]}."
            yield Changed("new_field", name, text, field.first, *place)
        if field.changed:
            before = " or ".join(field.types[:-1])
            text = f"'{name}' was {before}, and is {field.types[-1]} now."
            yield Changed("changed_type", name, text, field.changed, *place)
        if gone(field):
            share = round(100 * field.seen / field.of)
            text = f"'{name}' is gone: {share} % had it, and none of the last {field.missed:,}."
            yield Changed("vanished_field", name, text, field.last, *place)


def gone(field: Field) -> bool:
    """Whether it should have been seen often since it was last, and was not."""
    return field.of >= KNOWN and field.missed * field.seen / field.of >= SURE


def seen(shape: Shape, kind: Change, name: str) -> Shape:
    """The shape after somebody has seen a change: as it is now, it is usual."""
    fields = dict(shape.fields)
    field = fields.get(name)
    if field is None:
        return shape
    if kind == "vanished_field":
        del fields[name]  # if it comes again, it is new
    else:
        fields[name] = (
            replace(field, new=False) if kind == "new_field" else replace(field, changed=0)
        )
    return replace(shape, fields=fields)
