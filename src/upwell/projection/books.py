"""The ledgers of a projection: kept on disk under the workspace's rules, counted with each commit.

`Books` knows which customers have to be counted together, reads and writes the tables of the
ledger inside the caller's transaction, and says what memory must show once that has succeeded.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import NamedTuple, cast

import duckdb
import msgspec
import numpy as np

from upwell.billing import Customer, SubscriptionState
from upwell.errors import Rejected
from upwell.event import DeadLetter, Delivery
from upwell.metrics.policy import MetricPolicy, policy_named
from upwell.metrics.revenue import mrr
from upwell.period import Zone
from upwell.projection import billing
from upwell.projection.billing import LEDGER, Changed, Told, Version
from upwell.projection.book import Book, People, Person, joined
from upwell.projection.commit import Memory, Seen
from upwell.projection.ground import Ground, Relinked, leaves_out
from upwell.projection.kin import Kin, of_customer
from upwell.projection.ledger import Account, Difference, Epoch, Moment, difference
from upwell.projection.shelf import Shelf

BATCH = 20_000  # versions that are counted at once

MRR = "@mrr"  # what watchers are told has changed

_ASIDE = {  # choices that are made when a question is answered: the rows are the same
    name: getattr(MetricPolicy(), name)
    for name in (
        "name", "title", "version", "fx", "customer_churn", "net_churn_with_reactivation",
        "quick_ratio_with_reactivation", "retention_months", "ltv_churn_months", "cac_lag_days",
        "trial_conversion", "trial_days", "recovery_days", "closed_months",
    )
}  # fmt: skip


def rules(policy: MetricPolicy) -> MetricPolicy:
    """The choices that rows depend on: policies that agree in them have one book."""
    return msgspec.structs.replace(policy, **_ASIDE)


def merges_only(one: Ground, other: Ground) -> bool:
    """Whether two configurations differ, for a ledger, at most in who belongs together."""
    return counts_like(one, msgspec.structs.replace(other, merges=one.merges))


def counts_like(one: Ground, other: Ground) -> bool:
    """Whether a ledger counted on one configuration is the ledger of the other."""
    policies = [rules(policy_named(ground.policy)) for ground in (one, other)]
    return policies[0] == policies[1] and one.counts_like(other)


class Entry(NamedTuple):
    """What a commit changed, for memory to show."""

    shows: tuple[Callable[[], None], ...] = ()
    touched: frozenset[tuple[str, str, int]] = frozenset()
    seen: Mapping[tuple[str, str], Seen] = {}
    dead: tuple[DeadLetter, ...] = ()
    stored: int = 0
    repeats: int = 0

    def show(self, memory: Memory, seq: int) -> None:
        """Make it visible to readers."""
        for show in self.shows:
            show()
        for key, seen in self.seen.items():
            memory.seen[key] = seen.joined(memory.seen.get(key))
        for product, kind, _ in self.touched:
            memory.sums.changed[product, kind] = seq


class Books:
    """The book of the workspace's rules, those of others, and what belongs together."""

    def __init__(self, policy: str = "upwell") -> None:
        self.people = People()
        self.main = Book(policy, self.people)
        self.others: dict[MetricPolicy, Book] = {}
        self.seen: dict[tuple[str, str], Seen] = {}
        self._kin = Kin()
        self._shelf = Shelf()
        self._next = 0  # version of a record

    # -- a commit -------------------------------------------------------------------------------

    def take(
        self, db: duckdb.DuckDBPyConnection, told: Sequence[Told], ground: Ground, zone: Zone
    ) -> Entry:
        """Store what billing sources said and count the customers concerned again."""
        subjects = {self._kin.subject(one) for one in told}
        changed = billing.take(db, told, self._kin.closed(subjects), self._next)
        self._next += len(changed.fresh)
        billing.write_money(db, changed.fresh, zone)
        fresh = {(version.seq, version.idx) for version in changed.fresh}
        new = [one for one in told if (one.seq, one.idx) in fresh]
        entry = self._count(db, changed, ground, zone)
        return entry._replace(
            seen=_seen(changed.fresh),
            dead=tuple(unreadable(new)),
            stored=len(changed.fresh),
            repeats=changed.repeats,
        )

    def command(
        self,
        db: duckdb.DuckDBPyConnection,
        delivery: Delivery,
        ground: Ground,
        zone: Zone,
        *,
        seqs: Sequence[int] = (),
        takes: Callable[[Version], bool] | None = None,
        brings: Callable[[Version], bool] | None = None,
        reading: Sequence[Told] = (),
    ) -> None:
        """Take out, bring back or read anew what the deliveries `seqs` said (`billing.command`).

        Memory is to be loaded again afterwards.
        """
        rows = db.execute(
            "select distinct subject from billing where seq in (select unnest(?::bigint[]))"
            " or out_seq in (select unnest(?::bigint[]))",
            [list(seqs), list(seqs)],
        ).fetchall()
        subjects = {int(row[0]) for row in rows} | {self._kin.subject(one) for one in reading}
        by_subject: defaultdict[int, list[Told]] = defaultdict(list)
        for one in reading:
            by_subject[billing.subject_of(one.record)].append(one)
        for part in self._kin.parts(subjects):
            changed = billing.command(
                db,
                part,
                delivery.seq,
                delivery.received_at,
                self._next,
                takes=takes,
                brings=brings,
                reading=[one for subject in sorted(part) for one in by_subject.get(subject, ())],
            )
            self._next += len(changed.fresh)
            billing.write_money(db, changed.fresh, zone)
            moment = Moment(delivery.seq, delivery.received_at)
            self._count(db, changed, ground, zone, moment)

    def _count(
        self,
        db: duckdb.DuckDBPyConnection,
        changed: Changed,
        ground: Ground,
        zone: Zone,
        moment: Moment | None = None,
    ) -> Entry:
        """Fold the accounts that changed, write the difference, and say what to show."""
        accounts = list(self._accounts(changed, ground, moment))
        shows: list[Callable[[], None]] = []
        touched: set[tuple[str, str, int]] = set()
        if accounts:
            epoch = self.epoch(ground, zone)
            found = difference(self.main, accounts, [epoch])
            self._shelf.write(db, found)
            shows.append(lambda: self.main.show(found.added, found.gone, found.gone_at))
            touched = self._touched(found, zone.day_of(max(a.moments[-1].at for a in accounts)))
            for policy, book in self.others.items() if moment is None else ():
                other = difference(book, accounts, [epoch._replace(policy=policy)])
                shows.append(_showing(book, other))
        self._shelf.name(db, self.main)
        infos = self._infos(changed)
        if infos:
            shows.append(lambda: self._inform(infos, ground))
        return Entry(tuple(shows), frozenset(touched))

    def _accounts(
        self, changed: Changed, ground: Ground, moment: Moment | None
    ) -> Iterator[Account]:
        """What has to be counted again, at each delivery that changed it."""
        moments: defaultdict[int, set[Moment]] = defaultdict(set)
        for subject in changed.subjects if moment is not None else ():
            moments[self._kin.root(subject)].add(cast(Moment, moment))
        given = {self._kin.root(one.subject) for one in changed.versions if one.gives}
        for version in changed.fresh if moment is None else ():
            judged = bool(ground.exclude) or self._kin.root(version.subject) in given
            if version.kind == "sub" or (version.kind == "cus" and judged):
                at = Moment(version.version_seq, version.recorded_at)
                moments[self._kin.root(version.subject)].add(at)
        versions: defaultdict[int, list[Version]] = defaultdict(list)
        for version in changed.versions:
            root = self._kin.root(version.subject)
            if version.kind in LEDGER and root in moments:
                versions[root].append(version)
        for root, own in moments.items():
            yield Account(versions[root], sorted(own))

    def _touched(self, found: Difference, today: int) -> set[tuple[str, str, int]]:
        rows = joined([found.added, self.main.rows.take(found.gone)])
        began = rows.day <= today
        pairs = np.unique(np.stack([rows.product[began], rows.day[began]]), axis=1).T.tolist()
        names = self.main.products
        return {(names[product], MRR, day) for product, day in pairs}

    # -- all of it ------------------------------------------------------------------------------

    def recount(
        self,
        db: duckdb.DuckDBPyConnection,
        old: duckdb.DuckDBPyConnection,
        before: Epoch,
        after: Epoch,
        moment: Moment,
    ) -> None:
        """Count every customer under another configuration, from this moment on.

        `old` is a second connection, which reads what is stored while `db` writes. Memory is to be
        loaded again afterwards.
        """
        for batch in self._batches(old, lambda _: [moment], standing=True):
            self._shelf.write(db, difference(self.main, batch, [after, before]))
        self._shelf.name(db, self.main)

    def relink(
        self,
        db: duckdb.DuckDBPyConnection,
        old: duckdb.DuckDBPyConnection,
        before: Epoch,
        after: Epoch,
        moment: Moment,
    ) -> Callable[[], None]:
        """Count those again who belong to others than before; returns how to show it."""
        for ground in (before.ground, after.ground):
            self._kin.merge(ground)
        shows: list[Callable[[], None]] = []
        known: dict[tuple[str, str], Customer] = {}
        for batch in self._remerged(old, before, after, moment):
            for version in (v for account in batch for v in account.versions if v.kind == "cus"):
                record = cast(Customer, version.record)
                last = known.setdefault((record.source, record.id), record)
                if (last.at, last.order) < (record.at, record.order):
                    known[record.source, record.id] = record
            found = difference(self.main, batch, [after, before])
            self._shelf.write(db, found)
            shows.append(_showing(self.main, found))
            for policy, book in self.others.items():
                own = [epoch._replace(policy=policy) for epoch in (after, before)]
                shows.append(_showing(book, difference(book, batch, own)))
        differ = {one for pair in before.same.items() ^ after.same.items() for one in pair}
        numbers = {one: self.people.number(*one) for one in differ}
        self._shelf.name(db, self.main)

        def show() -> None:
            for one, number in numbers.items():
                record = known.get(one)
                self.people.all[number] = (
                    _person(record, after.ground) if record else Person((one,))
                )
            self.people.join(after.ground.around(differ))
            for step in shows:
                step()
            for book in (self.main, *self.others.values()):
                book.moved(numbers.values())

        return show

    def _remerged(
        self, old: duckdb.DuckDBPyConnection, before: Epoch, after: Epoch, moment: Moment
    ) -> Iterator[list[Account]]:
        """The accounts of those who belong to others than before."""
        differ = before.same.items() ^ after.same.items()
        subjects = {of_customer(*member) for pair in differ for member in pair}
        for part in self._kin.parts(subjects):
            versions: defaultdict[int, list[Version]] = defaultdict(list)
            for version in billing.fetch(old, part):
                if version.kind in LEDGER and version.superseded_seq is None:
                    versions[self._kin.root(version.subject)].append(version)
            yield [Account(own, [moment]) for own in versions.values()]

    def rebuild(
        self, db: duckdb.DuckDBPyConnection, old: duckdb.DuckDBPyConnection, zone: Zone
    ) -> None:
        """Empty the ledger's tables and fill them from what is stored, with all of their past."""
        for table in ("moves", "book_lines", "cash", "payments"):
            db.execute(f"delete from {table}")
        self.main = Book(self.main.policy, self.people)
        self._shelf.rows = self._shelf.lines = 0
        for found in self.history(old, self.main, None):
            self._shelf.write(db, found)
        self._shelf.name(db, self.main)
        for part in _streamed(old, "kind in ('cash', 'pay')", "no"):
            billing.write_money(db, part, zone)

    def history(
        self, old: duckdb.DuckDBPyConnection, book: Book, policy: MetricPolicy | None
    ) -> Iterator[Difference]:
        """All that ever stood in an empty book, batch by batch; lines are numbered in the book.

        `policy` None: the rules that the workspace had at each time.
        """
        grounds = epochs(old)
        known = [ground for _, _, ground in grounds]
        for ground in known:
            self._kin.merge(ground)
        judged = any(ground.exclude for ground in known)
        times = Times([Moment(seq, at) for seq, at, _ in grounds], known)
        own = [
            self.epoch(ground, Zone(ground.timezone), policy or policy_named(ground.policy))
            for ground in known
        ]
        for batch in self._batches(old, lambda versions: _moments(versions, times, judged)):
            yield difference(book, batch, own, afresh=True)

    def recounted(self, old: duckdb.DuckDBPyConnection) -> Book:
        """The book of the workspace's rules, made once more from what is stored."""
        book = Book(self.main.policy, self.people)
        for line in self.main.lines:
            book.lines.number(line)
        for found in self.history(old, book, None):
            book.show(found.added, found.gone, found.gone_at)
        return book

    def _batches(
        self,
        old: duckdb.DuckDBPyConnection,
        moments: Callable[[Sequence[Version]], list[Moment]],
        standing: bool = False,
    ) -> Iterator[list[Account]]:
        """Every account, some thousand versions at a time."""
        only = "kind in ('sub', 'cus')" + (" and superseded_seq is null" if standing else "")
        own: list[Version] = []
        batch: list[Account] = []
        size, links = 0, dict(self._kin.links)  # a commit may link more meanwhile
        for part in chain(_streamed(old, only, "subject, no"), ([],)):
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

    def epoch(self, ground: Ground, zone: Zone, policy: MetricPolicy | None = None) -> Epoch:
        """What customers are counted under."""
        return Epoch(rules(policy or policy_named(ground.policy)), ground, zone, ground.same)

    def catch_up(
        self, old: duckdb.DuckDBPyConnection, book: Book, policy: MetricPolicy, since: int
    ) -> None:
        """Bring a book up to date that was filled as of delivery `since`."""
        rows = old.execute(
            "select distinct subject from billing where kind in ('sub', 'cus')"
            " and (version_seq > ? or superseded_seq > ?)",
            [since, since],
        ).fetchall()
        if not rows:
            return
        grounds = epochs(old)
        _, _, ground = grounds[-1]
        accounts = []
        versions: defaultdict[int, list[Version]] = defaultdict(list)
        for version in billing.fetch(old, self._kin.closed({int(row[0]) for row in rows})):
            if version.kind in LEDGER:
                versions[self._kin.root(version.subject)].append(version)
        times = Times([Moment(0, 0)], [ground])
        for own in versions.values():
            moments = [m for m in _moments(own, times, bool(ground.exclude)) if m.seq > since]
            if moments:
                accounts.append(Account(own, moments))
        epoch = self.epoch(ground, Zone(ground.timezone), policy)
        _showing(book, difference(book, accounts, [epoch]))()

    # -- the file -------------------------------------------------------------------------------

    def load(self, db: duckdb.DuckDBPyConnection, ground: Ground) -> None:
        """Read the ledger and the customers from the file."""
        known = {
            (record.source, record.id): _person(record, ground)
            for record in billing.latest_customers(db)
        }
        found = db.execute("select source, customer from book_people order by no").fetchall()
        self.people.take(found, known)
        self._shelf.load(db, self.main)
        self.people.join(ground.same)
        row = db.execute("select coalesce(max(no), -1) + 1 from billing").fetchone()
        self._next = int(row[0]) if row else 0
        for source, id_, subject in db.execute(
            "select source, id, subject from billing where kind = 'sub' group by all"
        ).fetchall():
            self._kin.settle(source, id_, int(subject))
        self._kin.merge(ground)
        self.seen = {
            (product, source): Seen(0, *spans)
            for product, source, *spans in db.execute(
                "select product, source, min(recorded_at), max(recorded_at), min(ts), max(ts)"
                " from billing where product is not null and superseded_seq is null group by all"
            ).fetchall()
        }

    # -- who is who -----------------------------------------------------------------------------

    def _infos(self, changed: Changed) -> list[Customer]:
        """The customers of whom something new is known, as they are now."""
        concerned = {(v.source, v.id) for v in changed.fresh if v.kind == "cus"}
        latest: dict[tuple[str, str], Customer] = {}
        for version in changed.versions if concerned else ():
            key = (version.source, version.id)
            if version.kind == "cus" and version.superseded_seq is None and key in concerned:
                self.people.number(*key)
                record = cast(Customer, version.record)
                known = latest.get(key)
                if known is None or (known.at, known.order) < (record.at, record.order):
                    latest[key] = record
        return list(latest.values())

    def _inform(self, infos: Iterable[Customer], ground: Ground) -> None:
        known = list(infos)
        moved = [self._set(record, ground) for record in known]
        self.people.join(ground.around((record.source, record.id) for record in known))
        for book in (self.main, *self.others.values()):
            book.moved(moved)

    def _set(self, record: Customer, ground: Ground) -> int:
        number = self.people.number(record.source, record.id)
        self.people.all[number] = _person(record, ground)
        return number


