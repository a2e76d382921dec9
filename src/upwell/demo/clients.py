"""Two products that use clients of other vendors: Segment's for Relay, Mixpanel's for Purse.

Their live events go over HTTP to the server's own doors, in the form that these clients send.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import httpx
import msgspec

from upwell.access import SYSTEM
from upwell.app.house import House
from upwell.demo.afar import HERE
from upwell.demo.seen import NAMES
from upwell.event import GrowthEvent
from upwell.period import to_micros
from upwell.web.gate import Gate

SEGMENT, TOKENED = "relay", "purse"
TRACKED = {"signup": "Signed Up", "activation": "Activated", "session": "Session Started"}
MOST = 400  # events in one request


class Clients:
    """What both programs still have to send; it is tried again until it is taken."""

    def __init__(self, opened: House, port: int) -> None:
        self._base = f"http://{HERE}:{port}/sdk"
        self._keys = {product: _key(opened, product) for product in (SEGMENT, TOKENED)}
        self._waiting: dict[str, list[GrowthEvent]] = {SEGMENT: [], TOKENED: []}
        self._http = httpx.AsyncClient(timeout=10, trust_env=False)

    def took(self, events: Iterable[GrowthEvent]) -> list[GrowthEvent]:
        """Take over what these programs send; the others."""
        rest = []
        for event in events:
            if event.product_id in self._waiting and event.event_type != "kpi":
                self._waiting[event.product_id].append(event)
            else:
                rest.append(event)
        return rest

    async def send(self) -> None:
        """Send what waits; what is not taken goes on waiting."""
        for product, waiting in self._waiting.items():
            part = waiting[:MOST]
            if part and await self._sent(product, part):
                del waiting[: len(part)]

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _sent(self, product: str, events: Sequence[GrowthEvent]) -> bool:
        key = self._keys[product]
        try:
            if product == SEGMENT:
                body = {"batch": [message(event) for event in events]}
                answer = await self._http.post(
                    f"{self._base}/segment/v1/batch", json=body, auth=(key, "")
                )
            else:
                data = msgspec.json.encode([record(event, key) for event in events])
                answer = await self._http.post(
                    f"{self._base}/mixpanel/track", data={"data": data.decode(), "verbose": "1"}
                )
        except httpx.HTTPError:  # the server is not there yet, or no more
            return False
        return answer.is_success


def _key(opened: House, product: str) -> str:
    """A fresh key for a product's program; those of earlier starts end."""
    gate, name, now = Gate(opened.state), f"{product}-app", opened.clock()
    given = gate.keys()
    for known in given:
        if known.name == name and known.revoked_at is None:
            gate.revoke_key(known.id, by=SYSTEM, now=now)
    return gate.create_key(
        name=name, scopes=("ingest",), products=(product,), origins=(), by=SYSTEM, now=now
    ).key


def message(event: GrowthEvent) -> dict[str, Any]:
    """As Segment's client sends it."""
    said = dict(event.metadata)
    country = said.pop("country", None)
    message = {
        "messageId": event.idempotency_key,
        "userId": event.actor_id,
        "timestamp": event.timestamp.isoformat(),
        "context": {"location": {"country": country}},
    }
    if event.event_type == "page_view":
        return {**message, "type": "page", "name": said.get("path"), "properties": said}
    name = TRACKED.get(event.event_type) or str(said.pop("name"))
    return {**message, "type": "track", "event": name, "properties": said}


def record(event: GrowthEvent, token: str) -> dict[str, Any]:
    """As Mixpanel's client sends it."""
    said = dict(event.metadata)
    name = NAMES.get(event.event_type) or str(said.pop("name"))
    about = {
        "token": token,
        "time": to_micros(event.timestamp) // 1_000,
        "distinct_id": event.actor_id,
        "$insert_id": event.idempotency_key,
    }
    return {"event": name, "properties": {**said, **about}}
