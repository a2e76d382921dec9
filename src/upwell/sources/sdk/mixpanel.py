"""Mixpanel's clients: `track` and `import` are events, `engage` says who somebody is. Pure.

The records are those of Mixpanel's ingestion API; ids are joined as its identity merge does.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from upwell.sources.named import Named, Unusable, event_of
from upwell.sources.sdk.taking import Taking, fingerprint, moment_of, text_of

SAYS_WHO = frozenset({"$identify", "$create_alias", "$merge"})
_DEVICE = "$device:"  # how Mixpanel's clients call whom they do not know
_NOT_KEPT = ("token", "time", "distinct_id", "$insert_id", "mp_lib", "$lib_version")
_TRAITS = {"$email": "email", "$name": "full_name", "name": "full_name"}


class Event(msgspec.Struct, gc=False):
    """A record of `track` and `import`."""

    event: str
    properties: dict[str, Any] = {}


_EVENT = msgspec.json.Decoder(Event)
_EVENTS = msgspec.json.Decoder(list[Event])
_PROFILE = msgspec.json.Decoder(dict[str, Any])
_PROFILES = msgspec.json.Decoder(list[dict[str, Any]])


def read(taking: Taking, route: str, body: bytes) -> None:
    """All records of a body."""
    if route in ("track", "import"):
        for index, event in taking.each(body, _EVENTS, _EVENT):
            taking.try_(index, partial(_event, taking, index, event))
        return
    for index, record in taking.each(body, _PROFILES, _PROFILE):
        if route == "engage":
            taking.try_(index, partial(_engage, taking, index, record))
        else:
            taking.count_unknown("groups")  # a group is nobody who does anything


def _event(taking: Taking, index: int, event: Event) -> None:
    given = event.properties
    ts, key = moment_of(given.get("time")), text_of(given.get("$insert_id"))
    if event.event in SAYS_WHO:
        _who(taking, index, event, ts, key)
        return
    if not event.event.strip():
        raise Unusable("missing_name", "The event has no name.")
    user, device = text_of(given.get("$user_id")), text_of(given.get("$device_id"))
    actor = text_of(given.get("distinct_id")) or user or (device and _DEVICE + device)
    kept = {name: value for name, value in given.items() if name not in _NOT_KEPT}
    taking.take(index, ts, actor, key, event_of(event.event, kept, taking.maps))
    if user and device:
        taking.link(index, ts, user, {"anonymous_id": _DEVICE + device})


def _who(taking: Taking, index: int, event: Event, ts: int | None, key: str | None) -> None:
    """Two ids of one person, in the three ways that Mixpanel has for saying it."""
    given = event.properties
    actor = text_of(given.get("distinct_id"))
    kind, name = "merge", "into"
    if event.event == "$identify":
        kind, name = "identify", "anonymous_id"
        actor = text_of(given.get("$identified_id")) or text_of(given.get("$user_id")) or actor
        other = text_of(given.get("$anon_id")) or text_of(given.get("$anon_distinct_id"))
    elif event.event == "$create_alias":
        other = text_of(given.get("alias"))
    else:
        ids = given.get("$distinct_ids")
        both = [text_of(one) for one in ids] if isinstance(ids, list) else []
        actor, other = both if len(both) == 2 else (None, None)
    if not actor or not other:
        raise Unusable("missing_id", f"{event.event} needs two ids.")
    taking.take(index, ts, actor, key, Named(kind, None, None, {name: other}))


def _engage(taking: Taking, index: int, record: dict[str, Any]) -> None:
    sets: list[dict[str, Any]] = [
        part for word in ("$set_once", "$set") if isinstance(part := record.get(word), dict)
    ]
    if not sets:
        taking.count_unknown("profile changes")  # additions to lists, sums and deletions
        return
    traits = {_TRAITS.get(name, name): value for part in sets for name, value in part.items()}
    named = event_of("", traits, taking.maps)
    named.metadata.pop("name")
    said = {name: value for name, value in record.items() if name != "$token"}
    actor = text_of(record.get("$distinct_id"))
    key = f"engage:{fingerprint(said)}"
    ts = moment_of(record.get("$time"))
    taking.take(index, ts, actor, key, named._replace(type="identify", value=None, currency=None))
