"""Rows of a query become events, whole columns at a time. Pure: the same bytes, the same events.

A row is known by its query and key; a reading of a gauge by its query, row and minute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from numpy.typing import NDArray

from upwell.billing import Origin
from upwell.event import MONEY_TYPES, NEEDS_ACTOR, SCHEMA, UNASSIGNED, Delivery, Translated
from upwell.money import currencies
from upwell.period import to_instant
from upwell.sources.columns import Faults
from upwell.sources.reading import Columns, judge

_DECODE = msgspec.json.Decoder(dict[str, Any])
_ENCODE = msgspec.json.Encoder()

Mapping_ = Mapping[str, Any]


def translate(delivery: Delivery, origin: Origin, products: frozenset[str]) -> Translated:
    """Columns of the events of a page; a row that cannot be used is set aside with the reason."""
    name = delivery.about.get("query", "")
    mapping = origin.given.get("queries", {}).get(name)
    if not delivery.body or mapping is None:
        left = {f"rows of {name}": delivery.body.count(b"\n")} if delivery.body else {}
        return Translated(SCHEMA.empty_table(), unknown=left)
    rows = _DECODE.decode_lines(delivery.body)
    read = _Read(name, mapping, origin, rows, delivery.about, products)
    about = {
        "product": None,
        "type": mapping["event_type"],
        "currency": None,
        "date_format": None,
        "zone": origin.given.get("timezone", "UTC"),
        "first_row": 1,
    }
    told = msgspec.structs.replace(delivery, about=about)
    return judge(read.columns(), (), told, products | {UNASSIGNED}, delivery.received_at)


class _Read:
    """The cells of a page by the field that they stand for."""

    def __init__(
        self,
        name: str,
        mapping: Mapping_,
        origin: Origin,
        rows: Sequence[dict[str, Any]],
        about: Mapping_,
        products: frozenset[str],
    ) -> None:
        self._name, self._mapping, self._origin, self._rows = name, mapping, origin, rows
        self._about, self._products = about, products
        self._faults = Faults(len(rows))

    def columns(self) -> Columns:
        """Text of each field, with what is wrong in the words of the query's mapping."""
        rows, mapping, kind = self._rows, self._mapping, self._mapping["event_type"]
        texts: dict[str, Any] = {"idempotency_key": self._keys(), "timestamp": self._times()}
        texts["product_id"] = self._product()
        if actor := mapping.get("actor_id"):
            texts["actor_id"] = _texts([row.get(actor) for row in rows])
        if value := mapping.get("value"):
            texts["value"] = _texts([row.get(value) for row in rows], exact=True)
        if code := mapping.get("currency"):
            texts["currency"] = (
                pa.repeat(pa.scalar(code, pa.string()), len(rows))
                if code in currencies()
                else _texts([row.get(code) for row in rows])
            )
        if kind in NEEDS_ACTOR:
            self._needs(texts, "actor_id", "who it happened to")
        if kind in MONEY_TYPES or kind == "kpi":
            self._needs(texts, "value", "how much it is")
        if kind in MONEY_TYPES:
            self._needs(texts, "currency", "its currency")
        index = np.arange(len(rows), dtype=np.int32)
        return Columns(index, texts, self._metadata(), self._faults)

    def _needs(self, texts: Mapping_, field: str, what: str) -> None:
        column = self._mapping.get(field)
        if column is None:
            reason = f"'{self._name}' does not say {what}: add {field} = \"COLUMN\" to the query."
            self._faults.add(np.ones(len(self._rows), dtype=np.bool_), f"missing_{field}", reason)
        else:
            said = f"Column '{column}' of '{self._name}' is empty; it says {what}."
            self._faults.add(_absent(texts[field]), f"missing_{field}", said)

    def _keys(self) -> Any:
        rows, key = self._rows, self._mapping.get("key", "")
        prefix = f"{self._name}:"
        if "read_at" in self._about:
            return self._gauge_keys(prefix, key)
        found = _texts([row.get(key) for row in rows])
        self._faults.add(
            _absent(found),
            "null_key",
            f"The key of '{self._name}', column '{key}', is empty, so the row could be counted "
            "twice; leave such rows out, or name another column.",
        )
        return pc.binary_join_element_wise(prefix, pc.fill_null(found, "null"), "")

    def _gauge_keys(self, prefix: str, key: str) -> Any:
        """The row of a gauge is named by its key, else by all but the number that it reads."""
        minute = to_instant(self._about["read_at"]).strftime("%Y-%m-%dT%H:%M")
        value = self._mapping.get("value")
        found = []
        for row in self._rows:
            rest = {name: cell for name, cell in row.items() if name != value}
            named = row.get(key) if key else xxhash.xxh3_64_hexdigest(_ENCODE.encode(rest))
            found.append(f"{prefix}{named}@{minute}")
        return pa.array(found, pa.string())

    def _times(self) -> Any:
        column = self._mapping.get("timestamp")
        if not column and "read_at" in self._about:
            at = to_instant(self._about["read_at"]).isoformat()
            return pa.repeat(pa.scalar(at, pa.string()), len(self._rows))
        found = _texts([row.get(column or "") for row in self._rows])
        said = f"The time of '{self._name}', column '{column}', is empty."
        self._faults.add(_absent(found), "missing_time", said)
        return found

    def _product(self) -> Any:
        """The source's own product, or what the row says; what is not known belongs to none."""
        origin, rows = self._origin, self._rows
        column = self._mapping.get("product") or (origin.product_from or "").rpartition(".")[2]
        if not column:
            name = origin.product if origin.product in self._products else UNASSIGNED
            return pa.repeat(pa.scalar(name, pa.string()), len(rows))
        named = _texts([row.get(column) for row in rows]).dictionary_encode()
        known = [origin.assign.get(name, name) for name in named.dictionary.to_pylist()]
        known = [name if name in self._products else UNASSIGNED for name in known]
        found = pa.array([*known, UNASSIGNED], pa.string())
        return found.take(pc.fill_null(named.indices, len(known)))

    def _metadata(self) -> list[dict[str, Any] | None]:
        """The columns that become metadata; `name` is the query's where none is given."""
        names = self._mapping.get("metadata", ())
        if not names:
            return [{"name": self._name}] * len(self._rows)
        found: list[dict[str, Any] | None] = []
        for row in self._rows:
            entry = {"name": self._name}
            for name in names:
                cell = row.get(name)
                if cell is not None:
                    entry[name] = cell
            found.append(entry)
        return found


def _absent(column: Any) -> NDArray[np.bool_]:
    return np.asarray(pc.is_null(column).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _texts(values: list[Any], exact: bool = False) -> Any:
    """A column of text; empty is null. `exact`: floats are rounded to what money can be."""
    try:
        found = pa.array(values, pa.string())
    except (TypeError, pa.ArrowInvalid):
        found = pa.array([_text(value, exact) for value in values], pa.string())
    trimmed = pc.utf8_trim_whitespace(found)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _text(value: Any, exact: bool) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and exact:
        return f"{value:.9f}"
    return str(value)
