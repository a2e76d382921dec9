"""What a page and the terminal may do with accounts: connect, look, assign, renew keys, pause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from upwell.access import Viewer
from upwell.app.calls import Calls
from upwell.app.connect import Links, kept_in_the_file
from upwell.app.link import API, Link, agree, livemode
from upwell.app.pulls import Pulls
from upwell.errors import Rejected, nearest
from upwell.event import Delivery, Position
from upwell.journal import Journal
from upwell.sources.contract import NotAllowed
from upwell.sources.stripe import shapes as vendor
from upwell.sources.stripe.catalogue import Catalogue
from upwell.sources.stripe.fetch import NEEDED, Gone, page
from upwell.sources.stripe.shapes import id_of
from upwell.state.sources import Source
from upwell.web import shapes

COUNTED = 20  # pages of subscriptions that are counted while a person waits


class Accounts:
    """The accounts of a house, as the site's routes call them."""

    def __init__(
        self,
        links: Links,
        journal: Journal,
        products: Callable[[], frozenset[str]],
        now: Callable[[], int],
        pulls: Pulls | None,
        public_url: str,
    ) -> None:
        self._links = links
        self._journal = journal
        self._products = products
        self._now = now
        self._pulls = pulls  # of the running server; None: nothing is read here
        self._public_url = public_url.rstrip("/")

    def add(self, asked: shapes.NewStripe, by: Viewer) -> shapes.Account:
        """Try the key, keep the source, begin to read it."""
        self._judge(asked)
        source = Source(
            id=asked.id,
            name=asked.name.strip()[:200] or asked.id,
            product=asked.product,
            product_from=asked.product_from,
            api_base=asked.api_base or API,
            livemode=livemode(asked.api_key),
            created_at=self._now(),
            created_by=by.id,
        )
        with self._links.trying(asked.api_key, source.api_base) as calls:
            found = self._look(calls, source.id, None, source.livemode)
        source = msgspec.structs.replace(source, account=found.account)
        link = self._links.add(source, asked.api_key, asked.webhook_secret)
        self._begin(link)
        return found

    def renew(self, id_: str, asked: shapes.NewSecrets) -> shapes.Account:
        """Keep another key, once Stripe takes it for the same account, or another webhook secret.

        Reading goes on where it was.
        """
        link = self._links.account(id_)
        if not link.made:
            raise kept_in_the_file(id_, link.kind)
        if asked.api_key is not None:
            self._same(link, asked.api_key)
        link = self._links.renew(id_, asked.api_key, asked.webhook_secret)
        self._begin(link)
        return self.look(id_)

    def _same(self, link: Link, api_key: str) -> None:
        """Raises Rejected where a key is not one of the source's account and mode."""
        mode = livemode(api_key)
        with self._links.trying(api_key, link.api_base) as calls:
            _may(calls, "/v1/events")  # raises where Stripe does not take the key
            account = _account(calls)
        known = link.origin
        if account and known.account and account != known.account:
            raise Rejected(
                "other_account",
                f"The key is of account {account}, and '{link.id}' reads {known.account}.",
                fix="Connect the other account as a source of its own.",
                where="api_key",
            )
        if None not in (mode, known.livemode) and mode != known.livemode:
            mine, theirs = ("live", "test") if mode else ("test", "live")
            raise Rejected(
                "other_mode",
                f"The key is for {mine} data, and '{link.id}' reads {theirs} data.",
                fix=f"Give one that begins with rk_{theirs}_ or sk_{theirs}_.",
                where="api_key",
            )

    def _begin(self, link: Link) -> None:
        if self._pulls is not None:
            self._pulls.begin(link)

    def look(self, id_: str) -> shapes.Account:
        """An account as Stripe shows it now."""
        link = self._links.account(id_)
        calls = self._links.calls(link)
        try:
            return self._look(calls, id_, link, link.origin.livemode)
        finally:
            calls.close()

    def assign(self, id_: str, given: Mapping[str, str | None]) -> shapes.Assigned:
        """Say whose products they are; what came before is read again, the numbers follow."""
        known = self._products()
        for product in given.values():
            if product is not None and product not in known:
                raise Rejected(
                    "unknown_product",
                    f"Unknown product '{product[:80]}'.",
                    fix=nearest(product, known),
                    where="body",
                )
        self._links.account(id_)
        link = self._links.assign(id_, given)
        again = Delivery(
            kind="retranslate", source="upwell", received_at=self._now(), about={"source": id_}
        )
        seq = self._journal.append([again])[0]
        self._begin(link)
        return shapes.Assigned(source=id_, position=str(Position(0, seq)))

    def pause(self, id_: str, paused: bool) -> None:
        """Stop reading a source, or go on."""
        self._begin(self._links.pause(id_, paused))

    def _judge(self, asked: shapes.NewStripe) -> None:
        self._links.judge_new(asked.id)
        if asked.product is not None and asked.product not in self._products():
            raise Rejected(
                "unknown_product",
                f"Unknown product '{asked.product[:80]}'.",
                fix=nearest(asked.product, self._products()),
                where="product",
            )
        if asked.product_from and not asked.product_from.startswith("metadata."):
            raise Rejected(
                "bad_product_from",
                f"'{asked.product_from[:80]}' is no place in Stripe's objects.",
                fix="Write metadata.KEY, as metadata.product.",
                where="product_from",
            )

    def _look(self, calls: Calls, id_: str, link: Link | None, mode: bool | None) -> shapes.Account:
        permissions = tuple(
            shapes.Permission(name=step.permission, ok=_may(calls, step.path)) for step in NEEDED
        )
        allowed = {each.name for each in permissions if each.ok}
        products: tuple[shapes.Sold, ...] = ()
        if {"Products", "Prices", "Coupons"} <= allowed:
            origin = link.origin if link else None
            counts = _counts(calls) if "Subscriptions" in allowed else None
            found = Catalogue.of(calls.get)
            agree(mode, found)
            assigned = (origin.assign if origin else {}) or {}
            one = origin.product if origin else None
            prices: dict[str, list[str]] = {}
            for price in found.prices.values():
                if price is not None:
                    prices.setdefault(id_of(price.product), []).append(price.id)
            products = tuple(
                shapes.Sold(
                    id=product.id,
                    name=product.name or product.id,
                    prices=tuple(prices.get(product.id, ())),
                    active_subscriptions=None if counts is None else counts[product.id],
                    assigned_to=assigned.get(product.id) or one,
                )
                for product in found.products.values()
            )
        return shapes.Account(
            source=id_,
            account=_account(calls),
            livemode=mode,
            permissions=permissions,
            products=products,
            webhook=f"{self._public_url}/hooks/stripe/{id_}",
            made=link is None or link.made,
        )


def _may(calls: Calls, path: str) -> bool:
    try:
        calls.get(path, {"limit": 1})
    except NotAllowed:
        return False
    return True


def _account(calls: Calls) -> str:
    """The account's id, where the key may read it."""
    try:
        return msgspec.json.decode(calls.get("/v1/account", {}), type=vendor.Object).id
    except (NotAllowed, Gone):
        return ""


def _counts(calls: Calls) -> Counter[str] | None:
    """Active subscriptions by product; None where there are too many to count here."""
    found: Counter[str] = Counter()
    after = ""
    for _ in range(COUNTED):
        query = {"status": "active", **({"starting_after": after} if after else {})}
        listed = page(calls.get, "/v1/subscriptions", query)
        for row in listed.rows:
            items = msgspec.json.decode(row, type=vendor.Subscription).items
            sold = {id_of(item.price.product) for item in items.data if item.price} if items else ()
            found.update(sold)
        if not listed.has_more:
            return found
        after = listed.heads[-1].id
    return None
