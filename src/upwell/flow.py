"""What happens to a delivery, from the journal to every number: read this first.

    journal ─► translate ─► keep what is new ─► store ─► change the sums ─► move on ─► publish
                (pure)      └────────────────── one transaction ──────────────────┘

`Flow` is the one loop that does it, in its own thread. Live traffic and catching up after a crash
are the same loop: it only ever asks the journal for what follows the applied position.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import duckdb
import structlog

from upwell.billing import Origin
from upwell.errors import Rejected, Unavailable, UpwellError
from upwell.event import SCHEMA, Change, DeadLetter, Delivery, Position, Translated
from upwell.journal import DAMAGED, Journal
from upwell.projection import Outcome, Projection, Staged, store
from upwell.projection.ground import GROUND, RELINKED
from upwell.sources import files, http, sdk, stripe
from upwell.sources.kinds import kind_named

log = structlog.get_logger()

# Kinds of delivery that carry events.
EVENTS = frozenset({"events", "import", "sdk", "stripe", "pull"})
COMMIT_ROWS = 40_000  # one commit takes at most about this many events
SAMPLE = 12
RETRY_SECONDS = (0.25, 5.0)  # after a failed commit: at first, and at most
TRIES = 3  # of a delivery that cannot be applied for what is in it

DONE_KEPT = 64  # results of commands that nobody has fetched

T = TypeVar("T")
Watcher = Callable[[Change], None]


def translate(
    delivery: Delivery,
    products: frozenset[str],
    carry: object = None,
    origin: Origin | None = None,
) -> Translated:
    """The events of a delivery; one that cannot be read becomes a dead letter, never an error.

    `products` are those that existed at this point of the journal, `origin` the source as it was
    configured then; `carry` is what the door made of the same bytes, which saves reading them
    twice.
    """
    if isinstance(carry, Translated):
        return carry
    if DAMAGED in delivery.about:
        reason = f"The journal's copy of it is damaged: {delivery.about[DAMAGED]}."
        return Translated(SCHEMA.empty_table(), (_dead(delivery, "damaged", reason),))
    try:
        if delivery.kind == "import":
            return files.translate_file(delivery, products)
        origin = origin or Origin(id=delivery.source)
        if delivery.kind == "stripe":
            return stripe.translate(delivery, origin)
        if delivery.kind == "sdk":
            return sdk.translate(delivery, origin)
        if delivery.kind == "pull":
            if not delivery.body:  # only where reading has come to
                return Translated(SCHEMA.empty_table())
            return kind_named(delivery.about["of"]).translate(delivery, origin, products)
        return http.translate(delivery)
    except Exception as error:  # noqa: BLE001 - whatever a body does, the next one is read
        log.warning("untranslatable", seq=delivery.seq, source=delivery.source, error=repr(error))
        letter = _dead(delivery, "untranslatable", f"{type(error).__name__}: {error}")
        return Translated(SCHEMA.empty_table(), (letter,))


def _dead(delivery: Delivery, code: str, reason: str) -> DeadLetter:
    """The whole delivery, set aside."""
    return DeadLetter(
        seq=delivery.seq,
        idx=-1,
        source=delivery.source,
        code=code,
        reason=reason,
        recorded_at=delivery.received_at,
    )


class Done(NamedTuple):
    """What a delivery that is a command (retract, restore, retranslate, config) has changed."""

    seq: int
    result: dict[str, Any]
    applied: bool = True  # False: it was set aside


class Flow:
    """The follower of the journal: one thread, one position, any number of watchers."""

    def __init__(self, journal: Journal, projection: Projection, remote: bool = False) -> None:
        self.journal = journal
        self.projection = projection
        self._remote = remote
        self._watchers: list[Watcher] = []
        self._moved = threading.Condition()
        self._stopping = threading.Event()
        self._waiters: list[tuple[int, asyncio.AbstractEventLoop, asyncio.Future[bool]]] = []
        self._done: dict[int, Done] = {}
        self._asked: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._asking = threading.Lock()
        self._ended = True  # nobody takes what is asked
        self.trouble = ""  # why the last commit failed; '' once one has succeeded
        self._failures = 0  # of one delivery alone, in a row
        self._suspect = 0  # up to this one they are applied alone
        self._thread = threading.Thread(target=self._run, name="flow", daemon=True)

    @property
    def applied(self) -> Position:
        """The last delivery whose effects every answer shows."""
        return self.projection.position

    def backlog(self) -> tuple[int, int]:
        """The applied sequence and the newest one in the journal."""
        return self.projection.applied, self.journal.newest

    def subscribe(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher` in this loop's thread after every commit; returns how to stop it."""
        self._watchers.append(watcher)

        def stop() -> None:
            with suppress(ValueError):
                self._watchers.remove(watcher)

        return stop

    def start(self) -> None:
        """Begin to follow."""
        self._ended = False
        self._thread.start()

    def stop(self) -> None:
        """Finish the commit at hand, then stop."""
        self._stopping.set()
        self.journal.wake()
        if self._thread.is_alive():
            self._thread.join(timeout=60)

    def wait(self, seq: int, timeout: float = 60.0) -> bool:
        """Whether delivery `seq` is applied within `timeout` seconds."""
        with self._moved:
            return self._moved.wait_for(lambda: self.projection.applied >= seq, timeout)

    async def applied_to(self, seq: int, timeout: float = 30.0) -> bool:
        """The same, without blocking the event loop."""
        loop = asyncio.get_running_loop()
        with self._moved:
            if self.projection.applied >= seq:
                return True
            future: asyncio.Future[bool] = loop.create_future()
            self._waiters.append((seq, loop, future))
        try:
            return await asyncio.wait_for(future, timeout)
        except TimeoutError:
            return False

    def command(self, delivery: Delivery, timeout: float = 3600.0) -> Done:
        """Journal a command and wait until it has taken effect."""
        seq = self.journal.append([delivery])[0]
        with self._moved:
            self._moved.wait_for(lambda: seq in self._done or self._ended, timeout)
            done = self._done.pop(seq, None)
        if done is None:
            raise Unavailable("slow", f"Delivery {seq} is kept, and still waits to be applied.")
        if not done.applied:
            raise UpwellError("not_done", f"Delivery {seq} could not be applied; the log says why.")
        return done

    def perform(self, work: Callable[[], T]) -> T:
        """Run `work` between two commits, in the loop's thread, and return what it returns."""
        done: Future[T] = Future()

        def step() -> None:
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001 - raised again where it was asked for
                done.set_exception(error)

        with self._asking:
            ended = self._ended
            if not ended:
                self._asked.put(step)
        if ended:
            step()
        self.journal.wake()
        return done.result()

    def follow(self) -> bool:
        """Apply what the journal holds beyond the position, one commit; False if there is none.

        Where it raises nothing has changed, and the next call tries again, a delivery at a time.
        One that fails again and again for what is in it is set aside, so that others come through.
        """
        self.projection.recover()
        group = self._next_group()
        if not group:
            return False
        delivery = group[0][0]
        try:
            if self._failures >= TRIES:
                self._give_up(delivery)
            elif delivery.kind in EVENTS:
                self._apply(group)
            else:
                self._obey(delivery)
        except Exception as error:
            if _by_content(error):
                self._suspect = group[-1][0].seq
                self._failures += len(group) == 1
            raise
        self._failures = 0
        return True

    # -- the loop --------------------------------------------------------------------------------

    def _run(self) -> None:
        failed = 0
        while not self._stopping.is_set():
            while not self._asked.empty():
                self._asked.get()()
            try:
                if not self.follow():
                    self.journal.wait(self.projection.applied, timeout=0.25)
            except Exception as error:  # noqa: BLE001 - whatever it is, the loop goes on
                # The commit was undone whole; what it held is still in the journal.
                failed += 1
                self.trouble = f"{type(error).__name__}: {error}"
                if failed & (failed - 1) == 0:  # told ever more rarely: 1, 2, 4, 8, ...
                    applied = self.projection.applied
                    log.error("commit failed", error=repr(error), applied=applied, times=failed)
                self._mend(error)
                first, most = RETRY_SECONDS
                self._stopping.wait(min(first * 2 ** min(failed - 1, 10), most))
            else:
                failed, self.trouble = 0, ""
        with self._asking, self._moved:
            self._ended = True
            self._moved.notify_all()
        while not self._asked.empty():
            self._asked.get()()

    def _mend(self, error: Exception) -> None:
        """Begin again from the journal where the stored events turn out to be damaged."""
        if isinstance(error, duckdb.Error) and store.corrupt(error):
            try:
                self.projection.renew(str(error))
            except (UpwellError, duckdb.Error, OSError) as another:
                log.error("projection not renewed", error=repr(another))

    def _give_up(self, delivery: Delivery) -> None:
        """Set a delivery aside that cannot be applied, and go on behind it."""
        log.error("delivery set aside", seq=delivery.seq, source=delivery.source)
        reason = f"It could not be applied in {TRIES} tries; the log says why."
        letter = _dead(delivery, "unusable", reason)
        self.projection.settle(delivery.seq, [letter])
        self._tell(delivery, Done(delivery.seq, {"refolded": False}, applied=False))

    def _next_group(self) -> list[tuple[Delivery, Any]]:
        """Deliveries for one commit: events together, each command alone."""
        waiting = self.journal.read(self.projection.applied, limit_bytes=12_000_000)
        group: list[tuple[Delivery, Any]] = []
        rows = 0
        for delivery, carry in waiting:
            if delivery.kind not in EVENTS:
                return group or [(delivery, carry)]
            if group and _is_history(delivery) != _is_history(group[0][0]):
                break  # what is quiet and what is news are told apart
            group.append((delivery, carry))
            known = isinstance(carry, Translated)
            rows += len(carry.events) if known else len(delivery.body) // 250
            if rows >= COMMIT_ROWS or delivery.seq <= self._suspect:
                break
        return group

    def _apply(self, group: list[tuple[Delivery, Any]]) -> None:
        products, ground = self.projection.products, self.projection.ground
        staged = [
            Staged(one, translate(one, products, carry, ground.origin_of(one)))
            for one, carry in group
        ]
        outcome = self.projection.apply(staged, self._remote)
        staged = staged[: outcome.taken]
        newest = staged[-1].delivery
        quiet = _is_history(newest)  # a group is all history or all news
        self._publish(
            Change(
                position=self.projection.position,
                recorded_at=newest.received_at,
                touched=outcome.touched,
                sample=() if quiet else _sample(staged, outcome),
                events=outcome.stored,
                quiet=quiet,
                refolded=outcome.refolded,
            )
        )
        self.projection.tidy()

    def _obey(self, delivery: Delivery) -> None:
        """Apply a delivery that changes what the sums are made of."""
        about, projection = delivery.about, self.projection
        result: dict[str, Any] = {}
        if DAMAGED in about:
            projection.settle(delivery.seq, translate(delivery, frozenset()).dead)
        elif delivery.kind == "config":
            ground = GROUND.decode(delivery.body).over(projection.ground)
            result["refolded"] = projection.set_ground(ground, delivery.seq, delivery.received_at)
        elif delivery.kind == "identity":
            change = RELINKED.decode(delivery.body)
            result["refolded"] = projection.relink(change, delivery.seq, delivery.received_at)
        elif delivery.kind == "retract":
            result["retracted"] = projection.supersede(delivery, about["deliveries"])
        elif delivery.kind == "restore":
            result["restored"] = projection.restore(delivery, about["retraction"])
        elif delivery.kind == "close":
            result["changed"] = projection.close_month(delivery)
        elif delivery.kind == "retranslate":
            staged = list(self._reread(about, delivery.seq))
            if staged:
                gone, added = projection.retranslate(delivery, staged)
                result.update(superseded=gone, added=added)
            else:
                projection.settle(delivery.seq)
        else:
            projection.settle(delivery.seq)
        self._tell(delivery, Done(delivery.seq, result))

    def _tell(self, delivery: Delivery, done: Done) -> None:
        """Say that a command has taken effect: to whoever gave it, and to the watchers."""
        refolded = done.result.get("refolded", delivery.kind not in ("config", "identity"))
        with self._moved:
            self._done[delivery.seq] = done
            while len(self._done) > DONE_KEPT:
                del self._done[next(iter(self._done))]
        self._publish(
            Change(
                position=self.projection.position,
                recorded_at=delivery.received_at,
                touched=frozenset(),
                refolded=bool(refolded),
                quiet=True,
            )
        )

    def _reread(self, about: dict[str, Any], before: int) -> Iterator[Staged]:
        """Old deliveries, of a source or by number, read with today's parser.

        What was retracted stays out.
        """
        products, ground = self.projection.products, self.projection.ground
        out = retracted(self.journal, before)
        for old in deliveries(self.journal, upto=before - 1):
            if old.kind in EVENTS and old.seq not in out and rereads(about, old):
                yield Staged(old, translate(old, products, origin=ground.origin_of(old)))

    def _publish(self, change: Change) -> None:
        with self._moved:
            self._moved.notify_all()
            due = [entry for entry in self._waiters if entry[0] <= change.position.seq]
            self._waiters = [entry for entry in self._waiters if entry[0] > change.position.seq]
        for _, loop, future in due:
            with suppress(RuntimeError):  # the loop may have closed meanwhile
                loop.call_soon_threadsafe(_resolve, future)
        for watcher in list(self._watchers):
            try:
                watcher(change)
            except Exception as error:  # noqa: BLE001 - one watcher hurts nobody else
                log.error("watcher failed", error=repr(error))


