"""Files: CSV, JSONL and Parquet become deliveries of raw records, and those become events.

`plan` looks at the whole file once (counts, hash, records that repeat) and shows how the first rows
would be read; `deliveries` reads it again and hands out the records as they came; `translate_file`
is pure: everything it needs stands in the delivery.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import xxhash

from upwell.errors import Rejected
from upwell.event import Delivery, Translated
from upwell.period import to_instant
from upwell.sources.layout import Layout, Options, check_options, empty, layout_of
from upwell.sources.reading import judge, read_columns
from upwell.sources.records import Format, records_of, split
from upwell.sources.repeats import Repeats

__all__ = ["Options", "Plan", "Preview", "Progress", "deliveries", "plan", "translate_file"]

ROWS = 5_000  # records of a delivery
BYTES = 4 * 1024 * 1024
LOOKED_AT = 1_000  # records that the preview reads
SHOWN = 20  # refused rows that are named one by one


class RefusedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that cannot be used; `row` counts from 1, as a spreadsheet shows it."""

    row: int
    code: str
    reason: str


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What the import would do: counts of the file, its first rows as events, what is refused."""

    file: str
    format: Format
    columns: tuple[str, ...]
    records: int
    repeats: int
    sha256: str
    looked_at: int
    usable: int
    events: tuple[dict[str, Any], ...]
    refused: tuple[RefusedRow, ...]


@dataclass(frozen=True)
class Plan:
    """A file that was looked at, ready to be delivered."""

    path: Path
    options: Options
    layout: Layout
    preview: Preview
    products: frozenset[str]
    repeats: Repeats


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far an import has come, in records; `refused` names the first SHOWN rows."""

    import_id: str
    done: int
    total: int
    usable: int
    refused_rows: int
    refused: tuple[RefusedRow, ...]


def plan(path: Path, options: Options, products: frozenset[str]) -> Plan:
    """Look at the whole file and show how it would be read; nothing is stored.

    Raises Rejected where the options do not fit the file, or none of its first rows is usable.
    """
    check_options(options, products)
    layout = layout_of(path, options)
    skip = layout.skip
    first: list[bytes] = []
    with Repeats() as repeats:
        for records in records_of(path, layout.format, layout.delimiter):
            kept, skip = _skip(records, skip)
            repeats.add(kept)
            first += kept[: LOOKED_AT - len(first)]
        repeats.find()
    if not repeats.records:
        raise empty(path)
    about = _about(path, options, layout, "preview", "")
    sample = _deliver(first, layout.skip, about, options.source, 0, {})
    translated = translate_file(sample, products, now=2**62)
    refused = tuple(_refused(translated, layout.skip))
    usable = translated.events.num_rows
    preview = Preview(
        file=path.name,
        format=layout.format,
        columns=layout.names,
        records=repeats.records,
        repeats=repeats.extra,
        sha256=_sha256(path),
        looked_at=usable + len(refused),
        usable=usable,
        events=tuple(_shown(translated.events.slice(0, 5))),
        refused=refused[:SHOWN],
    )
    if not usable:
        worst = refused[0]
        raise Rejected(
            "nothing_usable",
            f"None of the first {len(refused):,} rows of {path.name} can be used. {worst.reason}",
            fix="Change the mapping. The columns are: " + ", ".join(layout.names) + ".",
            where=str(path),
        )
    return Plan(path, options, layout, preview, products, repeats)


