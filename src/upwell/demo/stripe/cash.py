"""Shapes of money that moves: charges, refunds, disputes, balance transactions, payouts."""

from __future__ import annotations

from upwell.demo.stripe.catalog import address
from upwell.demo.stripe.world import DAY, NOTHING, Json, World

_TELL = {  # https://docs.stripe.com/declines/codes
    "card_declined": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "expired_card": "Your card has expired.",
}
_EVIDENCE: Json = dict.fromkeys(
    (
        "access_activity_log",
        "billing_address",
        "cancellation_policy",
        "cancellation_policy_disclosure",
        "cancellation_rebuttal",
        "customer_communication",
        "customer_email_address",
        "customer_name",
        "customer_purchase_ip",
        "customer_signature",
        "duplicate_charge_documentation",
        "duplicate_charge_explanation",
        "duplicate_charge_id",
        "product_description",
        "receipt",
        "refund_policy",
        "refund_policy_disclosure",
        "refund_refusal_explanation",
        "service_date",
        "service_documentation",
        "shipping_address",
        "shipping_carrier",
        "shipping_date",
        "shipping_documentation",
        "shipping_tracking_number",
        "uncategorized_file",
        "uncategorized_text",
    )
)
_CARD: Json = {
    "brand": "visa",
    "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
    "country": "US",
    "exp_month": 8,
    "exp_year": 2030,
    "fingerprint": "AOB934RVNwzk6xtn",
    "funding": "credit",
    "last4": "4242",
    "network": "visa",
}
_BY_CARD = ["card"]
_NOWHERE = address(None)


