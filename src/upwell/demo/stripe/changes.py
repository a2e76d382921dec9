"""What people do to a subscription: change it, pause it, discount it, cancel it, keep it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from upwell.demo.stripe import catalog, papers, pricing
from upwell.demo.stripe.bills import Bills
from upwell.demo.stripe.calendar import add_months
from upwell.demo.stripe.lines import Draft
from upwell.demo.stripe.lives import ENDED, UPDATED, Lives, moved
from upwell.demo.stripe.world import Json, World

_FREE = frozenset({"trialing", "paused"})  # nothing is paid for, so nothing is credited
Proration = Literal["create_prorations", "always_invoice", "none"]


class Edit(NamedTuple):
    """What becomes of one item: another price or quantity, gone, or (without `item`) new."""

    item: str | None = None
    price: Json | None = None
    quantity: int | None = None
    deleted: bool = False


class Changes:
    """Changes by people, as Stripe answers them."""

    def __init__(self, world: World, lives: Lives, bills: Bills) -> None:
        self._world = world
        self._lives = lives
        self._bills = bills
        world.handlers |= {"discount_end": self._discount_end, "resume": self._resume_due}

    # -- items

    def edit(self, subscription: Json, edits: list[Edit], proration: Proration) -> Json:
        """Change items; what is paid for and no longer used is credited to the second."""
        world = self._world
        old = subscription["items"]["data"]
        new, reset = self._edited(subscription, edits)
        rows = papers.items_list(subscription["id"], new)
        changes: Json = {"items": rows}
        if reset:
            changes["billing_cycle_anchor"] = world.now
        drafts: list[Draft] = []
        if subscription["status"] not in _FREE and proration != "none":
            drafts = self._prorations(subscription, old, new, reset)
        if reset:
            billed = [item for item in new if item["id"] in reset and "quantity" in item]
            full = [self._lives.draft(subscription, item) for item in billed]
            self._lives.bill(subscription, changes, [*self._held(subscription, drafts), *full])
        elif drafts and proration == "always_invoice":
            self._lives.bill(subscription, changes, self._held(subscription, drafts))
        else:
            self._hold(subscription, drafts)
            world.change(subscription, changes, UPDATED)
        self._lives.watch(subscription)
        return subscription

    def _edited(self, subscription: Json, edits: list[Edit]) -> tuple[list[Json], set[str]]:
        """The items after the edits, and which of them begin a period of another length now."""
        world = self._world
        by_item = {edit.item: edit for edit in edits if edit.item}
        found: list[Json] = []
        reset: set[str] = set()
        free = subscription["status"] in _FREE
        for item in subscription["items"]["data"]:
            edit = by_item.get(item["id"])
            if edit is None:
                found.append(item)
            elif not edit.deleted:
                fresh = self._replaced(item, edit)
                if not free and _rhythm(fresh) != _rhythm(item):
                    fresh = moved(fresh, world.now, world.now)
                    reset.add(fresh["id"])
                found.append(fresh)
        found.extend(
            self._added(subscription, edit.price, edit.quantity or 1)
            for edit in edits
            if edit.item is None and edit.price is not None
        )
        return found, reset

    def _replaced(self, item: Json, edit: Edit) -> Json:
        price = edit.price or item["price"]
        fresh = {**item, "price": price, "plan": self._world.plans[price["id"]]}
        quantity = edit.quantity or fresh.pop("quantity", 1)
        if price["recurring"]["usage_type"] == "licensed":
            fresh["quantity"] = quantity
        return fresh

    def _added(self, subscription: Json, price: Json, quantity: int) -> Json:
        """A new item joins the period of one with the same rhythm, or begins its own."""
        item = papers.item(self._world, price, quantity, [], 0, 0)
        item["subscription"] = subscription["id"]
        for other in subscription["items"]["data"]:
            if _rhythm(other) == _rhythm(item):
                return {
                    **item,
                    "current_period_start": other["current_period_start"],
                    "current_period_end": other["current_period_end"],
                }
        return moved(item, self._world.now, self._world.now)

    def _prorations(
        self, subscription: Json, old: list[Json], new: list[Json], reset: set[str]
    ) -> list[Draft]:
        before, after = self._nets(subscription, old), self._nets(subscription, new)
        left = {item["id"]: item for item in new}
        drafts = []
        for item in old:
            fresh = left.get(item["id"])
            if item["id"] in before and (fresh is None or _sold(fresh) != _sold(item)):
                drafts.append(self._credit(subscription, item, before[item["id"]]))
        known = {item["id"]: item for item in old}
        for item in new:
            former = known.get(item["id"])
            changed = former is None or _sold(former) != _sold(item)
            if changed and item["id"] in after and item["id"] not in reset:
                drafts.append(self._debit(subscription, item, after[item["id"]]))
        return [draft for draft in drafts if draft.amount]

    def _nets(self, subscription: Json, items: list[Json]) -> dict[str, int]:
        """What each item costs for a whole period after discounts."""
        licensed = [i for i in items if "quantity" in i]
        drafts = [self._lives.draft(subscription, item) for item in licensed]
        customer = self._world.get("customer", subscription["customer"])
        discounts = self._bills.discounts(customer, subscription)
        cuts = self._bills.cuts(drafts, discounts)
        return {
            item["id"]: draft.amount - sum(amount for _, amount in cut)
            for item, draft, cut in zip(licensed, drafts, cuts, strict=True)
        }

    def _credit(self, subscription: Json, item: Json, net: int) -> Draft:
        return self._part(subscription, item, -net, "Unused time on")

    def _debit(self, subscription: Json, item: Json, net: int) -> Draft:
        return self._part(subscription, item, net, "Remaining time on")

    def _part(self, subscription: Json, item: Json, net: int, words: str) -> Draft:
        start, end = item["current_period_start"], item["current_period_end"]
        whole = self._lives.draft(subscription, item)
        rest = max(0, end - self._world.now)
        return whole._replace(
            amount=pricing.part(net, rest, end - start, whole.currency),
            start=self._world.now,
            text=f"{words} {whole.text}",
            proration=True,
            discountable=False,
            discounts=(),
        )

    def _hold(self, subscription: Json, drafts: list[Draft]) -> None:
        for draft in drafts:
            self.wait(subscription["customer"], subscription["id"], draft)

    def _held(self, subscription: Json, drafts: list[Draft]) -> list[Draft]:
        """Even what is billed at once goes through invoice items; -> nothing left to add."""
        self._hold(subscription, drafts)
        return []

    def wait(self, customer: str, owner: str, draft: Draft) -> Json:
        """Put something on the next invoice of a subscription or customer."""
        world = self._world
        row = world.add(papers.invoice_item(world, customer, draft))
        world.drafts[row["id"]] = draft._replace(invoice_item=row["id"])
        world.pending.setdefault(owner, []).append(row["id"])
        world.emit(row, "invoiceitem.created")
        return row

    # -- discounts

    def discount(self, owner: Json, coupon: Json, item: str | None = None) -> Json:
        """Put a coupon to work on a customer, a subscription, or one item of it."""
        world = self._world
        months = coupon["duration_in_months"]
        end = add_months(world.now, months) if months else None
        of_customer = owner["object"] == "customer"
        row = world.add(
            catalog.discount(
                world,
                coupon["id"],
                end,
                customer=owner["id"] if of_customer else owner["customer"],
                subscription=None if of_customer else owner["id"],
                item=item,
            )
        )
        world.change(coupon, {"times_redeemed": coupon["times_redeemed"] + 1})
        if end is not None:
            world.later(end, "discount_end", row["id"], rank=0)
        if of_customer:
            world.change(owner, {"discount": row}, "customer.updated")
        else:
            self._attach(owner, row["id"], item)
        world.emit(row, "customer.discount.created")
        return row

    def _attach(self, subscription: Json, discount: str, item: str | None) -> None:
        if item is None:
            changes: Json = {"discounts": [*subscription["discounts"], discount]}
        else:
            rows = [
                {**row, "discounts": [*row["discounts"], discount]} if row["id"] == item else row
                for row in subscription["items"]["data"]
            ]
            changes = {"items": {**subscription["items"], "data": rows}}
        new = subscription["id"] not in self._world.table("subscription").rows
        self._world.change(subscription, changes, None if new else UPDATED)

    def _discount_end(self, identity: str) -> None:
        row = self._world.get("discount", identity)
        if row["subscription"]:
            owner = self._world.get("subscription", row["subscription"])
            held = [owner, *owner["items"]["data"]]
            if owner["status"] not in ENDED and any(identity in o["discounts"] for o in held):
                self._lives.take_away(identity)
        elif row["customer"] not in self._world.deleted:
            owner = self._world.get("customer", row["customer"])
            if owner["discount"] is row:
                self._lives.take_away(identity)

    # -- pauses

    def pause_collection(self, subscription: Json, behavior: str, resumes_at: int | None) -> Json:
        """Invoices are drawn but not collected; the status does not change."""
        pause = {"behavior": behavior, "resumes_at": resumes_at}
        self._world.change(subscription, {"pause_collection": pause}, UPDATED)
        if resumes_at is not None:
            self._world.later(resumes_at, "resume", subscription["id"], rank=1)
        return subscription

    def resume_collection(self, subscription: Json) -> Json:
        """Invoices are collected again from now on."""
        self._world.change(subscription, {"pause_collection": None}, UPDATED)
        return subscription

    def _resume_due(self, identity: str) -> None:
        subscription = self._world.get("subscription", identity)
        pause = subscription["pause_collection"]
        if subscription["status"] in ENDED or pause is None:
            return
        if pause["resumes_at"] == self._world.now:
            self.resume_collection(subscription)

    def pause(self, subscription: Json) -> Json:
        """Status paused: no invoices, no periods; unused time is credited on the next invoice."""
        self._hold(subscription, self._unused(subscription))
        self._world.change(subscription, {"status": "paused"}, UPDATED)
        self._world.emit(subscription, "customer.subscription.paused")
        return subscription

    def resume(self, subscription: Json) -> Json:
        """From paused to active, once the invoice of a new period is paid."""
        self._lives.restart(subscription, {}, "subscription_update", at_once=True)
        return subscription

    # -- endings

    def cancel_later(self, subscription: Json, at: int | None, details: Json) -> Json:
        """The click: it will end with its period, or at a date."""
        ends = [item["current_period_end"] for item in subscription["items"]["data"]]
        when = min(ends) if at is None else at
        self._world.change(
            subscription,
            {
                "cancel_at": when,
                "cancel_at_period_end": at is None,
                "canceled_at": self._world.now,
                "cancellation_details": details,
            },
            UPDATED,
        )
        self._world.later(when, "end", subscription["id"], rank=2)
        return subscription

    def keep(self, subscription: Json) -> Json:
        """The click is withdrawn."""
        self._world.change(
            subscription,
            {
                "cancel_at": None,
                "cancel_at_period_end": False,
                "canceled_at": None,
                "cancellation_details": {"comment": None, "feedback": None, "reason": None},
            },
            UPDATED,
        )
        return subscription

    def cancel_now(self, subscription: Json, details: Json, *, prorate: bool) -> Json:
        """It ends at once; with `prorate` unused time is credited and billed as a credit."""
        drafts = self._unused(subscription) if prorate else []
        self._hold(subscription, drafts)
        subscription["cancellation_details"] = details
        self._lives.end(subscription, reason=details["reason"])
        if drafts:
            customer = self._world.get("customer", subscription["customer"])
            waiting = self._lives.waiting(subscription["id"])
            invoice = self._bills.draw(customer, subscription, waiting, "subscription_update")
            self._bills.finalize(invoice)
            self._bills.collect(invoice)
        return subscription

    def _unused(self, subscription: Json) -> list[Draft]:
        """Credits for what is paid for and will not be used."""
        items = subscription["items"]["data"]
        nets = self._nets(subscription, items)
        drafts = [self._credit(subscription, i, nets[i["id"]]) for i in items if i["id"] in nets]
        return [draft for draft in drafts if draft.amount]


def _rhythm(item: Json) -> tuple[str, int]:
    return item["plan"]["interval"], item["plan"]["interval_count"]


def _sold(item: Json) -> tuple[str, int | None]:
    return item["price"]["id"], item.get("quantity")
