"""What clients of Mixpanel, Segment and Google send: its meaning, and what becomes of nonsense."""

from __future__ import annotations

import base64
import gzip
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.web_house import EVENT, NOON, Built
from upwell.access import SYSTEM
from upwell.billing import Origin
from upwell.errors import Rejected, Unavailable
from upwell.event import PUBLIC_TYPES, Delivery, Translated
from upwell.flow import translate
from upwell.period import to_micros
from upwell.projection.ground import Ground, GroundProduct
from upwell.sources import sdk

AT = to_micros(NOON)
NAMES = {"events": {"Signed Up": "signup", "Order Completed": "revenue"}}
SHARED: dict[str, Any] = {"event": "Shared", "properties": {"distinct_id": "u"}}
DOORS = ("mixpanel.track", "mixpanel.engage", "mixpanel.groups", "mixpanel.import",
         "segment.batch", "segment.track", "segment.identify", "ga4.collect")  # fmt: skip


def made(door: str, said: Any, **about: Any) -> Translated:
    """What a body means."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    told = {"door": door, "product": "mail", **about}
    delivery = Delivery(kind="sdk", source="web", received_at=AT, about=told, body=body)
    return sdk.translate(delivery, Origin(id="web", product="mail", given=NAMES))


def rows(door: str, said: Any, *fields: str, **about: Any) -> list[Any]:
    """Some fields of each event."""
    found = made(door, said, **about)
    assert not found.dead, found.dead
    return [tuple(row[name] for name in fields) for row in found.events.to_pylist()]


def test_mixpanels_records() -> None:
    properties = {
        "distinct_id": "u1",
        "time": AT // 1_000_000 - 60,
        "$insert_id": "i",
        "token": "t",
    }
    event = {"event": "Signed Up", "properties": properties | {"mp_country_code": "DE"}}
    found = rows("mixpanel.track", event, "type", "actor", "key", "country", "ts")
    assert found == [("signup", "u1", "i", "DE", AT - 60_000_000)]
    both = {"event": "$identify", "properties": {"distinct_id": "u1", "$anon_distinct_id": "a1"}}
    alias = {"event": "$create_alias", "properties": {"distinct_id": "u1", "alias": "old"}}
    merge = {"event": "$merge", "properties": {"$distinct_ids": ["u1", "u2"]}}
    assert rows("mixpanel.import", [both, alias, merge], "type", "actor", "metadata") == [
        ("identify", "u1", '{"anonymous_id":"a1"}'),
        ("merge", "u1", '{"into":"old"}'),
        ("merge", "u1", '{"into":"u2"}'),
    ]
    profile = {"$token": "t", "$distinct_id": "u1", "$set": {"$email": "a@acme.example"}}
    assert rows("mixpanel.engage", profile, "type", "actor", "metadata") == [
        ("identify", "u1", '{"email":"a@acme.example"}')
    ]
    assert dict(made("mixpanel.groups", profile).unknown) == {"groups": 1}


def test_who_an_event_is_by_is_said_once_a_day() -> None:
    properties = {"distinct_id": "u1", "$user_id": "u1", "$device_id": "d", "time": AT // 1_000_000}
    event = {"event": "Shared", "properties": properties}
    one, two = rows("mixpanel.track", [event, event], "type"), made("mixpanel.track", [event])
    assert one == [("engagement",), ("identify",), ("engagement",)]
    again = made("mixpanel.track", [event | {"event": "Opened"}])
    links = [found.events.to_pylist()[1] for found in (two, again)]
    assert links[0] == links[1]
    assert links[0]["metadata"] == '{"anonymous_id":"$device:d"}'


@pytest.mark.parametrize(
    ("off", "moved"), [(0, 0), (59, 0), (-59, 0), (61, 61), (-3600, -3600), (86_400, 86_400)]
)
def test_a_wrong_clock_is_put_right_as_segment_does(off: int, moved: int) -> None:
    """By how much the sender's clock is off; one that is right to a minute is left alone."""
    happened, sent = AT - 600_000_000 + off * 1_000_000, AT + off * 1_000_000

    def iso(micros: int) -> str:
        return NOON.fromtimestamp(micros / 1e6, NOON.tzinfo).isoformat()

    message = {"type": "track", "event": "Shared", "userId": "u", "timestamp": iso(happened)}
    body = {"batch": [message], "sentAt": iso(sent)}
    ((ts, corrected),) = rows("segment.batch", body, "ts", "corrected")
    assert ts == happened - moved * 1_000_000
    assert corrected == bool(moved)


