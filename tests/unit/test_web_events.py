"""The events door over HTTP: shapes, encodings, limits, bombs, scopes, durability, full disks."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.unit.web_house import EVENT, Built
from upwell.access import SYSTEM
from upwell.errors import Unavailable
from upwell.event import MAX_BODY

pytestmark = pytest.mark.anyio
BAD: dict[str, Any] = {**EVENT, "product_id": "mial"}


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Built]:
    house = Built(tmp_path)
    yield house
    house.close()


async def send(
    built: Built,
    body: bytes,
    path: str = "/v1/events",
    products: tuple[str, ...] | None = None,
    **headers: str,
) -> tuple[int, dict[str, Any]]:
    """Posts a body with a fresh ingest key."""
    all_headers = built.key("ingest", products=products) | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    async with built.client(headers=all_headers) as client:
        answer = await client.post(path, content=body)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(EVENT),
        json.dumps([EVENT]),
        json.dumps(EVENT) + "\n",
        json.dumps(EVENT, indent=2),
    ],
)
async def test_one_event_in_any_shape_is_durable_when_answered(built: Built, body: str) -> None:
    status, answer = await send(built, body.encode())
    assert (status, answer["accepted"], answer["rejected"]) == (200, 1, [])
    assert answer["position"] == "0-1"
    kept = built.journal.get(1)
    assert kept is not None
    assert kept.body == body.encode()
    assert kept.source == "test"


async def test_good_events_are_kept_beside_bad_ones(built: Built) -> None:
    lines = "\n".join(json.dumps(event) for event in (EVENT, BAD, EVENT)).encode()
    for body, kind in ((lines, "application/x-ndjson"), (json.dumps([EVENT, BAD, EVENT]), "")):
        raw = body if isinstance(body, bytes) else body.encode()
        status, answer = await send(built, raw, Content_Type=kind or "application/json")
        assert (status, answer["accepted"]) == (200, 2)
        (reject,) = answer["rejected"]
        assert reject["index"] == 1
        assert reject["code"] == "unknown_product"
        assert "mail" in reject["fix"]


async def test_where_nothing_is_taken_the_answer_is_an_error(built: Built) -> None:
    status, answer = await send(built, json.dumps(BAD).encode())
    assert (status, answer["accepted"], answer["position"]) == (400, 0, None)
    assert answer["error"]["code"] == "unknown_product"
    assert answer["error"]["where"] == "events[0]"
    assert answer["rejected"][0]["index"] == 0
    assert built.journal.newest == 0


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_packed_bodies_are_unpacked(built: Built, encoding: str) -> None:
    plain = json.dumps([EVENT]).encode()
    packed = gzip.compress(plain) if encoding == "gzip" else zstandard.compress(plain)
    status, answer = await send(built, packed, Content_Encoding=encoding)
    assert (status, answer["accepted"]) == (200, 1)


@pytest.mark.parametrize(
    ("encoding", "status"), [("gzip", 400), ("zstd", 400), ("br", 415), ("gzip, gzip", 415)]
)
async def test_what_is_not_packed_as_said_is_refused(
    built: Built, encoding: str, status: int
) -> None:
    code, answer = await send(built, b"not packed at all", Content_Encoding=encoding)
    assert code == status
    assert answer["error"]["fix"]


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_a_bomb_is_refused_before_it_goes_off(built: Built, encoding: str) -> None:
    bomb = b" " * (MAX_BODY + 1)
    packed = gzip.compress(bomb, 9) if encoding == "gzip" else zstandard.compress(bomb)
    assert len(packed) < 100_000
    status, answer = await send(built, packed, Content_Encoding=encoding)
    assert status == 413
    assert answer["error"]["code"] == "too_large"


async def test_a_body_over_the_limit_is_not_read_to_its_end(built: Built) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 10 * MAX_BODY:
            sent += 1024 * 1024
            yield b"x" * (1024 * 1024)

    async with built.client(headers=built.key("ingest")) as client:
        announced = await client.post(
            "/v1/events", content=b"x", headers={"Content-Length": str(MAX_BODY + 1)}
        )
        assert announced.status_code == 413
        answer = await client.post("/v1/events", content=endless())
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"
    assert sent <= MAX_BODY + 2 * 1024 * 1024


async def test_nobody_makes_us_read_a_body_without_a_key(built: Built) -> None:
    read = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read = True
        yield b"{}"

    async with built.client() as client:
        answer = await client.post("/v1/events", content=body())
    assert answer.status_code == 401
    assert not read


async def test_a_key_sends_for_its_own_products(built: Built) -> None:
    event = json.dumps({**EVENT, "product_id": "docs"}).encode()
    status, _ = await send(built, event, products=("docs",))
    assert status == 200
    other, answer = await send(built, event, products=("mail",))
    assert other == 400
    unknown, told = await send(built, json.dumps(BAD).encode(), products=("mail",))
    assert unknown == 400
    # A product out of scope is told like one that does not exist: docs is named nowhere but back.
    assert answer["error"]["code"] == told["error"]["code"] == "unknown_product"
    assert "docs" not in answer["error"]["fix"]


async def test_the_wrong_scope_is_named(built: Built) -> None:
    async with built.client(headers=built.key("read")) as client:
        answer = await client.post("/v1/events", json=EVENT)
    assert answer.status_code == 403
    assert "ingest" in answer.json()["error"]["message"]


async def test_waiting_until_applied(built: Built) -> None:
    body = json.dumps(EVENT).encode()
    status, answer = await send(built, body, "/v1/events?wait=applied")
    assert status == 200
    assert "note" not in answer

    async def never(_: int, __: float) -> bool:
        return False

    slow = built.with_(applied_to=never)
    async with built.client(site=slow, headers=built.key("ingest")) as client:
        late = await client.post("/v1/events?wait=applied", json=EVENT)
        assert late.status_code == 200
        assert "later" in late.json()["note"]
        wrong = await client.post("/v1/events?wait=aplied", json=EVENT)
        assert wrong.json()["error"]["where"] == "wait"


async def test_events_without_a_key_are_noted(built: Built) -> None:
    keyless = {name: value for name, value in EVENT.items() if name != "idempotency_key"}
    _, answer = await send(built, json.dumps([keyless, keyless, EVENT]).encode())
    assert answer["accepted"] == 3
    assert "idempotency_key" in answer["note"]
    assert "2 events" in answer["note"]


async def test_a_full_disk_is_not_acknowledged(built: Built) -> None:
    built.failure = Unavailable("disk_full", "The disk is full.", fix="Free space.", retry_after=7)
    async with built.client(headers=built.key("ingest")) as client:
        answer = await client.post("/v1/events", json=EVENT)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "7"
        assert answer.json()["error"]["code"] == "disk_full"
        built.failure = None
        assert (await client.post("/v1/events", json=EVENT)).status_code == 200


@pytest.mark.parametrize(
    "body", [b"", b"   ", b"null", b"42", b'"text"', b"{", b"[1,", b"\xff\xfe", b'{"a":1}x', b"[]"]
)
async def test_what_is_no_event_is_never_our_fault(built: Built, body: bytes) -> None:
    status, answer = await send(built, body)
    assert status in (200, 400), answer
    if status == 400:
        assert answer["error"]["message"]
    assert answer.get("accepted", 0) == 0


async def test_what_came_is_counted_for_prometheus(built: Built) -> None:
    await send(built, json.dumps([EVENT, BAD]).encode())
    async with built.client() as client:
        text = (await client.get("/metrics")).text
    assert "upwell_events_accepted_total 1.0" in text
    assert 'upwell_events_rejected_total{code="unknown_product"} 1.0' in text
    assert "upwell_deliveries_total 1.0" in text
    assert 'route="/v1/events"' in text


async def test_figures_are_for_this_machine_or_a_key_of_the_company(built: Built) -> None:
    async with built.client(peer="192.168.1.9") as client:
        assert (await client.get("/metrics")).status_code == 401
        for key, status in (
            (built.key("read"), 200),
            (built.key("ingest"), 403),
            (built.key("read", products=("mail",)), 403),
        ):
            assert (await client.get("/metrics", headers=key)).status_code == status


async def test_the_owner_may_post_from_the_browser_with_the_token(built: Built) -> None:
    secret, csrf = built.owner()
    async with built.client() as client:
        client.cookies.set("upwell_8000", secret)
        assert (await client.post("/v1/events", json=EVENT)).status_code == 403
        answer = await client.post("/v1/events", json=EVENT, headers={"X-CSRF-Token": csrf})
    assert answer.status_code == 200
    kept = built.journal.get(1)
    assert kept is not None
    assert kept.source == "browser"


def test_a_key_needs_a_name_and_known_scopes(built: Built) -> None:
    from upwell.errors import Rejected

    for name, scopes in (("", ("read",)), ("k", ()), ("k", ("raed",)), ("x" * 101, ("read",))):
        with pytest.raises(Rejected):
            built.gate.create_key(
                name=name, scopes=scopes, products=None, by=SYSTEM, now=built.clock.now
            )
