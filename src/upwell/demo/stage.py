"""What customers do, done at the company's accounts in order of time, on the accounts' clocks."""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Iterable

from upwell.demo.billing import Deed
from upwell.demo.cast import Company
from upwell.demo.lives import REASONS
from upwell.demo.rhythm import DAY, calendar, tuesday
from upwell.demo.sales import Sale, Who, sales
from upwell.demo.shop import Shop
from upwell.demo.stripe import FakeStripe
from upwell.demo.stripe.world import Json
from upwell.demo.wire import APART, MAIN

KEPT = 60 * DAY  # how long settled invoices stay in memory

FEEDBACK = {
    "price": "too_expensive",
    "missing_feature": "missing_features",
    "unused": "unused",
    "switched": "switched_service",
    "closed_business": "other",
}
COMMENTS = {
    "price": "It got too expensive for us.",
    "missing_feature": "We need single sign-on.",
    "closed_business": "We are closing the business.",
}
DECLINES = ("card_declined", "insufficient_funds", "expired_card")
_OVER = frozenset({"canceled", "incomplete_expired", "incomplete"})


class Stage:
    """Two accounts and what happens at them; `run` moves both clocks together."""

    def __init__(self, company: Company, today: dt.date, scale: float) -> None:
        self.company = company
        self.told = sales(company, today, scale)
        begins = self.told.begins
        self.accounts = {
            MAIN: FakeStripe(begins, 2 * company.seed, name=company.name, payouts=None, marks=True),
            APART: FakeStripe(
                begins,
                2 * company.seed + 1,
                name=f"{company.name} Europe",
                payouts=None,
                marks=True,
            ),
        }
        days = calendar(company, today)
        ids = [product.id for product in company.products]
        rises = {
            ids.index(launch.product): int(days.home[tuesday(days, launch.days_ago)])
            for launch in company.launches
            if launch.prices
        }
        apart = ids.index(company.apart)
        rest = [number for number in range(len(ids)) if number != apart]
        self._apart = apart
        self._shops = {
            MAIN: Shop(self.accounts[MAIN], company, rest, rises),
            APART: Shop(self.accounts[APART], company, [apart], rises),
        }
        self._customers: dict[Who, Json] = {}
        self._bought: dict[Who, Json] = {}
        self._plans: dict[Who, tuple[int, int]] = {}  # position of the plan, months
        self._agenda: list[Deed] = list(self.told.deeds)
        self._open()

    @property
    def now(self) -> int:
        """The clock of both accounts."""
        return self.accounts[MAIN].now

    def forget(self) -> None:
        """Let go of what was settled long ago, which nobody asks for any more."""
        for account in self.accounts.values():
            account.forget(self.now - KEPT)

    def add(self, deeds: Iterable[Deed]) -> None:
        """Let more happen, in the future."""
        for deed in deeds:
            heapq.heappush(self._agenda, deed)

    def run(self, until: int) -> None:
        """Everything that customers do and that falls due until that second."""
        agenda = self._agenda
        while agenda and agenda[0].at <= until:
            deed = heapq.heappop(agenda)
            self._account(deed).advance_to(deed.at)
            self._do(deed)
        for account in self.accounts.values():
            account.advance_to(until)

    def _open(self) -> None:
        """Bring in who was there before."""
        while self._agenda and self._agenda[0].what == "carried":
            deed = heapq.heappop(self._agenda)
            who = (deed.product, deed.person)
            sale = self.told.sales[who]
            self._plans[who] = (sale.plan, sale.months)
            account = self._account(deed)
            self._bought[who] = account.carry_over(
                self._customer(who, account, since=deed.at),
                self._price(who, deed.at),
                int(deed.amount),
                since=deed.at,
                metadata=self._about(who),
            )

    def _account(self, deed: Deed) -> FakeStripe:
        return self.accounts[APART if deed.product == self._apart else MAIN]

    def _shop(self, number: int) -> Shop:
        return self._shops[APART if number == self._apart else MAIN]

    def _price(self, who: Who, at: int) -> Json:
        plan, months = self._plans[who]
        sale = self.told.sales[who]
        return self._shop(who[0]).price(who[0], plan, sale.currency, months, at)

    def _about(self, who: Who) -> dict[str, str]:
        buyer = self.told.buyers[who]
        product = self.company.products[who[0]].id
        return {"product": product, "country": buyer.country, "channel": buyer.channel}

    def _customer(
        self, who: Who, account: FakeStripe, *, since: int | None = None, card: str | None = "ok"
    ) -> Json:
        """The customer, perhaps of another product before; a new one where there is none."""
        known = self._customers.get(who) or self._customers.get(self.told.same.get(who, who))
        if known is None:
            buyer = self.told.buyers[who]
            user = f"{self.company.products[who[0]].id}_u_{who[1]:05d}"
            known = account.create_customer(
                buyer.name,
                buyer.email,
                buyer.country,
                metadata={"user_id": user},
                card=card,
                since=since,
            )
        self._customers[who] = known
        return known

    def _do(self, deed: Deed) -> None:
        who = (deed.product, deed.person)
        account = self._account(deed)
        if deed.what in ("joined", "trial", "tried"):
            self._come(deed, who, self.told.sales[who], account)
            return
        bought = self._bought.get(who)
        if bought is None:
            return
        if deed.what == "returned":
            self._return(deed, who, account, bought)
        elif deed.what in ("refund", "dispute", "decided"):
            self._money(deed, account, bought)
        elif bought["status"] not in _OVER:
            self._live(deed, who, account, bought)

    def _come(self, deed: Deed, who: Who, sale: Sale, account: FakeStripe) -> None:
        cardless = deed.word == "cardless"
        customer = self._customer(who, account, card=None if cardless else "ok")
        self._plans[who] = (sale.plan, sale.months)
        coupon = self._shop(who[0]).coupons.get(deed.word)
        self._bought[who] = account.subscribe(
            customer,
            self._price(who, deed.at),
            quantity=max(1, int(deed.amount)),
            trial_days=None if deed.what == "joined" else 14,
            missing_payment_method="pause" if cardless else "create_invoice",
            coupons=[coupon] if coupon else (),
            metadata=self._about(who),
        )

    def _return(self, deed: Deed, who: Who, account: FakeStripe, bought: Json) -> None:
        if bought["status"] != "canceled":
            return
        account.set_card(self._customers[who], "ok")
        self._bought[who] = account.subscribe(
            self._customers[who],
            self._price(who, deed.at),
            quantity=max(1, int(deed.amount)),
            metadata=self._about(who),
        )

    def _money(self, deed: Deed, account: FakeStripe, bought: Json) -> None:
        latest = account.world.table("invoice").rows.get(bought["latest_invoice"])
        if latest is None or latest["amount_paid"] == 0:
            return
        charge = account.charge_of(latest)
        if deed.what == "decided":
            dispute = next(
                (one for one in account.all("dispute") if one["charge"] == deed.word), None
            )
            if dispute is not None:
                account.close_dispute(dispute, won=deed.amount > 0)
        elif charge["disputed"] or charge["refunded"] or not charge["paid"]:
            return
        elif deed.what == "dispute":
            account.dispute(charge)
            decided = deed._replace(at=deed.at + 23 * DAY, what="decided", word=charge["id"])
            self.add([decided])
        else:
            account.refund(charge, max(1, int(charge["amount"] * deed.amount)))

    def _live(self, deed: Deed, who: Who, account: FakeStripe, bought: Json) -> None:
        """What somebody does who has a subscription."""
        leaving = bought["cancel_at"] is not None
        match deed.what:
            case "card_fails":
                code = DECLINES[deed.person % len(DECLINES)]
                account.set_card(self._customers[who], code)
            case "card_works":
                account.set_card(self._customers[who], "ok")
            case "kept" if leaving:
                account.keep(bought)
            case "left" | "left_now" if not leaving:
                self._leave(deed, account, bought)
            case "pause" if not leaving and bought["status"] == "active":
                until = deed.at + int(deed.amount) * 31 * DAY
                account.pause_collection(bought, "void", until)
            case "seats" | "plan" | "yearly" | "repriced" if not leaving:
                self._change(deed, who, account, bought)

    def _leave(self, deed: Deed, account: FakeStripe, bought: Json) -> None:
        reason = REASONS[int(deed.amount)][0]
        said = COMMENTS.get(reason) if deed.person % 4 == 0 else None
        account.cancel(
            bought,
            at_period_end=deed.what == "left",
            feedback=FEEDBACK.get(reason, "other"),
            comment=said,
        )

    def _change(self, deed: Deed, who: Who, account: FakeStripe, bought: Json) -> None:
        if bought["status"] not in ("active", "past_due"):
            return
        if deed.what == "seats":
            if bought["items"]["data"][0]["quantity"] != int(deed.amount):
                account.change(bought, quantity=int(deed.amount))
            return
        plan, months = self._plans[who]
        if deed.what == "plan":
            plan = self.told.sales[who].turned
        if deed.what == "yearly":
            months = 12
        self._plans[who] = (plan, months)
        account.change(
            bought,
            price=self._price(who, deed.at),
            quantity=int(deed.amount) if deed.what == "plan" else None,
            proration="none" if deed.what == "repriced" else "create_prorations",
        )
