"""Accounts as they are read from the file: all of them, or those who changed hands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import duckdb

from upwell.projection import billing
from upwell.projection.billing import LEDGER, Version
from upwell.projection.kin import Kin, of_customer
from upwell.projection.ledger import Account, Epoch, Moment

BATCH = 20_000  # versions that are counted at once


def batches(
    old: duckdb.DuckDBPyConnection,
    kin: Kin,
    moments: Callable[[Sequence[Version]], list[Moment]],
    standing: bool = False,
) -> Iterator[list[Account]]:
    """Every account, some thousand versions at a time."""
    only = "kind in ('sub', 'cus', 'ref')" + (" and superseded_seq is null" if standing else "")
    own: list[Version] = []
    batch: list[Account] = []
    size, links = 0, dict(kin.links)  # a commit may link more meanwhile
    for part in chain(streamed(old, only, "subject, no"), ([],)):
        for version in part:
            if version.subject in links:
                continue
            if own and own[-1].subject != version.subject:
                batch.append(Account(own, moments(own)))
                size, own = size + len(own), []
            own.append(version)
        if size >= BATCH or not part:
            if own and not part:
                batch.append(Account(own, moments(own)))
            yield batch
            batch, size = [], 0
    for group in sorted({min(group) for group in links.values()}):
        linked = [
            version
            for version in billing.fetch(old, links[group])
            if version.kind in LEDGER and not (standing and version.superseded_seq is not None)
        ]
        if linked:
            yield [Account(linked, moments(linked))]


def remerged(
    old: duckdb.DuckDBPyConnection, kin: Kin, before: Epoch, after: Epoch, moment: Moment
) -> Iterator[list[Account]]:
    """The accounts of those who belong to others than before."""
    differ = before.same.items() ^ after.same.items()
    subjects = {of_customer(*member) for pair in differ for member in pair}
    for part in kin.parts(subjects):
        versions: defaultdict[int, list[Version]] = defaultdict(list)
        for version in billing.fetch(old, part):
            if version.kind in LEDGER and version.superseded_seq is None:
                versions[kin.root(version.subject)].append(version)
        yield [Account(own, [moment]) for own in versions.values()]


def streamed(
    db: duckdb.DuckDBPyConnection, where: str, order: str, size: int = 10_000
) -> Iterator[list[Version]]:
    """Stored versions, some at a time; never an empty part."""
    reader = db.execute(
        f"select {', '.join(billing.COLUMNS)} from billing where {where} order by {order}"
    )
    while rows := reader.fetchmany(size):
        yield [Version(*row) for row in rows]
