"""A company that bills with Stripe: its revenue split, listed, traced, explained, and connected."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import EMPTY, House
from tests.browser.test_demo import look_at
from tests.browser.visit import NARROW, Visit, become_owner
from tests.served import Served
from upwell.demo.stripe import FakeStripe, serve
from upwell.demo.stripe.company import company

Visitor = Callable[..., Visit]

KEY = "sk_live_reader"
CONFIG = """\
[workspace]
name = "Quillmoor"

[server]
allow_private_urls = [{hosts}]

[[products]]
id = "mail"
name = "Mail"

[[products]]
id = "desk"
name = "Desk"

[[sources]]
id = "main"
kind = "stripe"
product = "mail"
api_key = "env:STRIPE_KEY"
api_base = "{url}"
"""
YEAR = "range=12m"


@dataclass
class Quillmoor(House):
    """A house whose first Stripe account is read, and whose second is not known yet."""

    accounts: tuple[FakeStripe, ...] = ()
    second: str = ""


def until_read(visit: Visit, source: str) -> None:
    """Until all of a source's past is in the numbers."""
    for _ in range(300):
        answer = visit.ask("/v1/sources")
        found = next((one for one in answer["sources"] if one["id"] == source), None)
        if found and found["state"] == "live" and not found["reading"] and not answer["backlog"]:
            return
        time.sleep(0.2)
    pytest.fail(f"{source} is still being read: {answer}")


@pytest.fixture(scope="module")
def quillmoor(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Quillmoor]:
    """A server that reads one of the company's two accounts."""
    folder = tmp_path_factory.mktemp("quillmoor")
    with ExitStack() as opened:
        accounts = company(int(time.time()), customers=120, months=14).accounts
        urls = [opened.enter_context(serve(account)) for account in accounts]
        hosts = ", ".join(f'"{url.removeprefix("http://")}"' for url in urls)
        config = folder / "upwell.toml"
        config.write_text(CONFIG.format(hosts=hosts, url=urls[0]))
        served = opened.enter_context(
            Served(folder / "data", config=config, env={"STRIPE_KEY": KEY})
        )
        house = Quillmoor(served, accounts=accounts, second=urls[1])
        context = browser.new_context()
        visit = Visit(context, served)
        become_owner(visit)
        until_read(visit, "main")
        house.signed_in = context.storage_state()
        context.close()
        yield house


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[House]:
    """A company with an owner, of which nothing has arrived."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "upwell.toml").write_text(EMPTY)
    with Served(folder / "data", config=folder / "upwell.toml") as served:
        context = browser.new_context()
        become_owner(Visit(context, served))
        signed_in = context.storage_state()
        context.close()
        yield House(served, signed_in=signed_in)


def span(visit: Visit) -> str:
    """The resolved days of the page's dates, as the API is asked for them."""
    asked = []
    visit.page.on("request", lambda request: asked.append(request.url))
    visit.page.reload()
    visit.settle()
    found = next(url for url in asked if "/v1/bridge?" in url)
    days = re.findall(r"(from|to)=(\d{4}-\d\d-\d\d)", found)
    return "&".join(f"{name}={day}" for name, day in days)


def bars(page: Page) -> dict[str, Decimal]:
    """Every bar of the waterfall by its name, with the exact amount that it says."""
    found = {}
    for bar in page.locator("button.bar").all():
        name, amount = re.split(r": ", bar.get_attribute("aria-label") or "", maxsplit=1)
        digits = re.match(r"([+−]?)\$([\d,.]*\d)", amount)
        assert digits, amount
        number = Decimal(digits[2].replace(",", ""))
        found[name] = -number if digits[1] == "−" else number
    return found


def test_the_bridge_is_the_api_s_and_adds_up(quillmoor: Quillmoor, visitor: Visitor) -> None:
    visit = visitor(quillmoor)
    page = visit.go(f"/revenue?{YEAR}")
    bridge = visit.ask(f"/v1/bridge?{span(visit)}&by=plan")["bridge"]
    expect(page.get_by_role("button", name=re.compile("^Churn"))).to_be_visible()
    names = list(shown := bars(page))
    opening, closing = shown[names[0]], shown[names[-1]]
    assert opening + sum(shown[name] for name in names[1:-1]) == closing
    cent = Decimal("0.01")
    assert abs(opening - Decimal(bridge["opening"])) <= cent
    assert abs(closing - Decimal(bridge["closing"])) <= cent
    for name, sign in (("New", 1), ("Expansion", 1), ("Contraction", -1), ("Churn", -1)):
        assert abs(shown[name] - sign * Decimal(bridge[name.lower()])) <= cent

    mrr = page.locator(".kpi").filter(has=page.get_by_text("MRR", exact=True)).locator(".value")
    assert mrr.get_attribute("title") == f"${closing:,.2f}"


