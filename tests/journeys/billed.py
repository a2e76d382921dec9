"""A house that reads fake Stripe accounts: by webhooks, by polling, or both, as time goes by."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from upwell.access import SYSTEM
from upwell.app.account import Account as Pull
from upwell.app.calls import Calls
from upwell.app.checks import verify
from upwell.app.house import House
from upwell.demo.stripe import FakeStripe
from upwell.demo.stripe.world import Event
from upwell.egress import Guard
from upwell.errors import Rejected
from upwell.event import Delivery
from upwell.metrics.catalog import CATALOG
from upwell.period import to_instant
from upwell.projection.book import FOREVER
from upwell.query import Answer, Question
from upwell.query.revenue.door import Revenue
from upwell.query.revenue.shapes import BridgeAnswer
from upwell.settings import Product, Settings, StripeSource
from upwell.settings.schema import Workspace
from upwell.sources.stripe.fetch import Gone

MICROS = 1_000_000
PRODUCTS = ("mail", "forms", "sites", "desk")
KEY = "sk_live_reader"
Post = Callable[[list[Event]], list[Event]]  # which events come by webhook, in which order


class Near(Calls):
    """The account's API without a network in between."""

    def __init__(self, fake: FakeStripe) -> None:
        super().__init__(KEY, "http://127.0.0.1:1", Guard(("127.0.0.1:1",)))
        self._fake = fake

    def get(self, path: str, query: Mapping[str, Any]) -> bytes:
        pairs = [
            (f"{name}[{n}]", str(one)) if many else (name, str(one))
            for name, value in query.items()
            for many in (not isinstance(value, str | int),)
            for n, one in enumerate(value if many else (value,))
        ]
        with self._fake.lock:
            answer = self._fake.api.answer("GET", path, urlencode(pairs), f"Bearer {KEY}")
        if answer.status == 404:
            raise Gone(path)
        if answer.status != 200:
            raise Rejected("stripe_refused", answer.body.decode())
        return answer.body


