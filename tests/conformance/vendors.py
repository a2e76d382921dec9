"""What the conformance of sources needs: a vendor's world, a line that breaks, sudden ends."""

from __future__ import annotations

import datetime as dt
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from upwell.app.checks import verify
from upwell.app.house import House
from upwell.app.pulled import Pulled, again
from upwell.errors import UpwellError
from upwell.event import Delivery
from upwell.period import to_micros
from upwell.settings import Product, Settings, SourceTable, Workspace
from upwell.settings.schema import Server
from upwell.sources.kinds import kind_named

Fact = tuple[Any, ...]
"""A counted event as the vendor knows it; which fields are in it, its world says."""

BEGINS = dt.datetime(2026, 11, 2, 9, 30, tzinfo=dt.UTC)


class World(Protocol):
    """A vendor whose data grow with a clock, and what is to be counted of them."""

    port: int  # where it answers
    facts: str
    """SQL over `events e` (with `actor_name`) that gives the facts as they are stored."""
    only: str
    """SQL that says which events hold facts."""
    settles: dt.timedelta
    """How old a fact is when the vendor changes it no more, and everything of its time came."""

    def settings(self, port: int) -> SourceTable:
        """The source's table, reached at a port of this machine."""
        ...

    def go_on(self, until: dt.datetime) -> None:
        """Let things happen until then."""
        ...

    def truth(self, until: dt.datetime) -> Counter[Fact]:
        """Every fact of the time before `until` that is to be counted, once for each."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Line:
    """A connection to a vendor that can break after so many bytes, or be down."""

    def __init__(self, to: int) -> None:
        self._to = to
        self.down = False
        self.carried = 0
        self._left: int | None = None
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def break_after(self, count: int | None) -> None:
        """Break the line once so many bytes have come; None: never."""
        with self._lock:
            self._left = count

    def close(self) -> None:
        """Take no more connections."""
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(caller,), daemon=True).start()

    def _carry(self, caller: socket.socket) -> None:
        with closing(caller):
            if self.down:
                return
            try:
                vendor = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            with closing(vendor):
                back = threading.Thread(target=self._back, args=(vendor, caller), daemon=True)
                back.start()
                with suppress(OSError):
                    while piece := caller.recv(65_536):
                        vendor.sendall(piece)
                    vendor.shutdown(socket.SHUT_WR)
                back.join()

    def _back(self, vendor: socket.socket, caller: socket.socket) -> None:
        with suppress(OSError):
            while piece := vendor.recv(65_536):
                allowed = self._allow(len(piece))
                caller.sendall(piece[:allowed])
                if allowed < len(piece):
                    break
            caller.shutdown(socket.SHUT_RDWR)

    def _allow(self, count: int) -> int:
        with self._lock:
            allowed = count if self._left is None else min(count, self._left)
            if self._left is not None:
                self._left = None if allowed < count else self._left - allowed
            self.carried += allowed
            return allowed


class Killed(Exception):
    """The process ended here."""


class Dying:
    """A journal that lives for so many more pages; the last one is kept, or not."""

    def __init__(self, house: House, after: int, kept: bool) -> None:
        self._journal, self._left, self._kept = house.journal, after, kept

    def pulled(self, source: str) -> Delivery | None:
        """As the journal says."""
        return self._journal.pulled(source)

    def append(self, deliveries: Sequence[Delivery]) -> list[int]:
        """Keep them, or end."""
        self._left -= 1
        if self._left < 0 and not self._kept:
            raise Killed
        found = self._journal.append(deliveries)
        if self._left < 0:
            raise Killed
        return found


class Reading:
    """One source of a house, read by hand as time goes by."""

    def __init__(self, folder: Path, world: World) -> None:
        self.now = BEGINS
        self.world = world
        self.line = Line(world.port)
        self.table = world.settings(self.line.port)
        self.kind = kind_named(self.table.kind)
        self.house = House(
            folder,
            Settings(
                workspace=Workspace(timezone="UTC"),
                server=Server(allow_private_urls=(f"127.0.0.1:{self.line.port}",)),
                products=(Product(id="mail"), Product(id="forms")),
                sources=(self.table,),  # type: ignore[arg-type]
            ),
            lambda: self.now,
        )

    def close(self) -> None:
        """Close house and line."""
        self.house.close()
        self.line.close()

    def later(self, **span: float) -> None:
        """Let time pass, here and at the vendor."""
        self.now += dt.timedelta(**span)
        self.world.go_on(self.now)

    def read(self, journal: Any = None) -> None:
        """Read until nothing is due; raises what reading raises, and Killed."""
        house = self.house
        link = house.links.find(self.table.id)
        reader = self.kind.open(house.links.opening(link, lambda: False, self._sleep))
        found = Pulled(
            link.id,
            self.kind,
            self.kind.promise(link.settings).every,
            reader,
            journal or house.journal,
            lambda: self.now,
            lambda: None,
        )
        with closing(found):
            for _ in found.read():
                pass

    def until_whole(self, tries: int = 400) -> None:
        """Read again after each failure, as the house does, until a reading comes to its end."""
        why = ""
        for _ in range(tries):
            try:
                self.read()
            except UpwellError as error:
                why = error.problem.message
                after = getattr(error, "after", 60.0)
                self.later(seconds=max(1.0, float(after)))
            else:
                return
        raise AssertionError(f"not whole after {tries} readings: {why}")

    def again(self, since: int) -> None:
        """Let everything be read once more."""
        assert again(self.house.journal, self.table.id, self.kind, since, self.now)

    def settle(self) -> dt.datetime:
        """Go on until all before the moment that is answered has settled."""
        until = self.now
        while self.now < until + self.world.settles:
            self.later(days=1)
            self.until_whole()
        return until

    def counted(self, until: dt.datetime | None = None) -> Counter[Fact]:
        """The facts that are counted, of the time before `until`."""
        self.house.caught_up()
        rows = self.house.projection.reader().execute(
            f"""select {self.world.facts} from (
              select e.*, a.actor as actor_name from events e left join actors a on a.no = e.actor
              where e.superseded_at is null and e.ts < ? and {self.world.only}) e""",
            [2**62 if until is None else to_micros(until)],
        )
        return Counter(rows.fetchall())

    def sound(self) -> list[str]:
        """What `verify` finds wrong."""
        return [check["detail"] for check in verify(self.house) if not check["ok"]]

    def _sleep(self, seconds: float) -> None:
        self.later(seconds=seconds)


@contextmanager
def reading(folder: Path, make: Callable[[], World]) -> Iterator[Reading]:
    """A fresh vendor and a house that reads it."""
    world = make()
    with closing(world):
        world.go_on(BEGINS)
        with closing(Reading(folder, world)) as found:
            yield found
