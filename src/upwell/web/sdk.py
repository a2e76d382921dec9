"""`/sdk/…`: the clients of Mixpanel, Segment and Google send here, and hear what they are used to.

They need nothing but this address and a key. What they sent is on disk before they hear of it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from litestar import Response, post, route
from litestar.params import FromPath

from upwell.access import Viewer
from upwell.billing import Origin
from upwell.errors import Forbidden, NotFound, Problem, Rejected, SignedOut
from upwell.event import MAX_BODY, Delivery, Translated
from upwell.period import to_micros
from upwell.settings.schema import Settings
from upwell.sources import http, sdk
from upwell.sources.sdk import Payload
from upwell.web.door import by_key, header
from upwell.web.events import PUBLIC_BODY, SHORT
from upwell.web.failures import judge
from upwell.web.routes import Call, run

MIXPANEL = frozenset({"track", "engage", "groups", "import"})
SEGMENT = frozenset({"batch", "track", "identify", "page", "screen", "group", "alias"})
_BAD = "some data points in the request failed validation"  # Mixpanel's own words

Refuse = Callable[[int, Problem, dict[str, str]], Response[Any]]


class Taken(NamedTuple):
    """What became of a request."""

    payload: Payload
    made: Translated

    @property
    def useless(self) -> bool:
        """Whether nothing of it could be used."""
        return bool(self.made.dead) and not len(self.made.events)


@route(
    "/sdk/mixpanel/{call:str}",
    http_method=["GET", "POST"],
    status_code=200,
    request_max_body_size=MAX_BODY,
    tags=["Clients of others"],
    summary="Mixpanel's clients",
)
async def mixpanel(request: Call, call: FromPath[str]) -> Response[Any]:
    """Takes `track`, `engage`, `groups` and `import` of Mixpanel's clients; the token is a key."""
    _known(call, MIXPANEL)

    async def answer() -> Response[Any]:
        taken = await _take(request, "mixpanel", call)
        dead, fields = taken.made.dead, taken.payload.fields
        plain = header(request.scope, b"content-type").startswith("application/json")
        strict = call == "import" and fields.get("strict") == "1"
        if taken.useless or (dead and strict):
            return _mixpanel_failed(taken)
        if call == "import" and plain:
            count = len(taken.made.events)
            return Response({"code": 200, "num_records_imported": count, "status": "OK"})
        if fields.get("verbose") == "1":
            return Response({"status": 1, "error": None})
        return Response("1", media_type="text/plain")

    def refuse(status: int, problem: Problem, headers: dict[str, str]) -> Response[Any]:
        said = {"status": 0, "error": _told(problem), "code": status}
        return Response(said, status_code=status, headers=headers)

    return await _in_its_words(answer, refuse)


def _mixpanel_failed(taken: Taken) -> Response[Any]:
    dead = taken.made.dead
    said = {
        "code": 400,
        "status": 0,
        "error": dead[0].reason if taken.useless else _BAD,
        "num_records_imported": len(taken.made.events),
        "failed_records": [
            {"index": one.idx, "field": one.code, "message": one.reason} for one in dead
        ],
    }
    return Response(said, status_code=400)


@post(
    "/sdk/segment/v1/{call:str}",
    status_code=200,
    request_max_body_size=MAX_BODY,
    tags=["Clients of others"],
    summary="Segment's clients",
)
async def segment(request: Call, call: FromPath[str]) -> Response[Any]:
    """Takes what Segment's clients send, in batches or one by one; the write key is a key."""
    _known(call, SEGMENT)

    def refuse(status: int, problem: Problem, headers: dict[str, str]) -> Response[Any]:
        said = {"success": False, "code": problem.code, "message": _told(problem)}
        return Response(said, status_code=status, headers=headers)

    async def answer() -> Response[Any]:
        taken = await _take(request, "segment", call)
        if taken.useless:
            first = taken.made.dead[0]
            return refuse(400, Problem(code=first.code, message=first.reason), {})
        return Response({"success": True})

    return await _in_its_words(answer, refuse)


@post(
    ["/sdk/ga4/mp/collect", "/sdk/ga4/debug/mp/collect"],
    status_code=200,
    request_max_body_size=MAX_BODY,
    tags=["Clients of others"],
    summary="Google's Measurement Protocol",
)
async def ga4(request: Call) -> Response[Any]:
    """Takes events of Google's Measurement Protocol; `api_secret` is a key.

    Under `debug/` it keeps nothing and says what is wrong with them.
    """

    async def answer() -> Response[Any]:
        if request.url.path.startswith("/sdk/ga4/debug/"):
            found, _ = await _read(request)
            return Response({"validationMessages": sdk.validation(found.body)})
        await _take(request, "ga4", "collect")
        return Response(None, status_code=204)  # whatever is wrong with it, as Google does

    def refuse(status: int, problem: Problem, headers: dict[str, str]) -> Response[Any]:
        said = {
            "fieldPath": problem.where,
            "description": _told(problem),
            "validationCode": problem.code.upper(),
        }
        return Response({"validationMessages": [said]}, status_code=status, headers=headers)

    return await _in_its_words(answer, refuse)


