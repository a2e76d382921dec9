"""What the fake answers to a request: lists, objects, and errors in Stripe's words."""

from __future__ import annotations

import itertools
from collections import deque
from typing import NamedTuple
from urllib.parse import parse_qsl

import msgspec

from upwell.demo.stripe import lists
from upwell.demo.stripe.kinds import KINDS
from upwell.demo.stripe.lists import Refusal
from upwell.demo.stripe.world import Json, World

_MASK = "*" * 20


class Answer(NamedTuple):
    """Status, body as JSON bytes, and headers; status 0 drops the connection."""

    status: int
    body: bytes
    headers: dict[str, str]


class Fault(NamedTuple):
    """Something that goes wrong: `status` for `times` requests to a path, after `skip` good ones.

    Status 0 drops the connection without an answer.
    """

    path: str
    status: int
    skip: int = 0
    times: int = 1
    message: str = ""


class Api:
    """The read side of one account over HTTP, apart from sockets."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._name = name
        self._restricted: dict[str, frozenset[str]] = {}
        self._revoked: set[str] = set()
        self._faults: list[Fault] = []
        self._numbers = itertools.count(1)
        self.requests: deque[tuple[str, str]] = deque(maxlen=10_000)  # (path, query)

    def restrict(self, key: str, permissions: frozenset[str]) -> None:
        """What a restricted key may read: names as Stripe's messages have them, `customer_read`."""
        self._restricted[key] = permissions

    def revoke(self, key: str) -> None:
        """A key that was good and is not any more."""
        self._revoked.add(key)

    def fail(self, fault: Fault) -> None:
        """Let requests fail from now on."""
        self._faults.append(fault)

    def answer(self, method: str, path: str, query: str, authorization: str | None) -> Answer:
        """Answer one request."""
        self.requests.append((path, query))
        try:
            self._stumble(path)
            allowed = self._allowed(authorization)
            if method != "GET":
                raise Refusal(400, f"The fake only reads: {method} {path}.")
            body = self._read(path, parse_qsl(query, keep_blank_values=True), allowed)
            return self._sent(200, body)
        except Refusal as refusal:
            return self._sent(refusal.status, {"error": refusal.error()})

    def _sent(self, status: int, body: Json) -> Answer:
        headers = {
            "Content-Type": "application/json",
            "Request-Id": f"req_{next(self._numbers):014d}",
            "Stripe-Version": self._world.api_version,
        }
        return Answer(status, msgspec.json.encode(body), headers)

    def _stumble(self, path: str) -> None:
        for place, fault in enumerate(self._faults):
            if not path.startswith(fault.path):
                continue
            if fault.skip:
                self._faults[place] = fault._replace(skip=fault.skip - 1)
                continue
            if fault.times <= 1:
                del self._faults[place]
            else:
                self._faults[place] = fault._replace(times=fault.times - 1)
            raise _stumbled(fault)

    def _allowed(self, authorization: str | None) -> frozenset[str] | None:
        """What the key may read; None is everything."""
        key = lists.key_of(authorization)
        if not key:
            raise Refusal(
                401,
                "You did not provide an API key. You need to provide your API key in the "
                "Authorization header, using Bearer auth (e.g. 'Authorization: Bearer "
                "YOUR_SECRET_KEY').",
            )
        if not key.startswith(("sk_", "rk_")):
            raise Refusal(401, f"Invalid API Key provided: {_masked(key)}")
        if key in self._revoked:
            raise Refusal(401, f"Expired API Key provided: {_masked(key)}", code="api_key_expired")
        permissions = self._restricted.get(key)
        if permissions is None:
            return None
        return frozenset({*permissions, f"key:{_masked(key)}"})

    def _read(
        self, path: str, query: list[tuple[str, str]], allowed: frozenset[str] | None
    ) -> Json:
        world = self._world
        parts = path.removeprefix("/v1/").strip("/").split("/")
        reader = lists.Reader(world, query, allowed)
        if parts == ["account"]:
            reader.permit("account")
            return _account(world, self._name)
        if parts == ["events"]:
            return reader.events()
        if parts[0] == "events" and len(parts) == 2:
            return reader.event(parts[1])
        if parts[0] == "invoices" and len(parts) == 3 and parts[2] == "lines":
            return reader.lines(parts[1])
        if len(parts) == 1 and parts[0] in KINDS:
            return reader.page(parts[0])
        if len(parts) == 2 and parts[0] in KINDS:
            return reader.one(parts[0], parts[1])
        raise Refusal(
            404,
            f"Unrecognized request URL (GET: {path}). Please see "
            "https://stripe.com/docs or we can help at https://support.stripe.com/.",
        )


def _stumbled(fault: Fault) -> Refusal:
    if fault.status == 429:
        message = fault.message or (
            "Request rate limit exceeded. Learn more about rate limits here: "
            "https://docs.stripe.com/rate-limits."
        )
        return Refusal(429, message, code="rate_limit")
    if fault.status >= 500:
        message = fault.message or "An unknown error occurred."
        return Refusal(fault.status, message, kind="api_error")
    return Refusal(fault.status, fault.message or "Something is wrong with this request.")


def _masked(key: str) -> str:
    return f"{key[:8]}{_MASK}{key[-4:]}"


def _account(world: World, name: str) -> Json:
    profile = {
        "annual_revenue": None,
        "estimated_worker_count": None,
        "mcc": "5734",
        "name": name,
        "product_description": None,
        "support_address": None,
        "support_email": None,
        "support_phone": None,
        "support_url": None,
        "url": None,
    }
    return {
        "id": world.account,
        "object": "account",
        "business_profile": profile,
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "controller": {"type": "account"},
        "country": "US",
        "default_currency": "usd",
        "details_submitted": True,
        "email": "owner@example.com",
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "branding": {"icon": None, "logo": None, "primary_color": None},
            "dashboard": {"display_name": name, "timezone": "Etc/UTC"},
        },
        "type": "standard",
    }
