"""Sources whose servers hold on to a reader: they slow no other, and nobody waits for them."""

from __future__ import annotations

import datetime as dt
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from upwell.app.house import House
from upwell.app.pulled import Pages, Pulled
from upwell.app.pulls import Pulls
from upwell.app.runner import Keeping, Runner, Stop
from upwell.demo.mixpanel import FakeMixpanel, Generated, serve
from upwell.settings import MixpanelSource, Product, Settings, Workspace
from upwell.settings.schema import Server
from upwell.sources.contract import Clock, Cursor, Page
from upwell.sources.kinds import kind_named

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
TODAY = (NOW.date() - dt.date(1970, 1, 1)).days
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
HOLDS: dict[str, tuple[bytes, bytes]] = {  # what is said first, and then again and again
    "never answers": (b"", b""),
    "drips its head": (b"HTTP/1.1 200 ", b"O"),
    "drips its body": (HEAD + b"Content-Length: 1000000\r\n\r\n", b"{"),
    "never ends its line": (HEAD + b"\r\n" + b'{"event":"A"', b"x" * 10_000),
}


def _held(said: bytes, then: bytes, ended: threading.Event) -> tuple[int, Callable[[], None]]:
    """A server that holds on to whoever calls it: its port, and how it is ended."""
    listening = socket.create_server(("127.0.0.1", 0))

    def carry(caller: socket.socket) -> None:
        with caller, suppress(OSError):
            caller.recv(65_536)
            caller.sendall(said)
            while not ended.wait(0.02):
                caller.sendall(then)

    def run() -> None:
        with suppress(OSError):
            while True:
                caller, _ = listening.accept()
                threading.Thread(target=carry, args=(caller,), daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    return listening.getsockname()[1], listening.close


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """One good project, and one of each kind that is not."""
    fake = FakeMixpanel(Generated(TODAY - 2, TODAY, per_day=50), NOW.timestamp)
    with ExitStack() as open_:
        ended = threading.Event()
        open_.callback(ended.set)
        (tmp_path / "secret").write_text(fake.account[1])
        at = {"good": open_.enter_context(serve(fake))}
        for name, (said, then) in HOLDS.items():
            port, close = _held(said, then, ended)
            open_.callback(close)
            at[name.replace(" ", "-")] = f"http://127.0.0.1:{port}"
        made = House(
            tmp_path / "data",
            Settings(
                workspace=Workspace(timezone="UTC"),
                server=Server(allow_private_urls=("127.0.0.1",)),
                products=(Product(id="mail"),),
                sources=tuple(
                    MixpanelSource(
                        id=name,
                        product="mail",
                        project_id=fake.project_id,
                        username=fake.account[0],
                        secret=f"file:{tmp_path / 'secret'}",
                        api_base=base,
                        since=NOW.date() - dt.timedelta(days=2),
                    )
                    for name, base in at.items()
                ),
            ),
            lambda: NOW,
        )
        open_.callback(made.close)
        yield made


def test_servers_that_hold_on_slow_no_other_and_nobody_waits_for_them(house: House) -> None:
    pulls = Pulls(house.links, house.journal, house.clock, house.flow.backlog)
    pulls.start()
    began = time.monotonic()
    list(pulls.sync("good", 30))
    assert time.monotonic() - began < 10
    house.caught_up()
    rows = house.projection.reader().execute("select count(*) from events").fetchall()
    assert rows[0][0] >= 100, "the good one was not read"
    for name in HOLDS:
        link = house.links.pause(name.replace(" ", "-"), True)
        began = time.monotonic()
        pulls.begin(link)
        assert time.monotonic() - began < 2, f"pausing one that {name}"
        pulls.begin(house.links.pause(link.id, False))
    began = time.monotonic()
    pulls.stop()
    assert time.monotonic() - began < 2


class _Held:
    """A reader of one page, which comes once it is let go."""

    def __init__(self) -> None:
        self.asked, self.free = threading.Event(), threading.Event()

    def read(self, cursor: Cursor | None, clock: Clock) -> Iterator[Page]:  # noqa: ARG002
        self.asked.set()
        assert self.free.wait(30)
        yield Page(cursor={"late": True})

    def check(self) -> Sequence[str]:
        return ()

    def close(self) -> None:
        pass


def _pulled(house: House, journal: Pages, reader: _Held) -> Pulled:
    kind = kind_named("mixpanel")
    return Pulled("good", kind, 60.0, reader, journal, house.clock, lambda: None)


def test_a_page_that_comes_after_the_end_is_not_kept(house: House) -> None:
    """Otherwise its cursor would undo a reset, or what was read with other settings."""
    readers: list[_Held] = []

    def open_(_: object, stop: Stop) -> Pulled:
        readers.append(_Held())
        return _pulled(house, Keeping(house.journal, stop), readers[-1])

    link = house.links.find("good")
    runner = Runner(link, house.links, open_)
    while not readers or not readers[0].asked.wait(5):
        time.sleep(0.001)
    runner.stop(0.01)
    newest = house.journal.newest
    readers[0].free.set()
    runner.stop(5)
    assert house.journal.newest == newest
    row = house.links.row("good")
    assert row is None or not row.failed, "nothing went wrong"

    again = Runner(link, house.links, open_)
    while len(readers) < 2 or not readers[1].asked.wait(5):
        time.sleep(0.001)
    readers[1].free.set()
    list(again.sync(5))
    again.stop(5)
    last = house.journal.pulled("good")
    assert last is not None
    assert last.about["pull"] == {"late": True}


def _reading(name: str) -> int:
    return sum(one.name == f"pull {name}" for one in threading.enumerate())


def test_whoever_comes_last_one_thread_reads_what_is_not_paused(house: House) -> None:
    pulls = Pulls(house.links, house.journal, house.clock, house.flow.backlog)
    turns = itertools.count()

    def change() -> None:
        for _ in range(8):
            pulls.begin(house.links.pause("good", next(turns) % 2 == 0))

    people = [threading.Thread(target=change) for _ in range(3)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    until = time.monotonic() + 5
    expected = 0 if house.links.find("good").paused else 1
    while _reading("good") != expected and time.monotonic() < until:
        time.sleep(0.01)
    assert _reading("good") == expected
    pulls.stop()
