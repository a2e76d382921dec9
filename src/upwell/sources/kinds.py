"""Every kind of source that is read: those that come with Upwell, and those that others add.

A package of your own adds one by an entry point of the group `upwell.sources`, whose name is the
`kind` of the configuration and whose object is a `Kind`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

import msgspec
import structlog

from upwell.errors import NotFound, Rejected, UpwellError, nearest
from upwell.sources.contract import Kind

_log = structlog.get_logger()

GROUP = "upwell.sources"
_OWN = ("ga4", "mixpanel", "sql")


@cache
def kind_named(name: str) -> Kind:
    """The kind of that name; raises NotFound, with the nearest name there is."""
    if name in _OWN:
        found: Kind = import_module(f"upwell.sources.{name}").KIND
        return found
    for entry in _added():
        if entry.name == name:
            kind = entry.load()
            if not isinstance(kind, Kind):
                raise NotFound(
                    "no_kind",
                    f"What {entry.value} names is no kind of source.",
                    fix="Let the entry point name an object of upwell.sources.contract.Kind.",
                )
            return kind
    raise NotFound(
        "unknown_kind",
        f"There is no kind of source '{name[:80]}'.",
        fix=nearest(name, (*names(), "stripe")),
        where="kind",
    )


class Broken(Rejected):
    """A package that adds a kind raised something of its own."""


@contextmanager
def of_others(kind: str) -> Iterator[None]:
    """Runs what a package of others may have written; what it raises of its own becomes Broken."""
    try:
        yield
    except UpwellError:
        raise
    except Exception as error:
        raise Broken(
            "broken_kind",
            f"The package that reads the kind '{kind}' failed: {type(error).__name__}: {error}",
            fix="Update that package, or tell who maintains it.",
            where="kind",
        ) from error


def names() -> tuple[str, ...]:
    """The names of all kinds that `kind_named` finds."""
    return tuple(sorted({*_OWN, *(entry.name for entry in _added())}))


def every() -> tuple[Kind, ...]:
    """All kinds by name; one of others that cannot be loaded is left out, and told in the log."""
    return _loaded(names())


def added() -> tuple[type[msgspec.Struct], ...]:
    """The tables of kinds that others add; one that cannot be loaded is told in the log."""
    return tuple(kind.settings for kind in _loaded(entry.name for entry in _added()))


def _loaded(of: Iterable[str]) -> tuple[Kind, ...]:
    found = []
    for name in of:
        try:
            found.append(kind_named(name))
        except Exception as error:  # noqa: BLE001 - a package of others hurts no other source
            _log.error("source kind not loaded", kind=name, error=repr(error))
    return tuple(found)


def _added() -> Iterable[EntryPoint]:
    return [entry for entry in entry_points(group=GROUP) if entry.name not in (*_OWN, "stripe")]
