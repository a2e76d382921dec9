"""Turns that customers and vendors take at awkward moments, and what a finance lead expects."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.billed import Billed, Post, in_order, shuffled
from upwell.demo.stripe import FakeStripe
from upwell.event import Delivery
from upwell.projection.book import KINDS

DAY = 86_400
NOON = dt.datetime(2026, 1, 5, 17, tzinfo=dt.UTC)
FROM, TO = dt.date(2025, 10, 1), dt.date(2026, 6, 1)
Houses = Callable[..., Billed]


@pytest.fixture
def houses(tmp_path: Path) -> Iterator[Houses]:
    """Opens houses on accounts; closed at the end."""
    opened: list[Billed] = []

    def open_house(*accounts: FakeStripe, **how: Any) -> Billed:
        opened.append(Billed(tmp_path / f"house-{len(opened)}", accounts, **how))
        opened[-1].step(in_order)
        return opened[-1]

    yield open_house
    for house in opened:
        house.close()


class Shop:
    """An account that sells `small` (10 a month) and `large` (20) of one product."""

    def __init__(self, at: dt.datetime = NOON, seed: int = 3) -> None:
        self.fake = FakeStripe(int(at.timestamp()), seed, archive=True)
        self.product = self.fake.create_product("Mail", {"product": "mail"})
        self.small = self.fake.create_price(self.product, 1_000, nickname="small")
        self.large = self.fake.create_price(self.product, 2_000, nickname="large")

    def customer(self, email: str = "ann@a.example") -> Any:
        return self.fake.create_customer("Ann", email, "DE")


def bars(house: Billed) -> dict[str, str]:
    """The company's movements, those that are not 0."""
    house.settle()
    found = house.bridge(FROM, TO).bridge
    names = ("new", "expansion", "reactivation", "contraction", "churn")
    return {name: value for name in names if float(value := getattr(found, name))}


def moved(house: Billed) -> dict[tuple[str, str], int]:
    """Day and kind of each movement of the company, with its amount in minor units."""
    found: dict[tuple[str, str], int] = {}
    for key, delta in house.stands().items():
        on = dt.date(1970, 1, 1) + dt.timedelta(days=key[5])
        place = (on.isoformat(), KINDS[key[8]])
        found[place] = found.get(place, 0) + delta // 10**6
    return found


@pytest.mark.parametrize("seed", [0, 5, 7])
@pytest.mark.parametrize("post", [in_order, shuffled(1), None], ids=["hooks", "shuffled", "polled"])
def test_the_last_of_three_changes_in_one_second_holds(
    houses: Houses, seed: int, post: Post | None
) -> None:
    shop = Shop(seed=seed)
    house, fake = houses(shop.fake), shop.fake
    sold = fake.subscribe(shop.customer(), shop.small)
    fake.advance(9 * DAY)
    house.step(post)
    fake.change(sold, price=shop.large)
    fake.change(sold, price=shop.small)
    fake.change(sold, price=shop.large, quantity=2)
    house.step(post)  # within that second
    for _ in range(3):
        fake.advance(61)
        house.step(post)
    assert bars(house) == {"new": "10.00", "expansion": "30.00"}
    assert house.wrong() == {}


def test_canceled_and_bought_again_at_once_is_an_expansion(houses: Houses) -> None:
    shop = Shop()
    house, fake = houses(shop.fake), shop.fake
    ann = shop.customer()
    sold = fake.subscribe(ann, shop.small)
    fake.advance(20 * DAY)
    fake.cancel(sold, at_period_end=False)
    fake.subscribe(ann, shop.large)
    house.step(shuffled(1))
    assert bars(house) == {"new": "10.00", "expansion": "10.00"}


def test_a_customer_deleted_and_made_again_is_another(houses: Houses) -> None:
    shop = Shop()
    house, fake = houses(shop.fake), shop.fake
    ann = shop.customer()
    fake.subscribe(ann, shop.small)
    fake.advance(20 * DAY)
    fake.delete_customer(ann)
    fake.advance(3 * DAY)
    fake.subscribe(shop.customer(), shop.small)
    house.step(shuffled(4))
    assert bars(house) == {"new": "20.00", "churn": "10.00"}


