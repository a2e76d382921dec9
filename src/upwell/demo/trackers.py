"""The process that is Mixpanel and Google Analytics to the demo company.

`python -m upwell.demo.trackers` reads one line that says what to tell, answers over HTTP on sockets
that it inherits, and ends when its input ends, so that it never outlives the server.
"""

from __future__ import annotations

import datetime as dt
import os
import socket
import sys
import threading
import time
from contextlib import ExitStack

import msgspec

from upwell.demo import company
from upwell.demo.ga4.fake import FakeGa4
from upwell.demo.ga4.served import serve as serve_ga4
from upwell.demo.mixpanel import FakeMixpanel
from upwell.demo.mixpanel import serve as serve_mixpanel
from upwell.demo.seen import Measured, Sent


class Tracked(msgspec.Struct, frozen=True, kw_only=True):
    """The story of a seed, told at an instant, and where each vendor listens (descriptors)."""

    seed: int
    told: dt.datetime
    scale: float
    mixpanel: int
    ga4: int


PROJECT, ACCOUNT, SECRET = "2718281", "reader.quillmoor.mp-service-account", "demo"
PROPERTY = "314159265"


def main() -> None:
    """Answer until the input ends."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Tracked)
    threading.Thread(target=_end_with_input, daemon=True).start()
    told = company(order.seed)
    sent = Sent(told, order.told, order.scale)
    project = FakeMixpanel(sent, _now, project_id=PROJECT, account=(ACCOUNT, SECRET))
    table = Measured(told, order.told, order.scale)
    property_ = FakeGa4(
        lambda: dt.datetime.fromtimestamp(_now(), dt.UTC),
        table,
        property_=PROPERTY,
        zone=told.timezone,
        currency=told.currency,
    )
    with ExitStack() as opened:
        opened.enter_context(
            serve_mixpanel(project, listening=socket.socket(fileno=order.mixpanel))
        )
        opened.enter_context(serve_ga4(property_, listening=socket.socket(fileno=order.ga4)))
        threading.Event().wait()


def _now() -> float:
    """Epoch seconds: this process stands for other companies', which have clocks of their own."""
    return time.time()  # noqa: TID251


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
