"""What clients of other vendors send (Mixpanel's, Segment's, Google's) becomes events. Pure.

`payload` finds the JSON in a request, however the client wrapped it; that JSON is what is kept.
`translate` reads it by the door that it came through: `about["door"]` is `VENDOR.ROUTE`.
"""

from __future__ import annotations

from upwell.billing import Origin
from upwell.event import Delivery, Translated
from upwell.sources.sdk import ga4, mixpanel, segment
from upwell.sources.sdk.ga4 import validation
from upwell.sources.sdk.payload import FORM, Payload, key_of, payload
from upwell.sources.sdk.taking import Taking

__all__ = ["FORM", "Payload", "key_of", "payload", "translate", "validation"]

_READERS = {"mixpanel": mixpanel.read, "segment": segment.read, "ga4": ga4.read}


def translate(delivery: Delivery, origin: Origin) -> Translated:
    """The events of a body; each record that cannot be used is set aside with the reason."""
    vendor, _, route = delivery.about["door"].partition(".")
    taking = Taking(delivery, origin)
    _READERS[vendor](taking, route, delivery.body)
    return taking.done()
