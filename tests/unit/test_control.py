"""Commands reach the server that holds the directory, or open it themselves: same results."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket
import stat
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from upwell import control
from upwell.errors import NotFound, Rejected, Unavailable


class Shop:
    """A small house: one command of each kind."""

    def __init__(self) -> None:
        self.counted: list[int] = []
        self.ended = threading.Event()

    def add(self, a: int, b: int) -> dict[str, int]:
        return {"sum": a + b}

    def count(self, upto: int) -> Generator[dict[str, int], None, dict[str, int]]:
        try:
            for n in range(upto):
                self.counted.append(n)
                yield {"done": n}
        finally:
            self.ended.set()
        return {"counted": upto}

    def refuse(self) -> None:
        raise NotFound("no_such", "There is no such thing.", fix="Look elsewhere.", where="here")

    def later(self) -> None:
        raise Unavailable("busy", "Not now.")

    def crash(self) -> None:
        raise RuntimeError("broken pipe dream")


class NoHouse(contextlib.nullcontext[dict[str, control.Handler]]):
    def __enter__(self) -> dict[str, control.Handler]:
        raise AssertionError("the server should have been asked")


def no_house() -> NoHouse:
    return NoHouse({})


@contextlib.contextmanager
def house() -> Iterator[dict[str, control.Handler]]:
    yield control.handlers(Shop())


@pytest.fixture(params=["server", "alone"])
def ask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A call that reaches a server, and one that opens the house itself."""
    if request.param == "alone":
        yield lambda name, on=None, **args: control.call(tmp_path, name, args, on, house=house)
        return
    with (
        control.own(tmp_path, "upwell serve"),
        control.serve_control(tmp_path, control.handlers(Shop())),
    ):
        yield lambda name, on=None, **args: control.call(tmp_path, name, args, on, house=no_house)


def test_a_result(ask: Any) -> None:
    assert ask("add", a=2, b=3) == {"sum": 5}


def test_progress_and_then_a_result(ask: Any) -> None:
    steps: list[dict[str, int]] = []
    assert ask("count", steps.append, upto=3) == {"counted": 3}
    assert steps == [{"done": 0}, {"done": 1}, {"done": 2}]
    assert ask("count", upto=2) == {"counted": 2}


def test_errors_keep_their_words_and_kind(ask: Any) -> None:
    with pytest.raises(Rejected) as caught:
        ask("refuse")
    assert msgspec.structs.asdict(caught.value.problem) == {
        "code": "no_such",
        "message": "There is no such thing.",
        "fix": "Look elsewhere.",
        "where": "here",
    }
    with pytest.raises(Unavailable, match="Not now"):
        ask("later")
    with pytest.raises(Rejected, match="no command 'ad'") as caught:
        ask("ad")
    assert "'add'" in caught.value.problem.fix


def test_a_crash_is_told_and_the_server_lives(tmp_path: Path) -> None:
    with control.serve_control(tmp_path, control.handlers(Shop())):
        with pytest.raises(Rejected, match="broken pipe dream"):
            control.call(tmp_path, "crash", {}, house=no_house)
        with pytest.raises(Rejected, match="unexpected keyword"):
            control.call(tmp_path, "add", {"x": 1}, house=no_house)
        assert control.call(tmp_path, "add", {"a": 1, "b": 1}, house=no_house) == {"sum": 2}


def test_the_socket_is_the_owners_only(tmp_path: Path) -> None:
    with control.serve_control(tmp_path, {}) as server:
        assert server.path == tmp_path / "control.sock"
        assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
        assert control.running(tmp_path)
    assert not server.path.exists()
    assert not control.running(tmp_path)