def test_segments_messages() -> None:
    context = {"campaign": {"source": "letter"}, "location": {"country": "FR"}, "ip": "1.2.3.4"}
    batch = [
        {"type": "page", "anonymousId": "a", "name": "Pricing", "messageId": "1"},
        {"type": "identify", "userId": 7, "anonymousId": "a", "traits": {"name": "A", "plan": "x"}},
        {"type": "alias", "userId": "u", "previousId": "a"},
        {"type": "group", "userId": "u", "groupId": "g"},
        {"type": "track", "event": "Order Completed", "userId": "u",
         "properties": {"total": "12.50", "currency": "eur"}},
    ]  # fmt: skip
    found = made("segment.batch", {"batch": batch, "context": context})
    events = found.events.to_pylist()
    assert [row["type"] for row in events] == ["page_view", "identify", "merge", "revenue"]
    assert (events[0]["name"], events[0]["channel"], events[0]["country"]) == (
        "Pricing", "letter", "FR",
    )  # fmt: skip
    assert json.loads(events[1]["metadata"]) == {
        "full_name": "A", "plan": "x", "anonymous_id": "a",
    }  # fmt: skip
    assert (str(events[3]["value"].normalize()), events[3]["currency"]) == ("12.5", "EUR")
    assert dict(found.unknown) == {"groups": 1}
    assert rows("segment.track", {"event": "Shared", "userId": "u"}, "type") == [("engagement",)]


def test_googles_events() -> None:
    names = ("page_view", "session_start", "sign_up", "scroll")
    paid = {"name": "purchase", "params": {"transaction_id": "T", "value": 5, "currency": "USD"}}
    hit = {"client_id": "1.2", "user_id": "u", "timestamp_micros": str(AT - 5)}
    hit["events"] = [*({"name": name, "params": {}} for name in names), paid]  # type: ignore[assignment]
    found = made("ga4.collect", hit).events.to_pylist()
    kinds = [row["type"] for row in found if row["type"] != "identify"]
    assert kinds == ["page_view", "session", "signup", "engagement", "revenue"]
    assert {row["actor"] for row in found} == {"u"}
    assert [row["key"] for row in found][-1] == "purchase:T"
    same = made("ga4.collect", hit).events.to_pylist()
    assert same == found
    assert len({row["key"] for row in found}) == len(found)
    assert sdk.validation(json.dumps(hit).encode()) == []
    (wrong,) = sdk.validation(b'{"events": [{"params": {}}]}')
    assert wrong["validationCode"] == "VALUE_INVALID"


def test_a_public_key_sends_no_money() -> None:
    paid = {"event": "Order Completed", "properties": {"revenue": 5, "currency": "USD"}}
    view = {"event": "Shared", "properties": {"distinct_id": "u"}}
    found = made("mixpanel.track", [paid, view], public=True)
    assert [(one.idx, one.code) for one in found.dead] == [(0, "not_public")]
    assert set(found.events["type"].to_pylist()) <= PUBLIC_TYPES


def test_names_mean_what_the_product_says() -> None:
    """Whatever source has the name of the key."""
    mail = GroundProduct(id="mail", named=(("Shared", "activation"),))
    ground = Ground(products=(mail, GroundProduct(id="docs")), sources=(Origin(id="web"),))
    body = json.dumps(SHARED).encode()
    for product, kind in (("mail", "activation"), ("docs", "engagement")):
        about = {"door": "mixpanel.track", "product": product}
        sent = Delivery(kind="sdk", source="web", received_at=AT, about=about, body=body)
        found = translate(sent, frozenset({"mail"}), origin=ground.origin_of(sent))
        assert found.events["type"].to_pylist() == [kind]
        assert found.events["product"].to_pylist() == [product]


WRAPPED = b'[{"event": "Shared", "properties": {"token": "k", "distinct_id": "\xc3\xa9+/?"}}]'
BASE64 = base64.b64encode(WRAPPED)


