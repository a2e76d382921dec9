"""A Stripe account that lives in memory: what people do to it, and a clock that they move."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from decimal import Decimal

from upwell.demo.stripe import catalog, hooks, papers
from upwell.demo.stripe.api import Api
from upwell.demo.stripe.bills import Bills
from upwell.demo.stripe.calendar import period_end
from upwell.demo.stripe.changes import Changes, Edit, Proration
from upwell.demo.stripe.hooks import Delivered
from upwell.demo.stripe.lives import ENDED, Lives, Outcome
from upwell.demo.stripe.papers import Draft
from upwell.demo.stripe.till import Till
from upwell.demo.stripe.world import DAY, Event, Json, World

API_VERSION = "2026-10-28.endive"
Named = str | Json  # an object or its id


class FakeStripe:
    """One account of a Stripe that remembers as much as Stripe does.

    Methods are what a person or a customer would do; they give the object as it stands and goes
    on to stand. Times are seconds, amounts minor units. The same seed and the same actions give
    the same ids. `archive` keeps all events in `events`; the API forgets after 30 days anyway.
    """

    def __init__(
        self,
        now: int,
        seed: int = 0,
        *,
        name: str = "Quillmoor",
        livemode: bool = True,
        archive: bool = False,
        retries: Sequence[int] = (3, 5, 7),
        outcome: Outcome = "cancel",
        give_up: bool = False,
        payouts: str | None = "weekly",
        settles: Mapping[str, tuple[str, Decimal]] | None = None,
        api_version: str = API_VERSION,
    ) -> None:
        self.lock = threading.RLock()
        self.name = name
        self.world = World(
            now=now, seed=seed, livemode=livemode, api_version=api_version, archive=archive
        )
        self.api = Api(self.world, name)
        self._delivered: dict[str, int] = {}  # address -> number of the last event it was sent
        self._failed: dict[str, list[Event]] = {}
        self._till = Till(self.world, settles or {}, payouts)
        self._bills = Bills(self.world, self._till, retries)
        self._lives = Lives(self.world, self._bills, outcome, give_up=give_up)
        self._changes = Changes(self.world, self._lives, self._bills)

    @property
    def now(self) -> int:
        """The account's clock in seconds."""
        return self.world.now

    @property
    def account(self) -> str:
        """Its id, `acct_…`."""
        return self.world.account

    @property
    def events(self) -> list[Event]:
        """What happened, oldest first: the last 30 days, or everything with `archive`."""
        return self.world.remembered()

    def advance(self, seconds: int) -> None:
        """Let time pass; everything that falls due happens, in order."""
        with self.lock:
            self.world.run(self.world.now + seconds)

    def advance_to(self, at: int) -> None:
        """Let time pass until then."""
        self.advance(at - self.world.now)

    # -- webhooks

    def payload(self, event: Event) -> bytes:
        """The body of the event's webhook."""
        return hooks.payload(event, self.world)

    @staticmethod
    def sign(payload: bytes, secret: str, at: int) -> str:
        """The `Stripe-Signature` header of a body sent at that second."""
        return hooks.sign(payload, secret, at)

    def deliver(
        self,
        url: str,
        secret: str,
        *,
        shuffled: bool = False,
        repeats: int = 1,
        at: int | None = None,
    ) -> list[Delivered]:
        """Send the address what it has not had yet, and what it refused; each `repeats` times.

        `at` is the second of the signatures (None: now, by the account's clock).
        """
        with self.lock:
            since = self._delivered.get(url, -1)
            fresh = [event for event in self.events if event.number > since]
            if fresh:
                self._delivered[url] = fresh[-1].number
            sending = [*self._failed.pop(url, []), *fresh] * repeats
            if shuffled:
                self.world.random.shuffle(sending)
        done = hooks.post(sending, self.world, url, secret, self.now if at is None else at)
        bad = {one.event.id: one.event for one in done if not hooks.accepted(one)}
        if bad:
            self._failed[url] = list(bad.values())
        return done

    def _of(self, kind: str, named: Named) -> Json:
        return named if isinstance(named, dict) else self.world.get(kind, named)

    # -- catalogue

    def create_product(
        self, name: str, metadata: dict[str, str] | None = None, unit_label: str | None = None
    ) -> Json:
        """Something to sell."""
        with self.lock:
            row = catalog.product(
                self.world, name=name, metadata=metadata or {}, unit_label=unit_label
            )
            self.world.add(row)
            self.world.emit("product.created", row)
            return row

    def create_price(
        self,
        product: Named,
        unit_amount: int | str | Decimal | None = None,
        currency: str = "usd",
        *,
        interval: str | None = "month",
        interval_count: int = 1,
        tiers: Sequence[tuple[int | None, int | str, int]] = (),
        tiers_mode: str = "graduated",
        metered: bool = False,
        divide_by: int | None = None,
        rounding: str = "up",
        tax_behavior: str = "unspecified",
        nickname: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Json:
        """What it costs: minor units a piece, or tiers (up to, a piece, flat)."""
        with self.lock:
            row = catalog.price(
                self.world,
                product=self._of("product", product)["id"],
                currency=currency,
                unit=None if unit_amount is None else Decimal(unit_amount),
                interval=interval,
                interval_count=interval_count,
                tiers_mode=tiers_mode if tiers else None,
                metered=metered,
                divide_by=divide_by,
                rounding=rounding,
                tax_behavior=tax_behavior,
                nickname=nickname,
                metadata=metadata or {},
            )
            self.world.add(row)
            if tiers:
                steps = [
                    catalog.tier(top, Decimal(unit), Decimal(flat)) for top, unit, flat in tiers
                ]
                self.world.tiers[row["id"]] = steps
            if interval:
                self.world.plans[row["id"]] = catalog.plan(row)
            self.world.emit("price.created", row)
            return row

    def create_coupon(
        self,
        *,
        percent_off: float | None = None,
        amount_off: int | None = None,
        currency: str | None = None,
        duration: str = "forever",
        months: int | None = None,
        name: str | None = None,
        id: str | None = None,
    ) -> Json:
        """A coupon: a share or an amount off, `once`, `repeating` for months, or `forever`."""
        with self.lock:
            row = catalog.coupon(
                self.world,
                identity=id,
                name=name,
                percent_off=percent_off,
                amount_off=amount_off,
                currency=currency,
                duration=duration,
                months=months,
            )
            self.world.add(row)
            self.world.emit("coupon.created", row)
            return row

    def create_tax_rate(
        self, percentage: float, *, inclusive: bool, country: str | None = None, name: str = "VAT"
    ) -> Json:
        """A tax within prices (inclusive) or on top of them."""
        with self.lock:
            row = catalog.tax_rate(
                self.world, percentage=percentage, inclusive=inclusive, country=country, name=name
            )
            self.world.add(row)
            self.world.emit("tax_rate.created", row)
            return row

    # -- customers

    def create_customer(
        self,
        name: str | None = None,
        email: str | None = None,
        country: str | None = None,
        *,
        metadata: dict[str, str] | None = None,
        card: str | None = "ok",
    ) -> Json:
        """Somebody who pays: `card` is "ok", the code it is declined with, or None for no card."""
        with self.lock:
            row = catalog.customer(
                self.world,
                name=name,
                email=email,
                country=country,
                metadata=metadata or {},
                card=card,
            )
            self.world.add(row)
            self.world.emit("customer.created", row)
            return row

    def set_card(self, customer: Named, card: str | None) -> None:
        """From now on the customer pays with another card: "ok", a decline code, or none."""
        with self.lock:
            row = self._of("customer", customer)
            self.world.cards[row["id"]] = card
            method = self.world.new_id("pm") if card else None
            settings = {**row["invoice_settings"], "default_payment_method": method}
            self.world.change(row, {"invoice_settings": settings}, "customer.updated")

    # -- subscriptions

    def subscribe(
        self,
        customer: Named,
        items: Named | Sequence[tuple[Named, int]],
        *,
        quantity: int = 1,
        trial_days: int | None = None,
        missing_payment_method: str = "create_invoice",
        coupons: Sequence[Named] = (),
        item_coupons: Mapping[int, Named] | None = None,
        tax_rates: Sequence[Named] = (),
        setup: Sequence[Named] = (),
        days_until_due: int | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Json:
        """Begin a subscription to a price, or to several with quantities.

        `setup` are one-time prices on the first invoice; `item_coupons` go by the item's place;
        `days_until_due` sends invoices by mail instead of charging the card.
        """
        with self.lock:
            who = self._of("customer", customer)
            pairs = [(items, quantity)] if isinstance(items, str | dict) else items
            sold = [(self._of("price", price), count) for price, count in pairs]
            now = self.world.now
            trial_end = now + trial_days * DAY if trial_days else None
            row = papers.subscription(
                self.world,
                customer=who["id"],
                currency=sold[0][0]["currency"],
                items=[self._item(price, count, trial_end) for price, count in sold],
                trial_end=trial_end,
                missing_payment_method=missing_payment_method,
                metadata=metadata or {},
                tax_rates=[self._of("tax_rate", rate) for rate in tax_rates],
                days_until_due=days_until_due,
            )
            for coupon in coupons:
                self._changes.discount(row, self._of("coupon", coupon))
            for place, coupon in (item_coupons or {}).items():
                item = row["items"]["data"][place]["id"]
                self._changes.discount(row, self._of("coupon", coupon), item)
            self._lives.begin(row, [self._setup(row, price) for price in setup])
            return row

    def _item(self, price: Json, quantity: int, trial_end: int | None) -> Json:
        now, rhythm = self.world.now, price["recurring"]
        end = trial_end or period_end(now, now, rhythm["interval"], rhythm["interval_count"])
        return papers.item(self.world, price, quantity, [], now, end)

    def _setup(self, subscription: Json, price: Named) -> Draft:
        row = self._of("price", price)
        now = self.world.now
        name = row["nickname"] or self.world.get("product", row["product"])["name"]
        draft = Draft(
            self._lives.price_of(row, 1),
            row["currency"],
            now,
            now,
            name,
            row,
            subscription=subscription["id"],
        )
        waits = self._changes.wait(subscription["customer"], "setup", draft)
        self.world.pending.pop("setup")
        return draft._replace(invoice_item=waits["id"])

    def change(
        self,
        subscription: Named,
        *,
        price: Named | None = None,
        quantity: int | None = None,
        item: str | None = None,
        add: Sequence[tuple[Named, int]] = (),
        remove: Sequence[str] = (),
        proration: Proration = "create_prorations",
    ) -> Json:
        """Another price or quantity of an item (the first where not named), items more or fewer."""
        with self.lock:
            row = self._alive(subscription)
            edits = [Edit(identity, deleted=True) for identity in remove]
            if price is not None or quantity is not None:
                which = item or row["items"]["data"][0]["id"]
                other = None if price is None else self._of("price", price)
                edits.append(Edit(which, other, quantity))
            edits += [Edit(None, self._of("price", one), count) for one, count in add]
            return self._changes.edit(row, edits, proration)

    def _alive(self, subscription: Named) -> Json:
        row = self._of("subscription", subscription)
        if row["status"] in ENDED:
            raise ValueError(f"{row['id']} has ended")
        return row

    def cancel(
        self,
        subscription: Named,
        *,
        at_period_end: bool = True,
        at: int | None = None,
        feedback: str | None = None,
        comment: str | None = None,
        reason: str = "cancellation_requested",
        prorate: bool = False,
    ) -> Json:
        """End it with its period; at a date; or (`at_period_end=False`) now."""
        with self.lock:
            row = self._alive(subscription)
            details = {"comment": comment, "feedback": feedback, "reason": reason}
            if at is None and not at_period_end:
                return self._changes.cancel_now(row, details, prorate=prorate)
            return self._changes.cancel_later(row, at, details)

    def keep(self, subscription: Named) -> Json:
        """Withdraw a cancellation that has not come about."""
        with self.lock:
            return self._changes.keep(self._alive(subscription))
