"""A file as raw records, block by block: lines, quoted records over several lines, Parquet rows.

What is read here is what the journal keeps, so that a record can be shown as it came.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import IO, Any, Literal, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from upwell.errors import Rejected

Format = Literal["csv", "jsonl", "parquet"]

BLOCK = 1 << 20
MAX_RECORD = 1 << 20
MAX_LINES = 10_000  # a quoted field that goes on for longer was never closed
WHITESPACE = "whitespace"
_NAMED = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "\\t": "\t"}
_QUOTED = re.compile(rb'"[^"]*(?:""[^"]*)*"(?!")')
_BROKEN = (OSError, EOFError, zlib.error)
_JSON = msgspec.json.Encoder(decimal_format="number")


def open_file(path: Path) -> IO[bytes]:
    """The file's bytes, without gzip's wrapping."""
    try:
        with path.open("rb") as file:
            start = file.read(2)
    except OSError as error:
        raise Rejected(
            "file_unreadable",
            f"{path} cannot be read: {error.strerror}.",
            fix="Check the path and its permissions.",
            where=str(path),
        ) from None
    if start == b"\x1f\x8b":
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")


def format_of(path: Path) -> Format:
    """What the file is, by its first bytes; names may lie."""
    try:
        with open_file(path) as file:
            start = file.read(4096)
    except _BROKEN as error:
        raise _breaks_off(path, error) from None
    if start[:4] == b"PAR1":
        return "parquet"
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Rejected(
            "not_utf8", f"{path.name} is UTF-16.", fix="Save it as UTF-8.", where=str(path)
        )
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"[":
        raise Rejected(
            "json_array",
            f"{path.name} is one JSON array.",
            fix="Write one object a line (JSONL): jq -c '.[]' FILE > FILE.jsonl",
            where=str(path),
        )
    return "jsonl" if text[:1] == b"{" else "csv"


def delimiter_of(word: str | None, first: bytes) -> str:
    """The delimiter that the option names; without one, what the first record looks like."""
    if word is not None:
        delimiter = _NAMED.get(word, word)
        if delimiter != WHITESPACE and (len(delimiter.encode()) != 1 or delimiter in '"\r\n'):
            raise Rejected(
                "bad_delimiter",
                f"'{word}' is no delimiter.",
                fix="Give one character, or: comma, semicolon, tab, pipe, whitespace.",
                where="--delimiter",
            )
        return delimiter
    counts = {each: first.count(each.encode()) for each in (",", ";", "\t", "|")}
    best = max(counts, key=lambda each: counts[each])
    if counts[best]:
        return best
    return WHITESPACE if len(first.split()) > 1 else ","


def cells_of(record: bytes, delimiter: str) -> list[str]:
    """One record's fields; raises ValueError where its quotes or characters are broken."""
    text = record.decode()
    if delimiter == WHITESPACE:
        return text.split()
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from None
    if len(rows) != 1:
        raise ValueError("its quotes do not fit")
    return rows[0]


def records_of(path: Path, kind: Format, delimiter: str) -> Iterator[list[bytes]]:
    """Lists of the file's records in order, blank ones included, in flat memory."""
    if kind == "parquet":
        yield from _parquet(path)
        return
    with open_file(path) as file:
        quote = delimiter.encode() if kind == "csv" and delimiter != WHITESPACE else None
        try:
            yield from _split(iter(lambda: file.read(BLOCK), b""), quote, path)
        except _BROKEN as error:
            raise _breaks_off(path, error) from None


def _breaks_off(path: Path, error: Exception) -> Rejected:
    return Rejected(
        "file_unreadable",
        f"{path.name} breaks off: {error}.",
        fix="It seems damaged; copy it again.",
        where=str(path),
    )


def split(body: bytes, kind: Format, delimiter: str) -> list[bytes]:
    """The records of a delivery's body, the same that the file was cut into."""
    quote = delimiter.encode() if kind == "csv" and delimiter != WHITESPACE else None
    return [record for part in _split(iter([body]), quote, None) for record in part]