def deliveries(journal: Journal, after: int = 0, upto: int | None = None) -> Iterator[Delivery]:
    """All deliveries in order, a slice at a time."""
    while True:
        part = journal.read(after, upto=upto)
        for delivery, _ in part:
            if upto is not None and delivery.seq > upto:
                return
            yield delivery
        if not part:
            return
        after = part[-1][0].seq


def rereads(about: Mapping[str, Any], old: Delivery) -> bool:
    """Whether an order to read anew, as its `about` says, is about an old delivery."""
    source, since, seqs = about.get("source"), about.get("since", 0), about.get("deliveries")
    return (
        (source is None or old.source == source)
        and old.received_at >= since
        and (seqs is None or old.seq in seqs)
    )


def retracted(journal: Journal, before: int) -> frozenset[int]:
    """The deliveries that were taken out, and not brought back, by commands before `before`."""
    orders = {order.seq: order for order in journal.every("retract") if order.seq < before}
    back = {
        order.about.get("retraction") for order in journal.every("restore") if order.seq < before
    }
    standing = [order for seq, order in orders.items() if seq not in back]
    return frozenset(seq for order in standing for seq in order.about.get("deliveries", ()))


def _by_content(error: Exception) -> bool:
    """Whether the same delivery will fail in the same way, whatever becomes of disk and memory."""
    if isinstance(error, duckdb.Error):
        return isinstance(error, duckdb.DataError)
    return not isinstance(error, UpwellError | OSError | MemoryError)


