"""Google's Measurement Protocol: events of an app or site, by client or user. Pure."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import msgspec

from upwell.sources.named import Maps, Unusable, event_of
from upwell.sources.sdk.taking import BROKEN, Taking, fingerprint, moment_of, text_of

TYPES = {
    "page_view": "page_view",
    "screen_view": "page_view",
    "session_start": "session",
    "sign_up": "signup",
    "purchase": "revenue",
    "in_app_purchase": "revenue",
    "refund": "refund",
}
"""Names that Google itself gives events, and what they are here."""

_ONCE = frozenset({"purchase", "refund"})  # counted once by `transaction_id`, as Google does


class Event(msgspec.Struct, gc=False):
    """One event of a request."""

    name: str
    params: dict[str, Any] = {}
    timestamp_micros: int | str | None = None


class Hit(msgspec.Struct):
    """A request; some clients send one event without an array around it."""

    events: msgspec.Raw
    client_id: str | int | float | None = None
    app_instance_id: str | None = None
    user_id: str | int | None = None
    timestamp_micros: int | str | None = None
    user_properties: dict[str, Any] | None = None


_HIT = msgspec.json.Decoder(Hit)
_EVENT = msgspec.json.Decoder(Event)
_EVENTS = msgspec.json.Decoder(list[Event])


def read(taking: Taking, _: str, body: bytes) -> None:
    """All events of a request."""
    try:
        hit = _HIT.decode(body)
    except BROKEN as error:
        taking.refuse(-1, "bad_record", f"{error}.")
        return
    if bytes(hit.events)[:1] not in (b"[", b"{"):
        taking.refuse(-1, "bad_record", "`events` is not an array.")
        return
    maps = Maps({**TYPES, **taking.maps.types}, taking.maps.currency)
    seen: Counter[str] = Counter()
    for index, event in taking.each(bytes(hit.events), _EVENTS, _EVENT):
        taking.try_(index, partial(_event, taking, index, event, hit, maps, seen))


def _event(
    taking: Taking, index: int, event: Event, hit: Hit, maps: Maps, seen: Counter[str]
) -> None:
    ts = _moment(hit.timestamp_micros if event.timestamp_micros is None else event.timestamp_micros)
    user, device = text_of(hit.user_id), text_of(hit.client_id) or text_of(hit.app_instance_id)
    actor = user or device
    if actor is None:
        raise Unusable("missing_actor", "`client_id` is missing.")
    if not event.name:
        raise Unusable("missing_name", "The event has no name.")
    key = _key(event, actor, ts, seen)
    taking.take(index, ts, actor, key, event_of(event.name, dict(event.params), maps))
    traits = _traits(hit, maps)
    if user and device:
        traits["anonymous_id"] = device
    if traits:
        taking.link(index, ts, actor, traits)


def _key(event: Event, actor: str, ts: int | None, seen: Counter[str]) -> str | None:
    """What tells a repeat: the transaction, or else all of an event that has a time of its own."""
    transaction = text_of(event.params.get("transaction_id"))
    if transaction and event.name in _ONCE:
        return f"{event.name}:{transaction}"
    if ts is None:
        return None
    said = fingerprint([actor, ts, event.name, event.params])
    seen[said] += 1
    return said if seen[said] == 1 else f"{said}:{seen[said]}"


def _moment(micros: int | str | None) -> int | None:
    if micros is None:
        return None
    try:
        return int(micros)
    except ValueError as error:
        raise Unusable("bad_time", f"{str(micros)[:80]} is not a time.") from error


def _traits(hit: Hit, maps: Maps) -> dict[str, Any]:
    given = {
        name: value.get("value") if isinstance(value, dict) else value
        for name, value in (hit.user_properties or {}).items()
    }
    metadata = event_of("", given, maps).metadata
    del metadata["name"]
    return metadata


def validation(body: bytes) -> list[dict[str, str]]:
    """What is wrong with a request, in the words of Google's validation server."""
    try:
        hit = _HIT.decode(body)
        events = bytes(hit.events)
        _EVENT.decode(events) if events[:1] == b"{" else _EVENTS.decode(events)
    except BROKEN as error:
        return [_message("events", f"{error}.", "VALUE_INVALID")]
    if not (text_of(hit.client_id) or text_of(hit.app_instance_id) or text_of(hit.user_id)):
        return [_message("client_id", "client_id is missing.", "VALUE_REQUIRED")]
    try:
        moment_of(None if hit.timestamp_micros is None else _moment(hit.timestamp_micros))
    except Unusable as error:
        return [_message("timestamp_micros", error.reason, "VALUE_INVALID")]
    return []


def _message(field: str, text: str, code: str) -> dict[str, str]:
    return {"fieldPath": field, "description": text, "validationCode": code}
