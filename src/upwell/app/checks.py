"""How the house is doing: its sources, what the configuration names, and whether numbers agree."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from upwell.app.house import House
from upwell.egress import Guard
from upwell.errors import Problem, UpwellError
from upwell.flow import EVENTS, deliveries, translate
from upwell.period import to_instant, to_micros
from upwell.projection import placed
from upwell.projection.keys import hash_keys
from upwell.projection.verify import differences
from upwell.settings import Settings, secret

QUIET = 24 * 3600 * 1_000_000  # a source that sent nothing for a day is quiet
COUNT = 4
SHOWN = 5


def sources(house: House) -> list[dict[str, Any]]:
    """Every source that ever delivered, with how fresh it is and what of it could not be used."""
    now = to_micros(house.clock())
    events: dict[str, int] = {}
    for (_, source), seen in house.projection.seen().items():
        events[source] = events.get(source, 0) + seen.events
    dead = dict(
        house.projection.reader()
        .execute(
            "select source, count(*) from dead_letters where settled_seq is null group by source"
        )
        .fetchall()
    )
    found = []
    for name, count, _, last in house.journal.sources():
        state = "live" if now - last < QUIET else "quiet"
        if house.filling is not None and name == house.filling.source:
            state = "backfilling"
        found.append(
            {
                "id": name,
                "kind": "http",
                "state": state,
                "last_received": to_instant(last),
                "deliveries": count,
                "events": events.get(name, 0),
                "dead_letters": dead.get(name, 0),
                "error": None,
            }
        )
    return found


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
        yield Problem(
            code="source_kind",
            message=f"Source '{source.id}': kind '{source.kind}' is not read yet.",
            fix="Send its events to POST /v1/events, or import files.",
            where=f"sources.{source.id}.kind",
        )


def verify(house: House) -> Iterator[dict[str, Any]]:
    """The checks of `upwell verify`, one after the other, each saying what it compared."""
    damage = [f"{found.where}: {found.what}" for found in house.journal.verify()]
    yield _check("journal", damage, f"{house.journal.newest:,} deliveries match their digests")
    house.caught_up()
    yield _check("events", *house.flow.perform(lambda: _events(house)))
    for name, found, said in house.flow.perform(lambda: list(differences(house.projection))):
        yield _check(name, found, said)


def _events(house: House) -> tuple[list[str], str]:
    """Whether every event in the journal is stored, and every stored event is in the journal."""
    projection = house.projection
    db = projection.reader()
    found: list[str] = []
    expected = 0
    for delivery in deliveries(house.journal, upto=projection.applied):
        if delivery.kind not in EVENTS:
            continue
        events = translate(delivery, projection.products).events
        if not len(events):
            continue
        hashes = hash_keys(placed(delivery, events))
        fresh = projection.holds(hashes)
        expected += len(events)
        if not fresh.all():
            gone = {
                int(row[0])
                for row in db.execute(
                    "select idx from events where seq = ? and superseded_at is not null",
                    [delivery.seq],
                ).fetchall()
            }
            lost = [
                index
                for index, held in zip(events["idx"].to_pylist(), fresh.tolist(), strict=True)
                if not held and index not in gone
            ]
            found += [f"delivery {delivery.seq}, event {index}: not stored" for index in lost]
    row = db.execute(
        "select count(*), count(distinct (key_high, key_low)) from events"
        " where superseded_at is null"
    ).fetchone()
    assert row is not None
    if row[0] != row[1]:
        found.append(f"{row[0] - row[1]} stored events share a key")
    return found, f"{expected:,} events in the journal, {row[0]:,} stored under as many keys"


def _check(name: str, wrong: list[str], said: str) -> dict[str, Any]:
    shown = "; ".join(islice(wrong, SHOWN)) + (" …" if len(wrong) > SHOWN else "")
    return {"name": name, "ok": not wrong, "detail": shown if wrong else said}