def replay(journal: Journal, projection: Projection) -> Iterator[int]:
    """Fill an empty projection from the journal; yields the position after each commit."""
    flow = Flow(journal, projection)
    while flow.follow():
        yield projection.applied


def _is_history(delivery: Delivery) -> bool:
    return delivery.kind == "import" or bool(delivery.about.get("history"))


def _resolve(future: asyncio.Future[bool]) -> None:
    if not future.done():
        future.set_result(True)


def _sample(staged: Iterable[Staged], outcome: Outcome) -> tuple[dict[str, Any], ...]:
    """The newest few events, as the Live page shows them."""
    if not outcome.stored:
        return ()
    found: list[dict[str, Any]] = []
    for entry in reversed(list(staged)):
        events = entry.translated.events
        found = events.slice(max(0, len(events) - SAMPLE + len(found))).to_pylist() + found
        if len(found) >= SAMPLE:
            break
    return tuple(
        {
            "product": row["product"],
            "type": row["type"],
            "name": row["name"],
            "actor": row["actor"],
            "value": f"{row['value'].normalize():f}",
            "currency": row["currency"],
            "at": row["ts"],
            "country": row["country"],
            "plan": row["plan"],
        }
        for row in found[-SAMPLE:]
    )


def closing(month: str, now: int, *, reopen: bool = False, by: str = "") -> Delivery:
    """The command that closes a month ("2026-01") and all before it, or opens it again."""
    about = {"month": month, "reopen": reopen, "by": by}
    return Delivery(kind="close", source="upwell", received_at=now, about=about)


def retraction(
    journal: Journal, *, delivery: int | None, import_id: str | None, now: int
) -> Delivery:
    """The command that takes a delivery, or a whole import, out of every number."""
    if delivery is not None:
        known = journal.get(delivery)
        if known is None or known.kind not in EVENTS:
            raise Rejected(
                "unknown_delivery",
                f"There is no delivery {delivery} with events.",
                fix="`upwell rows` shows the delivery behind a number.",
                where="--delivery",
            )
        seqs = [delivery]
    else:
        seqs = [d.seq for d in deliveries(journal) if d.about.get("import_id") == import_id]
        if not seqs:
            raise Rejected(
                "unknown_import",
                f"There is no import '{import_id}'.",
                fix="`upwell import` prints the id when it is done.",
                where="--import",
            )
    about = {"deliveries": seqs, "import_id": import_id}
    return Delivery(kind="retract", source="upwell", received_at=now, about=about)
