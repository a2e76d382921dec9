"""Where each field of a file is: what the options say, fitted to the file's own columns."""

from __future__ import annotations

from itertools import chain, islice
from pathlib import Path

import msgspec

from upwell.errors import Rejected, nearest
from upwell.event import EVENT_TYPES
from upwell.money import currencies
from upwell.period import Zone
from upwell.sources.records import (
    Format,
    cells_of,
    delimiter_of,
    format_of,
    parquet_columns,
    records_of,
)

FIELDS = (
    "product_id",
    "event_type",
    "value",
    "currency",
    "timestamp",
    "actor_id",
    "idempotency_key",
)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is to be read: `map` is field → column name, 1-based number, or JSON path."""

    source: str
    product: str | None = None
    type: str | None = None
    currency: str | None = None
    zone: str = "UTC"
    date_format: str | None = None
    delimiter: str | None = None
    map: dict[str, str] = {}


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """How records are laid out: where each field is, and how many leading records are no data."""

    format: Format
    delimiter: str
    columns: dict[str, int | str]  # field → index of the cell, or the path in the object
    names: tuple[str, ...]
    skip: int


def check_options(options: Options, products: frozenset[str]) -> None:
    """Raises Rejected where an option names what does not exist."""
    for field in options.map:
        if field not in FIELDS and not field.removeprefix("metadata."):
            raise Rejected("unknown_field", "metadata needs a name.", where="--map")
        if field not in FIELDS and not field.startswith("metadata."):
            raise Rejected(
                "unknown_field",
                f"Unknown field '{field}' in --map.",
                fix=nearest(field, (*FIELDS, f"metadata.{field}")),
                where="--map",
            )
    if options.product is not None and options.product not in products:
        raise Rejected(
            "unknown_product",
            f"Unknown product '{options.product}'.",
            fix=nearest(options.product, products)
            if products
            else f'Add it to the configuration: [[products]] id = "{options.product}".',
            where="--product",
        )
    if options.type is not None and options.type not in EVENT_TYPES:
        raise Rejected(
            "unknown_type",
            f"Unknown event type '{options.type}'.",
            fix=nearest(options.type, EVENT_TYPES),
            where="--type",
        )
    if options.currency is not None and options.currency.upper() not in currencies():
        raise Rejected(
            "unknown_currency",
            f"'{options.currency}' is not an ISO 4217 currency.",
            fix="Use a code such as USD, EUR or JPY.",
            where="--currency",
        )
    try:
        Zone(options.zone)
    except (ValueError, OSError, LookupError):
        raise Rejected(
            "unknown_timezone",
            f"'{options.zone}' is not an IANA time zone.",
            fix="Write it as Europe/Berlin or UTC.",
            where="--zone",
        ) from None


def layout_of(path: Path, options: Options) -> Layout:
    """Where the fields are; Rejected where the mapping does not fit the file's columns."""
    kind = format_of(path)
    if kind == "csv":
        return _csv_layout(path, options)
    if kind == "parquet":
        names = parquet_columns(path)
    else:
        names = _keys(path)
    columns: dict[str, int | str] = {}
    for field, column in _wanted(options, names).items():
        if column not in names and column.split(".")[0] not in names:
            raise _no_column(column, names)
        columns[field] = column
    if "metadata" in names and not any(f.startswith("metadata.") for f in columns):
        columns["metadata"] = "metadata"
    _complete(columns, options, names)
    return Layout(format=kind, delimiter="", columns=columns, names=tuple(names), skip=0)


def _keys(path: Path) -> list[str]:
    """The keys of the first objects; more may follow, as a JSONL file has no header."""
    names: dict[str, None] = {}
    for record in islice(chain.from_iterable(records_of(path, "jsonl", "")), 100):
        try:
            row = msgspec.json.decode(record)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if isinstance(row, dict):
            names.update(dict.fromkeys(row))
    return list(names)


def _csv_layout(path: Path, options: Options) -> Layout:
    leading, line = _first_line(path)
    if not line:
        raise empty(path)
    delimiter = delimiter_of(options.delimiter, line)
    first = _record(path, delimiter, leading)
    try:
        header = [cell.strip() for cell in cells_of(first, delimiter)]
    except (ValueError, UnicodeDecodeError):
        header = []
    numbered = bool(options.map) and all(column.isdigit() for column in options.map.values())
    wanted = options.map if numbered else _wanted(options, header)
    columns: dict[str, int | str] = {}
    for field, column in wanted.items():
        if column in header and not numbered:
            columns[field] = header.index(column)
        elif column.isdigit() and 1 <= int(column) <= len(header):
            columns[field] = int(column) - 1
        else:
            raise _no_column(column, header)
    _complete(columns, options, header)
    # A first line whose time has no digit holds names, though columns are given by number.
    named = not numbered or not any(map(str.isdigit, header[int(columns["timestamp"])]))
    names = header if named else [str(number + 1) for number in range(len(header))]
    return Layout(
        format="csv",
        delimiter=delimiter,
        columns=columns,
        names=tuple(names),
        skip=leading + named,
    )


def _first_line(path: Path) -> tuple[int, bytes]:
    """The number of blank lines at the start, and the first line that is none."""
    for leading, line in enumerate(chain.from_iterable(records_of(path, "jsonl", ""))):
        if line.strip():
            return leading, line
    return 0, b""


def _record(path: Path, delimiter: str, leading: int) -> bytes:
    records = chain.from_iterable(records_of(path, "csv", delimiter))
    return next(islice(records, leading, None), b"")


def _wanted(options: Options, names: list[str]) -> dict[str, str]:
    """The mapping, and columns that already have a field's name.

    --product and --type are over such columns; --currency is not, as money keeps its own.
    """
    said = {"product_id": options.product, "event_type": options.type}
    found = {
        name: name
        for name in names
        if (name in FIELDS and not said.get(name)) or name.startswith("metadata.")
    }
    return found | options.map


def _complete(columns: dict[str, int | str], options: Options, names: list[str]) -> None:
    shown = ", ".join(names[:20]) or "none"
    for field, option, given in (
        ("timestamp", "--map timestamp=COLUMN", None),
        ("product_id", "--product or --map product_id=COLUMN", options.product),
        ("event_type", "--type or --map event_type=COLUMN", options.type),
    ):
        if field not in columns and given is None:
            raise Rejected(
                "unmapped",
                f"Nothing says which column is the {field}.",
                fix=f"Give {option}. The columns are: {shown}.",
                where="--map",
            )


def _no_column(column: str, names: list[str]) -> Rejected:
    return Rejected(
        "unknown_column",
        f"The file has no column '{column}'.",
        fix=nearest(column, names),
        where="--map",
    )


def empty(path: Path) -> Rejected:
    """The refusal of a file without records."""
    return Rejected(
        "empty_file",
        f"{path.name} has no records.",
        fix="Is it the right file?",
        where=str(path),
    )
