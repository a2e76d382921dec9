"""A fake Stripe, written from its API reference, for the demo and for tests.

fake = FakeStripe(now=1_767_225_600, seed=7)
price = fake.create_price(fake.create_product("Mail"), 1_000)
ann = fake.create_customer("Ann", "ann@example.com", "DE")
subscription = fake.subscribe(ann, price)
fake.advance(40 * 86_400)                      # renews, charges, pays out
with serve(fake) as url:                       # for the official SDK
    ...
fake.deliver("http://127.0.0.1:8000/hooks/stripe/mail", "whsec_…")
"""

from upwell.demo.stripe.account import API_VERSION
from upwell.demo.stripe.fake import FakeStripe
from upwell.demo.stripe.hooks import Delivered
from upwell.demo.stripe.served import serve
from upwell.demo.stripe.world import Event, Refused

__all__ = ["API_VERSION", "Delivered", "Event", "FakeStripe", "Refused", "serve"]