def test_from_a_bar_to_its_parts_to_a_customer_to_the_bytes_that_came(
    quillmoor: Quillmoor, visitor: Visitor
) -> None:
    visit = visitor(quillmoor)
    page = visit.go(f"/revenue?{YEAR}")
    whole = bars(page)["Churn"]
    page.get_by_role("button", name=re.compile("^Churn: .*Split by plan")).click()
    parts = page.locator("button.bar[data-of=churn]")
    expect(parts).not_to_have_count(1)
    assert "split=churn" in visit.where()
    shown = bars(page)
    inside = [str(one.get_attribute("aria-label")).split(": ")[0] for one in parts.all()]
    assert sum(shown[name] for name in inside) == whole
    assert visit.barriers() == []

    expect(parts.first).to_be_focused()
    page.keyboard.press("Enter")
    drawer = page.get_by_role("dialog", name="The customers behind it")
    expect(drawer.get_by_role("heading")).to_contain_text(f"Churn in {inside[0]}: ")
    rows = drawer.locator("tbody tr")
    expect(rows).not_to_have_count(0)
    expect(rows.first).to_contain_text("−$")
    assert visit.barriers() == []

    rows.first.get_by_role("button", name="Original").click()
    original = page.get_by_role("dialog", name="As it came")
    expect(original.locator("pre")).to_contain_text("cus_")
    original.get_by_role("button", name="Back to the events").click()
    rows.first.get_by_role("link").click()
    visit.settle()
    assert "/customers/main:cus_" in visit.where()
    expect(page.get_by_role("region", name="What moved", exact=True)).to_contain_text("Churn")
    page.go_back()
    expect(drawer).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)


def test_customers_are_found_narrowed_ordered_and_all_of_it_is_the_address(
    quillmoor: Quillmoor, visitor: Visitor
) -> None:
    visit = visitor(quillmoor)
    page = visit.go("/customers")
    everybody = visit.ask("/v1/customers?limit=500")["customers"]
    names = page.locator("tbody th a")
    first = max(everybody, key=lambda one: Decimal(one["mrr"]))
    expect(page.locator("tbody tr").first).to_contain_text(f"${Decimal(first['mrr']):,.2f}")

    dental = [one for one in everybody if "dental" in one["name"].lower()]
    page.get_by_label("Search customers").fill("dental")
    expect(page.get_by_role("button", name="“dental”")).to_be_visible()
    expect(names).to_have_count(len(dental))
    page.get_by_role("button", name=re.compile("^Status")).click()
    page.get_by_role("menuitemradio", name="Left").click()
    gone = [one for one in dental if one["status"] == "canceled"]
    expect(names).to_have_count(len(gone))
    page.reload()
    expect(page.get_by_label("Search customers")).to_have_value("dental")
    expect(names).to_have_count(len(gone))
    page.get_by_role("button", name="Take all away").click()
    page.get_by_role("columnheader", name=re.compile("^Customer")).get_by_role("button").click()
    expect(page.get_by_role("columnheader", name=re.compile("^Customer"))).to_have_attribute(
        "aria-sort", "ascending"
    )
    assert visit.where() == "/customers?sort=name"


def test_a_profile_says_what_the_api_says(quillmoor: Quillmoor, visitor: Visitor) -> None:
    visit = visitor(quillmoor)
    visit.go("/customers")
    one = visit.ask("/v1/customers?limit=1")["customers"][0]
    page = visit.go(f"/customers/{one['id']}")
    expect(page.get_by_role("heading", name=one["name"])).to_be_visible()
    expect(page.locator("dl")).to_contain_text(f"${Decimal(one['mrr']):,.2f}")
    profile = visit.ask(f"/v1/customers/{one['id']}")
    moved = page.get_by_role("region", name="What moved, a table").locator("tbody tr")
    expect(moved).to_have_count(len(profile["movements"]))
    moved.first.get_by_role("button", name="Show the original").click()
    expect(page.get_by_role("dialog", name="As it came").locator("pre")).to_contain_text("cus_")


