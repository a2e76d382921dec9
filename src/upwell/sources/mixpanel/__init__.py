"""Events of a Mixpanel project, by its export."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from upwell.settings.check import duration
from upwell.settings.schema import MixpanelSource
from upwell.sources.contract import Kind, Promise
from upwell.sources.mixpanel.plan import DAY, LATE, again
from upwell.sources.mixpanel.reader import MixpanelReader
from upwell.sources.mixpanel.translate import translate

INGESTED = 60.0  # seconds until Mixpanel shows an event; phones may send it days later


def _promise(settings: MixpanelSource) -> Promise:
    every = duration(settings.every).total_seconds()
    return Promise(every=every, late=INGESTED, restates=float(LATE * DAY))


def _given(settings: MixpanelSource) -> Mapping[str, Any]:
    names = ("timezone", "signup_event", "activation_event", "events", "currency")
    found: dict[str, Any] = msgspec.to_builtins(settings)
    return {name: found[name] for name in names if found.get(name)}


KIND = Kind(
    name="mixpanel",
    title="Mixpanel",
    settings=MixpanelSource,
    open=MixpanelReader,
    translate=translate,
    promise=_promise,
    again=again,
    given=_given,
)