def payment_intent(
    world: World, customer: Json, amount: int, currency: str, metadata: Json
) -> Json:
    """The wish to collect an amount."""
    identity = world.new_id("pi")
    return {
        "id": identity,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{identity}_secret_{identity[-8:]}",
        "confirmation_method": "automatic",
        "created": world.now,
        "currency": currency,
        "customer": customer["id"],
        "customer_account": None,
        "description": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": world.livemode,
        "metadata": metadata,
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": customer["invoice_settings"]["default_payment_method"],
        "payment_method_types": _BY_CARD,
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def payment_error(code: str) -> Json:
    """Why a payment did not come."""
    return {
        "code": "card_declined",
        "decline_code": code,
        "message": _TELL.get(code, _TELL["card_declined"]),
        "type": "card_error",
    }


def charge(world: World, customer: Json, intent: Json, declined: str | None) -> Json:
    """One attempt to collect; `declined` is the code of the refusal."""
    identity = world.new_id("ch")
    outcome: Json = {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if declined else "approved_by_network",
        "reason": declined,
        "seller_message": "The bank declined." if declined else "Payment complete.",
        "type": "issuer_declined" if declined else "authorized",
    }
    return {
        "id": identity,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0 if declined else intent["amount"],
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": {
            "address": customer["address"] or _NOWHERE,
            "email": customer["email"],
            "name": customer["name"],
            "phone": None,
            "tax_id": None,
        },
        "calculated_statement_descriptor": None,
        "captured": not declined,
        "created": world.now,
        "currency": intent["currency"],
        "customer": customer["id"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": "card_declined" if declined else None,
        "failure_message": payment_error(declined)["message"] if declined else None,
        "fraud_details": {},
        "livemode": world.livemode,
        "metadata": intent["metadata"],
        "on_behalf_of": None,
        "outcome": outcome,
        "paid": not declined,
        "payment_intent": intent["id"],
        "payment_method": intent["payment_method"],
        "payment_method_details": {"card": _CARD, "type": "card"},
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "failed" if declined else "succeeded",
        "transfer_data": None,
        "transfer_group": None,
    }


def invoice_payment(world: World, invoice: Json, intent: str) -> Json:
    """What joins a payment to its invoice: neither of the two names the other."""
    return {
        "id": world.new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": invoice["amount_remaining"],
        "created": world.now,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": world.livemode,
        "payment": {"payment_intent": intent, "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }


def refund(world: World, charge: Json, amount: int, reason: str | None) -> Json:
    """Money given back."""
    return {
        "id": world.new_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": world.now,
        "currency": charge["currency"],
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": charge["metadata"] if world.marks else {},
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def dispute(world: World, charge: Json, reason: str) -> Json:
    """A charge that the card's owner does not accept."""
    return {
        "id": world.new_id("dp"),
        "object": "dispute",
        "amount": charge["amount"],
        "balance_transactions": NOTHING,
        "charge": charge["id"],
        "created": world.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": NOTHING,
        "evidence": _EVIDENCE,
        "evidence_details": {
            "due_by": world.now + 9 * DAY,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": world.livemode,
        "metadata": charge["metadata"] if world.marks else {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": "visa",
                "case_type": "chargeback",
                "network_reason_code": "10.4",
            },
            "type": "card",
        },
        "reason": reason,
        "status": "needs_response",
    }


def balance_transaction(
    world: World,
    *,
    amount: int,
    fee: int,
    currency: str,
    kind: str,
    category: str,
    source: str | None,
    description: str | None,
    exchange_rate: float | None,
    wait: int,
) -> Json:
    """One movement of the account's balance; what is free to be paid out `wait` seconds later."""
    return {
        "id": world.new_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": world.now + wait,
        "balance_type": "payments",
        "created": world.now,
        "currency": currency,
        "description": description,
        "exchange_rate": exchange_rate,
        "fee": fee,
        "fee_details": [
            {
                "amount": fee,
                "application": None,
                "currency": currency,
                "description": "Stripe processing fees",
                "type": "stripe_fee",
            }
        ]
        if fee
        else [],
        "net": amount - fee,
        "reporting_category": category,
        "source": source,
        "status": "pending",
        "type": kind,
    }


def payout(world: World, amount: int, currency: str) -> Json:
    """The balance on its way to the company's bank."""
    return {
        "id": world.new_id("po"),
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": world.now + 2 * DAY,
        "automatic": True,
        "balance_transaction": None,
        "created": world.now,
        "currency": currency,
        "description": "STRIPE PAYOUT",
        "destination": "ba_1" + world.account[-20:],
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": world.livemode,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "completed",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "in_transit",
        "trace_id": None,
        "type": "bank_account",
    }


def credit_note(world: World, invoice: Json, amount: int, refund: Json | None, number: str) -> Json:
    """A bill made smaller after it was sent; `amount` with tax."""
    return {
        "id": world.new_id("cn"),
        "object": "credit_note",
        "amount": amount,
        "amount_shipping": 0,
        "created": world.now,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_account": None,
        "customer_balance_transaction": None,
        "discount_amount": 0,
        "discount_amounts": NOTHING,
        "effective_at": world.now,
        "invoice": invoice["id"],
        "lines": {
            "object": "list",
            "data": [
                {
                    "id": world.new_id("cnli"),
                    "object": "credit_note_line_item",
                    "amount": amount,
                    "description": "Credit",
                    "discount_amount": 0,
                    "discount_amounts": NOTHING,
                    "livemode": world.livemode,
                    "metadata": {},
                    "pretax_credit_amounts": NOTHING,
                    "quantity": 1,
                    "tax_rates": NOTHING,
                    "taxes": NOTHING,
                    "type": "custom_line_item",
                    "unit_amount": amount,
                    "unit_amount_decimal": str(amount),
                }
            ],
            "has_more": False,
            "url": "/v1/credit_notes/lines",
        },
        "livemode": world.livemode,
        "memo": None,
        "metadata": {},
        "number": number,
        "out_of_band_amount": None,
        "pdf": "",
        "post_payment_amount": amount if refund else 0,
        "pre_payment_amount": 0 if refund else amount,
        "pretax_credit_amounts": NOTHING,
        "reason": None,
        "refunds": [{"amount_refunded": amount, "refund": refund["id"]}] if refund else [],
        "shipping_cost": None,
        "status": "issued",
        "subtotal": amount,
        "subtotal_excluding_tax": amount,
        "total": amount,
        "total_excluding_tax": amount,
        "total_taxes": NOTHING,
        "type": "post_payment" if refund else "pre_payment",
        "voided_at": None,
    }
