"""Four questions that a newcomer answers from Home without having read anything.

Each by mouse and again by keyboard alone; what stands on the screen is what the API says.
"""

from __future__ import annotations

import datetime as dt
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import Ask, reader
from tests.browser.test_usage_pages import named
from tests.browser.visit import Visit, ingest_key, post
from tests.served import Served

Visitor = Callable[..., Visit]

LATE = Decimal("49.00")
CAUSES = {"cancel": "Cancelled", "payment_failed": "Payment failed", "pause": "Paused"}


class Hands(ABC):
    """What a person does; `acts` counts clicks, or keys."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.acts = 0

    @abstractmethod
    def press(self, what: Locator) -> None:
        """Follow a link or press a button."""

    @abstractmethod
    def pick_cohort(self, name: str) -> None:
        """Choose the cohort that is set beside the one before it."""


class Mouse(Hands):
    """Clicks."""

    def press(self, what: Locator) -> None:
        what.click()
        self.acts += 1

    def pick_cohort(self, name: str) -> None:
        self.press(self.page.get_by_role("button", name=name, exact=True))


class Keyboard(Hands):
    """Tab until it has the focus, which must be seen, then Enter."""

    MOST = 45  # stops until the place is found

    def press(self, what: Locator) -> None:
        self.reach(what)
        self.page.keyboard.press("Enter")
        self.acts += 1

    def pick_cohort(self, name: str) -> None:
        self.reach(self.page.get_by_label("This cohort"))
        self.page.keyboard.type(name)
        self.acts += len(name)

    def reach(self, what: Locator) -> None:
        """Until it has the focus."""
        expect(what).to_be_visible()
        for _ in range(self.MOST):
            self.page.keyboard.press("Tab")
            self.acts += 1
            outline = self.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid", "it is not seen where the focus is"
            if what.evaluate("node => node === document.activeElement"):
                return
        pytest.fail(f"{what} is not reached with {self.MOST} tabs")


@pytest.fixture(params=[Mouse, Keyboard], ids=["mouse", "keyboard"])
def start(request: pytest.FixtureRequest, demo: Served, visitor: Visitor) -> tuple[Visit, Hands]:
    """Home, and hands; nothing is opened by its address afterwards."""
    visit = visitor(demo)
    return visit, request.param(visit.go("/"))


@pytest.fixture(scope="module")
def company(browser: Browser, whole_demo: Served) -> Ask:
    """The demo company whose last month is closed and changed afterwards.

    A subscription of last month becomes known after the close, and has ended since. Gives what
    asks the API.
    """
    demo, ask = whole_demo, reader(whole_demo)
    context = browser.new_context()
    visit = Visit(context, demo)
    visit.go("/")
    today = dt.date.fromisoformat(visit.ask("/v1/session")["workspace"]["today"])
    context.close()
    last = month_before(today)
    demo.run("close", f"{last:%Y-%m}")
    began = dt.datetime.combine(last, dt.time(18), dt.UTC) + dt.timedelta(days=14)
    ended = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
    events = [
        {
            "product_id": "forms",
            "event_type": "subscription",
            "actor_id": "latecomer",
            "idempotency_key": f"latecomer/{value}",
            "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "value": str(value),
            "currency": "USD",
            "metadata": {"plan": "team"},
        }
        for value, at in ((LATE, began), (Decimal(0), ended))
    ]
    sender = ingest_key(demo)
    assert post(demo, sender, events) == len(events)
    # The first question about use puts all events in order; the pages' own are asked after it.
    ask(
        "/v1/retention",
        {
            "start": {"event": "signup"},
            "return": {"event": "session"},
            "from": str(last),
            "to": str(today),
        },
    )
    return ask


def arrive(visit: Visit) -> None:
    """Until the page is shown and answered; a first question of its kind takes its time."""
    expect(visit.page.locator("[aria-busy=true]")).to_have_count(0, timeout=60_000)
    visit.settle()


def month_before(day: dt.date) -> dt.date:
    """The first day of the month before."""
    return (day.replace(day=1) - dt.timedelta(days=1)).replace(day=1)


def today_of(visit: Visit) -> dt.date:
    """The workspace's day."""
    return dt.date.fromisoformat(visit.ask("/v1/session")["workspace"]["today"])


def agree(seen: Callable[[], Any], said: Callable[[], Any]) -> Any:
    """What both give, once they do: the company goes on while it is looked at."""
    for _ in range(40):
        truth = said()
        if (shown := seen()) == truth:
            return shown
        time.sleep(0.25)
    assert seen() == said()
    return said()


