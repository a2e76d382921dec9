"""What rows of reports mean: names, keys, amounts; and what becomes of rows that mean nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.unit.ga4_site import ORIGIN, PRODUCTS
from upwell.billing import Origin
from upwell.event import MAX_ID, UNASSIGNED, Delivery, Translated
from upwell.period import to_instant
from upwell.sources.ga4 import KIND
from upwell.sources.ga4.reports import Body, Part

ROW = ("10", "8", "3", "30", "2.5", "12.34")


def part(*rows: tuple[str, ...], report: str = "channel", **more: Any) -> Part:
    given: dict[str, Any] = {"zone": "Europe/Berlin", "currency": "EUR", **more}
    return Part(report=report, rows=tuple(list(row) for row in rows), **given)


def of(*parts: Part, origin: Origin = ORIGIN, **about: Any) -> Translated:
    body = msgspec.json.encode(Body(property="1234", parts=parts))
    delivery = Delivery(
        seq=3, kind="pull", source="site", received_at=5, about={"of": "ga4", **about}, body=body
    )
    return KIND.translate(delivery, origin, PRODUCTS)


def test_a_row_is_an_event_for_each_of_its_numbers() -> None:
    found = of(part(("20261103", "Direct", *ROW)))
    assert found.dead == ()
    rows = found.events.to_pylist()
    assert {row["name"]: row["value"] for row in rows} == {
        "sessions by channel": Decimal(10),
        "users by channel": Decimal(8),
        "new_users by channel": Decimal(3),
        "page_views by channel": Decimal(30),
        "conversions by channel": Decimal("2.5"),
        "revenue by channel": Decimal("12.34"),
    }
    first = rows[0]
    assert first["key"] == "1234/channel/sessions/2026-11-03/Direct"
    assert msgspec.json.decode(first["metadata"]) == {
        "name": "sessions by channel", "report": "channel", "day": "2026-11-03",
        "channel": "Direct",
    }  # fmt: skip
    assert (first["type"], first["product"], first["channel"]) == ("report", "mail", "Direct")
    assert to_instant(first["ts"]).isoformat() == "2026-11-02T23:00:00+00:00"
    assert {row["currency"] for row in rows} == {None, "EUR"}
    assert rows[-1]["currency"] == "EUR"


def test_a_dimension_without_a_place_of_its_own_stands_with_the_reason() -> None:
    (row, *_) = of(part(("20261103", "mobile", *ROW), report="device")).events.to_pylist()
    assert row["reason"] == "mobile"
    assert msgspec.json.decode(row["metadata"])["device"] == "mobile"


@pytest.mark.parametrize(("restates", "events"), [(False, 1), (True, 6)])
def test_zero_is_said_where_it_may_take_back_another_number(restates: bool, events: int) -> None:
    row = ("20261103", "Direct", "4", "0", "0", "0", "0", "0")
    assert len(of(part(row), restates=restates).events) == events


def test_a_row_that_is_gone_is_zero_under_the_same_keys() -> None:
    there = of(part(("20261103", "Direct", *ROW)))
    gone = of(part(gone=(["20261103", "Direct"],)), restates=True)
    assert gone.events["key"].to_pylist() == there.events["key"].to_pylist()
    assert set(gone.events["value"].to_pylist()) == {Decimal(0)}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("20261103", *ROW), "cells"),
        (("20261303", "Direct", *ROW), "'20261303' is no day"),
        (("(other)", "Direct", *ROW), "is no day"),
        (("20261103", "Direct", "many", *ROW[1:]), "'many' is no number of sessions"),
        (("20261103", "Direct", "NaN", *ROW[1:]), "'NaN' is no number of sessions"),
        (("20261103", "Direct", "1e30", *ROW[1:]), "is no number of sessions"),
        (("20261103", "Direct", "-2e15", *ROW[1:]), "larger than can be counted"),
    ],
)
def test_a_row_that_means_nothing_is_set_aside(row: tuple[str, ...], said: str) -> None:
    found = of(part(row, ("20261104", "Direct", *ROW)))
    assert len(found.events) == 6
    (letter,) = found.dead
    assert said in letter.reason
    assert (letter.seq, letter.idx, letter.code, letter.recorded_at) == (3, 6, "bad_row", 5)


def test_money_in_no_currency_is_set_aside() -> None:
    (letter,) = of(part(("20261103", "a", *ROW), currency="")).dead
    assert "no currency of ISO 4217" in letter.reason
    without = (*ROW[:5], "0")
    assert of(part(("20261103", "a", *without), currency="")).dead == ()
    refunded = of(part(("20261103", "a", *ROW[:5], "-3.5")))
    assert refunded.events["value"].to_pylist()[-1] == Decimal("-3.5")


def test_long_values_have_keys_of_their_own() -> None:
    one, other = "/" + "a" * 3_000, "/" + "a" * 2_999 + "b"
    rows = [("20261103", page, *ROW) for page in (one, other)]
    keys = of(part(*rows, report="landing_page")).events["key"].to_pylist()
    assert len(set(keys)) == 12
    assert max(map(len, keys)) <= MAX_ID


def test_a_property_of_no_product_is_unassigned() -> None:
    row = ("20261103", "Direct", *ROW)
    for origin in (Origin(id="site", kind="ga4"), Origin(id="site", kind="ga4", product="gone")):
        assert set(of(part(row), origin=origin).events["product"].to_pylist()) == {UNASSIGNED}


def test_a_cursor_without_a_body_says_nothing() -> None:
    empty = Delivery(kind="pull", source="site", received_at=5, about={"of": "ga4"})
    assert len(KIND.translate(empty, ORIGIN, PRODUCTS).events) == 0


def test_a_zone_that_nobody_knows_sets_its_own_report_aside() -> None:
    row = ("20261103", "Direct", *ROW)
    found = of(part(row, zone="Mars/Base"), part(row))
    assert len(found.events) == len(ROW)
    (letter,) = found.dead
    assert "unknown zone, 'Mars/Base'" in letter.reason
    assert "tzdata" in letter.reason