def test_payments_are_shown_in_the_currency_they_were_made_in(
    quillmoor: Quillmoor, visitor: Visitor
) -> None:
    visit = visitor(quillmoor)
    visit.go("/customers")
    listed = visit.ask("/v1/customers?limit=200")["customers"]
    profiles = (visit.ask(f"/v1/customers/{one['id']}") for one in listed)
    profile = next(
        one for one in profiles if any(paid["currency"] == "EUR" for paid in one["payments"])
    )
    page = visit.go(f"/customers/{profile['customer']['id']}")
    shown = page.get_by_role("region", name="Payments of").locator("tbody tr")
    expect(shown).to_have_count(len(profile["payments"]))
    signs = {"USD": "$", "EUR": "€"}
    for line, paid in zip(shown.all(), profile["payments"], strict=True):
        expect(line).to_contain_text(f"{signs[paid['currency']]}{Decimal(paid['amount']):,.2f}")
        expect(line).to_contain_text(paid["currency"])


def test_a_cohort_s_field_lists_who_left(quillmoor: Quillmoor, visitor: Visitor) -> None:
    visit = visitor(quillmoor)
    page = visit.go("/revenue/retention")
    table = page.get_by_role("table", name="Customers who stay, by when they began")
    first = table.locator("tbody tr:not(.mean, .beside)").first
    size = first.locator(".size").inner_text()
    first.locator("td").get_by_role("button").first.click()
    drawer = page.get_by_role("dialog", name="The customers behind it")
    expect(drawer.get_by_role("heading")).to_contain_text("Began in")
    expect(drawer.locator("tbody tr")).to_have_count(int(size))
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="Revenue").click()
    expect(page.get_by_role("radio", name="Revenue")).to_have_attribute("aria-checked", "true")
    assert visit.where() == "/revenue/retention?of=mrr"


def test_why_it_differs_adds_up_for_each_set_of_rules(
    quillmoor: Quillmoor, visitor: Visitor
) -> None:
    visit = visitor(quillmoor)
    visit.forgive("status of 503")  # while it is counted by the other rules for the first time
    page = visit.go("/settings/counting-rules")
    rules = visit.ask("/v1/policies")
    table = page.get_by_role("table", name="").last
    expect(table.get_by_role("rowheader")).to_have_count(len(rules["policies"][0]["fields"]))
    for policy in rules["policies"]:
        if policy["name"] == rules["workspace"]:
            continue
        page.get_by_role("radio", name=policy["title"]).click()
        expect(page.get_by_role("button", name=re.compile(f"^{policy['title']}: "))).to_be_visible(
            timeout=30_000
        )
        shown = list(bars(page).values())
        assert sum(shown[:-1]) == shown[-1]
    page.get_by_role("radio", name="Where they differ").click()
    expect(table.get_by_role("rowheader").first).to_be_visible()
    assert "show=differ" in visit.where()


def test_an_account_is_connected_assigned_and_counted_on_the_open_page(
    quillmoor: Quillmoor, visitor: Visitor
) -> None:
    visit = visitor(quillmoor)
    visit.forgive("status of 4")
    page = visit.go("/sources")
    page.get_by_role("button", name="Connect a source").click()
    page.get_by_role("dialog", name="Connect a source").get_by_role("button", name="Stripe").click()
    form = page.get_by_role("dialog", name="Connect Stripe")
    form.get_by_label("Name").fill("Second shop")
    form.get_by_label("Restricted key").fill("pk_live_nothing")
    expect(form.get_by_text("publishable")).to_be_visible()
    expect(form.get_by_role("button", name="Connect", exact=True)).to_be_disabled()
    assert visit.barriers() == []

    def elsewhere(route: Route) -> None:
        """This Stripe stands at an address of its own."""
        body: Any = route.request.post_data_json
        route.continue_(post_data={**body, "api_base": quillmoor.second})

    page.route("**/v1/sources/stripe", elsewhere)
    form.get_by_label("Restricted key").fill(KEY)
    form.get_by_role("button", name="Connect", exact=True).click()
    expect(form.get_by_role("heading", name="Products found")).to_be_visible(timeout=30_000)
    assert "connect=second-shop" in visit.where()
    assert KEY not in page.content()
    until_read(visit, "second-shop")

    before = mrr_of(visit, "desk")
    sold = quillmoor.accounts[1].all("product")[0]["name"]
    with page.expect_response("**/assignments"):
        form.get_by_label(f"{sold} belongs to").select_option("desk")
    expect(form.get_by_text("Saved")).to_be_visible()
    for _ in range(100):
        if mrr_of(visit, "desk") > before:
            break
        time.sleep(0.2)
    assert mrr_of(visit, "desk") > before
    shown = form.get_by_role("link", name=re.compile("^MRR"))
    expect(shown).to_contain_text("$")


