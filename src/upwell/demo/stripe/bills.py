"""Invoices: drawn up, made final, paid, tried again, voided or given up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from upwell.demo.stripe import cash, papers, pricing
from upwell.demo.stripe.lines import Draft, line, totals
from upwell.demo.stripe.till import Till
from upwell.demo.stripe.world import DAY, HOUR, Json, World


class Bills:
    """The invoices of one account.

    `paid` and `unpaid` are told of each invoice of a subscription that was paid, or whose
    collection failed (with True where it will not be tried again).
    """

    def __init__(self, world: World, till: Till, retries: Sequence[int]) -> None:
        self._world = world
        self._till = till
        self._retries = tuple(retries)  # days between one attempt and the next
        self.paid: Callable[[Json, Json], None]
        self.unpaid: Callable[[Json, Json, bool], None]
        world.handlers |= {"finalize": self._finalize_due, "retry": self._retry_due}

    # -- drawing up

    def draw(
        self,
        customer: Json,
        subscription: Json | None,
        drafts: list[Draft],
        reason: str,
        *,
        period: tuple[int, int] | None = None,
        advances: bool = True,
        days_until_due: int | None = None,
        waits: bool = False,
    ) -> Json:
        """A draft invoice of these lines; with `waits` it becomes final by itself in an hour."""
        world = self._world
        identity = world.new_id("in")
        discounts = self.discounts(customer, subscription)
        lines = self._lines(identity, drafts, discounts, subscription)
        on_items = frozenset(id_ for draft in drafts for id_ in draft.discounts)
        finalizes_at = world.now + HOUR if waits and advances else None
        invoice = papers.invoice(
            world,
            identity,
            customer,
            subscription,
            reason=reason,
            lines=lines,
            discounts=discounts,
            sums=totals(lines, on_items),
            period=period or (world.now, world.now),
            auto_advance=advances,
            finalizes_at=finalizes_at,
            days_until_due=days_until_due,
        )
        world.lines[identity] = lines
        if subscription is not None:
            world.invoices_of.setdefault(subscription["id"], []).append(identity)
        world.add(invoice)
        if customer["currency"] is None:
            customer["currency"] = invoice["currency"]
        for draft in drafts:
            if draft.invoice_item:
                world.get("invoiceitem", draft.invoice_item)["invoice"] = identity
        world.emit(invoice, "invoice.created")
        if finalizes_at:
            world.later(finalizes_at, "finalize", identity)
        return invoice

    def discounts(self, customer: Json, subscription: Json | None) -> list[Json]:
        """Those of the subscription; where it has none, the customer's."""
        found = [self._world.get("discount", i) for i in (subscription or {}).get("discounts", ())]
        if not found and customer.get("discount"):
            found = [customer["discount"]]
        return [d for d in found if d["end"] is None or d["end"] > self._world.now]

    def _lines(
        self, invoice: str, drafts: list[Draft], discounts: list[Json], subscription: Json | None
    ) -> list[Json]:
        cuts = self.cuts(drafts, discounts)
        metadata = subscription["metadata"] if subscription else {}
        return [
            line(self._world, invoice, draft, cut, metadata)
            for draft, cut in zip(drafts, cuts, strict=True)
        ]

    def cuts(self, drafts: list[Draft], discounts: list[Json]) -> list[list[tuple[str, int]]]:
        """What each line loses to which discount: an item's own first, then the others in turn."""
        taken: list[list[tuple[str, int]]] = [[] for _ in drafts]
        if not drafts or (not discounts and not any(draft.discounts for draft in drafts)):
            return taken
        rest = [draft.amount if draft.discountable else 0 for draft in drafts]

        def take(discount: Json, places: list[int]) -> None:
            coupon = self._world.get("coupon", discount["source"]["coupon"])
            amounts = [rest[place] for place in places]
            off = pricing.taken_off(coupon, amounts, drafts[0].currency)
            for place, amount in zip(places, off, strict=True):
                if amount:
                    rest[place] -= amount
                    taken[place].append((discount["id"], amount))

        for place, draft in enumerate(drafts):
            for identity in draft.discounts:
                take(self._world.get("discount", identity), [place])
        for discount in discounts:
            take(discount, list(range(len(drafts))))
        return taken

    # -- made final

    def _finalize_due(self, identity: str) -> None:
        invoice = self._world.get("invoice", identity)
        if invoice["status"] == "draft" and invoice["auto_advance"]:
            self.finalize(invoice)
            self.collect(invoice)

    def finalize(self, invoice: Json) -> None:
        """From draft to open: a number, and what is due after the customer's credit."""
        world = self._world
        customer = world.get("customer", invoice["customer"])
        owed = invoice["total"] + customer["balance"]
        due = max(0, owed)
        number = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"
        customer["next_invoice_sequence"] += 1
        world.change(
            invoice,
            {
                "amount_due": due,
                "amount_remaining": due,
                "automatically_finalizes_at": None,
                "effective_at": world.now,
                "ending_balance": min(0, owed),
                "number": number,
                "starting_balance": customer["balance"],
                "status": "open",
                "status_transitions": {**invoice["status_transitions"], "finalized_at": world.now},
            },
        )
        world.change(customer, {"balance": min(0, owed)}, "customer.updated")
        world.emit(invoice, "invoice.finalized")

    # -- collected

    def collect(self, invoice: Json, *, by_hand: bool = False) -> bool:
        """Try to be paid; -> whether it is."""
        world = self._world
        if invoice["amount_due"] == 0:
            self._settle(invoice)
            return True
        if invoice["collection_method"] == "send_invoice" and not by_hand:
            world.emit(invoice, "invoice.sent")
            return False
        customer = world.get("customer", invoice["customer"])
        card = world.cards.get(customer["id"])
        if by_hand and invoice["collection_method"] == "send_invoice":
            card = "ok"  # paid by transfer
        came = card is not None and self._attempt(invoice, customer, card)
        if came:
            if not (by_hand and invoice["attempt_count"]):
                # https://docs.stripe.com/api/invoices/object#invoice_object-attempt_count
                world.change(invoice, {"attempt_count": invoice["attempt_count"] + 1})
            self._settle(invoice)
        else:
            self._failed(invoice, count=not by_hand)
        return came

    def _attempt(self, invoice: Json, customer: Json, card: str) -> bool:
        world = self._world
        identity = world.intents.get(invoice["id"])
        if identity is None:
            amount = invoice["amount_remaining"]
            intent = world.add(
                cash.payment_intent(
                    world, customer, amount, invoice["currency"], self._marks(invoice)
                )
            )
            intent["description"] = (
                "Subscription creation"
                if invoice["billing_reason"] == "subscription_create"
                else "Subscription update"
            )
            payment = world.add(cash.invoice_payment(world, invoice, intent["id"]))
            world.intents[invoice["id"]] = intent["id"]
            world.payments[intent["id"]] = payment["id"]
        else:
            intent = world.get("payment_intent", identity)
            intent["amount"] = invoice["amount_remaining"]
        charge = self._till.charge(customer, intent, card)
        return bool(charge["paid"])

    def _marks(self, invoice: Json) -> Json:
        """What the company's own code writes on a payment: whose it is."""
        parent = invoice["parent"]
        if not self._world.marks or parent is None:
            return {}
        marks: Json = parent["subscription_details"]["metadata"]
        return marks

    def _settle(self, invoice: Json) -> None:
        world = self._world
        intent = world.intents.get(invoice["id"])
        if intent and invoice["amount_due"]:
            payment = world.get("invoice_payment", world.payments[intent])
            world.change(
                payment,
                {
                    "amount_paid": invoice["amount_due"],
                    "status": "paid",
                    "status_transitions": {"canceled_at": None, "paid_at": world.now},
                },
            )
            world.emit(payment, "invoice_payment.paid")
        world.change(
            invoice,
            {
                "amount_paid": invoice["amount_due"],
                "amount_remaining": 0,
                "attempted": True,
                "auto_advance": False,
                "next_payment_attempt": None,
                "status": "paid",
                "status_transitions": {**invoice["status_transitions"], "paid_at": world.now},
            },
        )
        world.emit(invoice, "invoice.paid", "invoice.payment_succeeded")
        self._recover(invoice)
        subscription = self._subscription(invoice)
        if subscription is not None:
            self.paid(subscription, invoice)

    def _recover(self, invoice: Json) -> None:
        customer = self._world.get("customer", invoice["customer"])
        if customer["delinquent"]:
            self._world.change(customer, {"delinquent": False}, "customer.updated")

    def _failed(self, invoice: Json, *, count: bool) -> None:
        world = self._world
        attempts = invoice["attempt_count"] + (1 if count else 0)
        again = None
        if invoice["billing_reason"] != "subscription_create" and count:
            if attempts <= len(self._retries):
                again = world.now + self._retries[attempts - 1] * DAY
                world.later(again, "retry", invoice["id"])
        elif not count:
            again = invoice["next_payment_attempt"]
        world.change(
            invoice,
            {
                "attempt_count": attempts,
                "attempted": True,
                "auto_advance": again is not None,
                "next_payment_attempt": again,
            },
            "invoice.updated",
        )
        world.emit(invoice, "invoice.payment_failed")
        customer = world.get("customer", invoice["customer"])
        world.change(customer, {"delinquent": True}, "customer.updated")
        subscription = self._subscription(invoice)
        if subscription is not None and count:
            self.unpaid(subscription, invoice, again is None)

    def _retry_due(self, identity: str) -> None:
        invoice = self._world.get("invoice", identity)
        if invoice["status"] == "open" and invoice["next_payment_attempt"] == self._world.now:
            self.collect(invoice)

    def _subscription(self, invoice: Json) -> Json | None:
        parent = invoice["parent"]
        if parent is None:
            return None
        return self._world.get("subscription", parent["subscription_details"]["subscription"])

    # -- not collected

    def credited(self, invoice: Json, amount: int) -> None:
        """A credit note was issued: of an open invoice less is due, perhaps nothing."""
        if invoice["status"] == "paid":
            sofar = invoice["post_payment_credit_notes_amount"] + amount
            changes = {"post_payment_credit_notes_amount": sofar}
            self._world.change(invoice, changes, "invoice.updated")
            return
        due = invoice["amount_due"] - amount
        changes = {
            "amount_due": due,
            "amount_remaining": due,
            "pre_payment_credit_notes_amount": invoice["pre_payment_credit_notes_amount"] + amount,
        }
        self._world.change(invoice, changes, "invoice.updated")
        if due == 0:
            self._settle(invoice)

    def void(self, invoice: Json) -> None:
        """As if it had never been sent."""
        self._end(invoice, "void", "voided_at", "invoice.voided")

    def write_off(self, invoice: Json) -> None:
        """Given up: uncollectible."""
        self._end(
            invoice, "uncollectible", "marked_uncollectible_at", "invoice.marked_uncollectible"
        )

    def _end(self, invoice: Json, status: str, stamp: str, event: str) -> None:
        transitions = {**invoice["status_transitions"], stamp: self._world.now}
        self._world.change(
            invoice,
            {
                "auto_advance": False,
                "next_payment_attempt": None,
                "status": status,
                "status_transitions": transitions,
            },
        )
        self._world.emit(invoice, event)

    def stop(self, subscription: str) -> None:
        """No more attempts for the open invoices of a subscription that has ended."""
        for invoice in self._world.open_of(subscription):
            if invoice["auto_advance"]:
                self._world.change(
                    invoice,
                    {"auto_advance": False, "next_payment_attempt": None},
                    "invoice.updated",
                )
