"""The ledgers of a projection: kept on disk under the workspace's rules, counted with each commit.

`Books` knows which customers have to be counted together, reads and writes the tables of the
ledger inside the caller's transaction, and says what memory must show once that has succeeded.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, cast

import duckdb
import numpy as np

from upwell.billing import Customer, SubscriptionState
from upwell.errors import Rejected
from upwell.event import DeadLetter, Delivery
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue import mrr
from upwell.money import ecb_rates
from upwell.period import Zone
from upwell.projection import billing
from upwell.projection.accounts import batches, remerged, streamed
from upwell.projection.billing import LEDGER, MOVING, Changed, Told, Version
from upwell.projection.book import Book, People, Person, joined
from upwell.projection.commit import Memory, Seen
from upwell.projection.epochs import Times, epoch_of, epochs, moments_of
from upwell.projection.ground import Ground, leaves_out
from upwell.projection.kin import Kin
from upwell.projection.ledger import Account, Difference, Epoch, Moment, difference
from upwell.projection.recent import Recent
from upwell.projection.shelf import Shelf

MRR = "@mrr"  # what watchers are told has changed


class Entry(NamedTuple):
    """What a commit changed, for memory to show."""

    shows: tuple[Callable[[], None], ...] = ()
    touched: frozenset[tuple[str, str, int]] = frozenset()
    seen: Mapping[tuple[str, str], Seen] = {}
    dead: tuple[DeadLetter, ...] = ()
    stored: int = 0
    repeats: int = 0
    other: tuple[tuple[str, str], ...] = ()  # customers who may be staff now, or no longer
    loads: bool = False  # of some customers nothing is known any more: memory is to be loaded

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
        self.recent = Recent()
        self._kin = Kin()
        self._shelf = Shelf()
        self._next = 0  # version of a record

    def together(self, subjects: Iterable[int]) -> set[int]:
        """The subjects of records with all that are counted together with them."""
        return self._kin.closed(subjects)

    def parts(self, subjects: Iterable[int]) -> Iterator[set[int]]:
        """The same in groups of a bearable size."""
        return self._kin.parts(subjects)

    # -- a commit -------------------------------------------------------------------------------

    def take(
        self, db: duckdb.DuckDBPyConnection, told: Sequence[Told], ground: Ground, zone: Zone
    ) -> Entry:
        """Store what billing sources said and count the customers concerned again."""
        subjects = {self._kin.subject(one) for one in told}
        changed = billing.take(db, told, self._kin.closed(subjects), self._next)
        first, after = self._next, self._next + len(changed.fresh)
        self._next = after
        billing.write_money(db, changed.fresh, zone)
        fresh = {(version.seq, version.idx) for version in changed.fresh}
        new = [one for one in told if (one.seq, one.idx) in fresh]
        entry = self._count(db, changed, ground, zone)
        told_of = self._kin.closed(changed.subjects)
        own = [version for version in changed.versions if version.subject in told_of]
        return entry._replace(
            shows=(*entry.shows, lambda: self.recent.take(first, after, own)),
            seen=_seen(changed.fresh),
            dead=tuple(unreadable(new)),
            stored=len(changed.fresh),
            repeats=changed.repeats,
            other=tuple(_other(changed, ground)),
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
    ) -> Entry:
        """Take out, bring back or read anew what the deliveries `seqs` said (`billing.command`).

        Returns what to show, unless memory is loaded again afterwards.
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
        entry, moment = Entry(), Moment(delivery.seq, delivery.received_at)
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
            first, after = self._next, self._next + len(changed.fresh)
            self._next = after
            billing.write_money(db, changed.fresh, zone)
            more = self._count(db, changed, ground, zone, moment)
            heard = partial(self.recent.take, first, after, changed.versions)
            known = {(one.source, one.id) for one in changed.fresh if one.kind == "cus"}
            entry = entry._replace(
                shows=(*entry.shows, *more.shows, heard),
                touched=entry.touched | more.touched,
                seen={**entry.seen, **_seen(changed.fresh)},
                stored=entry.stored + len(changed.fresh),
                loads=entry.loads
                or any(
                    one.kind == "cus"
                    and one.superseded_seq == delivery.seq
                    and (one.source, one.id) not in known
                    for one in changed.versions
                ),
            )
        return entry

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
            epoch = epoch_of(ground, zone)
            found = difference(self.main, accounts, [epoch])
            self._shelf.write(db, found)
            shows.append(lambda: self.main.show(found.added, found.gone, found.gone_at))
            touched = self._touched(found, zone.day_of(max(a.moments[-1].at for a in accounts)))
            for policy, book in self.others.items():
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
            if version.kind in MOVING or (version.kind == "cus" and judged):
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
        for batch in batches(old, self._kin, lambda _: [moment], standing=True):
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
        for batch in remerged(old, self._kin, before, after, moment):
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
        for part in streamed(old, "kind in ('cash', 'pay')", "no"):
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
            epoch_of(ground, Zone(ground.timezone), policy or ground.counting()) for ground in known
        ]
        for batch in batches(old, self._kin, lambda versions: moments_of(versions, times, judged)):
            yield difference(book, batch, own, afresh=True)

    def recounted(self, old: duckdb.DuckDBPyConnection) -> Book:
        """The book of the workspace's rules, made once more from what is stored."""
        book = Book(self.main.policy, self.people)
        for line in self.main.lines:
            book.lines.number(line)
        for found in self.history(old, book, None):
            book.show(found.added, found.gone, found.gone_at)
        return book

    def catch_up(
        self, old: duckdb.DuckDBPyConnection, book: Book, policy: MetricPolicy, since: int
    ) -> None:
        """Bring a book up to date that was filled as of delivery `since`."""
        rows = old.execute(
            "select distinct subject from billing where kind in ('sub', 'cus', 'ref')"
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
            moments = [m for m in moments_of(own, times, bool(ground.exclude)) if m.seq > since]
            if moments:
                accounts.append(Account(own, moments))
        epoch = epoch_of(ground, Zone(ground.timezone), policy)
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
        if len(self.main.currencies) > 1:
            ecb_rates()  # half a second once, which the first webhook should not wait for
        row = db.execute("select coalesce(max(no), -1) + 1 from billing").fetchone()
        self._next = int(row[0]) if row else 0
        self.recent = Recent(self._next)
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


def _other(changed: Changed, ground: Ground) -> Iterator[tuple[str, str]]:
    """The customers, source and id, who are new or of whom it was not always said who they are."""
    fresh = Counter((one.source, one.id) for one in changed.fresh if one.kind == "cus")
    if not ground.exclude or not fresh:
        return
    verdicts: defaultdict[tuple[str, str], list[bool | None]] = defaultdict(list)
    for one in changed.versions:
        if one.kind == "cus" and (key := (one.source, one.id)) in fresh:
            email = cast(Customer, one.record).email
            verdicts[key].append(leaves_out(ground.exclude, one.id, email) if email else None)
    for key, found in verdicts.items():
        if len(found) == fresh[key] or len(set(found)) > 1:
            yield key


def _showing(book: Book, found: Difference) -> Callable[[], None]:
    return lambda: book.show(found.added, found.gone, found.gone_at)


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
