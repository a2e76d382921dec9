"""A database, connected on a page: what is tried, what is shown before it is kept, what is read."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import EMPTY, House
from tests.browser.visit import NARROW, WIDE, Visit, become_owner
from tests.served import Served

Visitor = Callable[..., Visit]
LOOK = "Look at the first rows"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[House]:
    """A company with one product and an owner, that reads nothing yet."""
    folder = tmp_path_factory.mktemp("database")
    (folder / "upwell.toml").write_text(EMPTY)
    with Served(folder / "data", config=folder / "upwell.toml") as served:
        context = browser.new_context()
        become_owner(Visit(context, served))
        yield House(served, signed_in=context.storage_state())
        context.close()


@pytest.fixture
def shop(tmp_path: Path) -> str:
    """The address of a product's database: a signup without a time, an order in no currency."""
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.execute("create table users (id integer primary key, created_at text, plan text)")
    connection.execute(
        "create table orders (id integer primary key, customer_id integer, total_cents integer,"
        " currency text, status text, paid_at text)"
    )
    days = [f"2026-03-{day:02} 10:00:00" for day in range(1, 13)]
    users = [(n, None if n == 3 else day, "team") for n, day in enumerate(days, 1)]
    orders = [
        (n, n, 4_900, "EURO" if n == 5 else "EUR", "paid", day) for n, day in enumerate(days, 1)
    ]
    connection.executemany("insert into users values (?, ?, ?)", users)
    connection.executemany("insert into orders values (?, ?, ?, ?, ?, ?)", orders)
    connection.commit()
    connection.close()
    return f"sqlite:///{path}"


def opened(visit: Visit) -> Locator:
    """The page as somebody comes to it who chooses a database."""
    page = visit.go("/sources?connect=add:")
    page.get_by_role("button", name="Database").click()
    dialog = page.get_by_role("dialog", name="Connect a database")
    expect(dialog.get_by_label("Address")).to_be_focused()
    return dialog


def first_rows(dialog: Locator, name: str) -> Locator:
    """The table that is shown before anything is kept, once it is answered."""
    rows = dialog.get_by_role("region", name=f"First rows of {name}")
    expect(rows).to_have_attribute("aria-busy", "false")
    return rows


def read(visit: Visit, source: str, events: int) -> None:
    """Wait until so many events of a source were read."""
    for _ in range(100):
        listed = {one["id"]: one for one in visit.ask("/v1/sources")["sources"]}
        if source in listed and listed[source]["events"] == events:
            return
        time.sleep(0.2)
    pytest.fail(f"{listed.get(source)}")


def test_two_queries_are_tried_looked_at_and_kept(
    house: House, visitor: Visitor, shop: str
) -> None:
    visit = visitor(house)
    dialog = opened(visit)
    connect = dialog.get_by_role("button", name="Connect", exact=True)
    dialog.get_by_label("Name").fill("Shop")
    dialog.get_by_label("Address").fill(shop)

    dialog.get_by_role("button", name="Orders as revenue").click()
    expect(dialog.get_by_label("Query", exact=True)).to_be_focused()
    dialog.get_by_role("button", name=LOOK).click()
    orders = first_rows(dialog, "Orders")
    expect(orders.get_by_text("Payment, €49.00")).to_have_count(11)
    expect(orders.locator("tr", has_text="EURO")).to_contain_text("Left out")
    expect(dialog.get_by_text("11 of the first 12 rows would count, 1 would not.")).to_have_count(2)
    before = {one["id"] for one in visit.ask("/v1/sources")["sources"]}
    assert "shop" not in before  # nothing is kept of what was only looked at

    dialog.get_by_role("button", name="Read something else too").click()
    dialog.get_by_role("button", name="My own query").click()
    expect(connect).to_be_disabled()
    mine = dialog.get_by_role("region", name="My query")
    mine.get_by_label("Query", exact=True).fill("select * from users where created_at is not null")
    mine.get_by_label("Each row is").select_option("signup")
    mine.get_by_role("button", name=LOOK).click()
    expect(mine.get_by_role("alert")).to_contain_text("would read the whole table again")
    mine.get_by_label("Read all rows each time").check()
    mine.get_by_label("User or customer").select_option("id")
    mine.get_by_role("checkbox", name="plan").check()
    users = first_rows(mine, "My query")
    expect(users.get_by_text("plan: team")).to_have_count(11)

    connect.click()
    expect(dialog.get_by_role("heading", name="Shop is connected")).to_be_focused()
    read(visit, "shop", 22)
    expect(dialog.get_by_text("22 events so far.")).to_be_visible()


def test_what_is_wrong_stands_at_its_field(house: House, visitor: Visitor, shop: str) -> None:
    visit = visitor(house)
    visit.forgive("status of 400")
    dialog = opened(visit)
    address = dialog.get_by_label("Address")
    address.fill("shop.db")
    expect(dialog.get_by_role("alert")).to_contain_text("begins with postgresql://")
    address.fill(shop + ".gone")
    dialog.get_by_role("button", name="Signups").click()
    dialog.get_by_role("button", name=LOOK).click()
    expect(dialog.get_by_role("alert")).to_contain_text("There is no SQLite file")
    expect(address).to_have_attribute("aria-invalid", "true")

    address.fill(shop)
    query = dialog.get_by_label("Query", exact=True)
    query.fill("select * from usrs")
    dialog.get_by_role("button", name=LOOK).click()
    expect(dialog.get_by_role("alert")).to_contain_text("no such table: usrs")
    expect(query).to_be_focused()
    query.fill("delete from users")
    dialog.get_by_role("button", name=LOOK).click()
    expect(dialog.get_by_role("alert")).to_contain_text("not one select")


@pytest.mark.parametrize("vendor", ["PostgreSQL", "MySQL"])
def test_a_user_that_may_only_read_is_a_statement_to_copy(
    house: House, visitor: Visitor, vendor: str
) -> None:
    visit = visitor(house, permissions=["clipboard-read", "clipboard-write"])
    dialog = opened(visit)
    dialog.get_by_role("button", name=vendor).click()
    dialog.get_by_text("Make a user that may only read").click()
    dialog.get_by_role("button", name="Copy").click()
    expect(dialog.get_by_role("button", name="Copied")).to_be_visible()
    assert "grant select on" in visit.page.evaluate("navigator.clipboard.readText()")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_everybody_can_use_it(
    house: House, visitor: Visitor, shop: str, size: tuple[int, int], theme: str
) -> None:
    visit = visitor(house, size)
    visit.wear(size, theme)
    dialog = opened(visit)
    assert visit.barriers() == []
    page: Page = visit.page
    page.keyboard.type(shop)
    signups = dialog.get_by_role("button", name="Signups")
    for _ in range(6):
        page.keyboard.press("Tab")
        if signups.evaluate("it => it === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(dialog.get_by_label("Query", exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(first_rows(dialog, "Signups").get_by_text("Signup")).to_have_count(11)
    assert visit.barriers() == []
    assert visit.overflow() == 0
    assert dialog.evaluate("it => it.scrollWidth - it.clientWidth") == 0
    visit.picture(f"connect-database-{size[0]}-{theme}")