@pytest.mark.parametrize(
    ("body", "kind", "query"),
    [
        (WRAPPED, "application/json", ""),
        (WRAPPED, "text/plain", "verbose=1"),
        (WRAPPED[1:-1] + b"\n" + WRAPPED[1:-1], "application/x-ndjson", ""),
        (b"data=" + quote(WRAPPED).encode() + b"&verbose=1", sdk.FORM, ""),
        (b"data=" + quote(BASE64).encode(), sdk.FORM, "ip=1"),
        (b"data=" + BASE64, "text/plain;charset=UTF-8", ""),  # as a beacon sends it
        (b"data=" + BASE64.rstrip(b"="), sdk.FORM, ""),
        (b"", "", "ip=0&data=" + quote(BASE64)),
        (b"", "", "data=" + quote(base64.urlsafe_b64encode(WRAPPED))),
    ],
)
def test_the_json_is_found_however_it_is_wrapped(body: bytes, kind: str, query: str) -> None:
    found = sdk.payload(body, kind, query)
    records = json.loads(found.body)
    assert records[0] == json.loads(WRAPPED)[0]
    assert sdk.key_of(found) == "k"


def test_an_amount_that_is_no_number_hurts_no_other_record() -> None:
    paid = {"event": "Order Completed", "properties": {"distinct_id": "u", "revenue": "NaN"}}
    found = made("mixpanel.import", [paid, SHARED])
    assert [(one.idx, one.code) for one in found.dead] == [(0, "bad_value")]
    assert found.events["name"].to_pylist() == ["Shared"]


NESTED = {
    "mixpanel.import": b'[{"event": "A", "properties": {"distinct_id": "u", "v": @}}]',
    "segment.batch": b'{"batch": [{"type": "track", "event": "A", "userId": "u",'
    b'"properties": {"v": @}}]}',
    "ga4.collect": b'{"client_id": "c", "timestamp_micros": 1795348800000000,'
    b'"events": [{"name": "A", "params": {"v": @}}]}',
}


@pytest.mark.parametrize("door", NESTED)
def test_values_of_any_depth_are_taken_or_set_aside(door: str) -> None:
    """Around the depth that can be read, some of what can be read cannot be written again."""
    limit = sys.getrecursionlimit()
    for depth in range(max(1, limit - 120), limit + 5):
        found = made(door, NESTED[door].replace(b"@", b"[" * depth + b"]" * depth))
        assert len(found.dead) + found.events.num_rows == 1


def test_keys_are_named_in_every_way() -> None:
    ways = [{"$token": "k"}, [{"$token": "k"}], {"writeKey": "k", "batch": []}]
    for said in ways:
        assert sdk.key_of(sdk.payload(json.dumps(said).encode(), "", "")) == "k"
    assert sdk.key_of(sdk.payload(b"[1]", "", "api_key=k")) == "k"
    assert sdk.key_of(sdk.payload(b"[]", "", "")) == ""


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
WORDS = st.sampled_from([
    "event", "properties", "distinct_id", "time", "$insert_id", "$set", "$distinct_id", "batch",
    "type", "userId", "anonymousId", "timestamp", "sentAt", "traits", "context", "previousId",
    "events", "client_id", "user_id", "timestamp_micros", "name", "params", "user_properties",
    "$user_id", "$device_id", "messageId", "revenue", "currency",
])  # fmt: skip
TEXTS = st.sampled_from(["track", "page", "identify", "alias", "Signed Up", "Order Completed",
                         "$identify", "purchase", "2026-11-22T08:00:00Z", "", "u1"])  # fmt: skip
