"""What Stripe sends that cannot be right: each by its signed webhook, each with a named outcome."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from tests.served import Served
from upwell.demo.stripe import FakeStripe, serve
from upwell.demo.stripe.world import Json

SECRET = "whsec_journeys"
CONFIG = """\
[workspace]
name = "Acme"
timezone = "America/New_York"

[server]
allow_private_urls = ["{host}"]

[[products]]
id = "mail"
name = "Mail"

[[sources]]
id = "mail-stripe"
kind = "stripe"
product = "mail"
api_key = "env:ACME_KEY"
webhook_secret = "env:ACME_SECRET"
api_base = "http://{host}"
"""


class Acme:
    """A server that reads an account and hears its webhooks."""

    def __init__(self, fake: FakeStripe, served: Served) -> None:
        self.fake, self.served = fake, served
        key = served.run("key", "create", "--name", "test", "--scope", "read", "--scope", "admin")
        self._key = {"Authorization": f"Bearer {key['key']}"}

    def post(self, event: Json) -> int:
        """One webhook, signed as Stripe does."""
        body = msgspec.json.encode(event)
        signed = FakeStripe.sign(body, SECRET, int(time.time()))
        status, _, _ = self.served.call(
            "POST", "/hooks/stripe/mail-stripe", body, **{"Stripe-Signature": signed}
        )
        return status

    def ask(self, path: str) -> Any:
        """What the API answers."""
        status, _, body = self.served.get(path, **self._key)
        assert status == 200, body
        return msgspec.json.decode(body)

    def mrr(self) -> str:
        """MRR now."""
        answer = self.ask("/v1/query?metric=mrr&grain=month")
        return str(answer["series"][0]["points"][-1]["value"])

    def dead(self) -> dict[str, str]:
        """What could not be used, by code."""
        found = self.ask("/v1/dead-letters?limit=100")
        rows = found["dead_letters"] if isinstance(found, dict) else found
        return {row["code"]: row["reason"] for row in rows}

    def doubts(self) -> dict[str, str]:
        """What is counted with a doubt, by code."""
        sources = self.ask("/v1/sources")["sources"]
        return {one["code"]: one["reason"] for source in sources for one in source["doubts"]}

    def until(self, said: Callable[[], bool]) -> bool:
        """Whether it comes true within some seconds."""
        end = time.monotonic() + 20
        while not said():
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acme]:
    """An account with two customers who pay 49 a month each."""
    folder = tmp_path_factory.mktemp("acme")
    fake = FakeStripe(now=int(time.time()) - 86_400, seed=3)
    team = fake.create_price(fake.create_product("Mail"), 4_900, nickname="team")
    for name in ("ann", "bob"):
        fake.subscribe(fake.create_customer(name, f"{name}@a.example", "DE"), team)
    fake.advance(86_400)
    with serve(fake) as url:
        config = folder / "upwell.toml"
        config.write_text(CONFIG.format(host=url.removeprefix("http://")))
        env = {"ACME_KEY": "rk_live_1", "ACME_SECRET": SECRET}
        with Served(folder / "data", config=config, env=env) as served:
            made = Acme(fake, served)
            assert made.until(lambda: made.mrr() == "98.00")
            yield made


def altered(acme: Acme, name: str, change: Callable[[Json, Json], None]) -> Json:
    """An event of a new subscription: the first one, changed by `change(subscription, item)`."""
    made: Json = msgspec.json.decode(msgspec.json.encode(acme.fake.all("subscription")[0]))
    item = made["items"]["data"][0]
    made |= {"id": f"sub_{name}", "customer": f"cus_{name}"}
    item["id"] = f"si_{name}"
    change(made, item)
    return event(name, made)


def event(name: str, of: Json, kind: str = "customer.subscription.created", **more: Any) -> Json:
    """An event of now."""
    return {
        "id": f"evt_{name}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": int(time.time()),
        "type": kind,
        "livemode": True,
        "data": {"object": of},
        **more,
    }


def _price(**changes: Any) -> Callable[[Json, Json], None]:
    return lambda _, item: item["price"].update(changes)


def _tiers(*tiers: tuple[int | None, int]) -> Callable[[Json, Json], None]:
    def change(_: Json, item: Json) -> None:
        item["quantity"] = 14
        item["price"] |= {
            "id": f"price_tiers_{len(tiers)}_{tiers[0][0]}",
            "billing_scheme": "tiered",
            "tiers_mode": "graduated",
            "unit_amount": None,
            "unit_amount_decimal": None,
            "tiers": [{"up_to": to, "unit_amount_decimal": str(unit)} for to, unit in tiers],
        }

    return change


NULL = {"unit_amount": None, "unit_amount_decimal": None}
UNUSABLE: dict[str, tuple[Callable[[Json, Json], None], str]] = {
    "unknown_interval": (
        _price(recurring={"interval": "fortnight", "interval_count": 1}),
        "recurs each 'fortnight'",
    ),
    "unpriced": (_price(id="price_gone", **NULL), "says no amount in USD"),
    "tiers_overlap": (_tiers((10, 500), (10, 300)), "two tiers end at the same quantity"),
    "negative_quantity": (lambda _, item: item.update(quantity=-3), "the quantity is -3"),
    "negative_price": (_price(unit_amount_decimal="-100"), "one unit costs -100"),
    "amount_too_large": (lambda _, item: item.update(quantity=10**12), "surely a mistake"),
    "unreadable": (lambda _, item: item.update(quantity="three"), "quantity"),
    "no_items": (lambda made, _: made["items"].update(data=[]), "has no items"),
    "unknown_status": (lambda made, _: made.update(status="frozen"), "unknown status 'frozen'"),
    "unknown_currency": (
        lambda made, item: (made.update(currency="xxq"), item["price"].update(currency="xxq"))[0],
        "in no known currency",
    ),
}


@pytest.mark.parametrize("code", UNUSABLE)
def test_what_cannot_be_counted_is_named_and_changes_nothing(acme: Acme, code: str) -> None:
    change, words = UNUSABLE[code]
    before = acme.mrr()
    assert acme.post(altered(acme, code, change)) == 200
    assert acme.until(lambda: code in acme.dead())
    assert words in acme.dead()[code]
    assert acme.mrr() == before


@pytest.mark.parametrize(
    ("name", "change", "more"),
    [
        ("null", _price(**NULL), 49),  # looked up: the price itself says it
        ("tiers", _tiers((None, 300), (10, 500)), 62),  # out of order: put into order
        ("free", _price(unit_amount_decimal="0"), 0),
    ],
)
def test_what_is_odd_and_can_be_counted_is(
    acme: Acme, name: str, change: Callable[[Json, Json], None], more: int
) -> None:
    wanted = f"{float(acme.mrr()) + more:.2f}"
    assert acme.post(altered(acme, name, change)) == 200
    assert acme.until(lambda: acme.mrr() == wanted)


def test_a_clock_that_is_ahead_is_named_and_nothing_is_hidden(acme: Acme) -> None:
    wanted = f"{float(acme.mrr()) + 49:.2f}"
    made = altered(acme, "ahead", lambda *_: None)
    assert acme.post({**made, "created": int(time.time()) + 9 * 86_400}) == 200
    assert acme.until(lambda: acme.mrr() == wanted)
    assert "it counts from when it came" in acme.doubts()["future_clamped"]
    assert "future_clamped" not in acme.dead()


def test_money_without_any_rate_stands_apart(acme: Acme) -> None:
    def dinars(made: Json, item: Json) -> None:
        made["currency"] = item["price"]["currency"] = "kwd"

    before = acme.mrr()
    assert acme.post(altered(acme, "kwd", dinars)) == 200
    path = "/v1/query?metric=mrr&grain=month"
    assert acme.until(lambda: acme.ask(path).get("unconverted"))
    assert acme.ask(path)["unconverted"] == [{"currency": "KWD", "total": "4.900"}]
    assert acme.mrr() == before


def test_another_account_is_kept_apart(acme: Acme) -> None:
    before = acme.mrr()
    made = altered(acme, "connected", lambda *_: None)
    assert acme.post({**made, "account": "acct_other"}) == 200
    assert acme.until(lambda: "other_account" in acme.dead())
    assert "connected to that of mail-stripe" in acme.dead()["other_account"]
    assert acme.mrr() == before


def test_test_data_is_set_aside(acme: Acme) -> None:
    """The key in the configuration file is for live data."""
    before = acme.mrr()
    made = altered(acme, "tried", lambda *_: None)
    assert acme.post({**made, "livemode": False}) == 200
    assert acme.until(lambda: "other_mode" in acme.dead())
    assert "the key of mail-stripe is for live data" in acme.dead()["other_mode"]
    assert acme.mrr() == before


def test_of_deleted_customers_and_of_nothing_known(acme: Acme) -> None:
    """Neither is an error, and neither moves a number."""
    before, dead = acme.mrr(), acme.dead()
    gone = {"id": "cus_gone", "object": "customer", "deleted": True}
    assert acme.post(event("gone", gone, "customer.deleted")) == 200
    novelty = {"id": "nov_1", "object": "novelty"}
    assert acme.post(event("novelty", novelty, "novelty.created")) == 200
    assert acme.served.run("verify")["ok"]
    assert (acme.mrr(), acme.dead()) == (before, dead)
