"""Lines that are read as columns give to the byte what each gives by itself."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from upwell.billing import Origin
from upwell.event import MAX_ID, MAX_METADATA_BYTES, Delivery, Translated
from upwell.sources.mixpanel.translate import translate
from upwell.sources.mixpanel.usual import Usual
from upwell.sources.mixpanel.words import BOOKKEEPING
from upwell.sources.named import Maps

AT = 1_795_435_200_000  # 23 November 2026, 12:00 UTC
NEVER = 10**12
PRODUCTS = frozenset({"mail"})
NAMED = (
    "time", "distinct_id", "$distinct_id_before_identity", "$insert_id", "$user_id", "$device_id",
    "name", "plan", "country", "channel", "reason", "mp_country_code", "$country_code",
    "country_code", "utm_source", "$utm_source", "utm_medium", "amount", "currency", "alias",
    "$anon_id", "$identified_id", "$distinct_ids", "token", "mp_processing_time_ms", "",
)  # fmt: skip
people = st.sampled_from(["ada", "bob", "$device:d1", "$device:d2", "d1", "d2", "", "é", 'a"b'])
texts = st.one_of(people, st.text(st.characters(codec="utf-8"), max_size=8))
numbers = st.one_of(
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(-1000, 1000, allow_nan=False, places=3).map(float),
)
scalars = st.one_of(texts, numbers, st.booleans(), st.none())
values = st.one_of(scalars, scalars, st.lists(scalars, max_size=2), st.just({"a": [1, "x"]}))
times = st.one_of(
    st.integers(AT - 10**9, AT + 10**8), st.integers(0, 10**16), st.integers(AT // 1_000, 10**11)
)
names = st.sampled_from(
    ["Report Viewed", "Sign Up", "Paid", "Level", "$mp_web_page_view", "$identify", "$merge",
     "$create_alias", "", "Größe", 'a "b"']
)  # fmt: skip


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A line as the export writes it, or nearly so."""
    told: dict[str, Any] = {
        "time": draw(times), "distinct_id": draw(people), "$insert_id": draw(texts)
    }  # fmt: skip
    for one in ("$user_id", "$device_id", "$distinct_id_before_identity"):
        if draw(st.booleans()):
            told[one] = draw(people)
    keys = st.one_of(st.sampled_from(NAMED), texts)
    told |= draw(st.dictionaries(keys, draw(st.sampled_from([scalars, values])), max_size=5))
    event = {"event": draw(names), "properties": told}
    how = draw(st.sampled_from(["usual"] * 6 + ["spaced", "escaped", "turned", "twice", "cut"]))
    if how == "spaced":
        return json.dumps(event, ensure_ascii=False).encode()
    text = json.dumps(event, ensure_ascii=how == "escaped", separators=(",", ":")).encode()
    if how == "turned":
        return b'{"properties":' + text[text.index(b'"properties":') + 13 : -1] + b',"event":"A"}'
    if how == "twice":
        return text[:-2] + b',"plan":"free","x":1,"x":2}}'
    return text[: draw(st.integers(0, len(text)))] if how == "cut" else text


def read(body: bytes, quick: int, **given_: Any) -> Translated:
    origin = Origin(id="mp", kind="mixpanel", product="mail", given=given_)
    delivery = Delivery(seq=7, kind="pull", source="mp", received_at=AT * 1_000, body=body)
    return translate(delivery, origin, PRODUCTS, quick=quick)


def same(body: bytes, **given_: Any) -> Translated:
    one, other = read(body, 0, **given_), read(body, NEVER, **given_)
    assert one.events.to_pylist() == other.events.to_pylist()
    assert (one.dead, one.unknown) == (other.dead, other.unknown)
    return one


def line(**properties: Any) -> bytes:
    told = {"time": AT, "distinct_id": "ada", "$insert_id": "i", **properties}
    return json.dumps({"event": "A", "properties": told}, separators=(",", ":")).encode() + b"\n"


@given(st.lists(lines(), max_size=12), st.sampled_from(["UTC", "Europe/Berlin"]), st.booleans())
@settings(max_examples=120, deadline=None)
@example([b'{"event":"A","properties":{"time":1,"$insert_id":"\xff"}}'], "UTC", True)
@example([b"", b"[1]", b'{"event":"A","properties":{}}'], "UTC", True)
def test_lines_read_as_columns_are_what_they_are_alone(
    found: list[bytes], zone: str, ended: bool
) -> None:
    body = b"\n".join(found) + b"\n" * ended
    types = {"Paid": "revenue", "Level": "kpi"}
    same(body, timezone=zone, signup_event="Sign Up", events=types, currency="EUR")


def test_usual_lines_are_read_as_columns_whatever_they_mean() -> None:
    body = line(**dict.fromkeys(BOOKKEEPING, 1), plan="team", utm_source="x", seats=2, price=12.5)
    body = body * 3 + line(mp_country_code="", country_code="DE", paid=True, who=None)
    assert not Usual(body, Maps.of({}), None).pieces
    found = same(body)
    assert found.events["country"].to_pylist() == [None] * 3 + ["DE"]


def test_long_values_and_many_of_them_are_what_they_are_alone() -> None:
    for size in (MAX_ID, MAX_ID + 1):
        same(line(distinct_id="x" * size) + line(**{"$user_id": "y" * size}))
    for size in range(MAX_METADATA_BYTES - 40, MAX_METADATA_BYTES + 2):
        same(line(text="x" * size) + line())
    for many in (250, 251, 252, 253, 254, 255, 256, 300):
        same(line(**{f"p{number}": number for number in range(many)}, utm_source="x"))


def test_numbers_are_written_as_they_are_alone() -> None:
    told = ("0", "-0", "0.0", "-0.0", "12.0", "12.50", "0.0001", "0.00001", "1e5", "01", "1.", "-",
            "123456789012345", "1234567890123456", "0.1234567890123456", "99999999999.125",
            "123456789.123456", "1E400", "NaN", "nul", "truee", "+1", ".5", "--1")  # fmt: skip
    body = b"".join(
        b'{"event":"A","properties":{"time":%d,"distinct_id":"a","$insert_id":"%d","v":%s}}\n'
        % (AT, number, text.encode())
        for number, text in enumerate(told)
    )
    same(body)