def test_long_paths_use_a_short_private_place(tmp_path: Path) -> None:
    data = tmp_path / ("d" * 60) / ("e" * 60)
    with control.own(data, "test"), control.serve_control(data, control.handlers(Shop())) as server:
        assert len(os.fsencode(server.path)) <= 100
        assert stat.S_IMODE(server.path.parent.stat().st_mode) == 0o700
        assert control.call(data, "add", {"a": 1, "b": 2}, house=no_house) == {"sum": 3}
        # A place that others could have made is not believed.
        server.path.parent.chmod(0o755)
        assert not control.running(data)
        server.path.parent.chmod(0o700)
    assert not server.path.parent.exists()
    assert control.call(data, "add", {"a": 1, "b": 2}, house=house) == {"sum": 3}


def test_what_a_killed_server_left_is_in_nobodys_way(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "control.sock"))
    left.close()
    (tmp_path / "owner.lock").write_text("1 upwell serve\n")
    assert control.call(tmp_path, "add", {"a": 1, "b": 2}, house=house) == {"sum": 3}
    with control.serve_control(tmp_path, control.handlers(Shop())):
        assert control.call(tmp_path, "add", {"a": 1, "b": 2}, house=no_house) == {"sum": 3}


def _hold(data: str, seconds: float, ready: Any) -> None:
    with control.own(Path(data), "upwell rebuild"):
        ready.set()
        time.sleep(seconds)


def test_one_owner(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    other = context.Process(target=_hold, args=(str(tmp_path), 2.0, ready))
    other.start()
    assert ready.wait(30)
    with pytest.raises(Unavailable, match=rf"process {other.pid} \(upwell rebuild\)") as caught:
        control.call(tmp_path, "add", {"a": 1, "b": 2}, house=house, patience=0.2)
    assert caught.value.problem.code == "data_taken"
    assert "--data" in caught.value.problem.fix
    assert "does not answer yet" in str(caught.value)
    assert "may still be starting" in caught.value.problem.fix
    # It is waited for, as it will soon be done.
    assert control.call(tmp_path, "add", {"a": 1, "b": 2}, house=house, patience=20) == {"sum": 3}
    other.join()
    other.close()


def _starts(data: str, seconds: float, stop: Any) -> None:
    with control.own(Path(data), "upwell serve"):
        time.sleep(seconds)  # the house is being opened
        with control.serve_control(Path(data), control.handlers(Shop())):
            stop.wait(30)


def test_a_server_that_is_starting_is_waited_for(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    server = context.Process(target=_starts, args=(str(tmp_path), 1.0, stop))
    server.start()
    while not (tmp_path / control.LOCK).exists() or not (tmp_path / control.LOCK).read_text():
        time.sleep(0.01)
    found = control.call(tmp_path, "add", {"a": 1, "b": 2}, house=no_house, patience=20)
    assert found == {"sum": 3}
    stop.set()
    server.join()
    server.close()


def test_a_directory_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(Rejected, match="cannot be used"), control.own(file / "data", "test"):
        pass
    with control.own(tmp_path / "new", "test"):
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_who_goes_away_ends_the_command(tmp_path: Path) -> None:
    shop = Shop()
    with control.serve_control(tmp_path, control.handlers(shop)) as server:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(server.path))
            client.sendall(b'{"command": "count", "args": {"upto": 100000000}}\n')
            assert client.recv(10)
        assert shop.ended.wait(10)
        assert len(shop.counted) < 100_000_000
        assert control.call(tmp_path, "add", {"a": 1, "b": 1}, house=no_house) == {"sum": 2}


def test_a_server_that_stops_says_so(tmp_path: Path) -> None:
    shop = Shop()
    server = control.serve_control(tmp_path, control.handlers(shop))
    stopped = threading.Event()

    def stop(_: dict[str, Any]) -> None:
        if not stopped.is_set():
            stopped.set()
            threading.Thread(target=server.close).start()

    with pytest.raises(Unavailable, match="stopped before"):
        control.call(tmp_path, "count", {"upto": 100_000_000}, stop, house=no_house)
    assert shop.ended.wait(10)


def test_a_line_that_is_no_request(tmp_path: Path) -> None:
    with control.serve_control(tmp_path, {}) as server, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(server.path))
        client.sendall(b"hello\n")
        assert b'"code":"bad_request"' in client.recv(1000)