def deliveries(planned: Plan, received_at: int) -> Iterator[tuple[Delivery, Translated, Progress]]:
    """The file as deliveries of about 5,000 records, each with its events and the progress.

    Memory stays flat. `received_at` is UTC microseconds. The columns are what `translate_file`
    gives for the delivery before the journal has numbered it: its dead letters have sequence 0, so
    they are for showing, and the loop translates again.
    """
    layout, options = planned.layout, planned.options
    seed = f"{planned.preview.sha256}{msgspec.json.encode(options)!r}{received_at}"
    import_id = "imp_" + xxhash.xxh3_64_hexdigest(seed.encode())
    about = _about(planned.path, options, layout, import_id, planned.preview.sha256)
    done = usable = refused_rows = 0
    refused: tuple[RefusedRow, ...] = ()
    counter = planned.repeats.counter()
    for first_row, records in _parts(planned):
        numbers = counter.number(records)
        delivery = _deliver(records, first_row, about, options.source, received_at, numbers)
        translated = translate_file(delivery, planned.products)
        done += translated.events.num_rows + len(translated.dead)
        usable += translated.events.num_rows
        refused_rows += len(translated.dead)
        if len(refused) < SHOWN:
            refused = (*refused, *_refused(translated, first_row))[:SHOWN]
        yield (
            delivery,
            translated,
            Progress(
                import_id=import_id,
                done=done,
                total=planned.preview.records,
                usable=usable,
                refused_rows=refused_rows,
                refused=refused,
            ),
        )


def translate_file(
    delivery: Delivery, products: frozenset[str], *, now: int | None = None
) -> Translated:
    """The events of an import's delivery, and its rows that cannot be used. Pure.

    `products` are those that exist; `now` replaces the delivery's own time, beyond which an hour
    is the future.
    """
    about = delivery.about
    records = split(delivery.body, about["format"], about["delimiter"])
    columns = read_columns(records, about)
    at = about.get("clock", delivery.received_at) if now is None else now
    return judge(columns, records, delivery, products, at)


def _about(
    path: Path, options: Options, layout: Layout, import_id: str, sha256: str
) -> dict[str, Any]:
    return {
        "import_id": import_id,
        "file": path.name,
        "sha256": sha256,
        "format": "csv" if layout.format == "csv" else "jsonl",
        "delimiter": layout.delimiter,
        "width": len(layout.names),
        "columns": layout.columns,
        "product": options.product,
        "type": options.type,
        "currency": options.currency.upper() if options.currency else None,
        "zone": options.zone,
        "date_format": options.date_format,
    }


def _deliver(
    records: list[bytes],
    first_row: int,
    about: dict[str, Any],
    source: str,
    received_at: int,
    numbers: dict[int, int],
) -> Delivery:
    told = about | {"first_row": first_row + 1, "rows": len(records), "clock": received_at}
    if numbers:
        told["repeats"] = [[index, number] for index, number in numbers.items()]
    return Delivery(
        kind="import",
        source=source,
        received_at=received_at,
        about=told,
        body=b"\n".join(records) + b"\n",
    )


def _parts(planned: Plan) -> Iterator[tuple[int, list[bytes]]]:
    """(records before, records) in lists of about ROWS or BYTES."""
    layout = planned.layout
    held: list[bytes] = []
    size, row, skip = 0, layout.skip, layout.skip
    for records in records_of(planned.path, layout.format, layout.delimiter):
        kept, skip = _skip(records, skip)
        for record in kept:
            held.append(record)
            size += len(record) + 1
            if len(held) == ROWS or size >= BYTES:
                yield row, held
                row += len(held)
                held, size = [], 0
    if any(record.strip() for record in held):
        yield row, held


def _skip(records: list[bytes], skip: int) -> tuple[list[bytes], int]:
    return records[skip:], max(0, skip - len(records))


def _refused(translated: Translated, before: int) -> Iterator[RefusedRow]:
    for dead in translated.dead:
        yield RefusedRow(row=before + dead.idx + 1, code=dead.code, reason=dead.reason)


def _shown(events: pa.Table) -> Iterator[dict[str, Any]]:
    for row in events.to_pylist():
        yield {
            "product_id": row["product"],
            "event_type": row["type"],
            "timestamp": to_instant(row["ts"]).isoformat().replace("+00:00", "Z"),
            "value": format(row["value"].normalize(), "f"),
            "currency": row["currency"],
            "actor_id": row["actor"],
            "metadata": msgspec.json.decode(row["metadata"]) if row["metadata"] else {},
        }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
