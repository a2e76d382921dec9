"""What the site is made of: `app` chooses the parts, routes only call them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from litestar.types import ControllerRouterHandler

from upwell.access import Viewer
from upwell.alerts.inbox import Act, AlertShown
from upwell.event import DeadLetter, Delivery
from upwell.query import Ask, Question
from upwell.query.boards import Boards
from upwell.query.explain import Explanation
from upwell.query.goals import Goals
from upwell.query.marks import Marks
from upwell.query.overlaps import Overlaps
from upwell.query.revenue.door import Revenue
from upwell.query.rows import Rows
from upwell.query.usage.door import Usage
from upwell.settings.schema import Settings
from upwell.state.db import State
from upwell.web import shapes
from upwell.web.door import House
from upwell.web.gate import Gate
from upwell.web.health_shapes import ReadAgain, Replay, Replayed, SourceHealth
from upwell.web.kind_shapes import Connected, NewPreview, NewSource, SourceKinds, SqlPreview
from upwell.web.meters import Meters

PAGES = Path(__file__).parent / "pages"


@dataclass(frozen=True, kw_only=True, slots=True)
class Accounts:
    """Accounts that are read: how a webhook is let in, and what a page may do; all may block.

    `secret(source)` raises NotFound; `about(source, bodies)` is what is known here beyond them;
    `heard` is told of a webhook that is on disk.
    """

    secret: Callable[[str], str]
    about: Callable[[str, list[bytes]], dict[str, Any]]
    heard: Callable[[Delivery], None]
    add: Callable[[shapes.NewStripe, Viewer], shapes.Account]
    look: Callable[[str], shapes.Account]
    assign: Callable[[str, Mapping[str, str | None]], shapes.Assigned]
    renew: Callable[[str, shapes.NewSecrets], shapes.Account]
    pause: Callable[[str, bool], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """What pages may see of a source and do about it; all may block, and raise NotFound.

    `seen(source, drift)`; `reset(source, day)` and `read_now` raise Rejected where they cannot.
    """

    detail: Callable[[str], SourceHealth]
    seen: Callable[[str, str], None]
    reset: Callable[[str, str], ReadAgain]
    read_now: Callable[[str], None]
    replay: Callable[[Replay], Replayed]


@dataclass(frozen=True, kw_only=True, slots=True)
class Linking:
    """Which customers are one by hand; both may block, and raise NotFound."""

    merge: Callable[[Sequence[str]], shapes.Linked]
    unmerge: Callable[[Sequence[str]], shapes.Linked]


@dataclass(frozen=True, kw_only=True, slots=True)
class Months:
    """Which months are closed; `close(month, reopen, by)` may block, and raises Rejected."""

    closes: Callable[[], shapes.Closes]
    close: Callable[[str, bool, str], shapes.Closes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Company:
    """What pages may change of the company; the last three may block, and raise Rejected.

    `in_file`: what the workspace is called stands in the configuration file; `named()`: it does,
    or was said on a page.
    """

    in_file: bool
    named: Callable[[], bool]
    workspace: Callable[[shapes.NewWorkspace], None]
    add: Callable[[shapes.NewProduct], shapes.Product]
    change: Callable[[str, shapes.ProductChange], shapes.Product]


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """The concrete things behind the routes; blocking ones are called in threads.

    `settings()` are those that hold now; `submit(delivery, carry)` answers the sequence once
    durable; `applied_to(seq, seconds)` whether it is in the numbers in time; `backlog()` the
    applied and the newest sequence; `ready()` what is missing, or "" when questions can be
    answered; `act_on_alert(id, act, viewer, until)`.
    """

    settings: Callable[[], Settings]
    house: House
    clock: Callable[[], dt.datetime]
    state: State
    gate: Gate
    meters: Meters

    submit: Callable[[Delivery, Any], Awaitable[int]]
    applied_to: Callable[[int, float], Awaitable[bool]]
    backlog: Callable[[], tuple[int, int]]
    original: Callable[[int], Delivery | None]
    ready: Callable[[], str]

    ask: Ask
    rows: Callable[[shapes.RowsAsked, Viewer], Rows]
    explain: Callable[[Question, Viewer], Explanation]
    revenue: Revenue
    usage: Usage
    boards: Boards
    marks: Marks
    goals: Goals
    products: Callable[[Viewer], Sequence[shapes.Product]]
    event_names: Callable[[Viewer], Sequence[shapes.EventName]]
    metrics: Callable[[], Sequence[shapes.Metric]]
    sources: Callable[[Viewer], shapes.Sources]
    overlaps: Callable[[Viewer], Overlaps]
    company: Company
    accounts: Accounts
    health: Sources
    kinds: Callable[[], SourceKinds]
    connect: Callable[[NewSource, Viewer], Connected]
    renew: Callable[[str, Mapping[str, str]], Connected]
    preview: Callable[[NewPreview], SqlPreview]
    linking: Linking
    months: Months
    dead_letters: Callable[[int], Sequence[DeadLetter]]
    first_day: Callable[[], dt.date | None]

    alerts: Callable[[Viewer], Sequence[AlertShown]]
    act_on_alert: Callable[[str, Act, Viewer, dt.datetime | None], AlertShown]
    make_report: Callable[[str, Viewer, dt.datetime], shapes.Report]

    live: Sequence[ControllerRouterHandler] = ()
    pages: Path = field(default=PAGES)