def mrr_of(visit: Visit, product: str) -> Decimal:
    """What a product's subscriptions bring in a month, now."""
    answer = visit.ask(f"/v1/query?metric=mrr&product={product}")
    return Decimal(answer["series"][0]["total"] or 0)


PAGES = {
    "revenue": f"/revenue?{YEAR}",
    "revenue-split": f"/revenue?{YEAR}&split=new&by=country",
    "revenue-months": f"/revenue?{YEAR}&view=months&mix=lines",
    "revenue-table": f"/revenue?{YEAR}&table=1&mix=table",
    "revenue-customers": f"/revenue?{YEAR}&list=new",
    "revenue-known": f"/revenue?{YEAR}&known={{known}}",
    "retention": "/revenue/retention?of=mrr",
    "customers": "/customers",
    "customer": "/customers/{customer}",
    "counting-rules": "/settings/counting-rules",
    "connect": "/sources?connect=new",
    "products-of-stripe": "/sources?connect=main",
}


@pytest.mark.parametrize("name", PAGES)
def test_every_page_of_revenue_fits_reads_and_keeps_the_rules(
    name: str, quillmoor: Quillmoor, visitor: Visitor
) -> None:
    visit = visitor(quillmoor)
    visit.forgive("status of 503")
    visit.go("/")
    customer = visit.ask("/v1/customers?limit=1")["customers"][0]["id"]
    today = visit.ask("/v1/session")["workspace"]["today"]
    known = f"{today[:8]}01" if not today.endswith("-01") else f"{int(today[:4]) - 1}{today[4:]}"
    address = PAGES[name].format(customer=customer, known=known)
    assert look_at(name, address, visit) == []


def test_a_month_is_closed_and_opened_again_and_cash_is_stripe_s(
    quillmoor: Quillmoor, visitor: Visitor
) -> None:
    visit = visitor(quillmoor)
    page = visit.go("/revenue/cash?months=24")
    expect(page.get_by_role("heading", name="Every line is the same as Stripe’s")).to_be_visible()
    assert visit.barriers() == []

    page = visit.go("/revenue/months")
    page.get_by_role("button", name="Close a month").click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("^Close [A-Z]")).click()
    expect(page.get_by_text(re.compile("^Closed on .* by ")).first).to_be_visible()
    (close,) = visit.ask("/v1/closes")["closes"]
    assert not close["itself"]
    assert visit.barriers() == []

    page.get_by_role("button", name="Open again").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Open again").click()
    expect(page.get_by_role("button", name="Close a month")).to_be_enabled()
    assert close["month"] not in [one["month"] for one in visit.ask("/v1/closes")["closes"]]


QUIET = ("session", "products", "metrics", "live", "alerts", "sources")  # what every page asks
BESIDE = {
    "revenue": "/revenue",
    "retention": "/revenue/retention",
    "past-months": "/revenue/months",
    "cash-check": "/revenue/cash",
    "customers": "/customers",
    "counting-rules": "/settings/counting-rules",
}


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("way", ["busy", "stopped"])
def test_a_page_that_gets_no_answer_says_so_and_asks_again(
    way: str, name: str, quillmoor: Quillmoor, visitor: Visitor
) -> None:
    visit = visitor(quillmoor)
    visit.forgive("status of 503|Failed to load resource")
    broken = [True]

    def answer(route: Route) -> None:
        asked = route.request.url.partition("/v1/")[2].partition("?")[0].partition("/")[0]
        if not broken or asked in QUIET:
            route.continue_()
        elif way == "busy":
            error = {"code": "busy", "message": "The server is busy.", "fix": "", "where": ""}
            route.fulfill(status=503, json={"error": error})
        else:
            route.abort()

    visit.page.route("**/v1/**", answer)
    page = visit.go(BESIDE[name])
    says = "The server is busy." if way == "busy" else "The server does not answer."
    expect(page.get_by_text(says).first).to_be_visible()
    visit.picture(f"{name}-{way}")
    assert visit.barriers() == []
    broken.clear()
    page.evaluate(  # all at once: one that is answered is gone at the next look
        """() => [...document.querySelectorAll('button')]
             .filter(one => one.textContent.trim() === 'Try again').forEach(one => one.click())"""
    )
    visit.settle()
    expect(page.get_by_text(says)).to_have_count(0)


