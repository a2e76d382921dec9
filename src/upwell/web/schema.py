"""`/schema`: OpenAPI as Litestar sees the routes, with the shapes' own words and our one error."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag

from upwell import __version__
from upwell.query import Answer, boards, goals, marks, overlaps, progress, tiles
from upwell.query.explain import shapes as explained
from upwell.query.revenue import proofs
from upwell.query.revenue import shapes as revenue
from upwell.query.usage import asked as usage_asked
from upwell.query.usage import keeping
from upwell.query.usage import shapes as usage
from upwell.sources.wire import Wire
from upwell.web import health_shapes, kind_shapes, shapes

_REF = "#/components/schemas/"
_OPEN = frozenset({"/v1/session", "/v1/start", "/v1/owner", "/healthz", "/readyz"})  # need no key
_TAGS = {
    "Events": "Sending what happened.",
    "Clients of others": "What the clients of Mixpanel, Segment and Google send, unchanged.",
    "Numbers": "Questions, answers and what is behind them.",
    "Revenue": "Bridges, customers, cohorts, counting rules.",
    "Use": "Funnels: who got how far, and by which route.",
    "What there is": "Products, metrics, events and sources.",
    "Boards": "Tiles that people arrange and share.",
    "Goals": "What metrics are to be by a day, and whether they are on pace.",
    "Annotations": "Releases, launches and notes beside time series.",
    "Alerts": "What moved further than expected.",
    "Reports": "Months as files.",
    "Sign-in": "People and their sessions.",
    "Keys": "API keys.",
    "Server": "Probes and counters.",
}


class Described(JsonRenderPlugin):
    """Serves the completed document at /schema."""

    def __init__(self) -> None:
        super().__init__(path="/")
        self._body = b""

    def render(self, _: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The document as JSON, made on the first request."""
        self._body = self._body or msgspec.json.encode(complete(openapi_schema))
        return self._body


def config() -> OpenAPIConfig:
    """What Litestar needs to describe the routes."""
    key = SecurityScheme(
        type="http",
        scheme="bearer",
        description="A key of `upwell key create`: `Authorization: Bearer uw_…`.",
    )
    return OpenAPIConfig(
        title="Upwell",
        version=__version__,
        description="Real-time growth analytics: events in, numbers and their reasons out. "
        'Every error is `{"error": {"code", "message", "fix", "where"}}`.',
        path="/schema",
        render_plugins=[Described()],
        use_handler_docstrings=True,
        components=Components(security_schemes={"key": key}),
        security=[{"key": []}],
        tags=[Tag(name=name, description=text) for name, text in _TAGS.items()],
    )


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """The document with msgspec's schemas, which carry the docstrings, and the one error shape."""
    named = document["components"]["schemas"]
    structs = [
        getattr(module, name)
        for name in named
        for module in (
            shapes,
            revenue,
            proofs,
            usage,
            usage_asked,
            keeping,
            boards,
            tiles,
            marks,
            explained,
            goals,
            overlaps,
            progress,
            health_shapes,
            kind_shapes,
        )
        # Not what a module only uses: the catalogue's Metric is not the one that is answered.
        if getattr(getattr(module, name, None), "__module__", "") == module.__name__
    ]
    _, schemas = msgspec.json.schema_components(
        [*structs, Answer, shapes.Failure, Wire], ref_template=_REF + "{name}"
    )
    schemas["NewEvent"] = _new_event(schemas.pop("Wire"))
    schemas["Answers"]["properties"]["answers"]["items"] = {
        "anyOf": [{"$ref": _REF + "Answer"}, {"$ref": _REF + "Failure"}]
    }
    failure = {"application/json": {"schema": {"$ref": _REF + "Failure"}}}
    for path, item in document["paths"].items():
        for operation in item.values():
            if path.startswith("/sdk/"):
                operation |= _CLIENTS
                continue
            answers = operation["responses"]
            answers.pop("400", None)
            answers["4XX"] = {"description": "What to change, and where.", "content": failure}
            answers["5XX"] = {"description": "Try again later.", "content": failure}
            if path in _OPEN:
                operation["security"] = []
    events = document["paths"]["/v1/events"]["post"]["responses"]
    events["400"] = {
        "description": "Nothing was taken; `error` is the first reason.",
        "content": {
            "application/json": {
                "schema": {"anyOf": [{"$ref": _REF + "Accepted"}, {"$ref": _REF + "Failure"}]}
            }
        },
    }
    health = {"application/json": {"schema": {"$ref": _REF + "Health"}}}
    document["paths"]["/readyz"]["get"]["responses"]["503"] = {
        "description": "Not yet; `status` says what is missing.",
        "content": health,
    }
    return document | {"components": document["components"] | {"schemas": named | schemas}}


_OTHERS: dict[str, Any] = {"content": {"application/json": {}, "text/plain": {}}}
_CLIENTS: dict[str, Any] = {  # what these clients send and hear is their vendors' to describe
    "security": [],
    "responses": {
        "200": {"description": "Taken, in the words that the client knows.", **_OTHERS},
        "204": {"description": "Taken."},
        "4XX": {"description": "Not taken, in the words that the client knows.", **_OTHERS},
        "5XX": {"description": "Try again later.", **_OTHERS},
    },
}


def _new_event(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of an event as sent, with what the types alone do not say."""
    said = {
        "product_id": "A configured product.",
        "event_type": "revenue, refund, signup, activation, churn, engagement, page_view, …",
        "timestamp": "RFC 3339 with a zone, or epoch seconds or milliseconds.",
        "value": "A decimal; money in major units. 1 when left out of counts.",
        "currency": "ISO 4217; required where the value is money.",
        "source": "What sent it; the key's name when left out.",
        "actor_id": "The user or customer.",
        "idempotency_key": "Unique per product and source: sent again, it counts once.",
        "sent_at": "The sender's clock at sending; corrects a wrong clock.",
        "metadata": "One flat object: at most 255 keys and 32 KiB.",
    }
    fields = {
        name: {**about, "description": said.get(name, "")}
        for name, about in schema["properties"].items()
    }
    number_or_text = [{"type": "string"}, {"type": "number"}, {"type": "null"}]
    fields["value"] = {"anyOf": number_or_text, "description": said["value"]}
    return {**schema, "properties": fields, "title": "NewEvent", "description": "An event to send."}