@pytest.mark.parametrize(
    ("at", "day"),
    [
        ("2025-11-02T05:30", "2025-11-02"),  # 01:30 in New York, the first time
        ("2025-11-02T06:30", "2025-11-02"),  # and the second
        ("2026-03-08T04:59", "2026-03-07"),
        ("2026-03-09T03:59", "2026-03-08"),  # the end of a day of 23 hours
        ("2026-01-01T04:59", "2025-12-31"),
        ("2026-01-01T05:00", "2026-01-01"),
    ],
)
def test_days_end_where_the_company_is(houses: Houses, at: str, day: str) -> None:
    shop = Shop(dt.datetime.fromisoformat(f"{at}:00+00:00"))
    house = houses(shop.fake)
    shop.fake.subscribe(shop.customer(), shop.small)
    shop.fake.advance(60)
    house.step(in_order)
    assert moved(house) == {(day, "new"): 1_000}


def test_another_zone_counts_from_its_day_on(houses: Houses) -> None:
    """What was said in the old zone is still what was known then."""
    shop = Shop(dt.datetime(2026, 2, 1, 2, tzinfo=dt.UTC))  # 31 January in New York
    house = houses(shop.fake)
    shop.fake.subscribe(shop.customer(), shop.small)
    shop.fake.advance(DAY)
    house.step(in_order)
    assert moved(house) == {("2026-01-31", "new"): 1_000}
    before, at = house.values("mrr", FROM, dt.date(2026, 3, 1)), house.clock()
    shop.fake.advance(3_600)
    house.close()
    house.settings = type(house.settings)(
        workspace=type(house.settings.workspace)(name="Quillmoor", timezone="UTC"),
        products=house.settings.products,
        sources=house.settings.sources,
    )
    house.open()
    assert moved(house) == {("2026-02-01", "new"): 1_000}
    assert house.values("mrr", FROM, dt.date(2026, 3, 1), known_at=at) == before


def test_another_currency_within_a_minute_is_no_churn(houses: Houses) -> None:
    shop = Shop()
    house, fake = houses(shop.fake), shop.fake
    euros = fake.create_price(shop.product, 900, "eur")
    ann = shop.customer()
    sold = fake.subscribe(ann, shop.small)
    fake.advance(20 * DAY)
    fake.cancel(sold, at_period_end=False)
    fake.advance(60)
    fake.subscribe(ann, euros)
    house.step(in_order)
    assert bars(house).keys() == {"new", "expansion"}


def test_accounts_with_the_same_ids_are_two(houses: Houses) -> None:
    one, other = Shop(), Shop()
    house = houses(one.fake, other.fake)
    for shop in (one, other):
        shop.fake.subscribe(shop.customer(), shop.small)
        shop.fake.advance(DAY)
    house.step(in_order)
    assert bars(house) == {"new": "20.00"}
    assert house.values("customers", FROM, TO)[" total"] == 2
    assert house.values("revenue", FROM, TO)[" total"] == "20.00"


def test_a_product_renamed_in_stripe_changes_no_number(houses: Houses) -> None:
    shop = Shop()
    house, fake = houses(shop.fake), shop.fake
    price = fake.create_price(shop.product, 3_000)  # is called as its product is
    fake.subscribe(shop.customer(), price)
    fake.advance(9 * DAY)
    house.step(None)
    with fake.lock:
        fake.world.change(shop.product, {"name": "Post"}, "product.updated")
    for _ in range(4):
        fake.advance(15 * DAY)
        house.step(None)
    assert bars(house) == {"new": "30.00"}
    assert house.wrong() == {}
    names = {key.split()[0] for key in house.values("mrr", FROM, TO, by="plan")}
    assert "Post" in names


