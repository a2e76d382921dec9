"""Whether a webhook's body was signed by Stripe, and lately."""

from __future__ import annotations

import hmac

from upwell.errors import Rejected

TOLERANCE = 300  # seconds; the same as in Stripe's own libraries


def verify(body: bytes, header: str, secret: str, now: int) -> None:
    """Raises Rejected(400) unless one of the header's v1 signatures is the body's.

    `now` in epoch seconds. Source: docs.stripe.com/webhooks#verify-manually. The comparison takes
    the same time wherever the signatures differ.
    """
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t" and value.isascii()]
    given = [value for name, _, value in parts if name == "v1" and value.isascii()]
    if not secret or len(times) != 1 or not times[0].isdigit() or len(times[0]) > 12 or not given:
        raise _refused("The Stripe-Signature header is missing or cannot be read.")
    expected = hmac.new(secret.encode(), times[0].encode() + b"." + body, "sha256").hexdigest()
    fits = [hmac.compare_digest(expected, one) for one in given[:20]]  # all, for constant time
    if not any(fits):
        raise _refused("The signature is not this body's.")
    if abs(now - int(times[0])) > TOLERANCE:
        raise _refused(f"It was signed more than {TOLERANCE // 60} minutes ago, or in the future.")


def _refused(message: str) -> Rejected:
    return Rejected(
        "bad_signature",
        message,
        fix="Set webhook_secret to the signing secret of this endpoint in Stripe's dashboard.",
        where="Stripe-Signature",
    )
