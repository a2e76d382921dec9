"""What every source that is read is made of: a kind, its reader, its pages, and how it fails.

A kind is one module (`mixpanel`, `ga4`, `sql`, or one of your own under the entry point
`upwell.sources`): settings, a reader that fetches pages, and a pure `translate`. Everything else
(threads, the journal, pauses, back-off between looks, what people see) is done for it.

The promise of a reader: a page and the cursor behind it are kept together, so that reading can end
after any page, or in the middle of one, and goes on without loss. What it reads twice is counted
once, because its events have keys.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx
import msgspec

from upwell.billing import Origin
from upwell.errors import Rejected, Unavailable, UpwellError
from upwell.event import Delivery, Translated

Clock = Callable[[], dt.datetime]
Cursor = dict[str, Any]
"""Where reading has come to, as JSON can say it; it stands beside the page that it follows."""


class SignIn(Rejected):
    """The vendor does not take the credentials."""


class NotAllowed(Rejected):
    """The credentials are good, and lack a permission; or the account has no such feature."""


class BadQuery(Rejected):
    """What was asked for cannot be answered: a column or table is missing, SQL is wrong."""


class QuotaGone(Unavailable):
    """The vendor answers no more for now; `after` says how many seconds to wait."""

    def __init__(self, message: str, after: float, fix: str = "") -> None:
        super().__init__("quota_gone", message, fix=fix)
        self.after = after


class Truncated(Unavailable):
    """An answer ended in the middle; nothing of it was kept, and it is read again."""


class TooLarge(Rejected):
    """An answer has more bytes than any should have; nothing of it was kept."""


class Moved(Rejected):
    """The vendor's address sends elsewhere, where no credentials are sent."""


_STATES: tuple[tuple[type[UpwellError], str], ...] = (
    (SignIn, "sign-in"),
    (NotAllowed, "permissions"),
    (BadQuery, "query"),
    (QuotaGone, "quota"),
    (Truncated, "truncated"),
    (TooLarge, "too-large"),
    (Moved, "moved"),
    (Rejected, "refused"),
)


def state_of(error: UpwellError) -> str:
    """Why a source failed, in a word that pages know."""
    return next((state for kind, state in _STATES if isinstance(error, kind)), "unreachable")


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """What a source promises, in seconds; watermarks, charts and alerts obey it.

    `every`: how often it is looked at; `late`: how long after it happened a fact is there;
    `restates`: for how long what was said may change (0: never).
    """

    every: float
    late: float = 0.0
    restates: float = 0.0


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of what was read: its bytes as they came, and where reading stands behind them.

    `rows` are in the body, `read` were sent (those known already are not kept again). `about` goes
    with the bytes to `translate`. `history`: pages move, alerts stay silent. `restates`: an event
    whose key is known takes the place of the one before. `keep` False: nothing new was found, so
    the cursor moves in memory only. `complete_to` (UTC microseconds): all up to then is here.
    `label`, `done` and `total` tell people what is being read: slice `done` of `total`.
    """

    cursor: Cursor
    body: bytes = b""
    rows: int = 0
    read: int = 0
    about: Mapping[str, Any] = {}
    history: bool = False
    restates: bool = False
    keep: bool = True
    complete_to: int | None = None
    label: str = ""
    done: int = 0
    total: int = 0


class Reader(Protocol):
    """One source being read; used by one thread."""

    def read(self, cursor: Cursor | None, clock: Clock) -> Iterator[Page]:
        """All that is due: what is new first, then the past, until nothing is due.

        Between two slices of the past it looks at what is new again when that is due. Raises
        SignIn, NotAllowed, BadQuery, QuotaGone, Truncated, Rejected or Unavailable; the cursor of
        the last page holds then.
        """
        ...

    def check(self) -> Sequence[str]:
        """Try the credentials and say what there is to read, a line each; raises as `read`."""
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


@dataclass(frozen=True)
class Opening:
    """What a reader is given: its settings and the only ways out of the process.

    `secret` reads `env:NAME` or `file:PATH`. `client(timeout)` is an HTTP client that calls public
    hosts only, `reach(host, port)` judges a host for another protocol (raises Rejected). `folder`
    is for what can be thrown away. `stopping()` turns true when reading is to end soon.
    `assigned` maps names of the vendor to products. `sleep` waits, shorter when it is to end.
    """

    id: str
    settings: Any
    secret: Callable[[str], str]
    client: Callable[[float], httpx.Client]
    reach: Callable[[str, int], Any]
    folder: Path
    sleep: Callable[[float], None]
    stopping: Callable[[], bool] = lambda: False


def _nothing(_: Any) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class Kind:
    """A kind of source: how its settings look, how it is read, and what its bytes mean.

    `settings` is a msgspec struct of its table in the configuration. `given` picks of it what
    `translate` depends on: it is journaled, and is `origin.given` there. `again(cursor, since,
    now)` is the cursor from which all since then (epoch seconds; 0: everything) is read once more.
    """

    name: str
    title: str
    settings: type[msgspec.Struct]
    open: Callable[[Opening], Reader]
    translate: Callable[[Delivery, Origin, frozenset[str]], Translated]
    promise: Callable[[Any], Promise]
    again: Callable[[Cursor, int, int], Cursor]
    given: Callable[[Any], Mapping[str, Any]] = field(default=_nothing)
