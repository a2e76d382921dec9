"""The whole fake: a Stripe account that remembers as much as Stripe does."""

from __future__ import annotations

from upwell.demo.stripe import cash
from upwell.demo.stripe.account import Named
from upwell.demo.stripe.lines import Draft
from upwell.demo.stripe.subscribing import Subscribing
from upwell.demo.stripe.world import Json, Refused


class FakeStripe(Subscribing):
    """One account of a Stripe that lives in memory.

    Methods are what a person or a customer would do; they give the object as it stands and goes
    on to stand. Times are seconds, amounts minor units. The same seed and the same actions give
    the same ids. `archive` keeps all events in `events`; the API forgets after 30 days anyway.
    `retries` are the days between attempts at an invoice, `outcome` what becomes of the
    subscription after the last, `give_up` marks the invoice uncollectible then; `payouts` is
    "daily", "weekly" or None; `scrambled` lists events of one second in any order, as Stripe may;
    `marks` writes a subscription's metadata on its payments, their refunds and disputes, as a
    company does by its own code (Stripe does not);
    `hears` says which events are written down at all (None: every one);
    `settles` books a currency in another: {"gbp": ("usd", Decimal(…))}.
    """

    # -- invoices

    def pay(self, invoice: Named) -> bool:
        """Try to pay an invoice now, as a customer or a person would; -> whether it is paid."""
        with self.lock:
            row = self._of("invoice", invoice)
            if row["status"] == "draft":
                self._bills.finalize(row)
            if row["status"] not in {"open", "uncollectible"}:
                raise Refused(f"{row['id']} is {row['status']}")
            return self._bills.collect(row, by_hand=True)

    def finalize(self, invoice: Named) -> Json:
        """From draft to open, and collected where it is collected by itself."""
        with self.lock:
            row = self._of("invoice", invoice)
            self._bills.finalize(row)
            if row["auto_advance"]:
                self._bills.collect(row)
            return row

    def void(self, invoice: Named) -> Json:
        """As if it had never been sent."""
        with self.lock:
            row = self._of("invoice", invoice)
            self._bills.void(row)
            return row

    def write_off(self, invoice: Named) -> Json:
        """Given up as uncollectible."""
        with self.lock:
            row = self._of("invoice", invoice)
            self._bills.write_off(row)
            return row

    def charge_once(
        self, customer: Named, price: Named, quantity: int = 1, subscription: Named | None = None
    ) -> Json:
        """Sell something once: on an invoice of its own, or on the subscription's next.

        -> the invoice, or the waiting invoice item.
        """
        with self.lock:
            who, sold = self._of("customer", customer), self._of("price", price)
            owner = None if subscription is None else self._of("subscription", subscription)
            draft = Draft(
                self._lives.price_of(sold, quantity),
                sold["currency"],
                self.now,
                self.now,
                sold["nickname"] or self.get("product", sold["product"])["name"],
                sold,
                quantity,
                subscription=owner["id"] if owner else None,
            )
            waiting = self._changes.wait(who["id"], owner["id"] if owner else who["id"], draft)
            if owner:
                return waiting
            invoice = self._bills.draw(who, None, self._lives.waiting(who["id"]), "manual")
            self._bills.finalize(invoice)
            self._bills.collect(invoice)
            return invoice

    def charge_of(self, invoice: Named) -> Json:
        """The latest charge of an invoice; KeyError where nothing was charged."""
        identity = invoice if isinstance(invoice, str) else invoice["id"]
        intent = self.get("payment_intent", self.world.intents[identity])
        return self.get("charge", intent["latest_charge"])

    # -- money back

    def refund(self, charge: Named, amount: int | None = None, reason: str | None = None) -> Json:
        """Give back a charge or a part of it."""
        with self.lock:
            return self._till.refund(self._of("charge", charge), amount, reason)

    def fail_refund(self, refund: Named, why: str = "lost_or_stolen_card") -> Json:
        """A refund comes back days after it succeeded."""
        with self.lock:
            return self._till.fail_refund(self._of("refund", refund), why)

    def dispute(self, charge: Named, reason: str = "fraudulent") -> Json:
        """The card's owner does not accept the charge: the money is withdrawn with a fee."""
        with self.lock:
            return self._till.dispute(self._of("charge", charge), reason)

    def close_dispute(self, dispute: Named, *, won: bool) -> Json:
        """The bank decides."""
        with self.lock:
            return self._till.close_dispute(self._of("dispute", dispute), won=won)

    def credit(self, invoice: Named, amount: int | None = None) -> Json:
        """A credit note: a paid invoice is refunded so much, an open one asks for less."""
        with self.lock:
            row = self._of("invoice", invoice)
            amount = row["total"] if amount is None else amount
            paid = row["status"] == "paid"
            if not paid and (row["status"] != "open" or amount > row["amount_remaining"]):
                raise Refused(f"{amount} of {row['id']}, which is {row['status']}")
            refund = self._till.refund(self.charge_of(row), amount, None) if paid else None
            number = f"{row['number']}-CN-{len(self.all('credit_note')) + 1:02d}"
            note = self.world.add(cash.credit_note(self.world, row, amount, refund, number))
            self.world.emit(note, "credit_note.created")
            self._bills.credited(row, amount)
            return note
