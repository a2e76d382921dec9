"""Users and customers linked by the rules: a customer's users, and the customers of users.

A user is a customer's who was identified by a trait of one of its accounts, or whose id is that of
an account, its e-mail address or the company's own id of it, as far as the workspace's rules have
these; with all that are the same person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from upwell.projection import Projection
from upwell.projection.ground import Ground
from upwell.projection.identity import Payer, trait
from upwell.projection.kin import payers
from upwell.projection.said import trait_of
from upwell.projection.store import given
from upwell.query.among import PAYERS, USERS, Among
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.service import version_of

I64 = NDArray[np.int64]
Account = tuple[str, str]  # source and id

# Links that say of users which traits they have, as long as nobody parted them.
TRAITS = """(select l.actor, l.node from links l left join (
    select actor, max(ts) as ts from links where cuts and node = 0 group by actor) c using (actor)
  where not cuts and l.ts > coalesce(c.ts, -1))"""
_LINKED = f"""
select distinct place from names join actors on actors.actor = names.name
  where no in (select no from {USERS})
union select place from nodes join {TRAITS} using (node)
  where actor in (select no from {USERS})
"""


class Known(NamedTuple):
    """Every account of a customer, and by which names and traits users are known to be its."""

    accounts: list[Account]
    names: pa.Table  # place in `accounts`, name
    nodes: pa.Table  # place in `accounts`, node


def names_of(payer: Payer, ground: Ground) -> set[str]:
    """The ids that a user of this account may have."""
    rules = (rule for rule in ("external_id", "email") if rule in ground.rules)
    return {payer.name.partition(":")[2], *(trait(payer, rule) for rule in rules)} - {""}


def among(
    people: I64, stamp: object, projection: Projection, ledgers: Ledgers, *, customers: bool
) -> Among:
    """These persons as a question needs them; their customers only where it asks for `customers`.

    `stamp` is another one whenever anything was stored since.
    """
    key = ("among", xxhash.xxh3_64_intdigest(people.tobytes()), stamp, customers)

    def made() -> Among:
        users = np.flatnonzero(np.isin(projection.persons(), people))
        table = pa.table({"no": users})
        accounts = _linked(table, projection, ledgers) if customers else set[Account]()
        numbers = ledgers.book(None).people.numbers
        own = sorted(numbers[one] for one in accounts if one in numbers)
        return Among(
            users=table,
            payers=_payers(accounts, projection),
            customers=np.array(own, dtype=np.int32).tobytes(),
            accounts=frozenset(accounts),
            linked=_told(len(people), accounts, ledgers.ground) if customers else "",
            stamp=key,
        )

    return ledgers.remembered(key, made)


def _told(users: int, accounts: set[Account], ground: Ground) -> str:
    """How many customers stand for how many users, in a sentence."""
    customers = len({ground.same.get(one, one) for one in accounts})
    whom = "user" if users == 1 else "users"
    if not customers:
        return f"No customer is linked to the {users:,} {whom} of the segment."
    whose = "customer" if customers == 1 else "customers"
    return f"Of the {customers:,} {whose} linked to the {users:,} {whom} of the segment."


def _linked(users: pa.Table, projection: Projection, ledgers: Ledgers) -> set[Account]:
    """The accounts of the customers that these users are linked to."""
    numbers, ground = ledgers.book(None).people.numbers, ledgers.ground
    about = ("accounts", version_of(projection), len(numbers), ground)
    known = ledgers.remembered(about, lambda: _known(projection, ground, numbers))
    db = projection.reader()
    with given(db, USERS, users), given(db, "names", known.names), given(db, "nodes", known.nodes):
        places = db.execute(_LINKED).fetchall()
    same = ground.same
    whole = {same.get(one, one) for (place,) in places for one in (known.accounts[place],)}
    return whole | {member for member, first in same.items() if first in whole}


def _known(projection: Projection, ground: Ground, numbers: Mapping[Account, int]) -> Known:
    told = {payer.name: payer for payer in payers(projection.reader(), ground.exclude)}
    silent = (f"{source}:{id_}" for source, id_ in list(numbers))
    every = [*told.values(), *(Payer(name) for name in silent if name not in told)]
    names, nodes = list[tuple[int, str]](), list[tuple[int, int]]()
    for place, payer in enumerate(every):
        names += [(place, name) for name in names_of(payer, ground)]
        nodes += [(place, node) for node in trait_of(payer, ground.user_rules)]
    return Known(
        [(source, id_) for source, _, id_ in (payer.name.partition(":") for payer in every)],
        _table(names, "name", pa.string()),
        _table(nodes, "node", pa.uint64()),
    )


def _table(rows: Iterable[tuple[int, object]], name: str, kind: pa.DataType) -> pa.Table:
    places, values = [], []
    for place, value in rows:
        places.append(place)
        values.append(value)
    return pa.table({"place": pa.array(places, pa.int64()), name: pa.array(values, kind)})


def _payers(accounts: set[Account], projection: Projection) -> pa.Table:
    """The ids under which these customers' own events come, by source."""
    listed = sorted(accounts)
    rows = pa.table(
        {
            "source": pa.array([source for source, _ in listed], pa.string()),
            "id": pa.array([id_ for _, id_ in listed], pa.string()),
        }
    )
    db = projection.reader()
    with given(db, PAYERS, rows):
        return db.sql(
            f"select source, no from {PAYERS} join actors on actors.actor = id"
        ).to_arrow_table()
