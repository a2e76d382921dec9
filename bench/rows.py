"""The rows that everything here is measured with: made up, the same for us and for every peer.

A row is an event of one of twelve products. Batch `n` of a set is always the same; a set is a day
(the design day) or a history of days up to now. Each batch can be written as the JSON that our
door takes and as the tab-separated text that PostgreSQL and ClickHouse load fastest.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PRODUCTS = (
    "mail", "docs", "drive", "meet", "chat", "desk",
    "books", "forms", "sign", "pay", "site", "ads",
)  # fmt: skip
_SHARE = (0.26, 0.17, 0.13, 0.1, 0.08, 0.07, 0.06, 0.05, 0.03, 0.02, 0.02, 0.01)

TYPES = {
    "page_view": 0.50,
    "engagement": 0.305,
    "session": 0.12,
    "signup": 0.025,
    "activation": 0.012,
    "revenue": 0.030,
    "refund": 0.002,
    "churn": 0.004,
    "trial": 0.002,
}
_PLANS = ("free", "starter", "team", "enterprise")
_COUNTRIES = (
    "US", "DE", "GB", "FR", "CA", "IN", "BR", "NL", "ES", "AU", "JP", "SE", "IT", "PL", "CH",
    "MX", "AT", "DK", "SG", "ZA", "NO", "FI", "BE", "IE", "PT",
)  # fmt: skip
_CURRENCY = {"GB": "GBP", "JP": "JPY", "IN": "USD", "BR": "USD", "AU": "USD", "CA": "USD"}
_EURO = frozenset(("DE", "FR", "NL", "ES", "IT", "AT", "FI", "BE", "IE", "PT"))
_CHANNELS = ("search", "direct", "referral", "ads", "social", "mail")
_REASONS = ("price", "missing_feature", "switched", "unused", "payment_failed", "closed")
_PRICES = ("9.00", "19.00", "29.50", "49.00", "99.00", "120.00", "249.00", "480.00", "1900.00")
_YEN = ("1200", "2400", "4800", "9800", "48000")
_PATHS = ("/", "/pricing", "/inbox", "/board", "/report", "/search", "/settings", "/export")
_NAMES = ("created", "shared", "commented", "exported", "searched", "invited")
_DEVICES = ("desktop", "phone", "tablet")

COLUMNS = (
    "product", "source", "type", "ts", "actor", "value", "currency", "key",
    "plan", "country", "channel", "reason", "name", "metadata",
)  # fmt: skip
SOURCE = "bench"
BATCH = 1_000


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A set of rows: `events` of them, spread over `days` days that end at `until`.

    Types in `without` do not occur: what a measurement itself sends must be told from the rest.
    """

    events: int
    until: dt.datetime
    days: float = 1.0
    actors: int = 200_000
    seed: int = 7
    size: int = BATCH
    without: tuple[str, ...] = ()

    @property
    def batches(self) -> int:
        """How many batches the set has."""
        return -(-self.events // self.size)

    @property
    def name(self) -> str:
        """A name for files made from this set."""
        return f"{self.events}-by-{self.size}-{self.days:g}d-{self.until:%Y%m%dT%H%M}-{self.seed}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows in order of time: as JSON for our door, as tab-separated text for the peers."""

    json: bytes
    tabs: bytes
    last: int  # UTC micros of the newest row
    types: Counter[str]
    cents: Counter[str]  # gross revenue by currency, in 1/100
    actors: frozenset[str]  # as product and actor


def batches(spec: Spec, first: int = 0, end: int | None = None) -> Iterator[Batch]:
    """The batches of a set, from `first` to before `end`."""
    for number in range(first, spec.batches if end is None else end):
        yield batch(spec, number)


def batch(spec: Spec, number: int) -> Batch:
    """One batch of a set; always the same."""
    size = min(spec.size, spec.events - number * spec.size)
    rng = np.random.default_rng([spec.seed, number])
    at = _times(spec, number, size, rng)
    products = rng.choice(len(PRODUCTS), size, p=_SHARE)
    shares = {kind: share for kind, share in TYPES.items() if kind not in spec.without}
    odds = np.array(list(shares.values())) / sum(shares.values())
    kinds = rng.choice(list(shares), size, p=odds).tolist()
    # A few actors do much and many do little.
    actors = (spec.actors * rng.random(size) ** 2.2).astype(np.int64)
    home = (actors * 7919 + products) % 1009  # an actor's country and plan do not change
    countries = np.minimum((home / 1009) ** 2 * len(_COUNTRIES), len(_COUNTRIES) - 1).astype(int)
    plans = (home % 10 >= 6).astype(int) + (home % 10 >= 8) + (home % 20 == 19)
    draws = rng.integers(0, 1 << 16, (4, size)).tolist()
    json: list[str] = []
    tabs: list[str] = []
    cents: Counter[str] = Counter()
    who: set[str] = set()
    texts = np.datetime_as_string(at.astype("datetime64[us]"), unit="ms").tolist()
    for row, (product, kind, actor, country, plan, time) in enumerate(
        zip(
            [PRODUCTS[p] for p in products.tolist()],
            kinds,
            actors.tolist(),
            [_COUNTRIES[c] for c in countries.tolist()],
            [_PLANS[p] for p in plans.tolist()],
            texts,
            strict=True,
        )
    ):
        a, b, c, d = draws[0][row], draws[1][row], draws[2][row], draws[3][row]
        key = f"{spec.seed:x}{number:08x}{row:05x}{a:04x}"
        person = f"usr_{actor:08d}"
        who.add(f"{product} {person}")
        value, currency, channel, reason, name = "1", "", "", "", ""
        if kind == "page_view":
            plan, channel = "", _CHANNELS[b % 6]
            extra = f',"path":"{_PATHS[c % 8]}","device":"{_DEVICES[d % 3]}"'
        elif kind == "engagement":
            name, country = _NAMES[b % 6], ""
            extra = f',"name":"{name}","project":"prj_{c:05d}","seconds":{d % 600}'
        elif kind == "session":
            extra = f',"device":"{_DEVICES[d % 3]}"'
        elif kind in ("revenue", "refund"):
            currency = _CURRENCY.get(country, "EUR" if country in _EURO else "USD")
            value = _YEN[b % 5] if currency == "JPY" else _PRICES[b % 9]
            extra = f',"invoice":"in_{c:05d}{d:05d}"'
        elif kind == "churn":
            reason = _REASONS[b % 6]
            extra = f',"reason":"{reason}"'
        else:
            channel, extra = _CHANNELS[b % 6], f',"device":"{_DEVICES[d % 3]}"'
        words = "".join(
            f',"{label}":"{text}"'
            for label, text in (("plan", plan), ("country", country), ("channel", channel))
            if text
        )
        metadata = "{" + (words + extra)[1:] + "}"
        money = f'"value":"{value}","currency":"{currency}",' if currency else ""
        json.append(
            f'{{"product_id":"{product}","event_type":"{kind}","timestamp":"{time}Z",{money}'
            f'"actor_id":"{person}","idempotency_key":"{key}","metadata":{metadata}}}'
        )
        tabs.append(
            f"{product}\t{SOURCE}\t{kind}\t{time.replace('T', ' ')}\t{person}\t{value}\t{currency}"
            f"\t{key}\t{plan}\t{country}\t{channel}\t{reason}\t{name}\t{metadata}"
        )
        if kind == "revenue":
            cents[currency] += int(value.replace(".", "")) * (100 if currency == "JPY" else 1)
    return Batch(
        json=("[" + ",".join(json) + "]").encode(),
        tabs=("\n".join(tabs) + "\n").encode(),
        last=int(at[-1]),
        types=Counter(kinds),
        cents=cents,
        actors=frozenset(who),
    )


def _times(spec: Spec, number: int, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Micros in order: the set's batches share out its days, the later ones a little denser."""
    span = spec.days * 86_400e6
    first = spec.until.timestamp() * 1e6 - span
    low, high = (
        span * (number / spec.batches) ** 0.8,
        span * ((number + 1) / spec.batches) ** 0.8,
    )
    found: NDArray[np.int64] = (first + np.sort(rng.uniform(low, high, size))).astype(np.int64)
    return found


class Tally:
    """What a set holds, counted as it is made, to compare the answers with."""

    def __init__(self) -> None:
        self.events = 0
        self.types: Counter[str] = Counter()
        self.cents: Counter[str] = Counter()
        self._actors: set[str] = set()

    def add(self, one: Batch) -> None:
        """Count a batch once."""
        self.events += sum(one.types.values())
        self.types.update(one.types)
        self.cents.update(one.cents)
        self._actors |= one.actors

    def as_dict(self) -> dict[str, Any]:
        """The counts, to be kept beside the files."""
        return {
            "events": self.events,
            "types": dict(self.types),
            "cents": dict(self.cents),
            "actors": len(self._actors),
        }


def repeats(number: int, every: int) -> Sequence[int]:
    """Which of `number` batches are sent again: one in `every`."""
    return range(0, number, every)
