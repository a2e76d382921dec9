"""Every route by every visitor and every verb; every error in the one shape."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.web_house import Built
from upwell.errors import Problem
from upwell.event import Delivery

pytestmark = pytest.mark.anyio

VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")
OPEN = {("GET", "/v1/session"), ("GET", "/v1/start")}
PROBES = {"/healthz", "/readyz"}
OWN = {
    ("POST", "/v1/session"),
    ("DELETE", "/v1/session"),
    ("POST", "/v1/owner"),
    ("POST", "/hooks/stripe/{source}"),
    ("GET", "/sdk/mixpanel/{call}"),
    ("POST", "/sdk/mixpanel/{call}"),
    ("POST", "/sdk/segment/v1/{call}"),
    ("POST", "/sdk/ga4/mp/collect"),
    ("POST", "/sdk/ga4/debug/mp/collect"),
}
"""Routes with rules of their own, tested with sign-in, webhooks and the clients of others."""

SCOPES = {
    ("POST", "/v1/events"): "ingest",
    ("GET", "/v1/keys"): "admin",
    ("POST", "/v1/keys"): "admin",
    ("DELETE", "/v1/keys/{key_id}"): "admin",
    ("GET", "/v1/sources/kinds"): "admin",
    ("POST", "/v1/sources"): "admin",
    ("POST", "/v1/sources/sql/preview"): "admin",
    ("POST", "/v1/sources/stripe"): "admin",
    ("GET", "/v1/sources/{source}/account"): "admin",
    ("PUT", "/v1/sources/{source}/assignments"): "admin",
    ("PUT", "/v1/sources/{source}/secrets"): "admin",
    ("PUT", "/v1/sources/{source}/credentials"): "admin",
    ("POST", "/v1/sources/{source}/{act}"): "admin",
    ("POST", "/v1/sources/{source}/reset"): "admin",
    ("POST", "/v1/sources/{source}/read"): "admin",
    ("POST", "/v1/sources/{source}/drift/{drift}/seen"): "admin",
    ("POST", "/v1/dead-letters/replay"): "admin",
    ("POST", "/v1/customers/{id}/merge"): "admin",
    ("POST", "/v1/customers/{id}/unmerge"): "admin",
    ("POST", "/v1/closes"): "admin",
    ("PUT", "/v1/workspace"): "admin",
    ("POST", "/v1/products"): "admin",
    ("PUT", "/v1/products/{product}"): "admin",
}
"""What each route needs, where it is not `read`; the test reads the routes from the schema."""

WHOLE_COMPANY = {
    ("GET", "/v1/deliveries/{seq}"),
    ("GET", "/v1/dead-letters"),
    ("GET", "/v1/sources/{source}/health"),
    ("GET", "/v1/reports"),
    ("POST", "/v1/reports"),
    ("GET", "/v1/reports/{name}"),
    ("GET", "/v1/reconciliation"),
    ("GET", "/metrics"),
}
ASKS = {
    "/v1/query": "metric=signups",
    "/v1/rows": "metric=signups",
    "/v1/explain": "metric=signups",
    "/v1/bridge/customers": "movement=churn",
    "/v1/why": "month=2026-10&policy=stripe",
    "/v1/changes": "from_known_at=2026-11-01T00:00:00Z&to_known_at=2026-11-02T00:00:00Z"
    "&day=2026-10-31",
}
"""What a route must be asked at least."""

SAVED = {"name": "S", "of": {"lifecycle": {}}, "address": "/usage/lifecycle"}
BOARD = {"name": "B", "tiles": [{"id": "1", "kind": "bridge", "x": 0, "y": 0, "w": 6, "h": 4}]}
GOAL = {"metric": "signups", "product": "mail", "by": "2027-01-31", "value": "200"}

BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/v1/keys"): {"name": "k", "scopes": ["read"]},
    ("POST", "/v1/query"): {"questions": [{"metric": "signups"}]},
    ("POST", "/v1/cohorts"): {},
    ("POST", "/v1/reports"): {"month": "2026-10"},
    ("POST", "/v1/sources"): {
        "id": "app",
        "kind": "newsletter",
        "settings": {"url": "https://a.example"},
    },
    ("POST", "/v1/sources/sql/preview"): {"settings": {"url": "sqlite:///a.db"}},
    ("POST", "/v1/sources/stripe"): {"id": "docs-stripe", "api_key": "rk_test_1"},
    ("POST", "/v1/sources/{source}/reset"): {"to": "2026-01-01"},
    ("POST", "/v1/dead-letters/replay"): {"source": "mail-stripe"},
    ("PUT", "/v1/sources/{source}/assignments"): {"prod_1": "mail"},
    ("PUT", "/v1/sources/{source}/secrets"): {"webhook_secret": "whsec_1"},
    ("PUT", "/v1/sources/{source}/credentials"): {"secret": "new"},
    ("PUT", "/v1/workspace"): {"name": "Acme", "timezone": "UTC", "currency": "USD"},
    ("POST", "/v1/products"): {"id": "cloud", "name": "Cloud"},
    ("PUT", "/v1/products/{product}"): {"name": "Post"},
    ("POST", "/v1/customers/{id}/merge"): {"customers": ["cus_1"]},
    ("POST", "/v1/events"): [],
    ("POST", "/v1/retention"): {"start": {"event": "signup"}, "return": {"event": "session"}},
    ("POST", "/v1/closes"): {"month": "2026-01"},
    ("POST", "/v1/funnel"): {"steps": [{"event": "signup"}, {"event": "session"}]},
    ("POST", "/v1/segments"): {"name": "S", "of": {"did": {"event": "signup"}}},
    ("POST", "/v1/saved"): SAVED,
    ("POST", "/v1/annotations"): {"title": "Release 4", "products": ["mail"]},
    ("PUT", "/v1/annotations/{id}"): {"title": "Release 4", "products": ["mail"]},
    ("PUT", "/v1/saved/{id}"): SAVED,
    ("POST", "/v1/boards"): BOARD,
    ("PUT", "/v1/boards/{id}"): BOARD,
    ("POST", "/v1/goals"): GOAL,
    ("PUT", "/v1/goals/{id}"): GOAL,
    ("POST", "/v1/lifecycle"): {},
    ("POST", "/v1/stickiness"): {"event": "session"},
    ("POST", "/v1/paths"): {},
    ("POST", "/v1/people"): {"of": {"did": {"event": "signup"}}},
}


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Built]:
    house = Built(tmp_path)
    house.journal.append([Delivery(source="s", received_at=1, body=b'{"raw": 1}')])
    yield house
    house.close()


def routes(built: Built) -> dict[str, set[str]]:
    """Every path of the schema with its verbs."""
    schema = built.site.api.openapi_schema.to_schema()
    return {path: {verb.upper() for verb in item} for path, item in schema["paths"].items()}


def address(verb: str, path: str) -> str:
    """A path with something that exists in each of its places."""
    real = {"key_id": "key_x", "seq": "1", "alert_id": "alr_1", "act": "ack", "name": "rep.pdf"}
    real |= {"call": "track", "id": "cus_1", "source": "mail-stripe", "product": "mail"}
    real |= {"drift": "volume:signup"}
    filled = re.sub(r"\{(\w+)\}", lambda found: real[found[1]], path)
    asks = ASKS.get(path) if verb == "GET" else None
    return f"{filled}?{asks}" if asks else filled


def assert_shape(answer: httpx.Response) -> None:
    """The one error shape, nothing of the inside."""
    error = answer.json()["error"]
    assert set(error) == set(Problem.__struct_fields__), answer.text
    assert error["code"]
    assert error["message"]
    assert "Traceback" not in answer.text
    assert answer.headers["content-type"].startswith("application/json")


async def test_every_route_by_every_visitor_and_every_verb(built: Built) -> None:
    visitors = {
        "nobody": {},
        "ingest": built.key("ingest"),
        "read": built.key("read"),
        "mail only": built.key("read", products=("mail",)),
        "admin": built.key("admin"),
        "wrong key": {"Authorization": "Bearer uw_00000000_wrong"},
        "no bearer": {"Authorization": "Basic dXNlcjpwYXNz"},
    }
    seen = 0
    async with built.client(peer="192.168.1.9") as client:
        for path, verbs in routes(built).items():
            for verb in VERBS:
                if (verb, path) in OWN:
                    continue
                for name, headers in visitors.items():
                    answer = await client.request(
                        verb, address(verb, path), headers=headers, json=BODIES.get((verb, path))
                    )
                    expected = _expected(verb, path, verbs, name)
                    told = (verb, path, name, answer.status_code, answer.text[:200])
                    assert answer.status_code in expected, told
                    if answer.status_code >= 400:
                        assert_shape(answer)
                    seen += 1
    assert seen > 500


def _expected(verb: str, path: str, verbs: set[str], visitor: str) -> set[int]:
    if verb not in verbs:
        return {405}
    if path in PROBES:
        return {200}
    if (verb, path) in OPEN:
        return {401} if "key" in visitor or "bearer" in visitor else {200}
    if visitor in ("nobody", "wrong key", "no bearer"):
        return {401}
    needed = SCOPES.get((verb, path), "read")
    held = "read" if visitor == "mail only" else visitor
    if held not in (needed, "admin"):
        return {403}
    if visitor == "mail only" and (verb, path) in WHOLE_COMPANY:
        return {403}
    return {200, 201, 204, 404}


async def test_probes_need_nothing(built: Built) -> None:
    async with built.client(peer="192.168.1.9") as client:
        for path in PROBES:
            assert (await client.get(path)).status_code == 200
        waiting = built.with_(ready=lambda: "Reading the journal.")
    async with built.client(site=waiting) as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (503, "Reading the journal.")
        assert (await client.get("/healthz")).status_code == 200


async def test_no_route_takes_its_own_template_for_a_value(built: Built) -> None:
    """Grafana (CVE-2021-39226) took the literal text of a route for a key that matched anything."""
    async with built.client(headers=built.key("admin")) as client:
        for path, verbs in routes(built).items():
            if "{" not in path:
                continue
            for literal in (path, re.sub(r"\{(\w+)\}", r"{\1:str}", path), path.replace("{", ":")):
                for verb in verbs:
                    answer = await client.request(verb, literal, json=BODIES.get((verb, path)))
                    assert answer.status_code == 404, (verb, literal, answer.text)
                    assert_shape(answer)


@pytest.mark.parametrize(
    ("verb", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/v1", 404, "not_found"),
        ("GET", "/hooks/stripe/x", 405, "method_not_allowed"),
        ("PUT", "/v1/query", 405, "method_not_allowed"),
        ("POST", "/anything", 404, "not_found"),
        ("GET", "/v1/session?a=1", 400, "unknown_parameter"),
        ("GET", "/healthz?x=1", 400, "unknown_parameter"),
        ("GET", "/v1/products?x=1", 400, "unknown_parameter"),
        ("POST", "/v1/query?metric=signups", 400, "unknown_parameter"),
    ],
)
async def test_addresses_that_are_none(
    built: Built, verb: str, path: str, status: int, code: str
) -> None:
    async with built.client(headers=built.key("read")) as client:
        answer = await client.request(verb, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert_shape(answer)


@pytest.mark.parametrize(
    ("body", "code", "where"),
    [
        (b'{"email": "a",\n "password": }', "not_json", "body, line 2, column 14"),
        (b"", "missing_body", "body"),
        (b"[]", "bad_field", "body"),
        (b"\xff", "not_json", "body, line 1, column 1"),
        (b'{"email": 5, "password": "x"}', "bad_field", "email"),
        (b'{"email": "a"}', "missing_field", "body"),
        (b'{"email": "a", "password": "b", "remember": 1}', "unknown_field", "body"),
        (b"[" * 100_000, "not_json", None),
    ],
)
async def test_a_body_that_is_not_as_expected_says_where(
    built: Built, body: bytes, code: str, where: str | None
) -> None:
    async with built.client() as client:
        answer = await client.post("/v1/session", content=body)
    assert answer.status_code == 400
    assert_shape(answer)
    error = answer.json()["error"]
    assert error["code"] == code
    assert where is None or error["where"] == where


async def test_other_bodies_than_events_are_short(built: Built) -> None:
    async with built.client(headers=built.key("read")) as client:
        answer = await client.post("/v1/query", content=b" " * (1024 * 1024 + 1))
    assert answer.status_code == 413
    assert_shape(answer)


async def test_what_breaks_inside_stays_inside(
    built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    built.failure = RuntimeError("uw_secret_canary at /srv/upwell")
    async with built.client(headers=built.key("read")) as client:
        answer = await client.get("/v1/query?metric=signups")
    assert answer.status_code == 500
    assert_shape(answer)
    assert "canary" not in answer.text
    assert "/srv" not in answer.text
    mark = re.search(r"look for (\w+)", answer.json()["error"]["fix"])
    assert mark
    logged = "".join(capsys.readouterr())  # a command sends its log to the one, a test to the other
    assert mark[1] in logged
    # The log holds the failure, and none of the request's secrets.
    assert "RuntimeError" in logged
    assert client.headers["authorization"].removeprefix("Bearer ") not in logged


async def test_every_answer_carries_the_security_headers(built: Built) -> None:
    async with built.client() as client:
        for verb, path in (
            ("GET", "/"),
            ("GET", "/healthz"),
            ("GET", "/v1/query"),
            ("GET", "/v1/nothing"),
            ("PUT", "/v1/query"),
            ("GET", "/schema"),
            ("GET", "/assets/none.js"),
        ):
            answer = await client.request(verb, path)
            policy = answer.headers["content-security-policy"]
            assert "default-src 'self'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            if path.startswith("/v1"):
                assert answer.headers["cache-control"] == "no-store"
        refused = await client.get("/", headers={"Host": "evil.example"})
        assert "content-security-policy" in refused.headers


async def test_an_original_is_shown_as_it_came(built: Built) -> None:
    long = Delivery(source="s", received_at=5, body=b"\xff" * 100_000)
    marked = b".".join([b"first", b"." * 34_000, b"middle", b"." * 68_000, b"last"])
    built.journal.append([long, Delivery(source="s", received_at=6, body=marked)])
    async with built.client(headers=built.key("read")) as client:
        first = (await client.get("/v1/deliveries/1")).json()
        assert first["text"] == '{"raw": 1}'
        assert first["received_at"] == "1970-01-01T00:00:00.000001Z"
        second = (await client.get("/v1/deliveries/2")).json()
        assert (second["bytes"], len(second["text"])) == (100_000, 64 * 1024)
        for around, start in (("nowhere", 0), ("first", 0), ("last", len(marked) - 64 * 1024)):
            shown = (await client.get(f"/v1/deliveries/3?around={around}")).json()
            assert (shown["start"], len(shown["text"])) == (start, 64 * 1024)
            assert around == "nowhere" or around in shown["text"]
        middle = (await client.get("/v1/deliveries/3?around=middle")).json()
        assert middle["text"].index("middle") == 32 * 1024
        for seq in ("4", "0", "-1", "1.5", "9" * 30, "one", "١"):
            assert (await client.get(f"/v1/deliveries/{seq}")).status_code == 404, seq


async def test_rows_come_with_the_delivery_that_brought_them(built: Built) -> None:
    async with built.client(headers=built.key("read")) as client:
        page = (await client.get("/v1/rows?metric=signups&by=plan&key=team&limit=5")).json()
        (row,) = page["rows"]
        assert row["event"]["event_type"] == "signup"
        assert row["delivery"]["received_at"] == "1970-01-01T00:00:00.000005Z"
        assert page["cursor"] == "team"
        for limit in ("0", "1001", "ten", "-1"):
            refused = await client.get(f"/v1/rows?metric=signups&limit={limit}")
            assert refused.json()["error"]["where"] == "limit"


async def test_alerts_are_seen_and_acted_on(built: Built) -> None:
    async with built.client(headers=built.key("read")) as client:
        (alert,) = (await client.get("/v1/alerts")).json()["alerts"]
        assert alert["state"] == "open"
        for act, state in (("ack", "acknowledged"), ("mute", "muted"), ("resolve", "resolved")):
            answer = await client.post(f"/v1/alerts/alr_1/{act}")
            assert (answer.status_code, answer.json()["state"]) == (200, state)
        until = {"until": "2026-12-01T08:00:00+01:00"}
        muted = (await client.post("/v1/alerts/alr_1/mute", json=until)).json()
        assert muted["muted_until"] == "2026-12-01T08:00:00+01:00"
        for act, body in (("ack", until), ("mute", {"until": "2026-12-01T08:00:00"})):
            refused = await client.post(f"/v1/alerts/alr_1/{act}", json=body)
            assert refused.json()["error"]["where"] == "until"
        assert (await client.post("/v1/alerts/alr_1/explode")).status_code == 404
        assert (await client.post("/v1/alerts/alr_2/ack")).status_code == 404


async def test_reports_are_made_listed_and_read(built: Built) -> None:
    async with built.client(headers=built.key("read")) as client:
        assert (await client.get("/v1/reports")).json() == {"reports": []}
        for month in ("2026-13", "october", "2026-1", "", "2026-10-01"):
            refused = await client.post("/v1/reports", json={"month": month})
            assert refused.json()["error"]["code"] == "bad_month"
        made = await client.post("/v1/reports", json={"month": "2026-10"})
        assert made.status_code == 201
        (listed,) = (await client.get("/v1/reports")).json()["reports"]
        assert listed["formats"] == ["pdf"]
        file = await client.get(f"/v1/reports/{listed['id']}.pdf")
        assert file.content == b"%PDF-1.7"
        assert file.headers["content-type"] == "application/pdf"
        for name in ("rep_2026-10.xlsx", "rep_2026-10", "..%2f..%2fetc%2fpasswd", ".pdf", "x.exe"):
            assert (await client.get(f"/v1/reports/{name}")).status_code == 404


async def test_the_schema_describes_every_route_and_every_shape(built: Built) -> None:
    async with built.client() as client:
        schema = (await client.get("/schema")).json()
    for path, item in schema["paths"].items():
        for verb, operation in item.items():
            assert operation["description"], (verb, path)
            assert operation["summary"], (verb, path)
            for parameter in operation.get("parameters", []):
                assert parameter["in"] == "path" or parameter["description"], (path, parameter)
    for name, shape in schema["components"]["schemas"].items():
        assert shape.get("description"), name
    event = schema["components"]["schemas"]["NewEvent"]["properties"]
    assert all(field["description"] for field in event.values())


async def test_a_live_route_is_mounted_beside_the_others(built: Built) -> None:
    from litestar import websocket
    from litestar.connection import WebSocket

    @websocket("/v1/live")
    async def live(socket: WebSocket[Any, Any, Any]) -> None:
        await socket.accept()
        await socket.close()

    site = built.with_(live=(live,))
    for origin, host, code in (
        ("http://localhost:8000", "localhost:8000", None),
        ("http://evil.example", "evil.example", 4403),
    ):
        frames: list[Any] = []

        async def send(frame: Any, frames: list[Any] = frames) -> None:
            frames.append(frame)

        await site(_socket(origin, host), _connects().__anext__, send)
        if code is None:
            assert [frame["type"] for frame in frames] == ["websocket.accept", "websocket.close"]
        else:
            assert [frame.get("code") for frame in frames] == [code]


def _socket(origin: str, host: str) -> dict[str, Any]:
    return {
        "type": "websocket",
        "path": "/v1/live",
        "raw_path": b"/v1/live",
        "root_path": "",
        "scheme": "ws",
        "query_string": b"",
        "subprotocols": [],
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 5000),
        "headers": [(b"host", host.encode()), (b"origin", origin.encode())],
    }


async def _connects() -> AsyncIterator[dict[str, Any]]:
    yield {"type": "websocket.connect"}
    yield {"type": "websocket.disconnect", "code": 1000}


async def test_a_source_is_looked_at_read_again_and_what_failed_is_tried_again(
    built: Built,
) -> None:
    async with built.client(headers=built.key("admin", "read")) as client:
        seen = await client.get("/v1/sources/mail-stripe/health")
        assert (seen.status_code, seen.json()["unusable"]) == (200, [])
        path = "/v1/sources/mail-stripe/reset"
        done = await client.post(path, json={"to": "2026-01-01"})
        assert (done.status_code, done.json()["reading"]) == (200, True)
        assert (await client.post(path, json={"day": "2026-01-01"})).status_code == 400
        assert (await client.post("/v1/sources/mail-stripe/read")).status_code == 204
        tried = await client.post("/v1/dead-letters/replay", json={"source": "mail-stripe"})
        assert tried.json() == {"tried": 2, "still_unusable": 1, "added": 1}
        for act in ("health", "reset", "read"):
            verb = "GET" if act == "health" else "POST"
            body = {"to": "2026-01-01"} if act == "reset" else None
            gone = await client.request(verb, f"/v1/sources/nowhere/{act}", json=body)
            assert gone.status_code == 404
