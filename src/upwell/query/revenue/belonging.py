"""Which accounts are one customer: by which rule, since when, and who was taken apart by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import duckdb
import msgspec

from upwell.period import to_instant
from upwell.projection import Projection
from upwell.projection.ground import GROUND, RELINKED
from upwell.projection.identity import Payer, groups
from upwell.projection.kin import payers
from upwell.query.revenue.shapes import Apart, CustomerId

Names = frozenset[str]  # each `source:id`
_CHANGE = '{"type":"identity"'  # how a change of the map begins; else it is a whole configuration


class Account(NamedTuple):
    """The name of a customer in one source."""

    source: str
    id: str

    @property
    def name(self) -> str:
        """As maps of customers have it."""
        return f"{self.source}:{self.id}"


class _Map(NamedTuple):
    """Who belonged to whom from an instant on, of some customers; UTC microseconds."""

    at: int
    together: dict[str, Names]
    alone: Names


def accounts(
    ids: Sequence[tuple[str, str]], called: str, projection: Projection
) -> tuple[CustomerId, ...]:
    """Every account that is this customer, by which rule and since when."""
    own, ground = [Account(*one) for one in ids], projection.ground
    rules: dict[str, str] = {}
    since: dict[str, int] = {}
    if len(own) > 1:
        for group in groups(payers_of(ids, projection), ground.rules, ground.by_hand, ground.alone):
            rules.update(zip(group.members, group.rules, strict=True))
        names = [one.name for one in own]
        since = _since(_maps(projection.reader(), names), names)
    return tuple(
        CustomerId(
            source=one.source,
            id=one.id,
            name=called,
            rule=rules.get(one.name),
            since=to_instant(since[one.name]) if one.name in since else None,
        )
        for one in own
    )


def payers_of(ids: Sequence[tuple[str, str]], projection: Projection) -> list[Payer]:
    """These accounts as rules see them, those without traits too; nobody who is left out."""
    known = payers(projection.reader(), projection.ground.exclude, ids)
    told = {payer.name for payer in known}
    return known + [Payer(name) for one in ids if (name := Account(*one).name) not in told]


def parted(ids: Sequence[tuple[str, str]], projection: Projection) -> tuple[Apart, ...]:
    """With whom this customer was one until somebody took them apart, the last first.

    Of several accounts that stayed together the first by name stands for all.
    """
    alone = frozenset(projection.ground.alone)
    if not alone:
        return ()
    own = frozenset(Account(*one).name for one in ids)
    found: dict[str, int] = {}
    before = _Map(0, {}, frozenset())
    for now in _maps(projection.reader(), sorted(own)):
        for name in (now.alone - before.alone) & alone:
            others = before.together.get(name, frozenset()) - {name}
            met = {name} if name not in own and others & own else sorted(others - own)[:1]
            found.update(dict.fromkeys(met, now.at))
        before = now
    listed = [(at, *name.partition(":")[::2]) for name, at in found.items() if name not in own]
    return tuple(
        Apart(source=source, id=id_, at=to_instant(at))
        for at, source, id_ in sorted(listed, reverse=True)
    )


def _since(maps: Iterable[_Map], names: Sequence[str]) -> dict[str, int]:
    """From when on each has been with another of them without a break."""
    found: dict[str, int] = {}
    for one in maps:
        for name in names:
            if one.together.get(name, frozenset()).difference({name}).intersection(names):
                found.setdefault(name, one.at)
            else:
                found.pop(name, None)
    return found


def _maps(db: duckdb.DuckDBPyConnection, names: Sequence[str]) -> Iterator[_Map]:
    """The maps there were of those who ever belonged to one of these customers, in order."""
    rows = db.execute(
        """select recorded_at, body from grounds
        where not starts_with(body, ?)
          or exists (select 1 from (select unnest(?::varchar[]) as n) where contains(body, n))
        order by seq""",
        [_CHANGE, [msgspec.json.encode(name).decode() for name in names]],
    ).fetchall()
    together: dict[str, Names] = {}
    for at, body in rows:
        if body.startswith(_CHANGE):
            change = RELINKED.decode(body)
            gone, come, alone = change.gone, change.come, change.alone
        else:
            ground = GROUND.decode(body)
            gone, come, alone = (tuple(together),), ground.merges, ground.alone
        left = frozenset(name for group in gone for name in group)
        together = {name: group for name, group in together.items() if name not in left}
        for group in come:
            if not frozenset(names).isdisjoint(group):
                together.update(dict.fromkeys(group, frozenset(group)))
        yield _Map(at, together, frozenset(alone))