def test_assigned_later_the_money_moves_and_the_past_stays_known(houses: Houses) -> None:
    fake = FakeStripe(int(NOON.timestamp()), 3, archive=True)
    product = fake.create_product("Mail")
    house = houses(fake)
    fake.subscribe(fake.create_customer("Ann", "ann@a.example"), fake.create_price(product, 1_000))
    fake.advance(DAY)
    house.step(in_order)
    house.settle()
    at = house.clock()
    assert house.values("mrr", FROM, TO, by="product")["unassigned total"] == "10.00"
    fake.advance(3_600)
    house.house.links.assign("stripe-0", {product["id"]: "mail"})
    about = {"source": "stripe-0"}
    now = fake.now * 10**6
    order = Delivery(kind="retranslate", source="upwell", received_at=now, about=about)
    house.house.flow.command(order)
    for metric in ("mrr", "revenue"):
        now_ = house.values(metric, FROM, TO, by="product")
        assert (now_["mail total"], now_["unassigned total"]) == ("10.00", "0.00")
    then = house.values("mrr", FROM, TO, by="product", known_at=at)
    assert then["unassigned total"] == "10.00"
    assert house.wrong() == {}


def test_money_of_every_number_of_places(houses: Houses) -> None:
    """Stripe's smallest units are not always ours: ISK and UGX come with two places."""
    shop = Shop()
    house, fake = houses(shop.fake), shop.fake
    given = {"JPY": (2_400, "2400"), "KWD": (5_750, "5.750"), "ISK": (500_000, "5000"),
             "UGX": (1_000_000, "10000"), "HUF": (123_456, "1234.56")}  # fmt: skip
    for name, (amount, _) in given.items():
        price = fake.create_price(shop.product, amount, name.lower())
        fake.subscribe(shop.customer(f"{name}@a.example"), price)
    fake.advance(60)
    house.step(in_order)
    house.settle()
    for metric in ("mrr", "revenue"):
        found = house.values(metric, FROM, TO, currency="native")
        assert {name: found[f"{name} total"] for name in given} == {
            name: shown for name, (_, shown) in given.items()
        }


def test_staff_is_left_out_of_the_ledger_also_later(houses: Houses) -> None:
    shop = Shop()
    house, fake = houses(shop.fake, exclude=("*@acme.example",)), shop.fake
    fake.subscribe(shop.customer("boss@acme.example"), shop.small)
    ann = shop.customer()
    fake.subscribe(ann, shop.large)
    fake.advance(DAY)
    house.step(shuffled(4))
    assert bars(house) == {"new": "20.00"}
    for metric in ("revenue", "gross_revenue"):
        assert house.values(metric, FROM, TO)[" total"] == "20.00"  # cash too, by its e-mail
    fake.update_customer(ann, email="ann@acme.example")
    house.step(in_order)
    assert bars(house) == {}


@pytest.mark.parametrize("post", [in_order, shuffled(4), None])
def test_a_coupon_of_the_customer_counts_for_each_subscription(
    houses: Houses, post: Post | None
) -> None:
    """From the day it is given to the day it is taken; not where a subscription has its own."""
    shop = Shop()
    house, fake = houses(shop.fake), shop.fake
    half = fake.create_coupon(percent_off=50)
    tenth = fake.create_coupon(percent_off=10)
    ann = shop.customer()
    first = fake.subscribe(ann, shop.small)
    fake.advance(10 * DAY)
    given = fake.discount(ann, half)
    second = fake.subscribe(ann, shop.large)
    fake.advance(DAY)
    house.step(post)
    assert bars(house) == {"new": "10.00", "expansion": "5.00"}  # of one day
    fake.discount(first, tenth)
    fake.advance(DAY)
    house.step(post)
    house.settle()
    assert house.values("mrr", FROM, TO)[" total"] == "19.00"
    fake.undiscount(given)
    fake.cancel(second)
    fake.advance(DAY)
    house.step(post)
    house.settle()
    assert house.values("mrr", FROM, TO)[" total"] == "29.00"
    assert house.wrong() == {}


def test_read_at_the_end_a_coupon_of_the_customer_counts_from_its_start(houses: Houses) -> None:
    shop = Shop()
    fake = shop.fake
    ann = shop.customer()
    fake.subscribe(ann, shop.small)
    fake.advance(10 * DAY)
    fake.discount(ann, fake.create_coupon(percent_off=50))
    fake.advance(3 * DAY)
    house = houses(fake)
    assert bars(house) == {"new": "10.00", "contraction": "5.00"}
    assert house.wrong() == {}
