"""Google Analytics 4: a property's daily reports, read with Google's own client."""

from __future__ import annotations

from upwell.settings import Ga4Source, duration
from upwell.sources.contract import Kind, Opening, Promise, Reader
from upwell.sources.ga4.cursor import again
from upwell.sources.ga4.translate import translate

_LATE = 48 * 3600.0  # seconds that Google takes until a day is there
_RESTATES = 4 * 86_400.0  # today and the three days before


def _open(opening: Opening) -> Reader:
    # Google's client takes long to import: only who reads a property waits for it.
    from upwell.sources.ga4.reader import Ga4Reader

    return Ga4Reader(opening)


def _promise(settings: Ga4Source) -> Promise:
    every = duration(settings.every).total_seconds()
    return Promise(every=every, late=_LATE, restates=_RESTATES)


KIND = Kind(
    name="ga4",
    title="Google Analytics",
    settings=Ga4Source,
    open=_open,
    translate=translate,
    promise=_promise,
    again=again,
)
