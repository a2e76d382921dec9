"""A source with all that reading it needs: from the configuration, from a page, of any kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from upwell.billing import Origin
from upwell.errors import Rejected
from upwell.settings import StripeSource
from upwell.sources.kinds import Broken, kind_named, of_others
from upwell.sources.stripe.catalogue import Catalogue
from upwell.state.sources import Source

API = "https://api.stripe.com"


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A source with all that reading it needs; secrets as pointers."""

    id: str
    name: str
    origin: Origin
    api_key: str = ""
    webhook_secret: str = ""
    api_base: str = ""
    settings: Any = None  # the table of a kind that is not Stripe
    paused: bool = False
    made: bool = False

    @property
    def kind(self) -> str:
        """The word that `kind` has in the configuration."""
        return self.origin.kind


def livemode(api_key: str) -> bool | None:
    """Whether a key is for live or test data, as its own beginning says."""
    parts = api_key.split("_")
    return {"live": True, "test": False}.get(parts[1]) if len(parts) > 2 else None


def agree(livemode: bool | None, catalogue: Catalogue) -> None:
    """Raise Rejected where a key is for test data and the account answers with live, or so."""
    if None in (livemode, catalogue.livemode) or livemode == catalogue.livemode:
        return
    mine, theirs = ("live", "test") if livemode else ("test", "live")
    raise Rejected(
        "other_mode",
        f"The key is for {mine} data, and the account answers with {theirs} data.",
        fix=f"Set an api_key that begins with sk_{theirs}_ or rk_{theirs}_, or read another "
        "account with this one.",
        where="api_key",
    )


def from_file(source: StripeSource, row: Source | None, mode: bool | None) -> Link:
    """A Stripe account of the configuration, with what was learned of it."""
    learned: dict[str, Any] = {}
    if row is not None:
        learned = {"names": row.names, "account": row.account}
    return Link(
        id=source.id,
        name=source.id,
        api_key=source.api_key,
        webhook_secret=source.webhook_secret,
        api_base=source.api_base,
        origin=Origin(
            id=source.id,
            product=source.product,
            product_from=source.product_from,
            assign={**(row.named | row.assign if row else {}), **source.prices},
            livemode=mode if mode is not None or row is None else row.livemode,
            **learned,
        ),
        paused=bool(row and row.paused),
    )


def table_of(kind: str, id_: str, given: Mapping[str, Any]) -> Any:
    """A source's table as the configuration would hold it; Rejected says what is wrong with it."""
    with of_others(kind):
        table = kind_named(kind).settings
    try:
        return msgspec.convert({**given, "kind": kind, "id": id_}, table)
    except msgspec.ValidationError as error:
        text, _, at = str(error).partition(" - at `$.")
        raise Rejected(
            "bad_source",
            f"The settings of '{id_}' are not those of a source of kind {kind}: {text}.",
            fix="Correct it; docs/reference/configuration.md lists every key.",
            where=at.rstrip("`"),
        ) from None


def given_by(source: Any) -> dict[str, Any]:
    """What translation is told of a source's table; raises Broken."""
    with of_others(source.kind):
        return dict(kind_named(source.kind).given(source))


def of_kind(source: Any, row: Source | None) -> Link:
    """A source of another kind, from its table."""
    try:
        told = given_by(source)
    except Broken:  # told when it is opened; until then it stops no other source
        told = {}
    return Link(
        id=source.id,
        name=(row and row.name) or source.id,
        settings=source,
        origin=Origin(
            id=source.id,
            kind=source.kind,
            product=source.product,
            product_from=source.product_from,
            assign=row.assign if row else {},
            given=told,
        ),
        paused=bool(row and row.paused),
        made=bool(row and row.made),
    )


def from_page(row: Source) -> Link:
    """A source that was made on a page."""
    if row.kind != "stripe":
        try:
            return of_kind(table_of(row.kind, row.id, row.given), row)
        except Rejected:  # its kind was taken away: reading it says so, and hurts no other
            origin = Origin(id=row.id, kind=row.kind, product=row.product)
            return Link(id=row.id, name=row.name, origin=origin, paused=row.paused, made=True)
    return Link(
        id=row.id,
        name=row.name or row.id,
        api_key=row.api_key,
        webhook_secret=row.webhook_secret,
        api_base=row.api_base or API,
        origin=Origin(
            id=row.id,
            product=row.product,
            product_from=row.product_from,
            assign=row.named | row.assign,
            names=row.names,
            account=row.account,
            livemode=row.livemode,
        ),
        paused=row.paused,
        made=True,
    )
