"""Money moves: charges, refunds, disputes, fees and payouts, each with its balance transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from upwell.demo.stripe import cash
from upwell.demo.stripe.calendar import add_months
from upwell.demo.stripe.pricing import rounded
from upwell.demo.stripe.world import DAY, Json, Refused, World

DISPUTE_FEE = 1_500  # minor units of the settlement currency
_ZERO = frozenset({"jpy", "krw", "vnd", "clp"})


class Till:
    """The account's balance. `settles` turns a charge's currency into another at a rate."""

    def __init__(
        self, world: World, settles: Mapping[str, tuple[str, Decimal]], payouts: str | None
    ) -> None:
        self._world = world
        self._settles = settles
        self._rhythm = payouts
        self._waiting: list[Json] = []  # not paid out yet
        self._volume: dict[str, int] = {}  # of the month, for Stripe's own fee
        world.handlers |= {
            "payout": self._pay_out,
            "payout_arrives": self._arrives,
            "fees": self._fees,
        }
        if payouts:
            world.later(_next_day(world.now), "payout", payouts)
            world.later(_next_month(world.now), "fees", "")

    def charge(self, customer: Json, intent: Json, card: str | None) -> Json:
        """One attempt to collect an intent; the charge says whether it came."""
        world = self._world
        declined = None if card == "ok" else card
        charge = world.add(cash.charge(world, customer, intent, declined))
        if declined:
            error = cash.payment_error(declined)
            world.change(intent, {"last_payment_error": error, "latest_charge": charge["id"]})
            world.emit(charge, "charge.failed")
            world.emit(intent, "payment_intent.payment_failed")
            return charge
        booked = self._book(charge["amount"], charge, "charge", "charge", wait=2 * DAY)
        charge["balance_transaction"] = booked["id"]
        self._volume[booked["currency"]] = (
            self._volume.get(booked["currency"], 0) + booked["amount"]
        )
        received = {"amount_received": charge["amount"], "last_payment_error": None}
        world.change(intent, {**received, "latest_charge": charge["id"], "status": "succeeded"})
        world.emit(charge, "charge.succeeded")
        world.emit(intent, "payment_intent.succeeded")
        return charge

    def refund(self, charge: Json, amount: int | None, reason: str | None) -> Json:
        """Give a charge back, whole or in part (minor units of the charge)."""
        world = self._world
        left = charge["amount"] - charge["amount_refunded"]
        amount = left if amount is None else amount
        if not charge["paid"] or charge["disputed"] or not 0 < amount <= left:
            raise Refused(f"{amount} cannot be refunded: {left} of {charge['id']} is left")
        refund = world.add(cash.refund(world, charge, amount, reason))
        booked = self._book(-amount, refund, "refund", "refund", wait=0)
        refund["balance_transaction"] = booked["id"]
        sofar = charge["amount_refunded"] + amount
        world.emit(refund, "refund.created")
        world.change(charge, {"amount_refunded": sofar, "refunded": sofar == charge["amount"]})
        world.emit(charge, "charge.refunded")
        return refund

    def fail_refund(self, refund: Json, why: str) -> Json:
        """The customer's bank did not take a refund: its money is on the balance again."""
        world = self._world
        charge = world.table("charge").rows[refund["charge"]]
        if refund["status"] != "succeeded":
            raise Refused(f"{refund['id']} is {refund['status']} already")
        booked = self._book(refund["amount"], refund, "refund_failure", "refund_failure", wait=0)
        failed = {"status": "failed", "failure_reason": why}
        world.change(refund, {**failed, "failure_balance_transaction": booked["id"]})
        sofar = charge["amount_refunded"] - refund["amount"]
        world.change(charge, {"amount_refunded": sofar, "refunded": False})
        world.emit(refund, "refund.failed")
        return refund

    def dispute(self, charge: Json, reason: str) -> Json:
        """The card's owner does not accept a charge: its money is withdrawn, with a fee."""
        world = self._world
        dispute = world.add(cash.dispute(world, charge, reason))
        world.change(charge, {"disputed": True})
        world.emit(dispute, "charge.dispute.created")
        self._withdraw(dispute, -charge["amount"], "dispute", DISPUTE_FEE)
        world.emit(dispute, "charge.dispute.funds_withdrawn")
        return dispute

    def close_dispute(self, dispute: Json, *, won: bool) -> Json:
        """The bank has decided; where the company won the money comes back, the fee does not."""
        world = self._world
        world.change(dispute, {"status": "won" if won else "lost"})
        world.emit(dispute, "charge.dispute.closed")
        if won:
            self._withdraw(dispute, dispute["amount"], "dispute_reversal", 0)
            world.emit(dispute, "charge.dispute.funds_reinstated")
        return dispute

    def _withdraw(self, dispute: Json, amount: int, category: str, fee: int) -> None:
        booked = self._book(amount, dispute, "adjustment", category, wait=0, fee=fee)
        entries = [*dispute["balance_transactions"], booked]
        self._world.change(dispute, {"balance_transactions": entries})

    def _book(
        self,
        amount: int,
        source: Json,
        kind: str,
        category: str,
        *,
        wait: int,
        fee: int | None = None,
    ) -> Json:
        currency, rate = self._settles.get(source["currency"], (source["currency"], None))
        if rate is not None:
            amount = rounded(amount * rate, currency)
        if fee is None:
            fee = _card_fee(amount, currency) if kind == "charge" else 0
        return self._enter(
            cash.balance_transaction(
                self._world,
                amount=amount,
                fee=fee,
                currency=currency,
                kind=kind,
                category=category,
                source=source["id"],
                description=None,
                exchange_rate=None if rate is None else float(rate),
                wait=wait,
            )
        )

    def _enter(self, booked: Json) -> Json:
        if self._rhythm:
            self._waiting.append(booked)
        return self._world.add(booked)

    def _pay_out(self, rhythm: str) -> None:
        world = self._world
        world.later(world.now + (DAY if rhythm == "daily" else 7 * DAY), "payout", rhythm)
        free = [row for row in self._waiting if row["available_on"] <= world.now]
        nets: dict[str, int] = {}
        for row in free:
            nets[row["currency"]] = nets.get(row["currency"], 0) + row["net"]
        for currency, net in nets.items():
            if net > 0:
                self._send(currency, net, [row for row in free if row["currency"] == currency])
        self._waiting = [row for row in self._waiting if row["id"] not in world.paid_out]

    def _send(self, currency: str, net: int, rows: list[Json]) -> None:
        world = self._world
        payout = world.add(cash.payout(world, net, currency))
        booked = world.add(
            cash.balance_transaction(
                world,
                amount=-net,
                fee=0,
                currency=currency,
                kind="payout",
                category="payout",
                source=payout["id"],
                description="STRIPE PAYOUT",
                exchange_rate=None,
                wait=0,
            )
        )
        payout["balance_transaction"] = booked["id"]
        for row in [*rows, booked]:
            world.paid_out[row["id"]] = payout["id"]
        world.emit(payout, "payout.created")
        world.later(payout["arrival_date"], "payout_arrives", payout["id"])

    def _arrives(self, identity: str) -> None:
        payout = self._world.get("payout", identity)
        self._world.change(payout, {"status": "paid"})
        self._world.emit(payout, "payout.paid")

    def _fees(self, _: str) -> None:
        """On the first of a month Stripe takes its fee for Billing: 0.7 % of what was charged."""
        world = self._world
        world.later(_next_month(world.now), "fees", "")
        for currency, volume in self._volume.items():
            fee = rounded(volume * Decimal("0.007"), currency)
            if fee:
                self._enter(
                    cash.balance_transaction(
                        world,
                        amount=-fee,
                        fee=0,
                        currency=currency,
                        kind="stripe_fee",
                        category="fee",
                        source=None,
                        description="Billing - Usage Fee",
                        exchange_rate=None,
                        wait=0,
                    )
                )
        self._volume.clear()


def _card_fee(amount: int, currency: str) -> int:
    """2.9 % and 30 cents."""
    return rounded(Decimal(amount) * 29 / 1000, currency) + (30 if currency not in _ZERO else 33)


def _next_day(at: int) -> int:
    return at - at % DAY + DAY


def _next_month(at: int) -> int:
    first = datetime.fromtimestamp(at, UTC).replace(day=1, hour=0, minute=0, second=0)
    return add_months(int(first.timestamp()), 1)