async def _in_its_words(
    answer: Callable[[], Awaitable[Response[Any]]], refuse: Refuse
) -> Response[Any]:
    """The answer, or what went wrong in the client's own shape."""
    try:
        return await answer()
    except Exception as error:  # noqa: BLE001 - judged as everywhere, told in another shape
        return refuse(*judge(error))


def _known(call: str, calls: frozenset[str]) -> None:
    if call not in calls:
        raise NotFound(
            "not_found",
            f"There is no '{call[:40]}' here.",
            fix=f"Known: {', '.join(sorted(calls))}.",
        )


async def _take(request: Call, vendor: str, call: str) -> Taken:
    """Reads, judges and keeps a request; raises where it cannot be taken as a whole."""
    found, secret = await _read(request)
    viewer, parts = request.viewer, request.parts
    product, named = _product(viewer, parts.settings())
    delivery = Delivery(
        kind="sdk",
        source=viewer.name,
        received_at=to_micros(request.now()),
        about={"door": f"{vendor}.{call}", "product": product}
        | ({"public": True} if request.visitor.origins is not None else {}),
        # Whoever may see originals is not to find a key in them.
        body=found.body.replace(secret.encode(), viewer.id.encode()),
    )
    origin = Origin(id=viewer.name, kind="sdk", product=product, given={"events": named})
    made = await _off_the_loop(request, len(found.body), sdk.translate, delivery, origin)
    # What is set aside is named by the delivery's number, which only the journal knows.
    await parts.submit(delivery, None if made.dead else made)
    parts.meters.accepted.inc(len(made.events))
    parts.meters.deliveries.inc()
    for one in made.dead:
        parts.meters.rejected.labels(one.code).inc()
    return Taken(found, made)


async def _read(request: Call) -> tuple[Payload, str]:
    """The JSON of a request and its key; makes whoever holds it the request's visitor."""
    body = await request.body()
    scope = request.scope
    encoding, kind = header(scope, b"content-encoding"), header(scope, b"content-type")
    query = scope["query_string"].decode("latin-1")

    def read() -> tuple[Payload, str]:
        found = sdk.payload(http.unpack(body, encoding, MAX_BODY), kind, query)
        return found, _credential(scope) or found.fields.get("api_secret") or sdk.key_of(found)

    size = MAX_BODY if encoding else len(body)
    found, secret = await _off_the_loop(request, size, read)
    if not secret:
        raise SignedOut(
            "no_key",
            "The request names no key.",
            fix="Give the client a key of `upwell key create` where the vendor's token goes.",
        )
    visitor = await by_key(scope, secret, request.gate, request.house, request.now())
    if not visitor.viewer.may("ingest"):
        raise Forbidden(
            "wrong_scope",
            "This key has no 'ingest' scope.",
            fix="Use a key that has it: `upwell key create --name N --scope ingest`.",
        )
    if visitor.origins is not None and len(found.body) > PUBLIC_BODY:
        raise Rejected(
            "too_large",
            "The body is over 1 MB, which is all that a public key may send at once.",
            fix="Send it in smaller batches.",
            status=413,
        )
    request.enter(visitor)
    return found, secret


def _credential(scope: Any) -> str:
    """The key in the Authorization header: as user, as password, or as bearer."""
    word, _, given = header(scope, b"authorization").partition(" ")
    if word.lower() == "bearer":
        return given.strip()
    if word.lower() != "basic":
        return ""
    try:
        pair = base64.b64decode(given, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
    # Who sends with a token here may go on naming the vendor's own secret.
    return next((one for one in pair.split(":", 1) if one.startswith("uw_")), "")


def _product(viewer: Viewer, settings: Settings) -> tuple[str, dict[str, str]]:
    """The one product that a key sends for, and what its names of events mean."""
    seen = [one for one in settings.products if viewer.sees(one.id)]
    if len(seen) != 1:
        raise Rejected(
            "needs_product",
            "These clients name no product, so their key has to be for one.",
            fix="Make one: `upwell key create --name web --scope ingest --product P`.",
        )
    return seen[0].id, dict(seen[0].named)


async def _off_the_loop(request: Call, size: int, call: Callable[..., Any], *args: Any) -> Any:
    """Calls what takes long for large bodies in a thread, and for short ones at once."""
    if size > SHORT:
        return await run(request.threads.parsing, call, *args)
    return call(*args)


def _told(problem: Problem) -> str:
    return f"{problem.message} {problem.fix}".strip()


ROUTES = (mixpanel, segment, ga4)
