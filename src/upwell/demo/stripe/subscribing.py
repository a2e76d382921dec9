"""What customers do: begin, change, pause, discount, cancel and keep subscriptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from upwell.demo.stripe import papers
from upwell.demo.stripe.account import Named
from upwell.demo.stripe.calendar import period_end
from upwell.demo.stripe.changes import Edit, Proration
from upwell.demo.stripe.lines import Draft
from upwell.demo.stripe.lives import ENDED
from upwell.demo.stripe.schedules import Stage
from upwell.demo.stripe.selling import Selling
from upwell.demo.stripe.world import DAY, Json, Refused


class Subscribing(Selling):
    """The subscriptions of an account, as people change them."""

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

    def carry_over(
        self,
        customer: Named,
        price: Named,
        quantity: int = 1,
        *,
        since: int,
        metadata: dict[str, str] | None = None,
    ) -> Json:
        """A subscription that was there before: paid since then, up to its next period.

        Lists show it; no event tells of it, and what it paid before is not there.
        """
        with self.lock:
            who, sold = self._of("customer", customer), self._of("price", price)
            rhythm = sold["recurring"]
            start = end = since
            while end <= self.now:
                start = end
                end = period_end(since, start, rhythm["interval"], rhythm["interval_count"])
            row = papers.subscription(
                self.world,
                customer=who["id"],
                currency=sold["currency"],
                items=[papers.item(self.world, sold, quantity, [], start, end)],
                trial_end=None,
                missing_payment_method="create_invoice",
                metadata=metadata or {},
                tax_rates=[],
                days_until_due=None,
            )
            row |= dict.fromkeys(("billing_cycle_anchor", "created", "start_date"), since)
            row["status"] = "active"
            self.world.add(row)
            self._lives.watch(row)
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
            if row["status"] == "incomplete":
                raise Refused(f"{row['id']} is incomplete: it changes once it is paid")
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
            raise Refused(f"{row['id']} has ended")
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

    # -- schedules

    def schedule(
        self,
        subscription: Named,
        *stages: tuple[Named, int, int],
        ends: bool = False,
    ) -> Json:
        """Set what follows the present period: prices with quantities, each until a second.

        After the last the subscription goes on as it then is, or `ends`.
        """
        with self.lock:
            row = self._alive(subscription)
            return self._schedules.begin(row, self._stages(stages), ends=ends)

    def reschedule(
        self, schedule: Named, *stages: tuple[Named, int, int], ends: bool = False
    ) -> Json:
        """Set something else to follow the present phase."""
        with self.lock:
            row = self._of("subscription_schedule", schedule)
            return self._schedules.change(row, self._stages(stages), ends=ends)

    def release_schedule(self, schedule: Named) -> Json:
        """Nothing is set any more; the subscription goes on."""
        with self.lock:
            return self._schedules.release(self._of("subscription_schedule", schedule))

    def cancel_schedule(self, schedule: Named) -> Json:
        """End the schedule and its subscription now."""
        with self.lock:
            return self._schedules.cancel(self._of("subscription_schedule", schedule))

    def _stages(self, stages: Sequence[tuple[Named, int, int]]) -> list[Stage]:
        return [
            Stage(end, [(self._of("price", price), quantity)]) for price, quantity, end in stages
        ]

    # -- trials, pauses, discounts, usage

    def end_trial(self, subscription: Named) -> Json:
        """It costs something from now on."""
        with self.lock:
            row = self._alive(subscription)
            self._lives.trial_over(row)
            return row

    def extend_trial(self, subscription: Named, days: int) -> Json:
        """The trial ends later."""
        with self.lock:
            row = self._alive(subscription)
            self._lives.extend_trial(row, row["trial_end"] + days * DAY)
            return row

    def pause_collection(
        self, subscription: Named, behavior: str = "void", resumes_at: int | None = None
    ) -> Json:
        """Stop collecting: `void`, `keep_as_draft` or `mark_uncollectible` what is billed."""
        with self.lock:
            return self._changes.pause_collection(self._alive(subscription), behavior, resumes_at)

    def resume_collection(self, subscription: Named) -> Json:
        """Collect again."""
        with self.lock:
            return self._changes.resume_collection(self._alive(subscription))

    def pause(self, subscription: Named) -> Json:
        """Status `paused`: no periods, no invoices."""
        with self.lock:
            return self._changes.pause(self._alive(subscription))

    def resume(self, subscription: Named) -> Json:
        """From `paused` to `active` when the invoice of a new period is paid."""
        with self.lock:
            return self._changes.resume(self._alive(subscription))

    def discount(self, owner: Named, coupon: Named, item: str | None = None) -> Json:
        """Put a coupon to work on a customer, a subscription, or one item; -> the discount."""
        with self.lock:
            if isinstance(owner, str):
                owner = self.get("customer" if owner.startswith("cus_") else "subscription", owner)
            return self._changes.discount(owner, self._of("coupon", coupon), item)

    def undiscount(self, discount: Named) -> None:
        """Take a discount away before its time."""
        with self.lock:
            self._lives.take_away(self._of("discount", discount)["id"])

    def use(self, item: Named, units: int) -> None:
        """Use something metered: so many units in the item's present period."""
        with self.lock:
            identity = item if isinstance(item, str) else item["id"]
            self.world.usage[identity] = self.world.usage.get(identity, 0) + units
