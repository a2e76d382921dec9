"""Mixpanel and Google Analytics as the demo's server has them: started, read, ended."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from typing import IO, cast

import msgspec

from upwell.demo.afar import HERE, let_end, listening
from upwell.demo.seen import ANALYTICS, MIXPANEL, NAMES
from upwell.demo.trackers import ACCOUNT, PROJECT, PROPERTY, SECRET, Tracked
from upwell.settings import Ga4Source, MixpanelSource


class Watched:
    """Both of them in a process of their own."""

    def __init__(self) -> None:
        self._listening = [listening(), listening()]  # until the process has them
        self._addresses = tuple(f"{HERE}:{one.getsockname()[1]}" for one in self._listening)
        self._process: subprocess.Popen[bytes] | None = None

    def sources(self, since: dt.date) -> tuple[MixpanelSource, Ga4Source]:
        """The sources as the configuration has them; `since`: the first day of the history."""
        mixpanel, ga4 = self._addresses
        return (
            MixpanelSource(
                id="mixpanel",
                product=MIXPANEL,
                project_id=PROJECT,
                username=ACCOUNT,
                secret=SECRET,
                api_base=f"http://{mixpanel}",
                signup_event=NAMES["signup"],
                activation_event=NAMES["activation"],
                since=since,
            ),
            Ga4Source(
                id="analytics",
                product=ANALYTICS,
                property=PROPERTY,
                credentials="env:NO_KEY_IS_NEEDED",
                api_base=f"http://{ga4}",
            ),
        )

    def private(self) -> tuple[str, ...]:
        """The addresses of this machine that reading them calls."""
        return self._addresses

    def start(self, *, seed: int, told: dt.datetime, scale: float) -> None:
        """Start the process for the story of a seed, told at an instant."""
        mixpanel, ga4 = self._listening
        # A session of its own: Ctrl-C is for the server, which then ends this one.
        self._process = subprocess.Popen(
            (sys.executable, "-m", "upwell.demo.trackers"),
            stdin=subprocess.PIPE,
            start_new_session=True,
            pass_fds=[one.fileno() for one in self._listening],
        )
        order = Tracked(
            seed=seed, told=told, scale=scale, mixpanel=mixpanel.fileno(), ga4=ga4.fileno()
        )
        to = cast(IO[bytes], self._process.stdin)
        to.write(msgspec.json.encode(order) + b"\n")
        to.flush()
        self._release()

    def end(self) -> None:
        """End it, if it runs."""
        self._release()
        if self._process is not None:
            let_end(self._process)

    def _release(self) -> None:
        for one in self._listening:
            one.close()
