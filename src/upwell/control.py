"""One owner of a data directory, and the socket by which commands reach it.

A command looks for the server that holds the directory and asks it through an owner-only Unix
socket; where none does, it takes the directory for itself and opens the house. Both ways run the
same handlers.

On the socket: one JSON line `{"command", "args"}`, answered by any number of `{"progress": …}` and
then one `{"result": …}` or `{"error": {"code", "message", "fix", "where"}}`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

import msgspec
import structlog

from upwell.errors import Problem, Rejected, Unavailable, UpwellError, nearest

log = structlog.get_logger()

LOCK = "owner.lock"
SOCKET = "control.sock"
ELSEWHERE = "control.path"  # names the socket where DATA/control.sock would be too long a path
MAX_SOCKET_PATH = 100  # bytes; the system's limit is 104 to 108
MAX_REQUEST = 16 * 1024 * 1024

Handler = Callable[..., Any]  # a value, or a generator: it yields progress and returns the value
Progress = Callable[[dict[str, Any]], None]
House = Callable[[], AbstractContextManager[Mapping[str, Handler]]]


@contextlib.contextmanager
def own(data: Path, purpose: str) -> Iterator[None]:
    """Hold the data directory while the block runs; made, for its owner only, where it is absent.

    `purpose` is shown to whoever finds it taken. Raises Unavailable naming the process that has it.
    """
    _make(data)
    try:
        handle = os.open(data / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(data, error) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise taken(data) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()} {purpose}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def taken(data: Path) -> Unavailable:
    """The error that says who holds the directory."""
    pid, _, purpose = _holder(data).partition(" ")
    who = f"process {pid} ({purpose})" if purpose else "another process"
    return Unavailable(
        "data_taken",
        f"The data directory {data} is held by {who}.",
        fix="Stop it, or give another directory with --data.",
        where=str(data),
    )


def _silent(error: Unavailable) -> Unavailable:
    """The same of a holder that was waited for: most often a server that is still starting."""
    return Unavailable(
        error.problem.code,
        f"{error.problem.message.removesuffix('.')} and does not answer yet.",
        fix="It may still be starting, or a command may be at work: try again in a moment. "
        "If that goes on, stop it, or give another directory with --data.",
        where=error.problem.where,
    )


def _holder(data: Path) -> str:
    try:
        return (data / LOCK).read_text().strip()
    except OSError:
        return ""


def _make(data: Path) -> None:
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise _unusable(data, error) from None


def _unusable(data: Path, error: OSError) -> Rejected:
    return Rejected(
        "data_unusable",
        f"The data directory {data} cannot be used: {error.strerror}.",
        fix="Give one that this user may write to, with --data or UPWELL_DATA.",
        where=str(data),
    )


class ControlServer:
    """Answers commands on the data directory's socket, each in a thread of its own."""

    def __init__(self, data: Path, commands: Mapping[str, Handler]) -> None:
        self._data = data
        self._commands = dict(commands)
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._closing = False
        self.path = _place(data)
        self.path.unlink(missing_ok=True)  # whoever holds the lock knows that it is left over
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.path))
        os.chmod(self.path, 0o600)  # before listen: nobody can have connected yet
        self._listener.listen(16)
        self._thread = threading.Thread(target=self._accept, name="control", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take no more commands and end those that run, at their next step."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._guard:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        _remove(self._data, self.path)

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._guard:
                self._open.add(connection)
            threading.Thread(
                target=self._serve, args=(connection,), name="command", daemon=True
            ).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as lines:
                if not _same_user(connection):
                    return
                request = lines.readline(MAX_REQUEST)
                if request:
                    self._answer(request, connection)
        except OSError:
            pass  # the other side went away; its command was ended at its last step
        finally:
            with self._guard:
                self._open.discard(connection)

    def _answer(self, request: bytes, connection: socket.socket) -> None:
        def send(line: dict[str, Any]) -> None:
            connection.sendall(msgspec.json.encode(line) + b"\n")

        try:
            asked = msgspec.json.decode(request, type=_Request)
            result = run(self._commands, asked.command, asked.args, lambda p: send({"progress": p}))
        except UpwellError as error:
            send({"error": error.problem, "retry": isinstance(error, Unavailable)})
        except msgspec.MsgspecError as error:
            send({"error": Problem(code="bad_request", message=str(error))})
        except OSError as error:
            if not _gone(error):
                raise
        except Exception as error:
            log.exception("command_failed")
            send({"error": _unexpected(error)})
        else:
            send({"result": result})


class _Request(msgspec.Struct):
    command: str
    args: dict[str, Any] = {}


class _Reply(msgspec.Struct):
    progress: dict[str, Any] | None = None
    result: Any = msgspec.UNSET
    error: Problem | None = None
    retry: bool = False


def serve_control(data: Path, commands: Mapping[str, Handler]) -> ControlServer:
    """The socket of a data directory that this process owns; a context manager, or `close()` it."""
    return ControlServer(data, commands)


def handlers(commands: object) -> dict[str, Handler]:
    """The public methods of an object, as commands by name."""
    names = [name for name in dir(commands) if not name.startswith("_")]
    return {name: getattr(commands, name) for name in names if callable(getattr(commands, name))}


def run(
    commands: Mapping[str, Handler],
    command: str,
    args: Mapping[str, Any],
    on_progress: Progress | None = None,
) -> Any:
    """The result of a command; what a generator yields on the way goes to `on_progress`."""
    handler = commands.get(command)
    if handler is None:
        raise Rejected(
            "unknown_command",
            f"The server knows no command '{command}'.",
            fix=nearest(command, commands) + " Is the server of another version?",
        )
    result = handler(**args)
    if not isinstance(result, Generator):
        return result
    with contextlib.closing(result):
        while True:
            try:
                step = next(result)
            except StopIteration as done:
                return done.value
            if on_progress is not None:
                on_progress(step)


def call(
    data: Path,
    command: str,
    args: Mapping[str, Any],
    on_progress: Progress | None = None,
    *,
    house: House,
    patience: float = 5.0,
) -> Any:
    """The result of a command, from the server that holds the directory or from `house` itself.

    `house` opens what the handlers need; it is used with the directory owned. Where another
    process has just taken it and does not answer yet, it is asked again for `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while True:
        connection = _connect(data)
        if connection is not None:
            with connection:
                return _ask(connection, command, args, on_progress)
        try:
            with own(data, f"upwell {command}"), house() as commands:
                tell = on_progress and (lambda step: on_progress(_plain(step)))
                return _plain(run(commands, command, args, tell))
        except Unavailable as error:
            if error.problem.code != "data_taken":
                raise
            if time.monotonic() > deadline:
                raise _silent(error) from None
        time.sleep(0.1)


def running(data: Path) -> bool:
    """Whether a server answers on the directory's socket."""
    connection = _connect(data)
    if connection is None:
        return False
    connection.close()
    return True


def _ask(
    connection: socket.socket,
    command: str,
    args: Mapping[str, Any],
    on_progress: Progress | None,
) -> Any:
    try:
        connection.sendall(msgspec.json.encode({"command": command, "args": args}) + b"\n")
        with connection.makefile("rb") as lines:
            for line in lines:
                reply = msgspec.json.decode(line, type=_Reply)
                if reply.error is not None:
                    problem = reply.error
                    kind = Unavailable if reply.retry else Rejected
                    raise kind(problem.code, problem.message, problem.fix, problem.where)
                if reply.result is not msgspec.UNSET:
                    return reply.result
                if on_progress is not None and reply.progress is not None:
                    on_progress(reply.progress)
    except OSError as error:
        if not _gone(error):
            raise
    except msgspec.DecodeError:
        pass  # the line was cut: the server went away while it wrote
    raise Unavailable(
        "server_gone",
        "The server stopped before the command was done.",
        fix="Start it again and repeat the command; what was done stays done.",
    )


def _connect(data: Path) -> socket.socket | None:
    for path in _places(data):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(path))
        except OSError:
            connection.close()  # absent, or left over by a process that was killed
        else:
            return connection
    return None


