"""Webhooks: signed bytes of billing systems, kept as they came before they are answered."""

from __future__ import annotations

import msgspec
import structlog
from litestar import post
from litestar.params import FromPath

from upwell.errors import Rejected
from upwell.event import Delivery
from upwell.period import to_micros
from upwell.sources.stripe import verify
from upwell.web import shapes
from upwell.web.door import header
from upwell.web.routes import OPEN, Call

_log = structlog.get_logger(__name__)


@post(
    "/hooks/stripe/{source:str}",
    status_code=200,
    guards=OPEN,
    tags=["Events"],
    summary="Stripe's webhooks",
)
async def stripe(request: Call, source: FromPath[str]) -> shapes.Taken:
    """Takes an event of Stripe's, by its signature; repeats and disorder are normal.

    Answers 200 when the bytes are on disk, 400 where the signature is wrong or over 5 minutes old.
    """
    accounts, now = request.parts.accounts, request.now()
    secret = await request.run(accounts.secret, source)
    body = await request.body()
    try:
        verify(body, header(request.scope, b"stripe-signature"), secret, int(now.timestamp()))
    except Rejected as refusal:
        _log.warning(
            "webhook refused",
            source=source,
            address=request.address,
            bytes=len(body),
            why=refusal.problem.message,
        )
        raise
    delivery = Delivery(
        kind="stripe",
        source=source,
        received_at=to_micros(now),
        about={"webhook": True, **accounts.about(source, [body])},
        body=body,
    )
    seq = await request.parts.submit(delivery, None)
    request.parts.meters.deliveries.inc()
    kept = msgspec.structs.replace(delivery, seq=seq)
    accounts.heard(kept)
    return shapes.Taken()


ROUTES = (stripe,)
