"""Segment's clients: the messages of its HTTP tracking API. Pure."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from upwell.period import MICROS
from upwell.sources.named import OWN_NAME, Named, Unusable, event_of
from upwell.sources.sdk.taking import BROKEN, Taking, moment_of, text_of

_RIGHT = 60 * MICROS
"""A clock that is not further off is right: times stay as given, and a day stays that day."""

_VIEWS = frozenset({"page", "screen"})


class Message(msgspec.Struct, gc=False, rename="camel"):
    """One message; `type` is left out where the route says it."""

    type: str = ""
    event: str | None = None
    name: str | None = None
    user_id: str | int | None = None
    anonymous_id: str | int | None = None
    previous_id: str | int | None = None
    message_id: str | None = None
    timestamp: str | int | float | None = None
    original_timestamp: str | int | float | None = None
    sent_at: str | int | float | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None


class _Batch(msgspec.Struct, rename="camel"):
    batch: msgspec.Raw
    sent_at: str | int | float | None = None
    context: dict[str, Any] | None = None


_MESSAGE = msgspec.json.Decoder(Message)
_MESSAGES = msgspec.json.Decoder(list[Message])
_BATCH = msgspec.json.Decoder(_Batch)


def read(taking: Taking, route: str, body: bytes) -> None:
    """All messages of a body."""
    sent_at, context, messages = None, None, body
    if route == "batch":
        try:
            batch = _BATCH.decode(body)
        except BROKEN as error:
            taking.refuse(-1, "bad_record", f"{error}.")
            return
        sent_at, context, messages = batch.sent_at, batch.context, bytes(batch.batch)
        if messages[:1] != b"[":
            taking.refuse(-1, "bad_record", "`batch` is not an array.")
            return
    for index, message in taking.each(messages, _MESSAGES, _MESSAGE):
        message.type = message.type or (route if route != "batch" else "")
        message.context = message.context or context
        if message.sent_at is None:
            message.sent_at = sent_at
        taking.try_(index, partial(_message, taking, index, message))


def _message(taking: Taking, index: int, message: Message) -> None:
    user, anonymous = text_of(message.user_id), text_of(message.anonymous_id)
    actor, key = user or anonymous, message.message_id
    ts, corrected = _moment(taking, message)
    if message.type == "track" or message.type in _VIEWS:
        event = _event(taking, message)
        taking.take(index, ts, actor, key, event, corrected=corrected)
        if user and anonymous and user != anonymous:
            taking.link(index, ts, user, {"anonymous_id": anonymous})
    elif message.type == "identify":
        named = _traits(taking, message.traits or {})
        if user and anonymous:
            named.metadata["anonymous_id"] = anonymous
        taking.take(index, ts, actor, key, named, corrected=corrected)
    elif message.type == "alias":
        other = text_of(message.previous_id)
        if not actor or not other:
            raise Unusable("missing_id", "An alias needs `userId` and `previousId`.")
        named = Named("merge", None, None, {"into": other})
        taking.take(index, ts, actor, key, named, corrected=corrected)
    elif message.type == "group":
        taking.count_unknown("groups")  # a group is nobody who does anything
    else:
        raise Unusable("unknown_type", f"'{message.type[:40]}' is no type of Segment's.")


def _moment(taking: Taking, message: Message) -> tuple[int | None, bool]:
    """When it happened: by how far the sender's clock was off when it sent, as Segment does."""
    given = message.original_timestamp
    ts = moment_of(message.timestamp if given is None else given)
    sent = moment_of(message.sent_at)
    if ts is None or sent is None or abs(taking.at - sent) <= _RIGHT:
        return ts, False
    return ts + taking.at - sent, True


def _event(taking: Taking, message: Message) -> Named:
    properties = _with_context(message.properties or {}, message.context or {})
    if message.type in _VIEWS:
        name = message.name or text_of(properties.get("path")) or message.type
        named = event_of(name, properties, taking.maps)
        return named._replace(type="page_view", value=None, currency=None)
    if not message.event:
        raise Unusable("missing_name", "A track message needs an `event`.")
    return event_of(message.event, properties, taking.maps)


def _with_context(properties: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """Properties with what numbers can be split by, or who is left out, of the context."""
    campaign, place = context.get("campaign"), context.get("location")
    found = {
        "channel": campaign.get("source") if isinstance(campaign, dict) else None,
        "country": place.get("country") if isinstance(place, dict) else None,
        "ip": context.get("ip"),
    }
    return {**{name: value for name, value in found.items() if value}, **properties}


def _traits(taking: Taking, traits: dict[str, Any]) -> Named:
    if "name" in traits:
        traits["full_name"] = traits.pop("name")
    named = event_of("", traits, taking.maps)
    named.metadata.pop("name")
    named.metadata.pop(OWN_NAME, None)
    return named._replace(type="identify", value=None, currency=None)
