"""Events that have a name and properties, as Mixpanel's and Segment's do, become columns. Pure.

A name says the type, by what the source's settings map; properties become flat metadata. `event_of`
judges one event, `Rows` gathers many into columns of `event.SCHEMA`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from upwell.event import (
    DIMENSIONS,
    EARLIEST,
    FUTURE,
    LATEST,
    MAX_ID,
    MAX_METADATA_BYTES,
    MAX_METADATA_KEYS,
    MONEY_TYPES,
    NEEDS_ACTOR,
    SCHEMA,
    Scalar,
)
from upwell.money import LIMIT, PLACES, currencies
from upwell.period import MICROS

TYPES = {"$mp_web_page_view": "page_view", "$ae_session": "session"}
AMOUNTS = ("value", "revenue", "$revenue", "amount", "$amount", "total", "price")
CURRENCIES = ("currency", "$currency", "currency_code")
COUNTRIES = ("mp_country_code", "$country_code", "country_code")
CHANNELS = ("utm_source", "$utm_source", "utm_medium")
OWN_NAME = "property.name"
"""Where a property called `name` is kept: `name` itself is the name of the event."""

I64 = NDArray[np.int64]

_FLAT = frozenset((str, int, float, bool, type(None)))
_ENCODE = msgspec.json.Encoder()
_AMOUNT = pa.decimal128(38, PLACES)
_ONE = Decimal(1)
_STEP = Decimal(1).scaleb(-PLACES)
_CELLS = 10 + len(DIMENSIONS)


class Unusable(Exception):
    """An event that cannot be counted; `reason` says what to change."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Maps(NamedTuple):
    """Names to event types, and the currency of amounts that name none."""

    types: Mapping[str, str]
    currency: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Maps:
        """From `signup_event`, `activation_event`, `events` and `currency` of a source's table."""
        types = {**TYPES, **given.get("events", {})}
        for kind in ("signup", "activation"):
            if name := given.get(f"{kind}_event"):
                types[name] = kind
        return cls(types, given.get("currency", ""))


class Named(NamedTuple):
    """What an event is; `value` None counts as 1."""

    type: str
    value: Decimal | None
    currency: str | None
    metadata: dict[str, Scalar]


def event_of(name: str, properties: dict[str, Any], maps: Maps) -> Named:
    """The event of a name and its properties, which become its metadata: the dict is used up.

    Values in a list or an object are kept as JSON text. The type is `engagement` where nothing maps
    the name. Raises Unusable where the type is money and no amount or currency is there.
    """
    kind = maps.types.get(name, "engagement")
    value = currency = None
    if kind in MONEY_TYPES or kind == "kpi":
        value = _amount(kind, properties)
        currency = _currency(kind, properties, maps)
    if not _FLAT.issuperset(map(type, properties.values())):
        properties = {key: _flat(each) for key, each in properties.items()}
    if "name" in properties:
        properties[OWN_NAME] = properties["name"]
    properties["name"] = name
    if "country" not in properties:
        _first(properties, "country", COUNTRIES)
    if "channel" not in properties:
        _first(properties, "channel", CHANNELS)
    return Named(kind, value, currency, properties)


def _flat(value: Any) -> Scalar:
    return value if type(value) in _FLAT else _ENCODE.encode(value).decode()


def _first(properties: dict[str, Any], name: str, among: tuple[str, ...]) -> None:
    for one in among:
        value = properties.get(one)
        if value and isinstance(value, str):
            properties[name] = value
            return


def _amount(kind: str, properties: Mapping[str, Any]) -> Decimal:
    for name in AMOUNTS:
        given = properties.get(name)
        if given is None or isinstance(given, (bool, list, dict)):
            continue
        try:
            value = Decimal(str(given)).quantize(_STEP)
            too_large = abs(value) > LIMIT  # which no NaN can say
        except InvalidOperation as error:
            raise Unusable("bad_value", f"'{name}' is no amount: {str(given)[:80]}.") from error
        if too_large:
            raise Unusable("too_large_value", f"'{name}' is larger than {LIMIT:,.0f}.")
        if value < 0 and kind != "kpi":
            raise Unusable(
                "negative_value", f"'{name}' is negative; money given back is a refund above 0."
            )
        return value
    raise Unusable("missing_value", f"A {kind} needs an amount in one of: {', '.join(AMOUNTS)}.")


def _currency(kind: str, properties: Mapping[str, Any], maps: Maps) -> str | None:
    found = next((properties[one] for one in CURRENCIES if properties.get(one)), maps.currency)
    code = str(found).upper()
    if code in currencies():
        return code
    if not code and kind not in MONEY_TYPES:
        return None
    if not code:
        raise Unusable(
            "missing_currency", "An amount of money needs a `currency`, or one in the settings."
        )
    raise Unusable("unknown_currency", f"'{code[:20]}' is not an ISO 4217 currency.")


