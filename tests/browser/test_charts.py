"""What can be done with a chart: another look, copies, files with the API's numbers, a link."""

from __future__ import annotations

import csv
import io
import json
import re
import struct
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import House
from tests.browser.test_company import Visitor, days
from tests.browser.visit import NARROW, WIDE, Visit

SVG = "{http://www.w3.org/2000/svg}"
SIGNUPS = "/products/mail?metric=signups&split=1&by=country"


def tile(visit: Visit, name: str) -> Locator:
    return visit.page.get_by_role("region", name=name, exact=True)


def choose(visit: Visit, name: str, item: str) -> None:
    """An item of a chart's menu, by mouse."""
    tile(visit, name).get_by_role("button", name=f"More of {name}").click()
    visit.page.get_by_role("menuitem", name=item, exact=True).click()


def saved(visit: Visit, name: str, item: str, folder: Path) -> Path:
    """The file that an item of the menu gives."""
    with visit.page.expect_download() as told:
        choose(visit, name, item)
    found = folder / told.value.suggested_filename
    told.value.save_as(found)
    return found


def asked(visit: Visit, split: str = "country") -> Any:
    first, end = days(-27, 1)
    return visit.ask(
        f"/v1/query?metric=signups&product=mail&from={first}&to={end}&by={split}&compare=previous"
    )


def test_the_menu_by_keyboard_shows_the_table_copies_it_and_links_to_the_chart(
    acme: House, visitor: Visitor
) -> None:
    visit = visitor(acme, permissions=["clipboard-read", "clipboard-write"])
    page = visit.go("/products/mail?metric=signups")
    menu = tile(visit, "Signups").get_by_role("button", name="More of Signups")
    menu.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="Show as table")).to_be_focused()
    assert visit.barriers() == []
    page.keyboard.press("Enter")
    expect(menu).to_be_focused()
    expect(tile(visit, "Signups").get_by_role("table")).to_be_visible()
    assert "tables=series" in visit.where()
    assert visit.barriers() == []

    choose(visit, "Signups", "Copy the numbers")
    expect(tile(visit, "Signups").get_by_role("status")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()").splitlines()
    first, end = days(-27, 1)
    (line,) = visit.ask(f"/v1/query?metric=signups&product=mail&from={first}&to={end}")["series"]
    assert [row.split("\t")[:2] for row in copied[1:]] == [
        [point["start"], str(point["value"])] for point in reversed(line["points"])
    ]

    choose(visit, "Signups", "Copy a link")
    expect(tile(visit, "Signups").get_by_role("status")).to_have_text("Link copied")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.url + "#series"
    page.go_back()
    page.goto(link)
    visit.settle()
    expect(tile(visit, "Signups").get_by_role("table")).to_be_in_viewport()
    choose(visit, "Signups", "Show as chart")
    expect(page.get_by_role("slider", name=re.compile("Signups"))).to_be_visible()
    assert "tables" not in visit.where()


def test_files_hold_the_numbers_of_the_api(acme: House, visitor: Visitor, tmp_path: Path) -> None:
    visit = visitor(acme)
    visit.go(SIGNUPS)
    answer = asked(visit)
    wanted = {
        (point["start"], line["key"]): point["value"]
        for line in answer["series"]
        for point in line["points"]
    }
    text = saved(visit, "Signups", "CSV", tmp_path)
    assert text.name.startswith("signups-mail-")
    raw = text.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert raw.count(b"\r\n") == raw.count(b"\n")
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
    found = {
        (row["Date"], line["key"]): float(row[line["key"]])
        for row in rows
        for line in answer["series"]
    }
    assert found == wanted

    table = pq.read_table(saved(visit, "Signups", "Parquet", tmp_path)).to_pylist()
    assert {(row["start"], row["key"]): row["value"] for row in table} == wanted

    parts = saved(visit, "Breakdown", "CSV", tmp_path).read_text("utf-8-sig")
    shown = {row["Country"]: int(row["Signups"]) for row in csv.DictReader(io.StringIO(parts))}
    assert shown == {line["key"]: line["total"] for line in answer["series"]}

    visit.go("/")
    products = saved(visit, "Products", "CSV", tmp_path).read_text("utf-8-sig")
    first, end = days(-27, 1)
    money = visit.ask(f"/v1/query?metric=revenue&from={first}&to={end}&by=product")
    assert {
        row["Product"]: Decimal(row["Net revenue"]) for row in csv.DictReader(io.StringIO(products))
    } == {line["label"]: Decimal(line["total"]) for line in money["series"]}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_picture_stands_alone(acme: House, visitor: Visitor, tmp_path: Path, theme: str) -> None:
    visit = visitor(acme)
    visit.wear(WIDE, theme)
    visit.go(SIGNUPS)
    drawing = saved(visit, "Signups", "SVG", tmp_path)
    root = ElementTree.parse(drawing).getroot()
    assert root.tag == f"{SVG}svg"
    text = drawing.read_text()
    assert "var(--" not in text
    assert "@font-face" in text
    assert re.findall(r"(?:href|url\()=?[\"']?(?!data:)(?:https?:|/)", text) == []
    words = [one.text for one in root.iter(f"{SVG}text")]
    assert words[0] == "Signups"
    assert words[1] is not None
    assert words[1].startswith("Mail, ")
    assert any(word and re.match(r"As of \d\d:\d\d:\d\d on ", word) for word in words)
    assert {line["key"] for line in asked(visit)["series"]} <= set(words)
    ground = root.find(f"{SVG}rect")
    assert ground is not None
    assert ground.get("fill") in {"light": ("#fff", "#ffffff"), "dark": ("#12161c",)}[theme]

    picture = saved(visit, "Signups", "PNG", tmp_path).read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    size = struct.unpack(">II", picture[16:24])
    assert size == (2 * int(root.get("width", 0)), 2 * int(root.get("height", 0)))


def test_lines_are_hidden_and_isolated_by_their_names_and_stacked_by_a_switch(
    acme: House, visitor: Visitor
) -> None:
    visit = visitor(acme)
    page = visit.go(SIGNUPS)
    keys = [line["key"] for line in asked(visit)["series"]]
    assert len(keys) == 3
    name = tile(visit, "Signups").get_by_role("button", name=keys[0], exact=True)
    name.click()
    expect(name).to_have_attribute("aria-pressed", "false")
    name.click()
    page.wait_for_timeout(500)  # a second click within a moment would isolate
    name.focus()
    page.keyboard.press("Shift+Enter")
    pressed = [
        tile(visit, "Signups")
        .get_by_role("button", name=key, exact=True)
        .get_attribute("aria-pressed")
        for key in keys
    ]
    assert sorted(zip(pressed, keys, strict=True), reverse=True)[0] == ("true", keys[0])
    assert pressed.count("false") == 2
    page.keyboard.press("Shift+Enter")
    expect(tile(visit, "Signups").locator(".name[aria-pressed=true]")).to_have_count(3)

    tile(visit, "Signups").get_by_role("radio", name="Share").click()
    assert "mix=share" in visit.where()
    page.get_by_role("slider", name=re.compile("Signups")).focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".tip")).to_contain_text("Together")
    expect(page.locator(".tip")).to_contain_text("100")
    assert visit.barriers() == []