def _place(data: Path) -> Path:
    """Where the socket of the directory is to be: in it, or where its path would be too long."""
    _remove(data, None)
    path = data.resolve() / SOCKET
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    base = runtime if runtime and len(runtime) < MAX_SOCKET_PATH - 32 else "/tmp"
    short = Path(tempfile.mkdtemp(prefix="upwell-", dir=base)) / SOCKET  # mkdtemp: owner only
    (data / ELSEWHERE).write_text(f"{short}\n")
    return short


def _places(data: Path) -> Iterator[Path]:
    path = data.resolve() / SOCKET
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        yield path
        return
    with contextlib.suppress(OSError):
        short = Path((data / ELSEWHERE).read_text().strip())
        if _ours(short.parent):
            yield short


def _ours(directory: Path) -> bool:
    """Whether only this user can have put something there."""
    found = directory.lstat()
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == os.geteuid()
        and not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    )


def _remove(data: Path, path: Path | None) -> None:
    with contextlib.suppress(OSError):
        elsewhere = data / ELSEWHERE
        if elsewhere.exists():
            path = Path(elsewhere.read_text().strip())
            elsewhere.unlink()
    if path is not None:
        with contextlib.suppress(OSError):
            path.unlink()
        if path.parent.name.startswith("upwell-") and path.parent != data.resolve():
            with contextlib.suppress(OSError):
                path.parent.rmdir()


def _plain(value: Any) -> Any:
    """The value as it would have come over the socket."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _same_user(connection: socket.socket) -> bool:
    """Whether the other end is this user or root; the socket's mode says so already."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", raw)[1] in (os.geteuid(), 0)


def _gone(error: OSError) -> bool:
    return isinstance(error, (BrokenPipeError, ConnectionError))


def _unexpected(error: Exception) -> Problem:
    return Problem(
        code="internal",
        message=f"The command failed: {type(error).__name__}: {error}",
        fix="The server's log has the details.",
    )
