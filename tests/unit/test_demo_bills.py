"""The demo company's revenue, through the fake Stripe and the real source, as curves and ratios."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import pairwise

from tests.unit.demo_bills import (
    COMPANY,
    DAY,
    NOW,
    Read,
    bills,
    money,
    month_of,
    mrr,
    worth,
)
from upwell.demo import marks
from upwell.demo.feed import ENDPOINT
from upwell.demo.rhythm import today_of
from upwell.demo.sales import burst
from upwell.demo.stage import Stage
from upwell.demo.stripe.world import Json
from upwell.demo.vendor import past
from upwell.demo.wire import APART, MAIN

SMALL, SCALE = 0.03, 0.6
TODAY = today_of(COMPANY, NOW)
BEGAN = TODAY.replace(year=TODAY.year - 2)


def read() -> Read:
    return bills(SCALE)


def total(day: dt.date, product: str | None = None) -> float:
    ids = [product] if product else list(mrr(SCALE))
    return sum(worth(mrr(SCALE)[id], day) for id in ids)


# -- the same story


def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    program = (
        "import hashlib, datetime as dt\n"
        "from upwell.demo import company\n"
        "from upwell.demo.stage import Stage\n"
        "from upwell.demo.vendor import past\n"
        f"stage = Stage(company(), dt.date.fromisoformat({TODAY.isoformat()!r}), {SMALL})\n"
        f"body = b''.join(f.body for f in past(stage, {int(NOW.timestamp())}))\n"
        "print(hashlib.sha256(body).hexdigest())\n"
    )
    other = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    body = b"".join(frame.body for frame in bills(SMALL).frames)
    assert hashlib.sha256(body).hexdigest() == other


def test_what_happens_later_does_not_depend_on_how_the_past_was_told() -> None:
    at = int(NOW.timestamp())

    def told(stage: Stage) -> list[tuple[str, str, bytes]]:
        last = {name: account.newest for name, account in stage.accounts.items()}
        for account in stage.accounts.values():
            account.world.hears = None
        stage.run(at + 3 * DAY)
        return [
            (event.id, event.type, event.body)
            for name, account in stage.accounts.items()
            for event in account.after(last[name])
        ]

    paged = Stage(COMPANY, TODAY, SMALL)
    for _ in past(paged, at):
        pass
    run = Stage(COMPANY, TODAY, SMALL)
    run.run(at - 40 * DAY)
    run.run(at)
    found = told(paged)
    assert len(found) > 20
    assert found == told(run)


def test_pages_are_in_order_of_time_and_tell_how_far_they_are() -> None:
    shares = [frame.share for frame in read().frames]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert {frame.source for frame in read().frames} == {MAIN, APART}
    assert max(frame.rows for frame in read().frames) <= 500


def test_everything_that_is_told_can_be_used() -> None:
    assert read().dead == []
    assert set(read().unknown) <= {"ended by payment_failed", "dispute without money"}
    assert {row["product"] for row in read().events} == {p.id for p in COMPANY.products}
    for row in read().of("revenue"):
        assert row["actor"]
        assert row["plan"] in ("starter", "team", "enterprise", "plus", "family")
        assert row["country"] or str(row["key"]).endswith(":reinstated")
    for row in read().of("churn"):
        assert (row["plan"], row["country"], row["reason"]) != (None, None, None)
        assert row["country"]


# -- what a growth lead looks at


def test_mrr_grows_but_not_beyond_belief() -> None:
    assert 1.5 < total(TODAY) / total(BEGAN) < 2.8
    steps = [total(BEGAN + dt.timedelta(days=30 * k)) for k in range(24)]
    changes = [after / before - 1 for before, after in pairwise(steps)]
    assert min(changes) > -0.05
    assert max(changes) < 0.16


def test_retention_is_that_of_software_for_small_companies() -> None:
    since = TODAY - dt.timedelta(days=365)
    before: defaultdict[str, float] = defaultdict(float)
    after: defaultdict[str, float] = defaultdict(float)
    owner = {name: states[0].customer for name, states in read().states().items()}
    for lines in mrr(SCALE).values():
        for key, line in lines.items():
            who = owner[key.partition(" ")[0]]
            before[who] += worth({key: line}, since)
            after[who] += worth({key: line}, TODAY)
    stayed = {who for who, amount in before.items() if amount > 0}
    base = sum(before[who] for who in stayed)
    net = sum(after[who] for who in stayed) / base
    gross = sum(min(after[who], before[who]) for who in stayed) / base
    assert 0.78 < net < 1.1
    assert 0.62 < gross < 0.92
    assert gross < net


def test_churn_falls_with_the_plan() -> None:
    clicks: Counter[str] = Counter()
    payers: Counter[str] = Counter()
    for row in read().of("churn"):
        clicks[str(row["plan"])] += 1
    for row in read().of("revenue"):
        payers[str(row["plan"])] += 1
    rate = {plan: clicks[plan] / payers[plan] for plan in ("starter", "team", "enterprise")}
    assert 0.10 > rate["starter"] > rate["enterprise"] > 0.002
    assert rate["team"] > rate["enterprise"]


def test_products_keep_their_characters() -> None:
    early, late = BEGAN + dt.timedelta(days=60), TODAY

    def growth(product: str) -> float:
        return total(late, product) / total(early, product)

    assert growth("chat") < 0.9
    assert 0.8 < growth("mail") < 1.7
    assert growth("docs") > 1.3
    assert growth("sign") > 1.3
    assert total(TODAY - dt.timedelta(days=280), "pulse") == 0 < total(TODAY, "pulse")
    january = [row for row in read().of("revenue", "books") if month_of(row) == "2026-01"]
    may = [row for row in read().of("revenue", "books") if month_of(row) == "2026-05"]
    assert money(january) > 1.6 * money(may)


def test_a_price_rise_is_an_expansion_of_all_that_were_there() -> None:
    rise = next(launch for launch in COMPANY.launches if launch.prices)
    day = next(mark.date for mark in marks(COMPANY, NOW) if mark.title == rise.title)
    before = total(day - dt.timedelta(days=1), rise.product)
    assert 1.06 < total(day + dt.timedelta(days=1), rise.product) / before < 1.2


def test_currencies_refunds_and_failures_are_as_rare_as_they_should_be() -> None:
    paid = read().of("revenue")
    assert {row["currency"] for row in paid if row["product"] == "rota"} == {"EUR", "GBP", "JPY"}
    assert {row["currency"] for row in paid if row["product"] != "rota"} == {"USD"}
    assert 0.007 < len(read().of("refund")) / len(paid) < 0.022
    assert 0.01 < len(read().of("payment_failed")) / len(paid) < 0.06
    assert len(read().of("payment_recovered")) > 0.5 * len(read().of("payment_failed"))
    kinds = Counter(record.kind for record in read().cash())
    assert kinds["charge"] == len([p for p in read().payments() if p.status == "paid" and p.paid])
    assert kinds["dispute"] >= 1
    assert kinds["refund"] > 0


def test_the_outage_shows_in_failed_payments() -> None:
    day = next(mark.date for mark in marks(COMPANY, NOW) if mark.title == COMPANY.outage.title)
    failed: Counter[dt.date] = Counter()
    for row in read().of("payment_failed"):
        at = row["ts"]
        assert isinstance(at, int)
        failed[dt.datetime.fromtimestamp(at / 1e6 - 4 * 3600, dt.UTC).date()] += 1
    usual = sum(failed[day - dt.timedelta(days=k)] for k in range(2, 32)) / 30
    assert failed[day] + failed[day + dt.timedelta(days=1)] > 3 * usual


def test_trials_convert_mostly_and_some_companies_buy_two_products() -> None:
    states = read().states()
    tried = {
        name: [one.status for one in own]
        for name, own in states.items()
        if any(one.status == "trialing" for one in own)
    }
    converted = [name for name, statuses in tried.items() if "active" in statuses]
    assert 0.4 < len(converted) / len(tried) < 0.8
    products: defaultdict[str, set[str]] = defaultdict(set)
    for own in states.values():
        for one in own:
            products[one.customer] |= {item.product for item in one.items}
    assert sum(len(bought) > 1 for bought in products.values()) > 8


def test_customers_look_like_customers() -> None:
    people = read().customers().values()
    assert all(one.name and "@" in one.email and len(one.country) == 2 for one in people)
    assert all(one.external for one in people)
    assert len({one.email for one in people}) > 0.8 * len(people)
    assert any("GmbH" in one.name for one in people)


# -- the bad minute


def left(stage: Stage, since: int) -> list[tuple[Json, int]]:
    """Subscriptions of Mail that were cancelled since, with the second of the click."""
    return [
        (row, row["canceled_at"])
        for row in stage.accounts[MAIN].all("subscription")
        if (row["canceled_at"] or 0) > since and row["metadata"]["product"] == "mail"
    ]


def test_the_burst_is_of_paying_customers_of_one_plan_and_country() -> None:
    at = int(NOW.timestamp())
    stage = Stage(COMPANY, TODAY, SMALL)
    stage.run(at)
    stage.add(burst(COMPANY, TODAY, NOW, SMALL))
    stage.run(at + 300)
    gone = left(stage, at)
    assert len(gone) == 21
    waits = sorted(second - at for _, second in gone)
    assert waits[0] >= 90
    assert waits[-1] <= 210
    account = stage.accounts[MAIN]
    plan = Counter(row["items"]["data"][0]["price"]["nickname"] for row, _ in gone)
    country = Counter(row["metadata"]["country"] for row, _ in gone)
    reason = Counter(row["cancellation_details"]["feedback"] for row, _ in gone)
    for counted, usual in ((plan, "starter"), (country, "DE"), (reason, "too_expensive")):
        assert counted.most_common(1)[0][0] == usual
        assert 0.6 <= counted[usual] / 21 < 1
    for row, _ in gone:
        paid = account.get("invoice", row["latest_invoice"])
        assert paid["status"] == "paid"
        assert paid["created"] > at - 35 * DAY
    told = [event for event in account.after(-1) if event.created > at]
    clicks = [event for event in told if event.type == "customer.subscription.updated"]
    assert len(clicks) == 21
    assert {event.type for event in clicks} <= ENDPOINT


def test_the_burst_is_unlike_the_days_before() -> None:
    usual = [
        row
        for row in read().of("churn", "mail")
        if isinstance(row["ts"], int) and row["ts"] / 1e6 > NOW.timestamp() - 30 * DAY
    ]
    assert len(usual) / 30 < 1.5
