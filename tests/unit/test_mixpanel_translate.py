"""What lines of Mixpanel's export mean."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from upwell.billing import Origin
from upwell.event import MAX_METADATA_BYTES, MAX_METADATA_KEYS, Delivery, Translated
from upwell.settings.schema import MixpanelSource
from upwell.sources.mixpanel import KIND

AT = 1_795_435_200_000  # 23 November 2026, 12:00 UTC
PRODUCTS = frozenset({"mail", "docs"})


def line(name: str, /, **properties: Any) -> bytes:
    given = {"time": AT, "distinct_id": "ada", "$insert_id": "i-1", **properties}
    return msgspec.json.encode({"event": name, "properties": given}) + b"\n"


def read(*lines: bytes, **settings: Any) -> Translated:
    product = None if "product_from" in settings else "mail"
    table = MixpanelSource(id="mp", secret="s", product=product, **settings)
    origin = Origin(
        id="mp",
        kind="mixpanel",
        product=product,
        product_from=table.product_from,
        assign={"Acme Docs": "docs"},
        given=dict(KIND.given(table)),
    )
    delivery = Delivery(
        seq=7, kind="pull", source="mp", received_at=AT * 1_000 + 1, body=b"".join(lines)
    )
    return KIND.translate(delivery, origin, PRODUCTS)


def rows(found: Translated) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = found.events.to_pylist()
    return told


def test_a_name_becomes_engagement_with_its_properties() -> None:
    found = rows(read(line("Report Viewed", seats=3, paid=True, mp_country_code="DE", plan="team")))
    (one,) = found
    assert one["type"] == "engagement"
    assert (one["product"], one["source"], one["actor"]) == ("mail", "mp", "ada")
    assert one["ts"] == AT * 1_000
    assert one["value"] == Decimal(1)
    assert (one["name"], one["country"], one["plan"]) == ("Report Viewed", "DE", "team")
    told = msgspec.json.decode(one["metadata"])
    assert told["seats"] == 3
    assert told["paid"] is True
    assert "distinct_id" not in told
    assert "$insert_id" not in told


def test_names_become_types_by_what_comes_with_it_and_by_the_settings() -> None:
    names = ("$mp_web_page_view", "$ae_session", "Sign Up", "First Report", "Log In", "Other")
    found = read(
        *(line(name, **{"$insert_id": name}) for name in names),
        signup_event="Sign Up",
        activation_event="First Report",
        events={"Log In": "session", "$ae_session": "engagement"},
    )
    types = [one["type"] for one in rows(found)]
    assert types == ["page_view", "engagement", "signup", "activation", "session", "engagement"]


def test_money_needs_an_amount_and_a_currency() -> None:
    events = {"Paid": "revenue"}
    (one,) = rows(read(line("Paid", revenue=12.3, currency="eur"), events=events))
    assert (one["value"], one["currency"]) == (Decimal("12.3"), "EUR")
    (one,) = rows(read(line("Paid", amount="7.50"), events=events, currency="USD"))
    assert (one["value"], one["currency"]) == (Decimal("7.50"), "USD")
    found = read(
        line("Paid", currency="EUR"),
        line("Paid", amount=5),
        line("Paid", amount=5, currency="XXQ"),
        line("Paid", amount=-5, currency="EUR"),
        line("Paid", amount="a lot", currency="EUR"),
        events=events,
    )
    assert not rows(found)
    assert [(one.idx, one.code) for one in found.dead] == [
        (0, "missing_value"),
        (1, "missing_currency"),
        (2, "unknown_currency"),
        (3, "negative_value"),
        (4, "bad_value"),
    ]
    assert found.dead[0].reason.startswith("Line 1: A revenue needs an amount in one of: value")


@pytest.mark.parametrize(
    ("properties", "channel"),
    [
        ({"utm_source": "google"}, "google"),
        ({"utm_medium": "email"}, "email"),
        ({"channel": "partner", "utm_source": "google"}, "partner"),
        ({}, None),
    ],
)
def test_the_channel_is_where_a_campaign_says_it_came_from(
    properties: dict[str, Any], channel: str | None
) -> None:
    assert rows(read(line("A", **properties)))[0]["channel"] == channel


def test_an_event_sent_twice_has_one_key_and_others_have_their_own() -> None:
    keys = [
        one["key"]
        for one in rows(
            read(
                line("A"),
                line("A", mp_processing_time_ms=5, color="red"),
                line("B"),
                line("A", distinct_id="bob"),
                line("A", time=AT + 1),
                line("A", **{"$insert_id": "i-2"}),
            )
        )
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 5


def test_without_an_insert_id_the_properties_tell_events_apart() -> None:
    keys = [
        one["key"]
        for one in rows(
            read(
                line("A", **{"$insert_id": None, "color": "red"}),
                line("A", **{"$insert_id": None, "color": "blue"}),
                line("A", **{"$insert_id": None, "color": "red", "mp_processing_time_ms": 9}),
            )
        )
    ]
    assert keys[0] == keys[2] != keys[1]


def test_times_are_seconds_or_milliseconds() -> None:
    found = rows(read(line("A", time=AT // 1_000), line("B", time=AT), line("C", time=AT + 0.5)))
    assert [one["ts"] for one in found] == [AT * 1_000, AT * 1_000, AT * 1_000 + 500]


def test_times_of_an_old_project_are_those_of_its_clocks() -> None:
    # 12:00 as a clock in Berlin shows it is 11:00 UTC in winter.
    (one,) = rows(read(line("A"), timezone="Europe/Berlin"))
    assert one["ts"] == (AT - 3_600_000) * 1_000
    same = rows(read(line("A")))[0]["key"]
    assert one["key"] == same  # the setting may be put right later, and nothing counts twice


@pytest.mark.parametrize("time", [None, "yesterday", True, 0, -5, 10**30, 1e308, -1e308, [1]])
def test_an_event_without_a_time_is_set_aside(time: Any) -> None:
    found = read(line("A", time=time), line("B"))
    assert [one["name"] for one in rows(found)] == ["B"]
    assert [(one.idx, one.code) for one in found.dead] == [(0, "bad_time")]


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "-Infinity", "1e999"])
def test_an_amount_that_is_no_number_is_set_aside(amount: str) -> None:
    found = read(line("Paid", amount=amount), line("B"), events={"Paid": "revenue"}, currency="USD")
    assert [one["name"] for one in rows(found)] == ["B"]
    assert [(one.idx, one.code) for one in found.dead] == [(0, "bad_value")]


def test_values_of_any_depth_hurt_no_other_line() -> None:
    """Around the depth that can be read, some of what can be read cannot be written again."""
    limit = sys.getrecursionlimit()
    for depth in range(max(1, limit - 120), limit + 5):
        deep = line("A", v=msgspec.Raw(b"[" * depth + b"]" * depth))
        found = read(deep, line("B"))
        assert "B" in [one["name"] for one in rows(found)]
        assert len(found.dead) + len(found.events) == 2


def test_a_future_time_is_brought_back() -> None:
    (one,) = rows(read(line("A", time=AT + 7_200_000)))
    assert one["corrected"]
    assert one["ts"] == AT * 1_000 + 1


def test_lists_and_objects_are_kept_as_text_and_a_name_makes_room() -> None:
    (one,) = rows(read(line("A", tags=["a", "b"], cart={"n": 1}, name="Ada's report")))
    told = msgspec.json.decode(one["metadata"])
    assert told["tags"] == '["a","b"]'
    assert told["cart"] == '{"n":1}'
    assert told["name"] == "A"
    assert told["property.name"] == "Ada's report"


def test_too_many_and_too_large_properties_are_cut_and_the_event_counts() -> None:
    many = {f"p{number}": number for number in range(400)}
    large = {"text": "x" * (MAX_METADATA_BYTES + 1), "plan": "team", "small": 1}
    one, other = rows(read(line("A", plan="pro", **many), line("B", **large)))
    assert len(msgspec.json.decode(one["metadata"])) == MAX_METADATA_KEYS
    assert (one["plan"], one["name"]) == ("pro", "A")
    assert set(msgspec.json.decode(other["metadata"])) == {"plan", "small", "name"}


def test_numbers_are_dimensions_too() -> None:
    one, other = rows(read(line("A", plan=3), line("B", plan="team")))
    assert (one["plan"], other["plan"]) == ("3", "team")


def test_the_product_is_where_the_settings_say() -> None:
    found = read(
        line("A", app="docs"),
        line("A", app="Acme Docs"),
        line("A", app="elsewhere"),
        line("A"),
        product_from="metadata.app",
    )
    assert [one["product"] for one in rows(found)] == ["docs", "docs", "unassigned", "unassigned"]


def said(found: Translated) -> list[tuple[str, str, dict[str, Any]]]:
    told = (one for one in rows(found) if one["type"] in ("identify", "merge"))
    return [(one["type"], one["actor"], msgspec.json.decode(one["metadata"])) for one in told]


def test_events_say_once_whose_a_device_is_that_did_something_before() -> None:
    both = {"$user_id": "ada", "$device_id": "d1"}
    before = line("Visit", distinct_id="$device:d1", **{"$device_id": "d1"})
    found = read(line("A", **both), line("B", **both), before)
    assert said(found) == [("identify", "ada", {"anonymous_id": "$device:d1"})]
    assert len(found.events) == 4
    assert not said(read(line("A", **both)))  # a device that did nothing alone is nobody


def test_a_signup_says_whose_the_device_is() -> None:
    both = {"$user_id": "ada", "$device_id": "d1"}
    found = read(line("Sign Up", **both), line("A", **both), signup_event="Sign Up")
    assert said(found) == [("identify", "ada", {"anonymous_id": "$device:d1"})]


def test_a_user_who_is_shown_under_another_id_is_one_with_it() -> None:
    found = read(line("A", distinct_id="canonical", **{"$user_id": "ada"}))
    assert said(found) == [("identify", "canonical", {"anonymous_id": "ada"})]


def test_an_event_shown_under_another_id_later_is_the_same_event() -> None:
    anonymous = line("A", distinct_id="$device:d1", **{"$device_id": "d1"})
    known = line(
        "A",
        distinct_id="ada",
        **{"$device_id": "d1", "$distinct_id_before_identity": "$device:d1"},
    )
    first, second = read(anonymous), read(known)
    assert rows(first)[0] == rows(second)[0]  # word for word, so it is an honest repeat
    assert rows(second)[0]["actor"] == "$device:d1"
    assert said(second) == [("identify", "ada", {"anonymous_id": "$device:d1"})]


def test_events_about_identity_say_who_is_who() -> None:
    found = read(
        line("$identify", **{"$identified_id": "ada", "$anon_id": "anon-1"}),
        line("$identify", distinct_id="bob", **{"$anon_distinct_id": "anon-2"}),
        line("$create_alias", distinct_id="anon-3", alias="cleo"),
        line("$merge", distinct_id=None, **{"$distinct_ids": ["ada", "ada@acme.example"]}),
    )
    assert said(found) == [
        ("identify", "ada", {"anonymous_id": "anon-1"}),
        ("identify", "bob", {"anonymous_id": "anon-2"}),
        ("merge", "anon-3", {"into": "cleo"}),
        ("merge", "ada", {"into": "ada@acme.example"}),
    ]
    assert not found.unknown


def test_every_event_of_a_delivery_has_a_number_of_its_own() -> None:
    found = read(
        line("A", **{"$user_id": "ada", "$distinct_id_before_identity": "anon-1"}),
        line("$merge", **{"$distinct_ids": ["a", "b", "c"]}),
        line("B", distinct_id="bob", **{"$distinct_id_before_identity": "anon-2"}),
    )
    assert [one["idx"] for one in rows(found)] == list(range(6))


def test_identity_that_names_nobody_is_counted_only() -> None:
    found = read(
        line("$merge", **{"$distinct_ids": ["ada"]}),
        line("$merge"),
        line("$create_alias", alias=None),
        line("$identify", distinct_id=None),
    )
    assert not rows(found)
    assert not found.dead
    assert found.unknown == {"$merge": 2, "$create_alias": 1, "$identify": 1}


def test_who_did_it_may_be_a_number_or_nobody() -> None:
    found = read(line("A", distinct_id=42), line("B", distinct_id=""), line("C", distinct_id=None))
    assert [one["actor"] for one in rows(found)] == ["42", None, None]
    found = read(line("Sign Up", distinct_id=None), signup_event="Sign Up")
    assert [one.code for one in found.dead] == ["missing_actor"]
    found = read(line("A", distinct_id="x" * 2_000))
    assert [one.code for one in found.dead] == ["bad_length"]


def test_lines_that_are_no_events_are_set_aside_and_the_others_count() -> None:
    deep = b'{"event":"A","properties":{"a":' + b"[" * 5_000 + b"\n"
    bad = [b"[1]\n", b'{"event":"A"}\n', b'{"event":\n', b"\xff\xfe\n", b"\n", deep]
    found = read(line("A"), *bad, line("B"))
    assert [one["name"] for one in rows(found)] == ["A", "B"]
    assert [one["idx"] for one in rows(found)] == [0, 7]
    assert [(one.idx, one.code) for one in found.dead] == [
        (1, "not_an_event"),
        (2, "not_an_event"),
        (3, "not_json"),
        (4, "not_json"),
        (6, "not_json"),
    ]
    assert all(one.seq == 7 and one.source == "mp" for one in found.dead)


def test_a_delivery_without_lines_has_no_events() -> None:
    assert not rows(read())
