"""How the house is doing: its sources, what the configuration names, and whether numbers agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from typing import Any

import duckdb
import msgspec

from upwell.access import SYSTEM
from upwell.app.calls import Calls
from upwell.app.house import House
from upwell.billing import Origin
from upwell.egress import Guard
from upwell.errors import Problem, UpwellError
from upwell.event import Delivery
from upwell.flow import EVENTS, rereads, translate
from upwell.journal import DAMAGED
from upwell.projection import Staged, closes
from upwell.projection.ground import GROUND, Ground
from upwell.projection.verify import Difference, differences, differing
from upwell.query.overlaps import overlaps
from upwell.settings import Settings, Source, StripeSource, secret
from upwell.sources.contract import NotAllowed
from upwell.sources.kinds import kind_named, of_others
from upwell.sources.stripe.fetch import NEEDED

COUNT = 8
SHOWN = 5


def problems(settings: Settings, house: House) -> Iterator[Problem]:
    """What a configuration names that cannot work: missing secrets, addresses that are refused."""
    guard = Guard(settings.server.allow_private_urls)
    for channel in settings.channels:
        if channel.kind in ("slack", "webhook"):
            try:
                guard.check(secret(channel.url, house.env))
            except UpwellError as error:
                yield Problem(
                    code=error.problem.code,
                    message=f"Channel '{channel.id}': {error.problem.message}",
                    fix=error.problem.fix,
                    where=f"channels.{channel.id}.url",
                )
        else:
            yield Problem(
                code="channel_kind",
                message=f"Channel '{channel.id}': kind '{channel.kind}' cannot be sent to yet.",
                fix="Use a channel of kind webhook or slack.",
                where=f"channels.{channel.id}.kind",
            )
    for source in settings.sources:
        if isinstance(source, StripeSource):
            yield from _tried(source, guard, house)
        else:
            yield from _opened(source, house)


def warnings(house: House) -> Iterator[Problem]:
    """Measures that several sources send, all of which are added because nobody chose one."""
    for one in overlaps(house.projection, SYSTEM, house.clock()).overlaps:
        if one.decided == "nobody":
            names = [f"'{sender.source}'" for sender in one.sources]
            said = f"{', '.join(names[:-1])} and {names[-1]}"
            yield Problem(
                code="overlap",
                message=f"{said} all send {one.measure} of '{one.product}'; all of it is added.",
                fix=f"If they tell of the same, name the one that counts: "
                f'`authority = {{{one.measure} = "{one.sources[0].source}"}}` of the product.',
                where=f"products.{one.product}.authority",
            )


def _opened(source: Source, house: House) -> Iterator[Problem]:
    """What a source of another kind answers to its credentials."""
    try:
        link = house.links.find(source.id)
        opening = house.links.opening(link, lambda: False, lambda _: None)
        with (
            of_others(source.kind),
            closing(kind_named(source.kind).open(opening)) as reader,
        ):
            reader.check()
    except UpwellError as error:
        message = f"Source '{source.id}': {error.problem.message}"
        where = f"sources.{source.id}"
        yield msgspec.structs.replace(error.problem, message=message, where=where)


def _tried(source: StripeSource, guard: Guard, house: House) -> Iterator[Problem]:
    """What an account answers: a key that is not taken, permissions that are missing."""
    where = f"sources.{source.id}.api_key"
    try:
        calls = Calls(secret(source.api_key, house.env), source.api_base, guard, patience=5.0)
    except UpwellError as error:
        yield msgspec.structs.replace(error.problem, where=where)
        return
    try:
        for step in NEEDED:
            try:
                calls.get(step.path, {"limit": 1})
            except NotAllowed as error:
                yield Problem(
                    code=error.problem.code,
                    message=f"Source '{source.id}': the key may not read {step.permission}.",
                    fix=f"Give the restricted key read permission for {step.permission}.",
                    where=where,
                )
    except UpwellError as error:
        message = f"Source '{source.id}': {error.problem.message}"
        yield msgspec.structs.replace(error.problem, message=message, where=where)
    finally:
        calls.close()


def verify(house: House) -> Iterator[dict[str, Any]]:
    """The checks of `upwell verify`, one after the other, each saying what it compared."""
    damage = [f"{found.where}: {found.what}" for found in house.journal.verify()]
    yield _check("journal", damage, f"{house.journal.newest:,} deliveries match their digests")
    waits = [] if house.caught_up() else [_waiting(house)]
    yield _check("loop", waits, "everything in the journal is in the numbers")
    for check in (_events, _sums):
        try:
            found = house.flow.perform(partial(check, house))
        except duckdb.Error as error:
            unreadable = f"The stored events cannot be read: {str(error).splitlines()[0]}"
            found = [(check.__name__.strip("_"), [unreadable], "")]
        for name, wrong, said in found:
            yield _check(name, wrong, said)
    yield _check("state", house.state.damage(), "people, keys, alerts and reports can be read")


def _waiting(house: House) -> str:
    applied, newest = house.flow.backlog()
    return f"{newest - applied:,} deliveries wait to be applied. {house.flow.trouble}".rstrip()


def _sums(house: House) -> list[Difference]:
    return [*differences(house.projection), _closes(house)]


def _closes(house: House) -> Difference:
    """Whether the months that are closed are those that the journal says."""
    known: closes.Closes = ()
    for order in house.journal.every("close"):
        if order.seq <= house.projection.applied and DAMAGED not in order.about:
            known = closes.after(known, order)
    wrong = [] if known == house.projection.closes else ["other months than the journal closes"]
    return "closes", wrong, f"{len(closes.standing(known))} closes of months as in the journal"


def _events(house: House) -> list[Difference]:
    """Whether every event in the journal is stored, and every stored event is in the journal."""
    projection = house.projection
    db = projection.reader()
    ever = [order for order in house.journal.every("config") if DAMAGED not in order.about]
    grounds = {order.seq: GROUND.decode(order.body) for order in ever}
    anew = [order for order in house.journal.every("retranslate") if DAMAGED not in order.about]
    products = frozenset(product.id for ground in grounds.values() for product in ground.products)
    found: list[str] = []
    expected = after = 0
    for part in _slices(house):
        staged = [
            Staged(d, translate(d, products, origin=_origin_then(d, grounds, anew)))
            for d in part
            if d.kind in EVENTS
        ]
        upto = part[-1].seq
        expected += sum(len(entry.translated.events) for entry in staged)
        found += differing(projection, staged, after, upto)
        after = upto
    found += differing(projection, [], after, 2**62)
    row = db.execute(
        "select count(*), count(distinct (key_high, key_low)) from events"
        " where superseded_at is null"
    ).fetchone()
    assert row is not None
    if row[0] != row[1]:
        found.append(f"{row[0] - row[1]} stored events share a key")
    said = f"{expected:,} events in the journal, {row[0]:,} stored under as many keys"
    return [("events", found, said)]


def _origin_then(
    delivery: Delivery, grounds: Mapping[int, Ground], anew: Sequence[Delivery]
) -> Origin | None:
    """The source as it was when the delivery was read last: names and assignments change later."""
    read = max(
        (
            order.seq
            for order in anew
            if order.seq > delivery.seq and rereads(order.about, delivery)
        ),
        default=delivery.seq,
    )
    stood = max((seq for seq in grounds if seq < read), default=None)
    return None if stood is None else grounds[stood].origin_of(delivery)


def _slices(house: House) -> Iterator[list[Delivery]]:
    """Everything that was applied, some megabytes at a time."""
    after, applied = 0, house.projection.applied
    while after < applied:
        part = [delivery for delivery, _ in house.journal.read(after, upto=applied)]
        part = [delivery for delivery in part if delivery.seq <= applied]
        if not part:
            return
        yield part
        after = part[-1].seq


def _check(name: str, wrong: list[str], said: str) -> dict[str, Any]:
    shown = "; ".join(islice(wrong, SHOWN)) + (" …" if len(wrong) > SHOWN else "")
    return {"name": name, "ok": not wrong, "detail": shown if wrong else said}
