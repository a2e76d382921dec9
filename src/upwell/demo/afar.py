"""The billing system as the demo's server has it: a process started, asked, listened to, ended."""

from __future__ import annotations

import contextlib
import datetime as dt
import secrets
import socket
import subprocess
import sys
from typing import IO, cast

import msgspec

from upwell.demo.wire import ACCOUNTS, APART, Command, Door, Frame, Order, read
from upwell.settings import StripeSource

HERE = "127.0.0.1"
PATIENCE = 5  # seconds until it is ended the hard way
FROM = "metadata.product"  # where the main account's products say which of ours they are


class Afar:
    """Two accounts in a process of their own, whose webhooks go to the server at `port`."""

    def __init__(self, port: int) -> None:
        self._listening = [listening() for _ in ACCOUNTS]  # until the process has them
        self._addresses = tuple(f"{HERE}:{one.getsockname()[1]}" for one in self._listening)
        self._doors = tuple(
            Door(
                source,
                listening.fileno(),
                f"http://{HERE}:{port}/hooks/stripe/{source}",
                f"whsec_{secrets.token_hex(16)}",
            )
            for source, listening in zip(ACCOUNTS, self._listening, strict=True)
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.ended = False

    def sources(self, apart: str) -> tuple[StripeSource, ...]:
        """The accounts as the configuration has them; one is of the product `apart` alone."""
        return tuple(
            StripeSource(
                id=door.source,
                api_key="rk_live_demo",
                webhook_secret=door.secret,
                api_base=f"http://{address}",
                product=apart if door.source == APART else None,
                product_from=None if door.source == APART else FROM,
            )
            for door, address in zip(self._doors, self.private(), strict=True)
        )

    def private(self) -> tuple[str, ...]:
        """The addresses of this machine that reading the accounts calls."""
        return self._addresses

    def start(
        self,
        *,
        seed: int,
        today: dt.date,
        told: int,
        scale: float,
        live: int | None,
        burst: dt.datetime | None,
    ) -> None:
        """Start the process and say what it is to tell, as in `Order`."""
        # A session of its own: Ctrl-C is for the server, which then ends this one.
        self.process = subprocess.Popen(
            (sys.executable, "-m", "upwell.demo.vendor"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            pass_fds=[door.listening for door in self._doors],
        )
        self._release()
        self._say(
            Order(
                seed=seed,
                today=today,
                told=told,
                scale=scale,
                doors=self._doors,
                live=live,
                burst=burst,
            )
        )

    def ask(self, command: Command) -> None:
        """Say what it should do next."""
        self._say(command)

    def read(self) -> Frame | None:
        """What comes next, however long it takes; None once the process has ended."""
        if self.process is None or self.ended:
            return None
        try:
            return read(cast(IO[bytes], self.process.stdout))
        except ValueError:  # closed by `end` a moment ago
            return None

    def end(self) -> None:
        """End it, if it runs; whoever waits in `read` gets None."""
        self.ended = True
        self._release()
        process = self.process
        if process is None:
            return
        let_end(process)
        cast(IO[bytes], process.stdout).close()

    def _release(self) -> None:
        for listening in self._listening:
            listening.close()

    def _say(self, what: msgspec.Struct) -> None:
        assert self.process is not None
        to = cast(IO[bytes], self.process.stdin)
        with contextlib.suppress(OSError):  # it has ended: `read` says so
            to.write(msgspec.json.encode(what) + b"\n")
            to.flush()


def let_end(process: subprocess.Popen[bytes]) -> None:
    """Close the input of a process that ends with it, and wait until it has ended."""
    with contextlib.suppress(OSError):
        cast(IO[bytes], process.stdin).close()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def listening() -> socket.socket:
    """A port on which callers may wait before the process that answers them has started."""
    found = socket.socket()
    found.bind((HERE, 0))
    found.listen()
    return found