class Billed:
    """A house with one source an account; its clock is the accounts'."""

    def __init__(
        self,
        folder: Path,
        accounts: Sequence[FakeStripe],
        *,
        zone: str = "America/New_York",
        products: Sequence[str] = PRODUCTS,
        product: str | None = None,
        **workspace: Any,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.accounts = folder, accounts
        self.names = [f"stripe-{n}" for n in range(len(accounts))]
        self.settings = Settings(
            workspace=Workspace(name="Quillmoor", timezone=zone, **workspace),
            products=tuple(Product(id=name) for name in products),
            sources=tuple(
                StripeSource(
                    id=name,
                    product=product,
                    product_from=None if product else "metadata.product",
                    api_key=KEY,
                )
                for name in self.names
            ),
        )
        self.ahead = 0  # seconds that the house's clock is before the accounts'
        self.open()

    def open(self) -> None:
        """Open the house, again after a close."""
        self.house = House(self.folder, self.settings, self.clock)
        self.revenue = Revenue(self.house.desk, self.clock)
        self.calls = [Near(fake) for fake in self.accounts]
        self.pulls = [self.pull(n) for n in range(len(self.accounts))]
        self.heard_to = [-1] * len(self.accounts)

    def pull(self, n: int, calls: Calls | None = None) -> Pull:
        """A reader of an account, from where the journal left off."""
        links = self.house.links
        link = links.find(self.names[n])
        return Pull(link, links, calls or self.calls[n], self.house.journal, self.clock)

    def close(self) -> None:
        """Close everything."""
        for calls in self.calls:
            calls.close()
        self.house.close()

    def clock(self) -> dt.datetime:
        """The accounts' time."""
        return to_instant((self.accounts[0].now + self.ahead) * MICROS)

    # -- bringing facts in

    def webhooks(self, n: int, bodies: Iterable[bytes]) -> list[int]:
        """Webhooks as the door would keep them; their numbers in the journal."""
        now = self.accounts[n].now * MICROS
        about = {"webhook": True}
        name = self.names[n]
        sent = [
            Delivery(kind="stripe", source=name, received_at=now, about=about, body=body)
            for body in bodies
        ]
        seqs = self.house.journal.append(sent) if sent else []
        for seq, delivery in zip(seqs, sent, strict=True):
            self.pulls[n].heard(msgspec.structs.replace(delivery, seq=seq))
        return seqs

    def fresh(self, n: int) -> list[Event]:
        """What happened since it was asked last."""
        found = self.accounts[n].events
        place = len(found)
        while place and found[place - 1].number > self.heard_to[n]:
            place -= 1
        if found:
            self.heard_to[n] = found[-1].number
        return found[place:]

    def step(self, post: Post | None) -> None:
        """Webhooks of what happened, those that `post` lets through; then a look at each list."""
        for n, fake in enumerate(self.accounts):
            self.webhooks(n, map(fake.payload, (post or _none)(self.fresh(n))))
            self.read(n)

    def read(self, n: int) -> None:
        """Look at an account's lists."""
        for _ in self.pulls[n].read():
            pass

    def settle(self) -> None:
        """Until everything in the journal is in the numbers."""
        assert self.house.caught_up(60), self.house.flow.trouble

    # -- asking

    def ask(self, metric: str, start: dt.date, end: dt.date, **rest: Any) -> Answer:
        """One answer, by month."""
        rest.setdefault("grain", "month")
        return self.house.answer(Question(metric=metric, start=start, end=end, **rest), SYSTEM)

    def values(self, metric: str, start: dt.date, end: dt.date, **rest: Any) -> dict[str, Any]:
        """The points of an answer by series and start, with totals and what was not converted."""
        answer = self.ask(metric, start, end, **rest)
        found: dict[str, Any] = {
            f"{line.key} {point.start}": point.value
            for line in answer.series
            for point in line.points
        }
        found |= {f"{line.key} total": line.total for line in answer.series}
        found |= {f"{one.currency} apart": one.total for one in answer.unconverted}
        return found

    def bridge(self, start: dt.date, end: dt.date, **rest: Any) -> BridgeAnswer:
        """The bridge over some days, by month."""
        question = Question(metric="mrr", start=start, end=end, grain="month", **rest)
        return self.revenue.bridge(question, SYSTEM)

    def everything(self, start: dt.date, end: dt.date) -> dict[str, Any]:
        """Every revenue answer: by month, for the company, by product and by currency."""
        found: dict[str, Any] = {}
        for metric in (*REVENUE, *BESIDE):
            for by in (None, "product", "currency"):
                if by == "currency" and "currency" not in CATALOG[metric].dimensions:
                    continue
                for key, value in self.values(metric, start, end, by=by).items():
                    found[f"{metric} by {by}: {key}"] = value
        for by in (None, "product", "plan", "country", "interval"):
            answer = msgspec.to_builtins(self.bridge(start, end, by=by))
            for name in ("bridge", "causes", "cross", "buckets", "unconverted"):
                found[f"bridge by {by}: {name}"] = answer[name]
            for part in answer["parts"]:
                found[f"bridge by {by}: {part['key']}"] = part["bridge"]
        question = Question(metric="mrr", start=start, end=end, grain="month")
        for row in self.revenue.reconciliation(question, SYSTEM).rows:
            found[f"cash {row.account} {row.currency} {row.month}"] = msgspec.to_builtins(row)
        return found

    def stands(self) -> dict[tuple[Any, ...], int]:
        """What stands in the ledger: each line's change on each day, with kinds and cause."""
        self.settle()
        book = self.house.projection.book()
        rows = book.rows
        found: dict[tuple[Any, ...], int] = {}
        for n in range(len(rows.delta)):
            if rows.superseded_at[n] != FOREVER:
                continue
            line = book.lines[int(rows.line[n])]
            key = (
                line.source, line.subscription, line.product, line.plan, line.currency,
                int(rows.day[n]), int(rows.by_subscription[n]), int(rows.by_product[n]),
                int(rows.by_company[n]), int(rows.cause[n]),
            )  # fmt: skip
            found[key] = found.get(key, 0) + int(rows.delta[n])
        return found

    def wrong(self) -> dict[str, str]:
        """What `upwell verify` finds wrong."""
        return {one["name"]: one["detail"] for one in verify(self.house) if not one["ok"]}


REVENUE = (
    "mrr", "arr", "new_mrr", "expansion_mrr", "contraction_mrr", "churned_mrr",
    "reactivation_mrr", "net_new_mrr", "customers", "new_customers", "churned_customers",
    "reactivated_customers", "customer_churn_rate", "gross_mrr_churn_rate", "net_mrr_churn_rate",
    "nrr", "grr", "quick_ratio", "arpa", "asp", "ltv", "revenue", "gross_revenue", "refunds",
    "cancellations", "fees", "trials", "failed_payments",
)  # fmt: skip
BESIDE = (
    "cash", "recovery_rate", "trial_conversion_rate", "mrr_set_to_cancel", "cancelling_mrr",
)  # fmt: skip
"""Answers with rows of another kind than their numbers, or with none."""


def _none(_: list[Event]) -> list[Event]:
    return []


def in_order(events: list[Event]) -> list[Event]:
    """Every event once, as it happened."""
    return events


def shuffled(seed: int) -> Post:
    """Every event at least once, in any order; a fifth comes twice."""
    dice = random.Random(seed)

    def post(events: list[Event]) -> list[Event]:
        sent = events + [event for event in events if dice.random() < 0.2]
        dice.shuffle(sent)
        return sent

    return post


def half(seed: int) -> Post:
    """Half of the events; the others are left to polling."""
    dice = random.Random(seed)
    return lambda events: [event for event in events if dice.random() < 0.5]