RECORDS = st.recursive(
    VALUES | TEXTS,
    lambda inner: st.dictionaries(WORDS, inner, max_size=6) | st.lists(inner, max_size=3),
    max_leaves=25,
)
GOOD = {
    "mixpanel.track": {"event": "Signed Up", "properties": {"distinct_id": "good"}},
    "mixpanel.import": {"event": "Signed Up", "properties": {"distinct_id": "good"}},
    "mixpanel.engage": {"$distinct_id": "good", "$set": {}},
    "segment.batch": {"type": "track", "event": "Signed Up", "userId": "good"},
}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(DOORS), RECORDS)
def test_nothing_that_is_json_breaks_a_door(door: str, said: Any) -> None:
    """It is taken, set aside with a reason, or refused as a whole."""
    try:
        body = sdk.payload(json.dumps(said).encode(errors="replace"), "application/json", "").body
    except Rejected:
        return
    about = {"door": door, "product": "mail"}
    delivery = Delivery(seq=3, kind="sdk", source="web", received_at=AT, about=about, body=body)
    found = translate(delivery, frozenset({"mail"}))
    found.events.validate(full=True)
    assert all(one.code != "untranslatable" and one.reason for one in found.dead), found.dead


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(GOOD)), st.lists(RECORDS, max_size=4), st.integers(0, 4))
def test_the_good_ones_are_taken_beside_any_others(
    door: str, others: list[Any], place: int
) -> None:
    records = [*others[:place], GOOD[door], *others[place:]]
    found = made(door, {"batch": records} if door == "segment.batch" else records)
    assert "good" in found.events["actor"].to_pylist()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80), st.sampled_from(["", sdk.FORM, "application/json"]), st.text())
def test_bytes_that_are_nothing_are_refused(body: bytes, kind: str, query: str) -> None:
    with suppress(Rejected):
        assert sdk.payload(body, kind, query).body.lstrip()[:1] in (b"{", b"[")


# Over HTTP


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Built]:
    house = Built(tmp_path)
    yield house
    house.close()


def key(built: Built, *origins: str, products: tuple[str, ...] | None = ("mail",)) -> str:
    """A key's secret."""
    made = built.gate.create_key(
        name="web", scopes=("ingest",), products=products, by=SYSTEM, now=NOON, origins=origins
    )
    return made.key


TRACK = "/sdk/mixpanel/track"
SITE = {"Origin": "https://www.acme.example"}


@pytest.mark.anyio
async def test_what_is_kept_is_the_json_without_the_key(built: Built) -> None:
    secret = key(built)
    said = SHARED | {"properties": {"distinct_id": "u", "token": secret}}
    packed = base64.b64encode(json.dumps(said).encode()).decode()
    async with built.client() as client:
        answers = [
            await client.get(f"{TRACK}/?{urlencode({'data': packed, 'verbose': 0})}"),
            await client.post(TRACK, data={"data": packed, "verbose": "1"}),
            await client.post(
                f"{TRACK}/",
                content=gzip.compress(json.dumps(said).encode()),
                headers={"Content-Encoding": "gzip"},
            ),
        ]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert (answers[0].text, answers[1].json()) == ("1", {"status": 1, "error": None})
    kept = [built.journal.get(seq) for seq in (1, 2, 3)]
    for one in kept:
        assert one is not None
        assert (one.kind, one.source, one.about["door"]) == ("sdk", "web", "mixpanel.track")
        assert secret.encode() not in one.body
        assert json.loads(one.body)["event"] == "Shared"


@pytest.mark.anyio
async def test_failures_come_in_the_clients_words(built: Built) -> None:
    read = built.key("read")["Authorization"].split()[1]
    hit = {"client_id": "1", "events": [{"name": "a", "params": {}}]}
    async with built.client() as client:
        for secret, status in (("uw_00000000_no", 401), (read, 403), ("", 401)):
            user = httpx_basic(secret)
            mixpanel = await client.post("/sdk/mixpanel/import", json=[SHARED], headers=user)
            segment = await client.post("/sdk/segment/v1/batch", json={"batch": []}, headers=user)
            ga4 = await client.post(f"/sdk/ga4/mp/collect?api_secret={secret}", json=hit)
            assert [one.status_code for one in (mixpanel, segment, ga4)] == [status] * 3
            assert mixpanel.json()["status"] == 0
            assert mixpanel.json()["error"]
            assert segment.json()["success"] is False
            assert segment.json()["code"]
            assert ga4.json()["validationMessages"][0]["description"]
        good = httpx_basic(key(built))
        large = gzip.compress(b"[" + b" " * 21_000_000 + b"]")
        packed = good | {"Content-Encoding": "gzip"}
        answer = await client.post("/sdk/segment/v1/batch", content=large, headers=packed)
        assert (answer.status_code, answer.json()["success"]) == (413, False)
        built.failure = Unavailable("full", "The disk is full.", retry_after=7)
        for path, said in (
            ("/sdk/mixpanel/import", [SHARED]),
            ("/sdk/segment/v1/batch", {"batch": []}),
        ):
            answer = await client.post(path, json=said, headers=good)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")


