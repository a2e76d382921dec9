"""Why a number changed: opened by mouse and by keys, adding up on the screen, leading on."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

from playwright.sync_api import Locator, expect

from tests.browser.test_company import Visitor
from tests.browser.visit import NARROW, Visit
from tests.served import Served


def months(visit: Visit) -> tuple[dt.date, dt.date]:
    """The last whole month: nothing that streams in changes it."""
    today = dt.date.fromisoformat(visit.ask("/v1/session")["workspace"]["today"])
    end = today.replace(day=1)
    return (end - dt.timedelta(days=1)).replace(day=1), end


def number(text: str) -> Decimal:
    """What stands on the screen, without its signs of currency and unit."""
    return Decimal(re.sub(r"[^0-9.\-]", "", text.replace("−", "-")))


def sums(dialog: Locator) -> dict[str, tuple[Decimal, Decimal]]:
    """Of each split what its bars add up to, and what stands below them."""
    found = {}
    for section in dialog.locator("section:has(.sum)").all():
        *bars, whole = map(number, section.locator(".text").all_text_contents())
        found[str(section.get_attribute("aria-label"))] = (sum(bars, Decimal()), whole)
    return found


def test_from_a_figure_on_home_to_who_it_was(whole_demo: Served, visitor: Visitor) -> None:
    visit = visitor(whole_demo)
    visit.go("/")
    start, end = months(visit)
    page = visit.go(f"/?range={start}..{end}")
    page.get_by_role("button", name="Why? Explain the change of MRR").click()
    dialog = page.get_by_role("dialog", name="Why MRR changed")
    expect(dialog.get_by_role("heading", name="By product")).to_be_visible()
    said = visit.ask(f"/v1/explain?metric=mrr&from={start}&to={end}&grain=day")
    assert "explain=mrr" in visit.where()
    added = sums(dialog)
    assert {"By movement", "By product", "By plan", "By country"} <= set(added)
    change = Decimal(said["change"])
    assert change != 0
    for name, (bars, whole) in added.items():
        assert bars == whole == change, name
    size = f"{abs(change):,.2f}"
    way = "rose" if change > 0 else "fell"
    expect(dialog.locator(".finding")).to_have_text(re.compile(rf"^MRR {way} by \${size}, from \$"))
    people = dialog.get_by_role("region", name="Customers who moved it most").get_by_role("link")
    assert people.count() == len(said["customers"]) > 0
    assert visit.barriers() == []

    product = next(one for one in said["splits"] if one["by"] == "product")["parts"][0]
    dialog.get_by_role("link", name=re.compile(f"^{product['label']}")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(product["label"])
    narrowed = page.get_by_role("dialog", name="Why MRR changed")
    expect(narrowed.get_by_role("heading", name="By plan")).to_be_visible()
    expect(narrowed.get_by_role("heading", name="By product")).to_have_count(0)
    for bars, whole in sums(narrowed).values():
        assert bars == whole == Decimal(str(product["change"]))
    page.go_back()
    expect(page.get_by_role("dialog").get_by_role("heading", name="By product")).to_be_visible()


def test_by_keys_alone_and_of_a_rate(whole_demo: Served, visitor: Visitor) -> None:
    visit = visitor(whole_demo)
    visit.go("/")
    start, end = months(visit)
    page = visit.go(f"/?range={start}..{end}")
    page.get_by_role("button", name="Why? Explain the change of Signups").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Why Signups changed")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert "explain" not in visit.where()

    page = visit.go(f"/explore?metric=arpa&range={start}..{end}")
    page.keyboard.press("e")
    dialog = page.get_by_role("dialog", name="Why Revenue per customer changed")
    expect(dialog.get_by_role("heading", name="By plan")).to_be_visible()
    expect(dialog.get_by_text(re.compile("rate .*, share ")).first).to_be_visible()
    for bars, whole in sums(dialog).values():
        assert bars == whole
    page.keyboard.press("Tab")  # the button that closes, then the first part
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/products/.*explain=arpa"))


def test_on_a_phone_and_in_the_dark(whole_demo: Served, visitor: Visitor) -> None:
    visit = visitor(whole_demo, size=NARROW, color_scheme="dark")
    page = visit.go("/?explain=dau")
    dialog = page.get_by_role("dialog", name="Why Daily active users changed")
    expect(dialog.get_by_role("heading", name="By product")).to_be_visible()
    assert visit.overflow() == 0
    assert visit.barriers() == []
    wide = dialog.evaluate("one => one.scrollWidth - one.clientWidth")
    assert wide == 0
    assert all(bars == whole for bars, whole in sums(dialog).values())