def _person(record: Customer, ground: Ground) -> Person:
    return Person(
        ((record.source, record.id),),
        record.name,
        record.email,
        sys.intern(record.country),
        record.created,
        bool(ground.exclude) and leaves_out(ground.exclude, record.id, record.email),
    )


def _showing(book: Book, found: Difference) -> Callable[[], None]:
    return lambda: book.show(found.added, found.gone, found.gone_at)


def epochs(db: duckdb.DuckDBPyConnection) -> list[tuple[int, int, Ground]]:
    """The configurations that ledgers were counted under: from which delivery, from when."""
    rows = db.execute("select seq, recorded_at, body from grounds order by seq").fetchall()
    found, ground = [(0, 0, Ground())], Ground()
    for seq, at, body in rows:
        if body.startswith('{"type":"identity"'):
            ground = msgspec.json.decode(body, type=Relinked).of(ground)
        else:
            ground = msgspec.json.decode(body, type=Ground)
        found.append((seq, at, ground))
    return found


class Times:
    """The moments of all configurations, and which of them an account is counted at."""

    def __init__(self, moments: Sequence[Moment], grounds: Sequence[Ground]) -> None:
        self.moments = moments
        self.starts = [moment.seq for moment in moments]
        self._all: list[int] = [0]  # those that everybody is counted at
        self._own: defaultdict[int, list[int]] = defaultdict(list)  # by subject
        for number, (before, after) in enumerate(pairwise(grounds), 1):
            if not merges_only(before, after):
                self._all.append(number)
                continue
            differ = before.same.items() ^ after.same.items()
            for subject in {of_customer(*member) for pair in differ for member in pair}:
                self._own[subject].append(number)

    def of(self, versions: Sequence[Version]) -> Iterator[Moment]:
        """When the configuration of an account changed."""
        own = {n for v in versions if v.subject in self._own for n in self._own[v.subject]}
        for number in (*self._all, *own):
            yield self.moments[number]


