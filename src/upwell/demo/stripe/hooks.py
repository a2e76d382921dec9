"""Webhooks: the body of an event, its signature, and its way to an address.

https://docs.stripe.com/webhooks#verify-manually
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import NamedTuple

import httpx
import msgspec

from upwell.demo.stripe.world import Event, Json, World

_ACCEPTED = 300


class Delivered(NamedTuple):
    """How one attempt to deliver an event ended; status 0 is no answer."""

    event: Event
    status: int


def shown(event: Event, world: World) -> Json:
    """The event as the API shows it; its object as raw JSON."""
    data: Json = {"object": msgspec.Raw(event.body)}
    if event.previous is not None:
        data["previous_attributes"] = msgspec.Raw(event.previous)
    return {
        "id": event.id,
        "object": "event",
        "api_version": world.api_version,
        "created": event.created,
        "data": data,
        "livemode": world.livemode,
        "pending_webhooks": 0,
        "request": {"id": None, "idempotency_key": None},
        "type": event.type,
    }


def payload(event: Event, world: World) -> bytes:
    """The body of its webhook."""
    return msgspec.json.encode(shown(event, world))


def sign(payload: bytes, secret: str, at: int) -> str:
    """The Stripe-Signature header of a body sent at that second."""
    mac = hmac.new(secret.encode(), b"%d." % at + payload, hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


def post(
    events: Iterable[Event], world: World, url: str, secret: str, at: int | None
) -> list[Delivered]:
    """Send events to an address, each signed as if sent at `at` (None: when it happened)."""
    done = []
    with httpx.Client(timeout=30) as client:
        for event in events:
            body = payload(event, world)
            headers = {
                "Content-Type": "application/json; charset=utf-8",
                "Stripe-Signature": sign(body, secret, event.created if at is None else at),
                "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            }
            try:
                status = client.post(url, content=body, headers=headers).status_code
            except httpx.TransportError:
                status = 0
            done.append(Delivered(event, status))
    return done


def accepted(delivered: Delivered) -> bool:
    """Whether Stripe would not try again."""
    return 200 <= delivered.status < _ACCEPTED
