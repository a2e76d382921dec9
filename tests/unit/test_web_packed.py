"""What the API answers is packed where that is worth it, and says the same."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell.web.packed import LEAST, MUCH, packing

JSON = [(b"content-type", b"application/json"), (b"x-mark", b"1")]
pytestmark = pytest.mark.anyio


async def passed(
    parts: list[bytes],
    headers: list[tuple[bytes, bytes]],
    *,
    verb: str = "GET",
    takes: str = "gzip",
) -> tuple[dict[bytes, bytes], list[bytes]]:
    """Headers and parts of an answer as they are sent."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"method": verb, "headers": [(b"accept-encoding", takes.encode())]}
    out = packing(scope, send)
    length = [(b"content-length", str(sum(map(len, parts))).encode())]
    start: Any = {"type": "http.response.start", "status": 200, "headers": [*headers, *length]}
    await out(start)
    for number, part in enumerate(parts):
        more = number < len(parts) - 1
        body: Any = {"type": "http.response.body", "body": part, "more_body": more}
        await out(body)
    assert [one["type"] for one in sent[:1]] == ["http.response.start"]
    assert sent[0]["status"] == 200
    return dict(sent[0]["headers"]), [one["body"] for one in sent[1:]]


@given(size=st.integers(0, 3 * LEAST) | st.just(MUCH + 1), seed=st.binary(min_size=1, max_size=40))
async def test_a_packed_body_is_the_same_and_as_long_as_it_says(size: int, seed: bytes) -> None:
    body = (seed * (size // len(seed) + 1))[:size]
    headers, (told,) = await passed([body], JSON)
    assert headers[b"content-length"] == str(len(told)).encode()
    assert headers[b"x-mark"] == b"1"
    assert (b"content-encoding" in headers) == (size >= LEAST)
    assert (gzip.decompress(told) if size >= LEAST else told) == body


@pytest.mark.parametrize(
    ("parts", "headers", "verb", "takes"),
    [
        ([b"a" * LEAST, b"b"], JSON, "GET", "gzip"),
        ([b"a" * LEAST], [(b"content-type", b"application/pdf")], "GET", "gzip"),
        ([b"a" * LEAST], [*JSON, (b"Content-Encoding", b"br")], "GET", "gzip"),
        ([b"a" * LEAST], JSON, "GET", "br"),
        ([b"a" * LEAST], JSON, "HEAD", "gzip"),
        ([b"a" * LEAST], [], "GET", "gzip"),
    ],
    ids=["stream", "not text", "packed already", "not taken", "no body", "no type"],
)
async def test_others_go_as_they_are(
    parts: list[bytes], headers: list[tuple[bytes, bytes]], verb: str, takes: str
) -> None:
    told, sent = await passed(parts, headers, verb=verb, takes=takes)
    assert sent == parts
    assert told.get(b"content-encoding") != b"gzip"
