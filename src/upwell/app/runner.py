"""The thread of one source: it reads, waits, and reads again, until it is asked to end.

A server that does not answer can hold a thread for minutes. Nobody waits for it: from the moment
that it was asked to end it keeps and tells nothing more, so that another may read the source.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import structlog

from upwell.app.account import Account
from upwell.app.connect import Links
from upwell.app.link import Link
from upwell.app.progress import Progress
from upwell.app.pulled import Pulled
from upwell.errors import Rejected, UpwellError
from upwell.event import Delivery
from upwell.journal import Journal
from upwell.sources.contract import QuotaGone, SignIn, state_of

log = structlog.get_logger()

AGAIN = 300.0  # seconds until a source that was refused is tried again
UNREACHED = 60.0  # seconds until one that did not answer is, at most
LEAVING = 0.5  # seconds in which one that is asked to end closes its connections


class Ended(Exception):
    """What was read came after reading was asked to end."""


class Stop:
    """A request to end, which cuts every wait short."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._keeping = threading.Lock()

    def __call__(self) -> bool:
        return self._asked.is_set()

    def ask(self) -> None:
        """End soon; nothing is kept any more when this returns."""
        with self._keeping:
            self._asked.set()

    def sleep(self, seconds: float) -> None:
        """Wait, until it is to end at the most."""
        self._asked.wait(seconds)

    def keep(self, journal: Journal, deliveries: Sequence[Delivery]) -> list[int]:
        """Journal them; raises Ended where it was asked to end."""
        with self._keeping:
            if self._asked.is_set():
                raise Ended
            return journal.append(deliveries)


class Keeping:
    """The journal as long as reading goes on."""

    def __init__(self, journal: Journal, stop: Stop) -> None:
        self._journal, self._stop = journal, stop

    def pulled(self, source: str) -> Delivery | None:
        """As the journal says."""
        return self._journal.pulled(source)

    def append(self, deliveries: Sequence[Delivery]) -> list[int]:
        """Keep them; raises Ended where nothing is kept any more."""
        return self._stop.keep(self._journal, deliveries)


class Runner:
    """Reads one source; `heard`, `sync` and `stop` may be called from any thread."""

    def __init__(
        self, link: Link, links: Links, open_: Callable[[Link, Stop], Account | Pulled]
    ) -> None:
        self._link, self._links, self._open = link, links, open_
        self._stop = Stop()
        self._woken = threading.Condition()
        self._due = True
        self._looks = 0
        self.pull: Account | Pulled | None = None
        self._waiting: list[Delivery] = []
        self._thread = threading.Thread(target=self._run, name=f"pull {link.id}", daemon=True)
        self._thread.start()

    def heard(self, delivery: Delivery) -> None:
        """A webhook was journaled."""
        with self._woken:
            if self.pull is None:
                self._waiting.append(delivery)
            elif self.pull.heard(delivery):
                self._due = True
                self._woken.notify_all()

    def sync(self, timeout: float) -> Iterator[Progress]:
        """Look now, and tell how it goes until everything is read."""
        with self._woken:
            looks = self._looks
            self._due = True
            self._woken.notify_all()
        waited = 0.0
        while waited < timeout and not self._stop():
            with self._woken:
                if self._woken.wait_for(lambda: self._looks > looks, 0.5):
                    return
            waited += 0.5
            if (pull := self.pull) is not None and (progress := pull.progress) is not None:
                yield progress

    def ask_to_stop(self) -> None:
        """Keep nothing from now on, and end when that can be."""
        self._stop.ask()
        with self._woken:
            self._woken.notify_all()

    def stop(self, seconds: float = LEAVING) -> None:
        """As `ask_to_stop`, and wait a little for connections to be closed."""
        self.ask_to_stop()
        self._thread.join(timeout=seconds)

    def _run(self) -> None:
        while not self._stop():
            pause = UNREACHED
            try:
                self._look()
                if self.pull is not None:
                    pause = self.pull.every
                self._tell(None)
            except Ended:
                break
            except UpwellError as error:
                if isinstance(error, SignIn):
                    self._close()  # where the key is kept may hold another one by then
                pause = _pause_after(error, pause)
                self._tell(error)
            except Exception as error:  # noqa: BLE001 - one source hurts no other; it is tried again
                self._tell(error)
            with self._woken:
                self._looks += 1
                self._woken.notify_all()
                self._woken.wait_for(lambda: self._due or self._stop(), pause)
                self._due = False
        self._close()

    def _close(self) -> None:
        if self.pull is not None:
            self.pull.close()
        self.pull = None

    def _look(self) -> None:
        if self.pull is None:
            pull = self._open(self._link, self._stop)
            with self._woken:
                self.pull = pull
                for delivery in self._waiting:
                    pull.heard(delivery)
                self._waiting.clear()
        for number, _ in enumerate(self.pull.read()):
            if not number:  # the past may take hours, and nothing is wrong with it any more
                self._tell(None)
            if self._stop():
                return

    def _tell(self, error: Exception | None) -> None:
        """Note how it went; of one that was asked to end nobody is told."""
        if not self._stop():
            told(self._links, self._link.id, error)


def told(links: Links, id_: str, error: Exception | None) -> None:
    """Note that a source was read, or why not; what is no UpwellError is a fault of a program."""
    if error is None:
        links.went_well(id_)
    elif isinstance(error, UpwellError):
        links.failed(id_, state_of(error), error.problem.message, error.problem.fix)
    else:
        log.error("source not read", source=id_, error=repr(error))
        links.failed(id_, "inside", f"{type(error).__name__}: {error}")


def _pause_after(error: UpwellError, usual: float) -> float:
    """Seconds until a source that failed is tried again."""
    if isinstance(error, QuotaGone):
        return max(1.0, error.after)
    return AGAIN if isinstance(error, Rejected) else usual
