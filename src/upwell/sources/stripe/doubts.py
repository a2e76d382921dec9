"""What is counted though something about it is not known, each with what was done instead."""

from __future__ import annotations

DOUBTS = {
    "past_from_invoices": "What was before the connection is pieced together from dates and "
    "invoices: a pause and fewer seats without a proration show from the next invoice on, a "
    "discount that was taken away until the invoice before.",
    "unpaid_since": "It is unpaid, and no invoice says since when: it counts as unpaid only from "
    "the day it was first read.",
    "past_due_since": "It ended because nobody paid: before that it counts as paid until its end, "
    "for Stripe does not keep since when it was past due.",
    "paused_since": "It is paused, and Stripe does not keep since when: before the connection it "
    "counts as if it had gone on.",
    "price_gone": "Its price can be looked up no more: what an invoice asked for, and for how "
    "long, stands for it.",
    "coupon_gone": "It names a discount whose coupon Stripe no longer has: it is counted without "
    "it, or with what the invoice took off.",
    "discount_gone": "It names a discount that Stripe no longer shows: it is counted without it.",
    "fee_given_back": "Stripe gave a fee back: it is in cash, and the metric Fees is not less.",
    "future_clamped": "It is dated after it came: it counts from when it came. Check the clocks.",
}
