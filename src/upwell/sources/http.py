"""The events API: a body of one event, an array or lines becomes columns, with rejects by index.

The quick way decodes a whole body at once and checks columns; only a body with something wrong in
it is read event by event, to say which one and what to change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import InvalidOperation
from typing import Any, Literal

import msgspec
import pyarrow as pa

from upwell.errors import Rejected
from upwell.event import MAX_BODY, Delivery, Reject, Translated
from upwell.sources.refusals import explain, judge
from upwell.sources.wire import KNOWN_TYPES, Fault, QuickWire, Wire, check, columns

Shape = Literal["one", "array", "lines"]


@dataclass(frozen=True, slots=True)
class Received:
    """What the door made of one body; `delivery` is None where nothing in it could be taken."""

    accepted: int
    rejected: list[Reject]
    delivery: Delivery | None
    batch: Translated | None
    keyless: int


_ONE = msgspec.json.Decoder(Wire)
_MANY = msgspec.json.Decoder(list[Wire])
_QUICK_ONE = msgspec.json.Decoder(QuickWire)
_QUICK_MANY = msgspec.json.Decoder(list[QuickWire])
_RAW = msgspec.json.Decoder(list[msgspec.Raw])


def unpack(body: bytes, encoding: str, limit: int = MAX_BODY) -> bytes:
    """The body without its gzip or zstd wrapping; 413 before more than `limit` bytes exist."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        if len(body) > limit:
            raise _too_large(limit)
        return body
    if name not in ("gzip", "x-gzip", "zstd"):
        raise Rejected(
            "unknown_encoding",
            f"Content-Encoding '{encoding}' is not understood.",
            fix="Send gzip, zstd, or no encoding.",
            where="Content-Encoding",
            status=415,
        )
    try:
        # Arrow's reader takes several members or frames, and says where the last one is cut.
        with pa.CompressedInputStream(pa.BufferReader(body), name.removeprefix("x-")) as reader:
            unpacked: bytes = reader.read(limit + 1)
    except OSError as error:
        raise Rejected(
            "broken_encoding",
            f"The body is not valid {name}.",
            fix="Compress the whole body, or send it without Content-Encoding.",
            where="body",
        ) from error
    if len(unpacked) > limit:
        raise _too_large(limit)
    return unpacked


def receive(
    body: bytes,
    content_type: str,
    *,
    source: str,
    products: frozenset[str],
    received_at: int,
    types: frozenset[str] = KNOWN_TYPES,
) -> Received:
    """Judge a body: columns of the good events, a reject for each bad one, the delivery to keep.

    `received_at` is UTC microseconds; `products` and `types` are those that the key may send.
    Raises Rejected where the body as a whole is not JSON.
    """
    shape = _shape(body, content_type)
    rejected: list[Reject] = []
    kept: Sequence[int]
    quick = _quickly(body, shape, source, received_at, products, types)
    if quick is not None:
        kept = range(len(quick[0]))
        batch, moved = quick
    else:
        wires, kept, rejected = _one_by_one(body, shape, products, types)
        batch, moved = columns(wires, kept, source, received_at)
    if not kept:
        return Received(0, rejected, None, None, 0)
    about: dict[str, Any] = {"shape": shape}
    if rejected:
        about["rejected"] = [reject.index for reject in rejected]
    if moved:
        about["clock"] = received_at
    delivery = Delivery(source=source, received_at=received_at, about=about, body=body)
    return Received(len(kept), rejected, delivery, Translated(batch), batch["key"].null_count)


def translate(delivery: Delivery) -> Translated:
    """The columns of a stored body, the same that the door made of it."""
    shape: Shape = delivery.about["shape"]
    refused = frozenset(delivery.about.get("rejected", ()))
    at = delivery.about.get("clock", delivery.received_at)
    if not refused and (quick := _quickly(delivery.body, shape, delivery.source, at)) is not None:
        return Translated(quick[0])
    pieces = enumerate(_pieces(delivery.body, shape))
    kept = [(index, _ONE.decode(raw)) for index, raw in pieces if index not in refused]
    rows, wires = [index for index, _ in kept], [wire for _, wire in kept]
    return Translated(columns(wires, rows, delivery.source, at)[0])


def _quickly(
    body: bytes,
    shape: Shape,
    source: str,
    received_at: int,
    products: frozenset[str] | None = None,
    types: frozenset[str] = KNOWN_TYPES,
) -> tuple[pa.Table, bool] | None:
    """All events of the body as columns, or None where any must be looked at by itself.

    With `products`, the door's rules are checked; a stored body has passed them.
    """
    for one, many in ((_QUICK_ONE, _QUICK_MANY), (_ONE, _MANY)):
        try:
            wires: Any
            if shape == "array":
                wires = many.decode(body)
            else:
                wires = [one.decode(body)] if shape == "one" else one.decode_lines(body)
            if products is not None:
                check(wires, products, types)
            return columns(wires, range(len(wires)), source, received_at)
        except (Fault, msgspec.MsgspecError, UnicodeError, InvalidOperation):
            continue
    return None


def _too_large(limit: int) -> Rejected:
    return Rejected(
        "too_large",
        f"The body is over {limit // 1024 // 1024} MB unpacked.",
        fix="Send it in smaller batches; 1,000 events at a time is fast.",
        where="body",
        status=413,
    )


def _shape(body: bytes, content_type: str) -> Shape:
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("application/x-ndjson", "application/ndjson", "application/jsonl"):
        return "lines"
    start = body[:64].lstrip()[:1] or body.lstrip()[:1]
    if start == b"[":
        return "array"
    if start != b"{":
        raise _not_json("The body is neither a JSON object, an array nor lines of objects.")
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError) as error:
        if b"\n" in body.strip():
            return "lines"
        raise _not_json(str(error)) from error
    return "one"


def _not_json(message: str) -> Rejected:
    return Rejected(
        "not_json",
        message,
        fix="Send one event, an array of events, or one event a line, as UTF-8 JSON.",
        where="body",
    )


def _pieces(body: bytes, shape: Shape) -> Sequence[bytes | msgspec.Raw]:
    if shape == "one":
        return [body]
    if shape == "lines":
        return [line for line in body.split(b"\n") if line.strip()]
    try:
        return _RAW.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _not_json(str(error)) from error


def _one_by_one(
    body: bytes, shape: Shape, products: frozenset[str], types: frozenset[str]
) -> tuple[list[Wire], list[int], list[Reject]]:
    wires: list[Wire] = []
    kept: list[int] = []
    rejected: list[Reject] = []
    for index, raw in enumerate(_pieces(body, shape)):
        try:
            wire = _ONE.decode(raw)
            judge(wire, products, types)
        except Rejected as refusal:
            problem = refusal.problem
        except msgspec.ValidationError as error:
            problem = explain(error).problem
        except (msgspec.DecodeError, UnicodeError, InvalidOperation) as error:
            problem = _not_json(f"This event is not valid JSON: {error}").problem
        else:
            wires.append(wire)
            kept.append(index)
            continue
        rejected.append(
            Reject(index=index, code=problem.code, message=problem.message, fix=problem.fix)
        )
    return wires, kept, rejected