def _split(
    blocks: Iterable[bytes], delimiter: bytes | None, path: Path | None
) -> Iterator[list[bytes]]:
    rest, first = b"", True
    for block in blocks:
        text = rest + block
        if first:
            text, first = text.removeprefix(b"\xef\xbb\xbf"), False
        lines = text.split(b"\n")
        rest = lines.pop()
        if delimiter is None or b'"' not in text:
            yield [line.removesuffix(b"\r") for line in lines]
        else:
            found, left = _join_quoted(lines, delimiter, final=False)
            rest = b"\n".join([*left, rest]) if left else rest
            yield found
        if len(rest) > MAX_RECORD + BLOCK and path is not None:
            raise Rejected(
                "record_too_long",
                f"{path.name} has a record of more than {MAX_RECORD // 1024 // 1024} MiB.",
                fix="Is it a CSV, JSONL or Parquet file?",
                where=str(path),
            )
    if rest:
        lines = rest.split(b"\n")
        if delimiter is None:
            yield [line.removesuffix(b"\r") for line in lines]
        else:
            yield _join_quoted(lines, delimiter, final=True)[0]


def _join_quoted(
    lines: list[bytes], delimiter: bytes, final: bool
) -> tuple[list[bytes], list[bytes]]:
    """Records that may span lines, and the lines of one that the block's end cut.

    A quote that is not closed within MAX_LINES or MAX_RECORD is taken as a stray one: its line is a
    record by itself, which will be refused, and the lines after it are read as usual.
    """
    found: list[bytes] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.count(b'"') % 2 == 0 or not _open(line, delimiter):
            found.append(line.removesuffix(b"\r"))
            at += 1
            continue
        end, size, quotes = at + 1, len(line), line.count(b'"')
        joined = None
        while end < len(lines) and end - at < MAX_LINES and size <= MAX_RECORD:
            quotes += lines[end].count(b'"')
            size += len(lines[end]) + 1
            end += 1
            if quotes % 2 == 0 and not _open(b"\n".join(lines[at:end]), delimiter):
                joined = b"\n".join(lines[at:end])
                break
        if joined is not None:
            found.append(joined.removesuffix(b"\r"))
            at = end
        elif end == len(lines) and end - at < MAX_LINES and size <= MAX_RECORD and not final:
            return found, lines[at:]
        else:
            found.append(line.removesuffix(b"\r"))
            at += 1
    return found, []


def _open(text: bytes, delimiter: bytes) -> bool:
    """Whether a quoted field is still open at the end; a quote within a bare field is a letter."""
    at = 0
    while at < len(text):
        if text[at : at + 1] == b'"':
            closed = _QUOTED.match(text, at)
            if closed is None:
                return True
            at = closed.end()
        at = text.find(delimiter, at) + 1
        if at == 0:
            return False
    return False


def _parquet(path: Path) -> Iterator[list[bytes]]:
    with _readable(path):
        file = pq.ParquetFile(path)
        for batch in file.iter_batches(batch_size=5_000):
            names, columns = batch.schema.names, [_values(column) for column in batch.columns]
            rows = zip(*columns, strict=True)
            yield [_JSON.encode(dict(zip(names, row, strict=True))) for row in rows]


def parquet_columns(path: Path) -> list[str]:
    """The names of the file's columns."""
    with _readable(path):
        return [str(name) for name in pq.read_schema(path).names]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise Rejected(
            "file_unreadable",
            f"{path.name} is no readable Parquet file: {str(error).splitlines()[0]}",
            fix="It seems damaged; write it again.",
            where=str(path),
        ) from None


def _values(column: Any) -> list[Any]:
    """A column as values that JSON can say: no nanoseconds, no NaN, floats as they are written."""
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        column = column.cast(pa.timestamp("us", kind.tz), safe=False)
    values: list[Any] = column.to_pylist()
    if not pa.types.is_floating(kind):
        return values
    # The shortest text that gives the same float back, so that 11.77 stays 11.77.
    shortest = (lambda number: str(np.float32(number))) if kind == pa.float32() else repr
    return [
        Decimal(shortest(number)) if number is not None and isfinite(number) else None
        for number in values
    ]