def httpx_basic(secret: str) -> dict[str, str]:
    """A key as the user of Basic authorization."""
    return {"Authorization": "Basic " + base64.b64encode(f"{secret}:".encode()).decode()}


@pytest.mark.anyio
async def test_pages_of_its_sites_may_send_with_a_public_key(built: Built) -> None:
    secret = key(built, "https://WWW.acme.example/", "http://localhost:3000")
    body = json.dumps([EVENT | {"event_type": "page_view"}])
    asks = SITE | {"Access-Control-Request-Method": "POST"}
    async with built.client(peer="10.1.1.1") as client:
        first = await client.options("/sdk/segment/v1/batch", headers=asks)
        assert first.status_code == 204
        assert first.headers["access-control-allow-origin"] == SITE["Origin"]
        assert "authorization" in first.headers["access-control-allow-headers"]
        other = await client.options("/v1/events", headers=asks | {"Origin": "https://x.example"})
        assert "access-control-allow-origin" not in other.headers
        address = f"/v1/events?key={secret}"
        for content in (body, "data=" + quote(body)):
            sent = await client.post(
                address, content=content, headers=SITE | {"Content-Type": "text/plain"}
            )
            assert sent.status_code == 200, sent.text
            assert sent.headers["access-control-allow-origin"] == SITE["Origin"]
            assert sent.headers["cross-origin-resource-policy"] == "cross-origin"
        for headers in ({}, {"Origin": "https://x.example"}):
            refused = await client.post(address, content=body, headers=headers)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "foreign_origin")
        money = json.dumps([EVENT | {"event_type": "revenue", "value": "1", "currency": "USD"}])
        refused = await client.post(address, content=money, headers=SITE)
        assert (refused.status_code, refused.json()["rejected"][0]["code"]) == (400, "not_public")
        large = json.dumps([EVENT | {"metadata": {"a": "x" * 1_100_000}}])
        assert (await client.post(address, content=large, headers=SITE)).status_code == 413
        bearer = SITE | {"Authorization": f"Bearer {secret}"}
        assert (await client.get("/v1/products", headers=bearer)).status_code == 403
        assert (await client.post(f"/v1/events?key={key(built)}", content=body)).status_code == 403


@pytest.mark.anyio
async def test_a_public_key_is_slowed_down_and_can_be_ended(built: Built) -> None:
    secret = key(built, SITE["Origin"])
    async with built.client(peer="10.1.1.1") as client:
        said = {"client_id": "1", "events": []}
        path = f"/sdk/ga4/mp/collect?api_secret={secret}"
        answered = [await client.post(path, json=said, headers=SITE) for _ in range(302)]
        assert [one.status_code for one in answered] == [204] * 300 + [429] * 2
        assert answered[-1].headers["retry-after"] == "1"
        built.clock.pass_(seconds=1)
        assert (await client.post(path, json=said, headers=SITE)).status_code == 204
        id_ = f"key_{secret.split('_')[1]}"
        built.gate.revoke_key(id_, by=SYSTEM, now=built.clock.now)
        gone = await client.post(path, json=said, headers=SITE)
        assert gone.status_code == 401
        assert "access-control-allow-origin" not in gone.headers


@pytest.mark.parametrize(
    "wrong",
    [
        {"origins": ("acme.example",)},
        {"origins": ("https://acme.example/path",)},
        {"origins": ("https://user@acme.example",)},
        {"origins": ("https://*.acme.example",)},
        {"origins": ("javascript:alert(1)",)},
        {"scopes": ("ingest", "read")},
        {"products": None},
        {"products": ("mail", "docs")},
    ],
)
def test_a_public_key_may_do_little(built: Built, wrong: dict[str, Any]) -> None:
    asked: dict[str, Any] = {
        "name": "web", "scopes": ("ingest",), "products": ("mail",), "origins": (SITE["Origin"],),
    }  # fmt: skip
    with pytest.raises(Rejected):
        built.gate.create_key(**asked | wrong, by=SYSTEM, now=NOON)
