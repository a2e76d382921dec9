"""A Mixpanel project of phones: events come late, twice, in no order, from people who sign in."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from contextlib import ExitStack

from tests.conformance.vendors import BEGINS, Fact
from upwell.demo.mixpanel import FakeMixpanel, Recorded, serve
from upwell.period import to_micros
from upwell.settings import MixpanelSource

NAMES = ("Opened", "Paid a bill", "Sign Up")


class Phones:
    """Some events an hour; a tenth of them up to four days late, a tenth of them twice."""

    facts = "e.type, e.ts, json_extract_string(e.metadata, '$.n')"
    only = "e.type in ('signup', 'engagement')"
    settles = dt.timedelta(days=11)

    def __init__(self) -> None:
        self._chance = random.Random(3)
        self._now = BEGINS - dt.timedelta(days=16)
        self._project = Recorded()
        self._sent: list[tuple[dt.datetime, str, int]] = []
        self._ended = ExitStack()
        fake = FakeMixpanel(self._project, lambda: self._now.timestamp())
        address = self._ended.enter_context(serve(fake))
        self.port = int(address.rpartition(":")[2])

    def settings(self, port: int) -> MixpanelSource:
        """The source's table."""
        return MixpanelSource(
            id="app",
            product="mail",
            project_id="3141592",
            username="reader.acme.mp-service-account",
            secret="account-secret",
            api_base=f"http://127.0.0.1:{port}",
            signup_event="Sign Up",
            since=(BEGINS - dt.timedelta(days=16)).date(),
        )

    def go_on(self, until: dt.datetime) -> None:
        """About three events in two hours."""
        while self._now < until:
            step = min(dt.timedelta(hours=1), until - self._now)
            for _ in range(self._chance.choice((0, 1, 2, 3)) if step.seconds > 600 else 0):
                self._happen(self._now + step * self._chance.random())
            self._now += step

    def _happen(self, at: dt.datetime) -> None:
        at = at.replace(microsecond=at.microsecond // 1_000 * 1_000)
        number, user = len(self._sent), self._chance.randrange(30)
        name = NAMES[self._chance.randrange(len(NAMES))]
        late = self._chance.random() * 4 * 86_400 if number % 10 == 0 else 20.0
        properties = {"distinct_id": f"user{user}", "$insert_id": f"i{number}", "n": number}
        for _ in range(2 if number % 10 == 3 else 1):
            self._project.send(name, properties, at.timestamp(), at.timestamp() + late)
        self._sent.append((at, "signup" if name == "Sign Up" else "engagement", number))

    def truth(self, until: dt.datetime) -> Counter[Fact]:
        """What was sent, each once."""
        return Counter((kind, to_micros(at), str(n)) for at, kind, n in self._sent if at < until)

    def close(self) -> None:
        """End the project."""
        self._ended.close()
