"""Hostile values at the doors of clients: the good events of the same request are taken."""

from __future__ import annotations

import json
import time

import pytest

from tests.unit.test_sdk_doors import made
from upwell.errors import Rejected
from upwell.sources import sdk
from upwell.sources.sdk.mended import mended

VALUES = {
    "deep": b"[" * 5_000 + b"]" * 5_000,
    "deep objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "1e400": b"1e400",
    "huge number": b"9" * 5_000,
    "NUL": b'"a\\u0000b"',
    "raw NUL": b'"a\x00b"',
    "half an emoji": b'"\\ud83d"',
    "bytes": b'"\xff\xfe"',
    "NaN": b"NaN",
    "100k keys": b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(100_000)) + b"}",
    "1 MB": b'"' + b"x" * 1_000_000 + b'"',
    "array": b"[1, 2]",
    "object": b"{}",
}
RECORDS = {
    "mixpanel.import": b'[{"event": %s, "properties": {"distinct_id": %s, "time": %s, "k": %s}},'
    b' {"event": "Signed Up", "properties": {"distinct_id": "good"}}]',
    "segment.batch": b'{"batch": [{"type": "track", "event": %s, "userId": %s, "timestamp": %s,'
    b' "properties": {"k": %s}}, {"type": "track", "event": "Signed Up", "userId": "good"}]}',
    "ga4.collect": b'{"client_id": "good", "events": [{"name": %s, "params": {"x": %s},'
    b' "timestamp_micros": %s, "k": %s}, {"name": "sign_up", "params": {}}]}',
}


@pytest.mark.parametrize("door", RECORDS)
@pytest.mark.parametrize("what", VALUES)
@pytest.mark.parametrize("place", range(4))
def test_the_good_event_is_taken(door: str, what: str, place: int) -> None:
    parts = [b'"A"', b'"bad"', b"null", b"1"]
    parts[place] = VALUES[what]
    found = made(door, sdk.payload(RECORDS[door] % tuple(parts), "application/json", "").body)
    assert "signup" in found.events["type"].to_pylist()
    assert all(one.reason for one in found.dead)


def test_only_what_is_no_json_is_changed() -> None:
    good = json.dumps({"a": '\\ud800 "NaN" []', "😀": ["\ud83d\ude00", "x\\"]}).encode()
    assert mended(good) == good
    assert json.loads(mended(b'{"a": ["\\ud83d", NaN, -Infinity]}')) == {
        "a": ["\ufffd", None, None]
    }
    for broken in (b'{"a": ', b"[}", b'["', b"{a: 1}"):
        with pytest.raises(Rejected):
            sdk.payload(broken, "application/json", "")


@pytest.mark.parametrize("body", [b"[", b'"', b'"\\', b"NaN", b'"\\ud800'])
def test_looking_through_takes_time_by_the_byte(body: bytes) -> None:
    began = time.monotonic()
    mended(body * (1_000_000 // len(body)))
    assert time.monotonic() - began < 10