def _moments(versions: Sequence[Version], times: Times, judged: bool) -> list[Moment]:
    """When an account was counted: at each delivery that changed it, and at each configuration."""
    found: dict[int, int] = {}
    judged = judged or any(version.gives for version in versions)
    for version in versions:
        if version.kind == "sub" or judged:
            found[version.version_seq] = version.recorded_at
            if version.superseded_seq is not None:
                found[version.superseded_seq] = cast(int, version.superseded_at)
    if not found:
        return []
    first = min(found)
    found.update({time.seq: time.at for time in times.of(versions) if time.seq > first})
    return [Moment(seq, found[seq], bisect_right(times.starts, seq) - 1) for seq in sorted(found)]


def _streamed(
    db: duckdb.DuckDBPyConnection, where: str, order: str, size: int = 10_000
) -> Iterator[list[Version]]:
    """Stored versions, some at a time; never an empty part."""
    reader = db.execute(
        f"select {', '.join(billing.COLUMNS)} from billing where {where} order by {order}"
    )
    while rows := reader.fetchmany(size):
        yield [Version(*row) for row in rows]


def _seen(versions: Iterable[Version]) -> dict[tuple[str, str], Seen]:
    found: dict[tuple[str, str], Seen] = {}
    for version in versions:
        if version.product is not None:
            key = (version.product, version.source)
            at, ts = version.recorded_at, version.ts
            found[key] = Seen(0, at, at, ts, ts).joined(found.get(key))
    return found


def unreadable(told: Iterable[Told]) -> Iterator[DeadLetter]:
    """The states of which no MRR can be made; the one before such a state holds on."""
    for one in told:
        record = one.record
        if not isinstance(record, SubscriptionState):
            continue
        try:
            mrr.check(record)
        except Rejected as reason:
            problem = reason.problem
            text, where = problem.message, problem.where
            text += f" ({where})" if where and where not in text else ""
            yield DeadLetter(
                seq=one.seq,
                idx=one.idx,
                source=record.source,
                code=problem.code,
                reason=text,
                recorded_at=one.recorded_at,
            )
