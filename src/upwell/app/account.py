"""Reading a Stripe account: each page and its cursor in one delivery, live first, the past after.

`Account` asks no clock but the one it is given; it can be stopped after any page and goes on from
the journal.
"""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import structlog
import xxhash

from upwell.app.calls import Calls
from upwell.app.connect import Links
from upwell.app.link import Link
from upwell.app.progress import Progress
from upwell.app.pulled import Pages
from upwell.event import Delivery
from upwell.period import to_micros
from upwell.sources.contract import Clock
from upwell.sources.stripe import complete, fetch, wants
from upwell.sources.stripe.catalogue import Catalogue
from upwell.sources.stripe.fetch import STEPS, Cursor, Page

log = structlog.get_logger()

EVERY = 60.0  # seconds between two looks at the events
YEAR = 365 * 86_400
QUIET = 43_200  # seconds after which a cursor is kept though nothing new came
CATALOGUED = ("price.", "product.", "plan.", "coupon.")
RECENT = 50_000  # ids of events that are known to be in the journal


class Account:
    """One account being read."""

    every = EVERY

    def __init__(self, link: Link, links: Links, calls: Calls, journal: Pages, clock: Clock):
        self.link = link
        self._links = links
        self._calls = calls
        self._journal = journal
        self._clock = clock
        self._catalogue: Catalogue | None = None
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._heard: deque[Delivery] = deque(maxlen=RECENT)
        self._lately: list[tuple[int, msgspec.Raw]] = []  # events since the last look, by second
        self._renamed: set[str] = set()  # prices and products with another name
        last = journal.pulled(link.id)
        about = last.about["pull"] if last else None
        self.cursor = msgspec.convert(about, Cursor) if about else None
        self._kept_at = last.received_at // 1_000_000 if last else 0
        self._looked_at = 0
        self.progress: Progress | None = None

    @property
    def complete_to(self) -> int | None:
        """All up to then (UTC microseconds) is here; None while lists of the past are read."""
        if self.cursor is None or not self.cursor.following:
            return None
        return self.cursor.seen_at * 1_000_000

    def heard(self, delivery: Delivery) -> bool:
        """A webhook has brought this; whether what it only points to is to be read now."""
        self._heard.append(delivery)
        return bool(wants(delivery, self.link.origin))

    def close(self) -> None:
        """Close its connections."""
        self._calls.close()

    def read(self) -> Iterator[Progress]:
        """Everything that is new, and all of the past that is missing; a step a page."""
        now = self._seconds()
        if self.cursor is None or now - self.cursor.seen_at > fetch.STALE:
            self._begin(now)
        began, rows_before = self._clock(), self.cursor.rows if self.cursor else 0
        yield from self._follow()
        while self.cursor is not None and not self.cursor.following:
            yield self._list(began, rows_before)
            if self._seconds() - self._looked_at >= EVERY or self._heard:
                yield from self._follow()
        self.progress = None

    # -- the past --------------------------------------------------------------------------------

    def _begin(self, now: int) -> None:
        """Note where the events stand before anything is listed."""
        if self.cursor is not None:
            log.warning(
                "events are older than Stripe keeps them; listing again", source=self.link.id
            )
        self.cursor = fetch.begin(self._calls.get, now)
        self._keep("events", Page([], False), self.cursor)

    def _list(self, began: dt.datetime, rows_before: int) -> Progress:
        assert self.cursor is not None
        before = self.cursor
        started = self._clock()
        page, after = fetch.listed(self._calls.get, before)
        self._keep(before.step, page, after, started, history=True)
        self.progress = self._told(before, page, after, began, rows_before)
        return self.progress

    def _told(
        self, before: Cursor, page: Page, after: Cursor, began: dt.datetime, rows_before: int
    ) -> Progress:
        done = [step.name for step in STEPS].index(before.step)
        heads = page.heads
        share = 1.0
        if after.step == before.step and heads:
            # Lists are newest first: how far back the page reaches says how much is left.
            opened = self._catalogue.opened if self._catalogue else 0
            first = max(before.since, opened or heads[-1].created - YEAR)
            age = max(1, before.started - first)
            share = min(1.0, (before.started - heads[-1].created) / age)
        whole = (done + share) / len(STEPS)
        elapsed = (self._clock() - began).total_seconds()
        return Progress(
            source=self.link.id,
            label=before.step.replace("_", " "),
            done=done + 1,
            total=len(STEPS),
            rows=after.rows,
            rate=(after.rows - rows_before) / elapsed if elapsed > 0 else 0.0,
            share=whole,
            seconds_left=elapsed / whole * (1 - whole) if whole > 0.02 and elapsed > 1 else None,
        )

    # -- the present -----------------------------------------------------------------------------

    def _follow(self) -> Iterator[Progress]:
        """What webhooks only pointed to, the events since the last look, the balance."""
        assert self.cursor is not None
        self._complete()
        self._looked_at = now = self._seconds()
        for page, after in fetch.followed(self._calls.get, self.cursor, now):
            self._take("events", page, after)
            if self.progress is not None:
                yield self.progress
        self._settle(now)
        for page, after in fetch.balanced(self._calls.get, self.cursor):
            self._take("balance_transactions", page, after)

    def _take(self, name: str, page: Page, after: Cursor) -> None:
        """Keep what is new of a page; the cursor with it, or from time to time without."""
        started = self._clock()
        new = [
            (row, head)
            for row, head in zip(page.rows, page.heads, strict=True)
            if head.id not in self._recent
        ]
        fresh = [row for row, _ in new]
        self._heed([head for _, head in new], fresh)
        if fresh or self._seconds() - self._kept_at > QUIET:
            self._keep(name, Page(fresh, page.has_more), after, started, read=page)
        self._know(head.id for head in page.heads)
        self.cursor = after
        if name == "events":
            self._lately += [(head.created, row) for row, head in new]

    def _heed(self, heads: Iterable[fetch.Head], rows: Sequence[msgspec.Raw]) -> None:
        """What events say of the catalogue: it is read anew, and so is what has another name."""
        if any(head.type.startswith(CATALOGUED) for head in heads):
            self._catalogue = None
            self._renamed |= fetch.renamed(rows)

    def _settle(self, now: int) -> None:
        """Read anew what changed more than once in a second, however it was told.

        What a list shows stands before the events of its second, so those of `now` wait.
        """
        ids = fetch.unclear([row for at, row in self._lately if at < now])
        self._lately = [(at, row) for at, row in self._lately if at >= now]
        if ids:
            started = self._clock()
            rows = fetch.again(self._calls.get, ids)
            again = self._delivery(started, {"again": sorted(ids)})
            self._append(self._full(again, "subscriptions", rows, history=False))
        if self._renamed:
            self._rename()

    def _rename(self) -> None:
        """Read the subscriptions anew that are for what has another name now."""
        for price in self._known().called(self._renamed):
            started = self._clock()
            for page in fetch.sold_at(self._calls.get, price):
                again = self._delivery(started, {"renamed": price})
                self._append(self._full(again, "subscriptions", page.rows, history=False))
                started = self._clock()
        self._renamed.clear()

    def _complete(self) -> None:
        """Journal the events of webhooks again, with what they only pointed to."""
        while self._heard:
            delivery = self._heard.popleft()
            raw = msgspec.Raw(delivery.body)
            try:
                event = msgspec.json.decode(raw, type=fetch.Head)
            except (msgspec.MsgspecError, UnicodeError):
                continue  # signed, and no event: translation has set it aside
            missing = wants(delivery, self.link.origin)
            if self._catalogue is not None:
                self._catalogue.note([raw])
            if event.id not in self._recent:
                self._heed([event], [raw])
            if missing:
                about = {**delivery.about, "completes": delivery.seq}
                again = self._delivery(self._clock(), about)
                self._append(self._full(again, "events", [raw], history=False))
            if event.id not in self._recent:
                self._lately.append((event.created, raw))
            self._know([event.id])

    def _know(self, ids: Iterable[str]) -> None:
        for id_ in ids:
            self._recent[id_] = None
        while len(self._recent) > RECENT:
            self._recent.popitem(last=False)

    # -- keeping ---------------------------------------------------------------------------------

    def _keep(
        self,
        name: str,
        page: Page,
        after: Cursor,
        started: dt.datetime | None = None,
        *,
        read: Page | None = None,
        history: bool = False,
    ) -> None:
        """One page and the cursor behind it, in one delivery; then the cursor holds."""
        about: dict[str, Any] = {"pull": msgspec.to_builtins(after)}
        whole = read or page
        about["manifest"] = {
            "list": name,
            "rows": len(whole.rows),
            "new": len(page.rows),
            "hash": xxhash.xxh3_128_hexdigest(b"\n".join(bytes(row) for row in whole.rows)),
        }
        if history:
            about["history"] = True
        if name == "events":
            about |= self._links.about(self.link.id, page.rows)
        delivery = self._delivery(started or self._clock(), about)
        self._append(self._full(delivery, name, page.rows, history))
        self.cursor = after
        self._kept_at = self._seconds()

    def _delivery(self, at: dt.datetime, about: dict[str, Any]) -> Delivery:
        return Delivery(kind="stripe", source=self.link.id, received_at=to_micros(at), about=about)

    def _full(
        self, delivery: Delivery, name: str, rows: Sequence[msgspec.Raw], history: bool
    ) -> Delivery:
        known = self._known()
        return complete.completed(
            delivery, name, rows, self.link.origin, self._calls.get, known, history
        )

    def _known(self) -> Catalogue:
        if self._catalogue is None:
            self._catalogue = Catalogue.of(self._calls.get)
            self.link = self._links.learned(self.link.id, self._catalogue)
        return self._catalogue

    def _append(self, delivery: Delivery) -> None:
        self._journal.append([delivery])

    def _seconds(self) -> int:
        return int(self._clock().timestamp())


def again(journal: Pages, link: Link, since: int, now: dt.datetime) -> bool:
    """List a source from the beginning at the next look; whether anything of it was read before.

    Lists that can say when their objects were made are read back to `since` (epoch seconds, 0:
    whole). Events are followed from where they stand, so that nothing is missed meanwhile.
    """
    last = journal.pulled(link.id)
    if last is None:
        return False
    known = msgspec.convert(last.about["pull"], Cursor)
    seconds = int(now.timestamp())
    about = {"pull": msgspec.to_builtins(fetch.again_from(known, since, seconds))}
    nothing = complete.body("events", [], read_at=seconds)
    kept = Delivery(
        kind="stripe", source=link.id, received_at=to_micros(now), about=about, body=nothing
    )
    journal.append([kept])
    return True
