"""Stripe: webhooks, pages of lists and of events become facts, each once whichever way it came."""

from upwell.sources.stripe.reading import Want
from upwell.sources.stripe.translate import payers, translate, wants
from upwell.sources.stripe.verify import verify

__all__ = ["Want", "payers", "translate", "verify", "wants"]
