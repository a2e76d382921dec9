"""Who belongs together, kept up with what is known of customers: found anew, journaled if other.

The map is a delivery that says what changed of it, so that the past keeps the map it had. It is
found beside the loop, never in it: a commit waits for nobody.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Sequence

import msgspec
import structlog

from upwell.errors import Rejected, UpwellError
from upwell.event import Delivery
from upwell.flow import Flow
from upwell.period import to_micros
from upwell.projection.ground import Relinked
from upwell.projection.identity import Payer, groups, joined, parted
from upwell.projection.kin import payers
from upwell.query.revenue.people import name_of, number_of
from upwell.web.shapes import Linked

log = structlog.get_logger()

CALM = 1.0  # seconds in which what comes together is waited for
LATEST = 60.0  # and no longer than this, however much comes
EVERY = 60.0  # between two maps that differ; the more groups, the longer
SHARE = 20  # of the time that looking takes, so long is not looked again


class Identity:
    """The map of customers of one house; one change at a time."""

    def __init__(self, flow: Flow, clock: Callable[[], dt.datetime]) -> None:
        self._flow, self._clock = flow, clock
        self._lock = threading.Lock()

    def refresh(self) -> bool:
        """Find the map by all that is known now; whether it was another and is journaled."""
        with self._lock:
            ground = self._flow.projection.ground
            return self._stand(ground.by_hand, ground.alone)

    def merge(self, names: Sequence[str]) -> Linked:
        """Say that customers are one; NotFound for one that nobody knows."""
        known = [self._known(name) for name in names]
        if len(set(known)) < 2:
            raise Rejected(
                "nothing_to_merge",
                "Two different customers are needed.",
                fix="Name each as source:id.",
                where="customers",
            )
        with self._lock:
            ground = self._flow.projection.ground
            alone = tuple(name for name in ground.alone if name not in known)
            return self._linked(known[0], self._stand(joined(ground.by_hand, known), alone))

    def unmerge(self, names: Sequence[str]) -> Linked:
        """Take each of these customers out of its group; no rule joins them again."""
        known = [self._known(name) for name in names]
        with self._lock:
            ground = self._flow.projection.ground
            together = {name for group in ground.merges for name in group}
            by_hand, apart = ground.by_hand, [name for name in known if name in together]
            for name in apart:
                by_hand = parted(by_hand, name)
            alone = tuple(sorted({*ground.alone, *apart}))
            return self._linked(known[0], self._stand(by_hand, alone))

    def _known(self, name: str) -> str:
        book = self._flow.projection.book()
        return name_of(book, number_of(book, name))

    def _linked(self, name: str, changed: bool) -> Linked:
        merges = self._flow.projection.ground.merges
        group = next((group for group in merges if name in group), (name,))
        position = str(self._flow.applied)
        return Linked(accounts=group, changed=changed, position=position)

    def _stand(self, by_hand: tuple[tuple[str, ...], ...], alone: tuple[str, ...]) -> bool:
        projection = self._flow.projection
        ground = projection.ground
        known = payers(projection.reader(), ground.exclude)
        told = {payer.name for payer in known}
        # Who is known by subscriptions alone has no traits, and may be joined by hand.
        known += [Payer(name) for group in by_hand for name in group if name not in told]
        found = {group.members for group in groups(known, ground.rules, by_hand, alone)}
        before = set(ground.merges)
        change = Relinked(
            gone=tuple(sorted(before - found)),
            come=tuple(sorted(found - before)),
            by_hand=by_hand,
            alone=alone,
        )
        if found == before and (by_hand, alone) == (ground.by_hand, ground.alone):
            return False
        now = to_micros(self._clock())
        body = msgspec.json.encode(change)
        self._flow.command(Delivery(kind="identity", source="upwell", received_at=now, body=body))
        return True


class Linking:
    """Keeps the map up while a house serves, in a thread of its own."""

    def __init__(self, identity: Identity, flow: Flow) -> None:
        self._identity, self._flow = identity, flow
        self._stopping = threading.Event()
        self._due = threading.Event()
        self._seen: tuple[object, ...] | None = None
        self._thread = threading.Thread(target=self._run, name="identity", daemon=True)
        self._unsubscribe = flow.subscribe(lambda _: self._due.set())

    def start(self) -> None:
        """Begin; the first look is at once."""
        self._due.set()
        self._thread.start()

    def stop(self) -> None:
        """Finish the look at hand, then stop."""
        self._unsubscribe()
        self._stopping.set()
        self._due.set()
        if self._thread.is_alive():
            self._thread.join(timeout=60)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._due.wait()
            until = time.monotonic() + LATEST
            while not self._stopping.wait(CALM) and time.monotonic() < until:
                applied, newest = self._flow.backlog()
                if applied >= newest:
                    break
            self._due.clear()
            if not self._stopping.is_set():
                self._stopping.wait(self._look())

    def _look(self) -> float:
        """Find the map again where customers are others; how long to leave it at that."""
        started = time.monotonic()
        try:
            seen = self._customers()
            changed = seen != self._seen and self._identity.refresh()
            self._seen = seen
        except UpwellError as error:  # the loop has stopped, or will come to it
            log.warning("customers not linked", error=error.problem.message)
            return EVERY
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            log.error("customers not linked", error=repr(error))
            return EVERY
        took = (time.monotonic() - started) * SHARE
        many = len(self._flow.projection.ground.merges)
        return max(took, EVERY * (1 + many // 1000)) if changed else took

    def _customers(self) -> tuple[object, ...]:
        """What changes whenever something new is known of a customer, or the rules are others."""
        projection = self._flow.projection
        row = projection.reader().execute(
            "select max(no), max(superseded_seq) from billing where kind = 'cus'"
        )
        return (*row.fetchall(), projection.ground.rules, projection.ground.exclude)