def test_numbers_are_set_beside_days_of_ones_own(acme: House, visitor: Visitor) -> None:
    visit = visitor(acme)
    page = visit.go("/products/mail?metric=signups")
    page.get_by_role("button", name=re.compile("^Compare")).click()
    first, end = days(-50, -40)
    last = days(0, -41)[1]
    page.get_by_label("From", exact=True).fill(first)
    page.get_by_label("To", exact=True).fill(last)
    assert visit.barriers() == []
    page.get_by_role("button", name="Compare with these dates").click()
    visit.settle()
    assert f"compare={first}..{end}" in visit.where()
    (line,) = visit.ask(f"/v1/query?metric=signups&product=mail&from={first}&to={end}")["series"]
    expect(tile(visit, "Signups").locator(".before")).to_contain_text(f"{line['total']} in ")
    page.reload()
    visit.settle()
    expect(tile(visit, "Signups").locator(".before")).to_contain_text(f"{line['total']} in ")


def test_on_a_phone_the_menu_is_in_reach_and_nothing_is_wider_than_the_page(
    acme: House, visitor: Visitor
) -> None:
    visit = visitor(acme, size=NARROW)
    page = visit.go("/products/mail?metric=signups")
    tile(visit, "Signups").get_by_role("button", name="More of Signups").click()
    expect(page.get_by_role("menuitem", name="PNG")).to_be_in_viewport()
    assert visit.overflow() <= 0
    assert visit.barriers() == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("menu")).to_have_count(0)


def test_a_table_that_cannot_be_had_says_so(acme: House, visitor: Visitor) -> None:
    visit = visitor(acme)
    visit.forgive("503")
    page = visit.go("/products/mail?metric=signups")
    problem = {"code": "busy", "message": "Busy.", "fix": "Try again in a minute.", "where": ""}
    page.route(
        "**/v1/query?*format=parquet*",
        lambda route: route.fulfill(status=503, body=json.dumps({"error": problem})),
    )
    choose(visit, "Signups", "Parquet")
    expect(tile(visit, "Signups").get_by_role("status")).to_have_text("Try again in a minute.")
