"""Questions that take long: one after another, in a thread of their own; who asks hears how far."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Event, Lock, Thread, Timer
from typing import Any, TypeVar

from upwell.errors import Rejected, Unavailable

Found = TypeVar("Found")
Told = Callable[[float], None]

PATIENCE = 5.0  # seconds that who asks is kept waiting
DEADLINE = 120.0  # seconds that one question may take
LASTS = 120_000_000  # micros after which an answer is too old to be given
MOST = 20  # questions that are waited for, or whose answers are kept


class Turns:
    """What was asked, and what was found, by all that makes a question another."""

    def __init__(self, patience: float = PATIENCE, deadline: float = DEADLINE) -> None:
        self._patience, self._deadline = patience, deadline
        self._asked = OrderedDict[Hashable, _Turn]()
        self._lock, self._one = Lock(), Lock()

    def found(self, question: Hashable, now: int, read: Callable[[Told], Found]) -> Found:
        """What `read` finds; Unavailable (folding) until it has, Rejected where it takes too long.

        Asking the same again goes on waiting. An answer begun before `now` (UTC micros) is given
        for as long as it is fresh: a page that comes back for it must not begin another.
        """
        with self._lock:
            turn = self._asked.get(question)
            if turn is None or (turn.done.is_set() and now - turn.began > LASTS):
                self._room()
                turn = self._asked[question] = _Turn(now, read, self._one, self._deadline)
        if not turn.done.wait(self._patience):
            raise turn.progress()
        if turn.error is not None:
            with self._lock:
                self._asked.pop(question, None)  # whoever asks next may have more luck
            raise turn.error
        made: Found = turn.made
        return made

    def close(self) -> None:
        """Let nobody wait any more; the question that is being answered is given up first."""
        with self._lock:
            asked = list(self._asked.values())
        for turn in asked:
            turn.stop()

    def _room(self) -> None:
        """Forget the oldest answer where there are many; Unavailable where all are waited for."""
        if len(self._asked) < MOST:
            return
        for question, turn in self._asked.items():
            if turn.done.is_set():
                del self._asked[question]
                return
        raise Unavailable(
            "busy",
            f"{MOST} questions about long times are waiting for each other.",
            fix="Ask again in a minute.",
        )


class _Turn:
    """One question, in the thread that answers it."""

    def __init__(self, now: int, read: Callable[[Told], Any], one: Lock, deadline: float) -> None:
        self.began, self.done, self.error, self.made = now, Event(), None, None
        self._read, self._one, self._deadline = read, one, deadline
        self._late, self._share = Event(), -1.0  # below 0: others come first
        self._thread = Thread(target=self._run, name="long question", daemon=True)
        self._thread.start()

    began: int
    error: BaseException | None
    made: Any

    def progress(self) -> Unavailable:
        """How far it is, as people are told."""
        far = f"{self._share:.0%} done" if self._share >= 0 else "waiting for another long question"
        return Unavailable(
            "folding",
            f"Many events are walked for this: {far}.",
            fix="Ask again in a few seconds; pages do it by themselves.",
            retry_after=2,
        )

    def stop(self) -> None:
        """Give up, and wait until nothing is read any more."""
        self._late.set()
        self._thread.join()

    def _run(self) -> None:
        with self._one:
            self._share = 0.0
            timer = Timer(self._deadline, self._late.set)
            timer.daemon = True
            timer.start()
            try:
                self.made = self._read(self._told)
            except BaseException as error:  # noqa: BLE001 - it is raised where the question was asked
                self.error = error
            finally:
                timer.cancel()
                self.done.set()

    def _told(self, share: float) -> None:
        self._share = share
        if self._late.is_set():
            raise Rejected(
                "too_long",
                f"Walking these events took longer than {self._deadline:.0f} s; {share:.0%} were.",
                fix="Ask for fewer days, fewer products, or rarer events.",
                where="from",
            )