def rail(page: Page, name: str) -> Locator:
    """A page in the rail."""
    return page.get_by_role("navigation", name="Pages").get_by_role("link", name=name, exact=True)


def tab(page: Page, of: str, name: str) -> Locator:
    """A part of a page."""
    return page.get_by_role("navigation", name=of).get_by_role("link", name=name)


def share(value: float) -> str:
    """As the heatmap writes it."""
    return f"{int(value * 100 + 0.5)}%"


def test_which_product_lost_most_mrr_this_month_why_and_who(
    company: Ask, start: tuple[Visit, Hands]
) -> None:
    visit, hands = start
    page = hands.page
    today = today_of(visit)
    days = f"from={today.replace(day=1)}&to={today + dt.timedelta(days=1)}&by=product"

    def lost(part: Any) -> Decimal:
        return Decimal(part["bridge"]["churn"]) + Decimal(part["bridge"]["contraction"])

    def worst() -> Any:
        return max(company(f"/v1/bridge?{days}")["parts"], key=lost)

    finding = page.get_by_role("region", name="Lost most").get_by_role("link").first
    expect(finding).to_contain_text("lost the most MRR this month")
    most = worst()
    assert agree(lambda: finding.inner_text().split(" lost")[0], lambda: worst()["label"])
    mostly = max("churn", "contraction", key=lambda kind: Decimal(most["bridge"][kind]))
    assert re.search(rf"(all|mostly) by {mostly}\.$", finding.inner_text())

    hands.press(finding)
    drawer = page.get_by_role("dialog", name="The customers behind it")
    expect(drawer.get_by_role("heading")).to_contain_text(
        f"{mostly.title()} in {most['label']}: −${Decimal(most['bridge'][mostly]):,.2f}"
    )
    rows = drawer.locator("tbody tr")

    def people() -> list[tuple[str, str]]:
        asked = f"/v1/bridge/customers?{days}&movement={mostly}&key={most['key']}"
        return [
            (one["name"] or one["email"] or one["id"], CAUSES.get(one["cause"], one["cause"]))
            for one in company(asked)["customers"]
        ]

    expect(rows).not_to_have_count(0)
    shown = [
        (row.get_by_role("link").inner_text(), row.locator("td").nth(3).inner_text())
        for row in rows.all()
    ]
    assert shown == people()
    assert hands.acts <= (1 if isinstance(hands, Mouse) else 30)


def test_where_signups_drop_in_the_funnel_and_on_which_branch(
    company: Ask, start: tuple[Visit, Hands]
) -> None:
    visit, hands = start
    page = hands.page
    hands.press(rail(page, "Usage"))
    arrive(visit)
    # The first funnel begins with a visit; the question begins with a signup.
    hands.press(page.get_by_role("button", name="Take step 1 away"))
    arrive(visit)
    today = today_of(visit)
    either = {"any": [{"event": "activation"}, {"event": "engagement"}]}
    asked = {
        "from": str(today - dt.timedelta(days=27)),
        "to": str(today + dt.timedelta(days=1)),
        "steps": [{"event": "signup"}, either, {"event": "engagement"}],
        "window": "14d",
    }
    words = {"signup": "Signup", "activation": "Activation", "engagement": "Use"}

    def told() -> str:
        answer = company("/v1/funnel", asked)
        nodes = answer["flow"]["nodes"]
        worst = max((node for node in nodes if node["step"] < 3), key=lambda node: node["dropped"])
        beside = [
            f"after {words[node['label']]} {node['dropped'] / node['count']:.1%}"
            for node in nodes
            if node["step"] == worst["step"] and node["id"] != worst["id"] and node["count"]
        ]
        others = f" ({', '.join(beside)})" if beside else ""
        return (
            f"{answer['steps'][-1]['count']} of {answer['steps'][0]['count']} users did all 3 "
            f"steps, {answer['whole']['conversion']:.1%}; most leave after "
            f"{words[worst['label']]}: {worst['dropped']}, "
            f"{worst['dropped'] / worst['count']:.1%} of those there{others}."
        )

    finding = page.get_by_role("heading", name=re.compile("users did all 3 steps"))
    agree(finding.inner_text, told)
    assert hands.acts <= (2 if isinstance(hands, Mouse) else 20)