BEFORE = {
    "revenue": "No recurring revenue in these dates",
    "retention": "No customer has paid yet",
    "past-months": "No month is over yet",
    "cash-check": "Nothing to compare yet",
    "customers": "No customers yet",
    "counting-rules": "No MRR in this month",
}


@pytest.mark.parametrize("name", BESIDE)
def test_before_anything_has_arrived_a_page_says_what_will_stand_there(
    name: str, bare: House, visitor: Visitor
) -> None:
    visit = visitor(bare)
    assert look_at(f"{name}-bare", BESIDE[name], visit) == []
    page = visit.page
    expect(page.get_by_text(BEFORE[name])).to_be_visible()
    if name in ("revenue", "cash-check", "customers"):
        page.get_by_role("link", name="Connect Stripe").click()
        expect(page.get_by_role("dialog", name="Connect Stripe")).to_be_visible()


def test_a_customer_whom_nobody_knows_is_not_found(bare: House, visitor: Visitor) -> None:
    visit = visitor(bare)
    visit.forgive("status of 404")
    page = visit.go("/customers/nobody")
    expect(page.get_by_text("There is no customer called “nobody”")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)


def test_what_is_counted_with_a_doubt_is_told_and_leads_to_the_original(
    quillmoor: Quillmoor, visitor: Visitor
) -> None:
    visit = visitor(quillmoor)
    page = visit.go("/sources")
    source = next(one for one in visit.ask("/v1/sources")["sources"] if one["id"] == "main")
    total = sum(doubt["records"] for doubt in source["doubts"])
    told = page.locator("details").filter(has_text=source["doubts"][0]["object"])
    told.get_by_text(f"Counted with a doubt ({total:,})").click()
    expect(told.get_by_role("listitem")).to_have_count(len(source["doubts"]))
    for line, doubt in zip(told.get_by_role("listitem").all(), source["doubts"], strict=True):
        expect(line.locator("b")).to_have_text(f"{doubt['records']:,}")
        expect(line).to_contain_text(doubt["reason"])
    visit.wear(NARROW, "dark")
    visit.picture("doubts-390-dark")
    assert visit.barriers() == []
    box = told.get_by_role("list").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= NARROW[0]  # is read without moving the table sideways
    told.get_by_role("button", name="Show Stripe's original").first.click()
    original = page.get_by_role("dialog", name="As it came").locator("pre")
    expect(original).to_contain_text(source["doubts"][0]["object"])


def test_an_account_is_taken_apart_and_joined_again(quillmoor: Quillmoor, visitor: Visitor) -> None:
    visit = visitor(quillmoor)
    visit.go("/customers")
    listed = [one["id"] for one in visit.ask("/v1/customers?limit=30")["customers"]]
    # Some are two accounts already, by their e-mail address.
    facts = (visit.ask(f"/v1/customers/{one}")["customer"] for one in listed)
    names = list(islice((one["id"] for one in facts if len(one["sources"]) == 1), 3))
    quillmoor.served.run("customers", "merge", *names)
    page = visit.go(f"/customers/{names[0]}")
    apart = page.get_by_role("button", name="Take apart")
    expect(apart).to_have_count(3)
    # Not the one whose page this is: that would go on as the page of this account alone.
    last = page.get_by_role("listitem").filter(has_text=names[-1].partition(":")[2])
    last.get_by_role("button", name="Take apart").click()
    dialog = page.get_by_role("dialog", name="Take an account apart")
    expect(dialog).to_contain_text("2 other accounts stay.")
    assert visit.barriers() == []
    dialog.get_by_role("button", name="Take apart").click()
    expect(apart).to_have_count(2)
    again = page.get_by_role("button", name="Join again")
    expect(again).to_be_visible()
    for size in (NARROW, (1440, 900)):
        visit.wear(size, "light")
        again.scroll_into_view_if_needed()
        visit.picture(f"apart-{size[0]}-light")
        assert visit.barriers() == []
        assert visit.overflow() == 0
    again.click()
    expect(again).to_have_count(0)
    expect(apart).to_have_count(3)
    for name in names[1:]:
        quillmoor.served.run("customers", "unmerge", name)
