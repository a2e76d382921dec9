"""The life of a subscription by itself: begins, tries, renews, falls behind, recovers, ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from upwell.demo.stripe import papers, pricing
from upwell.demo.stripe.bills import Bills
from upwell.demo.stripe.calendar import period_end
from upwell.demo.stripe.lines import Draft
from upwell.demo.stripe.world import DAY, HOUR, Json, World

Outcome = Literal["cancel", "unpaid", "past_due"]
ENDED = frozenset({"canceled", "incomplete_expired"})
UPDATED = "customer.subscription.updated"


class Lives:
    """The subscriptions of one account, as time passes.

    `outcome` is what becomes of one that stays unpaid after the last attempt; `give_up` marks
    its invoice uncollectible then.
    """

    def __init__(self, world: World, bills: Bills, outcome: Outcome, *, give_up: bool) -> None:
        self._world = world
        self._bills = bills
        self._outcome = outcome
        self._give_up = give_up
        bills.paid = self._paid
        bills.unpaid = self._unpaid
        world.handlers |= {
            "cycle": self._cycle_due,
            "trial_will_end": self._trial_will_end,
            "trial_end": self._trial_due,
            "expire": self._expire,
            "end": self._end_due,
            "due_date": self._due_date,
        }

    # -- beginning

    def begin(self, subscription: Json, extras: list[Draft]) -> None:
        """Tell of a new subscription and bill its first period, or its trial with nothing."""
        world = self._world
        identity = subscription["id"]
        world.add(subscription)
        trial = subscription["trial_end"]
        by_mail = subscription["collection_method"] == "send_invoice"
        subscription["status"] = "trialing" if trial else "active" if by_mail else "incomplete"
        items = subscription["items"]["data"]
        drafts = self._drafts(subscription) or self._usage(subscription, items)
        invoice = self._draw(subscription, [*extras, *drafts], "subscription_create")
        subscription["latest_invoice"] = invoice["id"]
        world.emit(subscription, "customer.subscription.created")
        if trial:
            warning = trial - 3 * DAY
            world.later(max(world.now, warning), "trial_will_end", identity)
            world.later(trial, "trial_end", identity)
        else:
            self.watch(subscription)
        self._bills.finalize(invoice)
        self._bills.collect(invoice)
        self.drop_once(subscription)

    def _drafts(self, subscription: Json, items: Sequence[Json] | None = None) -> list[Draft]:
        """Lines for the present period of these items (metered ones are billed when it ends)."""
        trialing = subscription["status"] == "trialing"
        return [
            self.draft(subscription, item, free=trialing)
            for item in (subscription["items"]["data"] if items is None else items)
            if item["price"]["recurring"]["usage_type"] == "licensed"
        ]

    def draft(self, subscription: Json, item: Json, *, free: bool = False) -> Draft:
        """The line for one item's present period."""
        price = item["price"]
        quantity = item["quantity"]
        amount = 0 if free else self.price_of(price, quantity)
        name = price["nickname"] or self._world.get("product", price["product"])["name"]
        return Draft(
            amount,
            subscription["currency"],
            item["current_period_start"],
            item["current_period_end"],
            f"Trial period for {name}" if free else f"{quantity} × {name}",
            price,
            quantity,
            subscription["id"],
            item["id"],
            discounts=tuple(item["discounts"]),
            tax_rates=tuple(item["tax_rates"] or subscription["default_tax_rates"]),
        )

    def price_of(self, price: Json, quantity: int) -> int:
        """So many of a price, in minor units."""
        return pricing.gross(price, self._world.tiers.get(price["id"]), quantity)

    def _usage(self, subscription: Json, items: Sequence[Json]) -> list[Draft]:
        """Lines for what was used in the period that ends."""
        found = []
        for item in items:
            price = item["price"]
            if price["recurring"]["usage_type"] == "metered":
                used = self._world.usage.pop(item["id"], 0)
                draft = self.draft(subscription, {**item, "quantity": used})
                found.append(draft)
        return found

    # -- billing

    def _draw(self, subscription: Json, drafts: list[Draft], reason: str, **how: bool) -> Json:
        world = self._world
        customer = world.get("customer", subscription["customer"])
        waiting = self.waiting(subscription["id"])
        starts = [item["current_period_start"] for item in subscription["items"]["data"]]
        invoice = self._bills.draw(
            customer,
            subscription,
            [*waiting, *drafts],
            reason,
            period=(min(starts, default=world.now), world.now),
            days_until_due=subscription["days_until_due"],
            **how,
        )
        if invoice["due_date"]:
            world.later(invoice["due_date"], "due_date", invoice["id"])
        return invoice

    def waiting(self, owner: str) -> list[Draft]:
        """Invoice items that wait for the next invoice, as its lines; they wait no longer."""
        return [self._world.drafts[identity] for identity in self._world.pending.pop(owner, ())]

    def bill(self, subscription: Json, changes: Json, drafts: list[Draft]) -> Json:
        """Change a subscription and bill it at once."""
        invoice = self._draw(subscription, drafts, "subscription_update")
        self._world.change(subscription, {**changes, "latest_invoice": invoice["id"]}, UPDATED)
        self._bills.finalize(invoice)
        self._bills.collect(invoice)
        return invoice

    def watch(self, subscription: Json) -> None:
        """Put the next renewal on the agenda."""
        ends = [item["current_period_end"] for item in subscription["items"]["data"]]
        if ends:
            self._world.later(min(ends), "cycle", subscription["id"])

    def _cycle_due(self, identity: str) -> None:
        subscription = self._world.get("subscription", identity)
        now = self._world.now
        status = subscription["status"]
        if status in ENDED or status in {"paused", "trialing", "incomplete"}:
            return
        over = [i for i in subscription["items"]["data"] if i["current_period_end"] <= now]
        if over:
            self._cycle(subscription, over)

    def _cycle(self, subscription: Json, over: list[Json]) -> None:
        world = self._world
        usage = self._usage(subscription, over)
        anchor = subscription["billing_cycle_anchor"]
        items, renewed = [], []
        for item in subscription["items"]["data"]:
            if item in over:
                item = moved(item, anchor, item["current_period_end"])
                renewed.append(item)
            items.append(item)
        drafts = [*usage, *self._drafts(subscription, renewed)]
        pause = subscription["pause_collection"]
        stopped = pause is not None or subscription["status"] == "unpaid"
        invoice = self._draw(
            subscription, drafts, "subscription_cycle", waits=True, advances=not stopped
        )
        rows = papers.items_list(subscription["id"], items)
        world.change(subscription, {"items": rows, "latest_invoice": invoice["id"]}, UPDATED)
        if pause is not None:
            self._not_collected(invoice, pause["behavior"])
        self.drop_once(subscription)
        self.watch(subscription)

    def _not_collected(self, invoice: Json, behavior: str) -> None:
        if behavior == "void":
            self._bills.finalize(invoice)
            self._bills.void(invoice)
        elif behavior == "mark_uncollectible":
            self._bills.finalize(invoice)
            self._bills.write_off(invoice)

    def drop_once(self, subscription: Json) -> None:
        """A coupon for one invoice is gone with it."""
        world = self._world
        gone = []
        for owner in [subscription, *subscription["items"]["data"]]:
            for identity in owner["discounts"]:
                discount = world.get("discount", identity)
                coupon = world.get("coupon", discount["source"]["coupon"])
                if coupon["duration"] == "once":
                    gone.append(identity)
        for identity in gone:
            self.take_away(identity)

    def take_away(self, discount: str) -> None:
        """Remove a discount from wherever it is at work."""
        world = self._world
        row = world.get("discount", discount)
        if row["subscription"] is None:
            customer = world.get("customer", row["customer"])
            world.change(customer, {"discount": None}, "customer.updated")
        else:
            subscription = world.get("subscription", row["subscription"])
            items = [
                {**item, "discounts": [d for d in item["discounts"] if d != discount]}
                if discount in item["discounts"]
                else item
                for item in subscription["items"]["data"]
            ]
            world.change(
                subscription,
                {
                    "discounts": [d for d in subscription["discounts"] if d != discount],
                    "items": {**subscription["items"], "data": items},
                },
                UPDATED,
            )
        world.emit(row, "customer.discount.deleted")

    # -- trials

    def _trial_will_end(self, identity: str) -> None:
        subscription = self._world.get("subscription", identity)
        near = self._world.now + 3 * DAY
        if subscription["status"] == "trialing" and subscription["trial_end"] <= near:
            self._world.emit(subscription, "customer.subscription.trial_will_end")

    def _trial_due(self, identity: str) -> None:
        subscription = self._world.get("subscription", identity)
        if subscription["status"] == "trialing" and subscription["trial_end"] == self._world.now:
            self.trial_over(subscription)

    def extend_trial(self, subscription: Json, until: int) -> None:
        """Another end of the trial; the periods and the anchor move with it."""
        items = [{**item, "current_period_end": until} for item in subscription["items"]["data"]]
        self._world.change(
            subscription,
            {
                "billing_cycle_anchor": until,
                "items": {**subscription["items"], "data": items},
                "trial_end": until,
            },
            UPDATED,
        )
        self._world.later(until - 3 * DAY, "trial_will_end", subscription["id"])
        self._world.later(until, "trial_end", subscription["id"])

    def trial_over(self, subscription: Json) -> None:
        """From here on it costs something, or it pauses or ends where nobody can pay."""
        world = self._world
        behavior = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
        if world.cards.get(subscription["customer"]) is None and behavior != "create_invoice":
            if behavior == "cancel":
                self.end(subscription, reason=None)
            else:
                world.change(subscription, {"status": "paused"}, UPDATED)
                world.emit(subscription, "customer.subscription.paused")
            return
        changes = {"status": "active", "trial_end": world.now}
        self.restart(subscription, changes, "subscription_cycle", at_once=False)

    def restart(self, subscription: Json, changes: Json, reason: str, *, at_once: bool) -> Json:
        """A first paid period begins now; -> its invoice, final now or in an hour."""
        world = self._world
        now = world.now
        items = [moved(item, now, now) for item in subscription["items"]["data"]]
        fresh = {
            "billing_cycle_anchor": now,
            "items": papers.items_list(subscription["id"], items),
            **changes,
        }
        view = {**subscription, **fresh, "status": "active"}
        drafts = self._drafts(view, items)
        invoice = self._draw(subscription, drafts, reason, waits=not at_once)
        world.change(subscription, {**fresh, "latest_invoice": invoice["id"]}, UPDATED)
        if at_once:
            self._bills.finalize(invoice)
            self._bills.collect(invoice)
        self.drop_once(subscription)
        self.watch(subscription)
        return invoice

    # -- payment and its failure

    def _paid(self, subscription: Json, invoice: Json) -> None:
        if subscription["status"] in {"incomplete", "past_due", "unpaid"} and (
            subscription["latest_invoice"] == invoice["id"]
        ):
            self._world.change(subscription, {"status": "active"}, UPDATED)
        elif subscription["status"] == "paused":
            self._resumed(subscription, invoice)

    def _resumed(self, subscription: Json, invoice: Json) -> None:
        if subscription["latest_invoice"] == invoice["id"]:
            self._world.change(subscription, {"status": "active"}, UPDATED)
            self._world.emit(subscription, "customer.subscription.resumed")

    def _unpaid(self, subscription: Json, invoice: Json, last: bool) -> None:
        world = self._world
        if invoice["billing_reason"] == "subscription_create":
            world.later(world.now + 23 * HOUR, "expire", subscription["id"])
            return
        if subscription["status"] == "active":
            world.change(subscription, {"status": "past_due"}, UPDATED)
        if not last or subscription["status"] != "past_due":
            return
        if self._give_up:
            self._bills.write_off(invoice)
        if self._outcome == "cancel":
            self.end(subscription, reason="payment_failed")
        elif self._outcome == "unpaid":
            world.change(subscription, {"status": "unpaid"}, UPDATED)

    def _due_date(self, identity: str) -> None:
        """An invoice sent by mail has not been paid in time."""
        invoice = self._world.get("invoice", identity)
        if invoice["status"] != "open":
            return
        self._world.emit(invoice, "invoice.overdue")
        details = invoice["parent"]["subscription_details"]
        subscription = self._world.get("subscription", details["subscription"])
        if subscription["status"] == "active":
            self._world.change(subscription, {"status": "past_due"}, UPDATED)

    def _expire(self, identity: str) -> None:
        """The first invoice was not paid within 23 hours."""
        subscription = self._world.get("subscription", identity)
        if subscription["status"] != "incomplete":
            return
        for invoice in self._world.open_of(identity):
            self._bills.void(invoice)
        now = self._world.now
        changes = {"status": "incomplete_expired", "ended_at": now, "canceled_at": now}
        self._world.change(subscription, changes, UPDATED)

    # -- end

    def _end_due(self, identity: str) -> None:
        subscription = self._world.get("subscription", identity)
        at = subscription["cancel_at"]
        if subscription["status"] not in ENDED and at is not None and at <= self._world.now:
            self.end(subscription, reason=subscription["cancellation_details"]["reason"])

    def end(self, subscription: Json, *, reason: str | None) -> None:
        """It is over now; what was used until now is billed."""
        world = self._world
        now = world.now
        changes: Json = {"status": "canceled", "ended_at": now}
        if subscription["canceled_at"] is None:
            changes["canceled_at"] = now
        if reason != subscription["cancellation_details"]["reason"]:
            changes["cancellation_details"] = {
                **subscription["cancellation_details"],
                "reason": reason,
            }
        usage = [d for d in self._usage(subscription, subscription["items"]["data"]) if d.amount]
        world.change(subscription, changes)
        world.emit(subscription, "customer.subscription.deleted")
        self._bills.stop(subscription["id"])
        if usage:
            self._draw(subscription, usage, "subscription_cycle", waits=True)


def moved(item: Json, anchor: int, start: int) -> Json:
    """The item in the period that starts then."""
    plan = item["plan"]
    end = period_end(anchor, start, plan["interval"], plan["interval_count"])
    return {**item, "current_period_start": start, "current_period_end": end}