def test_whether_the_march_cohort_keeps_better_than_february_s(
    company: Ask, start: tuple[Visit, Hands]
) -> None:
    visit, hands = start
    page = hands.page
    hands.press(rail(page, "Usage"))
    arrive(visit)
    hands.press(tab(page, "Usage", "Retention"))
    arrive(visit)
    today = today_of(visit)
    first = today.replace(day=1, year=today.year - 1)
    asked = {
        "start": {"event": "signup"},
        "return": {"event": "session"},
        "from": str((first + dt.timedelta(days=31)).replace(day=1)),
        "to": str(today + dt.timedelta(days=1)),
        "grain": "month",
    }
    cohorts = company("/v1/retention", asked)["cohorts"]
    whole = [n for n, one in enumerate(cohorts) if n and known(one, 1)]
    # March, or in the months in which it has nothing to be set beside, the newest that has.
    at = next((n for n in whole if cohorts[n]["start"][5:7] == "03"), whole[-1])
    own, before = cohorts[at], cohorts[at - 1]
    names = [named(dt.date.fromisoformat(one["start"])) for one in (own, before)]

    hands.pick_cohort(names[0])
    arrive(visit)
    ages = [k for k in range(1, len(own["shares"])) if known(own, k) and known(before, k)]
    better = sum(own["shares"][k] > before["shares"][k] for k in ages)
    worse = sum(own["shares"][k] < before["shares"][k] for k in ages)
    verdict = "better than" if better > worse else "worse than" if worse > better else "as well as"
    finding = page.get_by_role("heading", name=re.compile(f"^{names[0]} keeps "))
    expect(finding).to_contain_text(f"{names[0]} keeps {verdict} {names[1]}")
    expect(finding).to_contain_text(
        f"{own['shares'][1]:.1%} against {before['shares'][1]:.1%} after 1 month"
    )
    if better != worse and len(ages) > 1:
        expect(finding).to_contain_text(f"at {max(better, worse)} of {len(ages)} ages")

    # Both rows are marked, and the difference stands at every age.
    expect(page.locator("tr.told th")).to_have_text(sorted(names, key=lambda n: n == names[0]))
    for one in (own, before):
        name = named(dt.date.fromisoformat(one["start"]))
        row = page.get_by_role("row").filter(has=page.get_by_role("button", name=name, exact=True))
        cells = row.locator("td:not(.size)").all_inner_texts()
        assert [cells[k] for k in ages] == [share(one["shares"][k]) for k in ages]
    ahead = page.get_by_role("row", name=re.compile(f"^{names[0]} against {names[1]}"))
    expect(ahead.locator("td").nth(1)).to_contain_text("pp")
    assert hands.acts <= (3 if isinstance(hands, Mouse) else 45)


def known(cohort: Any, k: int) -> bool:
    """Whether a cohort has got to an age."""
    shares = cohort["shares"]
    return k < len(shares) and shares[k] is not None


def test_what_changed_in_last_month_s_figures_since_then(
    company: Ask, start: tuple[Visit, Hands]
) -> None:
    visit, hands = start
    page = hands.page
    hands.press(rail(page, "Revenue"))
    arrive(visit)
    hands.press(tab(page, "Revenue", "Past months"))
    arrive(visit)
    last = month_before(today_of(visit))
    (close,) = company("/v1/closes")["closes"]
    assert close["month"] == f"{last:%Y-%m}"
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    changes = company(
        f"/v1/changes?month={close['month']}&from_known_at={close['closed_at']}"
        f"&to_known_at={soon:%Y-%m-%dT%H:%M:%SZ}"
    )
    gain = Decimal(changes["after"]) - Decimal(changes["before"])
    assert gain == LATE

    said = page.get_by_role("region", name=re.compile(f"^MRR of {named(last)} changed"))
    expect(said.get_by_role("heading")).to_contain_text(f"changed by +${gain:,.2f} since it was")
    expect(said).to_contain_text(f"It was ${Decimal(changes['before']):,.2f}")
    expect(said).to_contain_text(f"now it is ${Decimal(changes['after']):,.2f}")
    (change,) = changes["changes"]
    expect(said.get_by_role("listitem")).to_contain_text(
        [f"+${Decimal(change['amount']):,.2f}"], use_inner_text=True
    )
    expect(said.get_by_role("listitem").get_by_role("link")).to_have_text(change["customer"])
    row = page.get_by_role("row").filter(has_text=named(last)).first
    expect(row).to_contain_text(f"+${gain:,.2f}")
    assert hands.acts <= (2 if isinstance(hands, Mouse) else 15)