class Rows:
    """Events of one delivery, gathered until they become columns."""

    def __init__(self, source: str, received_at: int) -> None:
        """Times more than an hour after `received_at` (UTC microseconds) are brought back to it."""
        self._source, self._received_at = source, received_at
        self._rows: list[tuple[Any, ...]] = []
        self._plain = True  # neither an amount nor a currency so far

    def __len__(self) -> int:
        return len(self._rows)

    def add(
        self,
        idx: int,
        product: str,
        ts: int,
        actor: str | None,
        key: str | None,
        event: Named,
        corrected: bool = False,
    ) -> None:
        """Take one event; raises Unusable, and takes nothing, where it breaks a rule.

        `corrected`: its time is not the sender's own, and may be another when it is sent again.
        """
        kind, value, currency, metadata = event
        if not EARLIEST <= ts <= LATEST:
            raise Unusable("bad_time", "Its time is outside 1970 to 2200.")
        if actor is None:
            if kind in NEEDS_ACTOR:
                raise Unusable("missing_actor", f"A {kind} needs to say who: it has no user id.")
        elif not 0 < len(actor) <= MAX_ID:
            raise Unusable("bad_length", f"Its user id has more than {MAX_ID:,} characters.")
        text = _ENCODE.encode(metadata)
        if len(metadata) > MAX_METADATA_KEYS or len(text) > MAX_METADATA_BYTES:
            metadata, text = _shortened(metadata)
        row = (idx, product, kind, ts, actor, value, currency, key, text, corrected)
        self._rows.append((*row, *map(metadata.get, DIMENSIONS)))
        if value is not None or currency is not None:
            self._plain = False

    def table(self) -> pa.Table:
        """The columns of all that was taken."""
        rows = len(self._rows)
        columns: list[Any] = [list(one) for one in zip(*self._rows, strict=True)]
        columns = columns or [[] for _ in range(_CELLS)]
        idx, product, kind, ts, actor, value, currency, key, text, corrected, *rest = columns
        times, future = timed(np.array(ts, dtype=np.int64), self._received_at)
        values = (
            ones(rows)
            if self._plain
            else pa.array([_ONE if one is None else one for one in value], _AMOUNT)
        )
        codes = pa.nulls(rows, pa.string()) if self._plain else pa.array(currency, pa.string())
        dimensions = zip(DIMENSIONS, rest, strict=True)
        found = {
            "idx": pa.array(idx, pa.int32()),
            "product": pa.array(product, pa.string()),
            "source": pa.repeat(pa.scalar(self._source, pa.string()), rows),
            "type": pa.array(kind, pa.string()),
            "ts": pa.array(times),
            "actor": pa.array(actor, pa.string()),
            "value": values,
            "currency": codes,
            "key": pa.array(key, pa.string()),
            "metadata": pa.array(text, pa.string()),
            **{name: _texts(column) for name, column in dimensions},
            "corrected": pa.array(np.array(corrected, dtype=np.bool_) | future),
        }
        return pa.table(found, schema=SCHEMA)


def timed(ts: I64, received_at: int) -> tuple[I64, NDArray[np.bool_]]:
    """Times (UTC microseconds), those of the future brought back; and which were."""
    future = ts > received_at + int(FUTURE.total_seconds()) * MICROS
    return np.where(future, received_at, ts), future


def ones(rows: int) -> pa.Array:
    """The values of events that name none."""
    return pa.repeat(pa.scalar(_ONE, _AMOUNT), rows)


def _shortened(metadata: dict[str, Scalar]) -> tuple[dict[str, Scalar], bytes]:
    """The first keys, without the longest texts where they take too much room."""
    kept = {name: metadata[name] for name in DIMENSIONS if name in metadata}
    for name, value in metadata.items():
        if len(kept) < MAX_METADATA_KEYS:
            kept[name] = value
    sizes = sorted((len(_ENCODE.encode((k, v))), k) for k, v in kept.items())
    text = _ENCODE.encode(kept)
    while len(text) > MAX_METADATA_BYTES:
        del kept[sizes.pop()[1]]
        text = _ENCODE.encode(kept)
    return kept, text


def _texts(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except (TypeError, pa.ArrowInvalid):  # numbers and booleans are dimensions too
        texts = [
            one if one is None or isinstance(one, str) else _ENCODE.encode(one).decode()
            for one in values
        ]
        return pa.array(texts, pa.string())
