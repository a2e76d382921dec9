"""A company with two Stripe accounts and four products, told from a seed.

    quillmoor = company(now)
    quillmoor.accounts              # two FakeStripe, their clocks at `now`

Each customer has a story (`stories.py`); the first ones tell every story once, so that everything
the fake can do has happened however small the company is.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from decimal import Decimal

from upwell.demo.stripe.calendar import add_months
from upwell.demo.stripe.fake import FakeStripe
from upwell.demo.stripe.stories import EVERY, OFTEN, Scene, Story
from upwell.demo.stripe.world import DAY, Json

_COUNTRIES = ("US", "US", "US", "GB", "DE", "DE", "FR", "NL", "JP", "KW", "CA")
_NAMES = ("Alder", "Birchwell", "Calder", "Dunmere", "Eastvale", "Fairlock", "Halden", "Juniper")
_TRADES = ("Logistics", "Dental", "Studio", "Bakery", "Interiors", "Travel", "Farms", "Legal")

# name -> (amount in minor units, interval, interval_count); the first product's plans
_PLANS: dict[str, tuple[int, str, int]] = {
    "starter": (1_900, "month", 1),
    "team": (900, "month", 1),
    "business": (4_900, "month", 1),
    "starter-year": (19_000, "year", 1),
    "week": (1_000, "week", 1),
    "two-weeks": (2_000, "week", 2),
    "four-weeks": (4_000, "week", 4),
    "day": (100, "day", 1),
    "quarter": (9_000, "month", 3),
    "two-years": (200_000, "year", 2),
}


class Company:
    """Accounts and the stories of their customers; `run` moves all clocks together."""

    def __init__(self, accounts: tuple[FakeStripe, ...]) -> None:
        self.accounts = accounts
        self.stories: dict[str, str] = {}  # customer -> name of the story
        self._stories: list[tuple[float, int, FakeStripe, Story]] = []
        self._told = 0

    @property
    def now(self) -> int:
        """The clock of the accounts, in seconds."""
        return self.accounts[0].now

    def tell(self, at: float, account: FakeStripe, story: Story) -> None:
        """Let a story begin, or go on, at that second."""
        self._told += 1
        heapq.heappush(self._stories, (at, self._told, account, story))

    def run(self, until: int) -> None:
        """Everything that customers do and that falls due until then."""
        stories = self._stories
        while stories and stories[0][0] <= until:
            at, _, account, story = heapq.heappop(stories)
            account.advance_to(int(at))
            wait = next(story, None)
            if wait is not None:
                self.tell(at + wait * DAY, account, story)
        for account in self.accounts:
            account.advance_to(until)


def company(
    now: int, *, seed: int = 7, customers: int = 300, months: int = 24, archive: bool = True
) -> Company:
    """The company at `now` (seconds), after so many months."""
    told = begin(now, seed=seed, customers=customers, months=months, archive=archive)
    told.run(now)
    return told


def begin(
    now: int, *, seed: int = 7, customers: int = 300, months: int = 24, archive: bool = True
) -> Company:
    """The same company so many months before `now`, with all its stories ahead of it."""
    start = add_months(now, -months)
    main = FakeStripe(
        start,
        seed,
        name="Quillmoor",
        archive=archive,
        settles={"gbp": ("usd", Decimal("1.27"))},
    )
    europe = FakeStripe(start, seed + 1, name="Quillmoor Europe", archive=archive, outcome="unpaid")
    told = Company((main, europe))
    dice = random.Random(seed)
    _cast(told, dice, main, _shelf(main, "mail", "forms", "usd"), range(customers * 2 // 3), now)
    _cast(told, dice, europe, _shelf(europe, "sites", "desk", "eur"), range(customers // 3), now)
    return told


Tale = Callable[[Scene], Story]
Shelf = tuple[dict[str, Json], dict[str, Json], dict[str, Json]]


def _cast(
    told: Company, dice: random.Random, account: FakeStripe, shelf: Shelf, who: range, now: int
) -> None:
    """Customers come one after another, a third of them in the first month."""
    start = account.now
    for number in who:
        tell = EVERY[number] if number < len(EVERY) else dice.choice(EVERY + OFTEN * 4)
        span = 30 * DAY if number % 3 == 0 else now - start - 45 * DAY
        at = start + dice.randrange(max(1, span))
        own = random.Random(f"{account.account}-{number}")
        told.tell(at, account, _arrives(told, account, shelf, own, number, tell))


def _arrives(
    told: Company,
    account: FakeStripe,
    shelf: Shelf,
    dice: random.Random,
    number: int,
    tell: Tale,
) -> Story:
    name = f"{dice.choice(_NAMES)} {dice.choice(_TRADES)}"
    address = f"office{number}@{name.split()[0].lower()}{number % 40}.example"
    external = {"account_id": f"A{number:05d}"} if number % 4 == 0 else {}
    who = account.create_customer(name, address, dice.choice(_COUNTRIES), metadata=external)
    told.stories[who["id"]] = tell.__name__
    yield from tell(Scene(account, *shelf, who, dice))


def _shelf(fake: FakeStripe, first: str, second: str, money: str) -> Shelf:
    """Prices of every kind for two products, coupons and tax rates."""
    one = fake.create_product(first.title(), {"product": first})
    two = fake.create_product(second.title(), {"product": second})
    prices = {
        name: fake.create_price(
            one, amount, money, interval=interval, interval_count=count, nickname=name
        )
        for name, (amount, interval, count) in _PLANS.items()
    }
    fake.create_price(two, 500, money, nickname="retired", metadata={"until": "2024"})
    prices |= {
        "second": fake.create_price(two, 2_500, money, nickname="standard"),
        "metered": fake.create_price(two, "0.25", money, metered=True, nickname="requests"),
        "setup": fake.create_price(one, 15_000, money, interval=None, nickname="set-up"),
        "fraction": fake.create_price(two, "12.5", money, nickname="per contact"),
        "packs": fake.create_price(two, 800, money, divide_by=1_000, nickname="packs of 1,000"),
        "graduated": fake.create_price(
            two, currency=money, tiers=[(10, 500, 0), (None, 300, 0)], nickname="graduated"
        ),
        "volume": fake.create_price(
            two,
            currency=money,
            tiers=[(10, 500, 0), (100, 300, 1_000), (None, "199.5", 0)],
            tiers_mode="volume",
            nickname="volume",
        ),
        "gross": fake.create_price(one, 1_210, money, tax_behavior="inclusive", nickname="gross"),
        "yen": fake.create_price(one, 2_400, "jpy", nickname="starter jp"),
        "dinar": fake.create_price(one, 5_750, "kwd", nickname="starter kw"),
        "euro": fake.create_price(one, 1_700, "eur", nickname="starter eu"),
        "pound": fake.create_price(one, 1_500, "gbp", nickname="starter uk"),
    }
    coupons = {
        "half": fake.create_coupon(percent_off=50, duration="repeating", months=3, name="Half"),
        "once": fake.create_coupon(percent_off=20, duration="once", name="Welcome"),
        "forever": fake.create_coupon(percent_off=15.5, name="Friends"),
        "free": fake.create_coupon(percent_off=100, duration="repeating", months=2, name="Gift"),
        "amount": fake.create_coupon(
            amount_off=1_000, currency=money, duration="repeating", months=6, name="Ten off"
        ),
        "tenth": fake.create_coupon(percent_off=10, name="Partner", id="PARTNER10"),
    }
    taxes = {
        "within": fake.create_tax_rate(21, inclusive=True, country="NL"),
        "on_top": fake.create_tax_rate(19, inclusive=False, country="DE"),
    }
    return prices, coupons, taxes
