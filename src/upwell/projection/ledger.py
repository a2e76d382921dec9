"""From versions of states to rows of the ledger, and from one set of rows to the next. No SQL.

An account is what has to be counted together: the versions of one customer, or of several that are
one person. It is counted once for every moment at which it changed, so that rows say exactly from
when until when they were known; equal rows of successive moments are one row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from upwell.billing import Customer, Refund, SubscriptionState
from upwell.event import LATEST
from upwell.metrics.policy import MetricPolicy
from upwell.metrics.revenue.coding import CAUSE_CODES
from upwell.metrics.revenue.fx import constant_weights
from upwell.metrics.revenue.inherited import inherited
from upwell.metrics.revenue.ledger import Steps, Weights, fold
from upwell.metrics.revenue.mrr import Course, Level
from upwell.metrics.revenue.refunds import refunded
from upwell.money import ecb_rates
from upwell.period import Zone
from upwell.projection.billing import Version, standing_at
from upwell.projection.book import FOREVER, I32, I64, Book, Line, Rows, joined, no_rows
from upwell.projection.ground import Ground, leaves_out

FEW = 16  # people whose rows are found sooner one by one


class Epoch(NamedTuple):
    """What an account is counted under: rules, zone, who is left out, who belongs together."""

    policy: MetricPolicy
    ground: Ground
    zone: Zone
    same: Mapping[tuple[str, str], tuple[str, str]]  # customer -> the one that stands for all


class Moment(NamedTuple):
    """A delivery that changed an account, when it came, and the number of the epoch then."""

    seq: int
    at: int
    epoch: int = 0


class Account(NamedTuple):
    """Versions that are counted together, and the moments at which they were, in order."""

    versions: Sequence[Version]
    moments: Sequence[Moment]


class Difference(NamedTuple):
    """What to add to the rows of a book, and which of them no longer stand."""

    added: Rows
    added_by: I64  # the delivery that each row came by; `seq` is the one that holds its state
    ended_by: I64  # the delivery that each added row ended by, 0 where it stands
    gone: I64  # indexes into the book's rows
    gone_at: I64
    gone_by: I64


def difference(
    book: Book, accounts: Iterable[Account], epochs: Sequence[Epoch], afresh: bool = False
) -> Difference:
    """Count the accounts at their moments and compare with the rows that stand.

    `afresh`: none of them has rows yet. New lines and people are numbered in the book; nothing else
    of it changes.
    """
    count = _Count(book, epochs, afresh)
    for account in accounts:
        count.add(account)
    book.code_lines()
    return count.compared()


class _Count:
    """The levels of all accounts at all their moments, as columns."""

    def __init__(self, book: Book, epochs: Sequence[Epoch], afresh: bool) -> None:
        self._book, self._epochs, self._afresh = book, epochs, afresh
        self._courses: dict[tuple[int, str, str], Course] = {}  # of the account at hand
        self._steps: list[tuple[int, ...]] = []  # pair, line, at, amount, cause, state, alive
        self._of_epoch: list[int] = []  # epoch of each step's pair
        self._behind: list[int] = []  # the delivery of each state
        # A pair is one person at one moment: what `fold` takes for a person.
        self._pair_person: list[int] = []
        self._pair_slot: list[int] = []
        # Slots: of each account one for what stood before, then one for each moment.
        self._slot_seq: list[int] = []
        self._slot_at: list[int] = []
        self._slot_last: list[bool] = []
        self._before: dict[int, int] = {}  # person -> slot of what stood before

    def add(self, account: Account) -> None:
        """Take one account."""
        self._courses.clear()
        first = len(self._slot_seq)
        self._slot_seq += [0, *(moment.seq for moment in account.moments)]
        self._slot_at += [0, *(moment.at for moment in account.moments)]
        self._slot_last += [False] * len(account.moments) + [True]
        states: defaultdict[tuple[str, str], list[Version]] = defaultdict(list)
        people: defaultdict[tuple[str, str], list[Version]] = defaultdict(list)
        refunds: defaultdict[tuple[str, str], list[Version]] = defaultdict(list)
        for version in account.versions:
            if version.kind == "sub":
                states[version.source, version.id].append(version)
            elif version.kind == "cus":
                people[version.source, version.id].append(version)
            elif version.kind == "ref":
                of = cast(Refund, version.record).subscription
                refunds[version.source, of].append(version)
        if not self._afresh:
            for member in {(v.source, v.customer or "") for own in states.values() for v in own}:
                self._stood(member, first)
        known: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
        for slot, moment in enumerate(account.moments, first + 1):
            pairs: dict[int, int] = {}
            for key, versions in states.items():
                standing = standing_at(versions, moment.seq)
                if standing:
                    given = refunds.get(key, ())
                    self._count(standing, people, given, moment, slot, pairs, known)

    def _stood(self, member: tuple[str, str], slot: int) -> None:
        """Note whose rows may have stood before."""
        for epoch in self._epochs:
            person = self._book.people.number(*epoch.same.get(member, member))
            self._before[person] = slot
        self._before[self._book.people.number(*member)] = slot

    def _count(
        self,
        standing: list[Version],
        people: Mapping[tuple[str, str], list[Version]],
        given: Sequence[Version],
        moment: Moment,
        slot: int,
        pairs: dict[int, int],
        known: dict[tuple[int, ...], list[tuple[int, ...]]],
    ) -> None:
        epoch = self._epochs[moment.epoch]
        states = [cast(SubscriptionState, version.record) for version in standing]
        latest = max(states, key=lambda state: (state.at, state.order))
        member = (latest.source, latest.customer)
        if epoch.ground.exclude and _left_out(epoch.ground, member, people.get(member, ()), moment):
            return
        person = self._book.people.number(*epoch.same.get(member, member))
        payers = _discounted(people.get(member, ()), moment)
        back = standing_at(given, moment.seq) if epoch.policy.reads_refunds else []
        memo = (moment.epoch, *(version.no for version in (*standing, *payers, *back)))
        found = known.get(memo)
        if found is None:
            whole = inherited(states, [cast(Customer, version.record) for version in payers])
            refunds = [cast(Refund, version.record) for version in back]
            told = refunded(whole.states, refunds, epoch.policy)
            course = Course(epoch.policy, LATEST)
            if not payers and not back:  # else its states are made anew each time
                course = self._courses.setdefault((moment.epoch, latest.source, latest.id), course)
            found = known[memo] = self._coded(course.levels(told.states), latest, len(self._behind))
            self._behind += [version.seq for version in standing]
            self._behind += [payers[number].seq for number in whole.behind]
            self._behind += [back[number].seq for number in told.behind]
        if not found:
            return
        pair = pairs.get(person)
        if pair is None:
            pair = pairs[person] = len(self._pair_person)
            self._pair_person.append(person)
            self._pair_slot.append(slot)
        self._steps += [(pair, *step) for step in found]
        self._of_epoch += [moment.epoch] * len(found)

    def _coded(
        self, levels: Iterable[Level], latest: SubscriptionState, base: int
    ) -> list[tuple[int, ...]]:
        """The levels of one subscription as columns; `base` is the index of its first state."""
        numbers: dict[tuple[object, ...], int] = {}
        found: list[tuple[int, ...]] = []
        for level in levels:
            names = level[2:6]
            line = numbers.get(names)
            if line is None:
                line = self._book.lines.number(
                    Line(
                        level.subscription,
                        level.product,
                        level.plan,
                        level.interval,
                        level.currency,
                        latest.customer,
                        latest.source,
                    )
                )
                numbers[names] = line
            cause, state = CAUSE_CODES[level.cause], base + level.state
            found.append((line, level.at, level.amount, cause, state, level.alive))
        return found

    def compared(self) -> Difference:
        """What differs from the rows that stand, and from moment to moment."""
        rows, slot = self._folded()
        source = np.full(len(slot), -1, dtype=np.int64)  # index among the standing rows
        if self._before:
            kept, before = self._standing()
            rows = joined([self._book.rows.take(kept), rows])
            slot = np.concatenate([before, slot])
            source = np.concatenate([kept, source])
        return self._runs(rows, slot, source)

    def _standing(self) -> tuple[I64, I64]:
        """The book's rows that stood before, and the slot of each."""
        rows = self._book.rows
        slots = np.full(len(self._book.people.all), -1, dtype=np.int64)
        slots[list(self._before)] = list(self._before.values())
        if len(self._before) <= FEW:
            own = [np.flatnonzero(rows.person == person) for person in self._before]
            kept = np.concatenate(own)
        else:
            kept = np.flatnonzero(slots[rows.person] >= 0)
        kept = kept[rows.superseded_at[kept] == FOREVER]
        return kept, slots[rows.person[kept]]

    def _runs(self, rows: Rows, slot: I64, source: I64) -> Difference:
        """Equal rows in successive slots are one row: what begins, and what ends."""
        marks = (
            rows.by_subscription.astype(np.int64)
            | rows.by_product.astype(np.int64) << 8
            | rows.by_company.astype(np.int64) << 16
            | rows.cause.astype(np.int64) << 24
            | (rows.alive.astype(np.int64) + 1) << 32
        )
        order = np.lexsort(
            (slot, rows.seq, marks, rows.delta, rows.at, rows.day, rows.line, rows.person)
        )
        slots = slot[order]
        goes_on = np.zeros(len(order), dtype=np.bool_)
        if len(order):
            goes_on[1:] = slots[1:] == slots[:-1] + 1
            for column in (rows.person, rows.line, rows.at, rows.day, rows.delta, marks, rows.seq):
                ordered = column[order]
                goes_on[1:] &= ordered[1:] == ordered[:-1]
        starts = np.flatnonzero(~goes_on)
        ends = np.append(starts[1:], len(order))[: len(starts)] - 1
        seqs = np.array(self._slot_seq, dtype=np.int64)
        ats = np.array(self._slot_at, dtype=np.int64)
        last = np.array(self._slot_last, dtype=np.bool_)
        first_slot, last_slot = slots[starts], slots[ends]
        stays = last[last_slot] if len(starts) else np.zeros(0, dtype=np.bool_)
        after = np.where(stays, last_slot, last_slot + 1)
        old = source[order[starts]]
        gone = (old >= 0) & ~stays
        new = old < 0
        added = rows.take(order[starts[new]])._replace(
            recorded_at=ats[first_slot[new]],
            superseded_at=np.where(stays[new], FOREVER, ats[after[new]]),
        )
        return Difference(
            added=added,
            added_by=seqs[first_slot[new]],
            ended_by=np.where(stays[new], 0, seqs[after[new]]),
            gone=old[gone],
            gone_at=ats[after[gone]],
            gone_by=seqs[after[gone]],
        )

    def _folded(self) -> tuple[Rows, I64]:
        """The rows of every pair, and the slot of each."""
        table = np.array(self._steps, dtype=np.int64).reshape(-1, 7)
        epochs = np.array(self._of_epoch, dtype=np.int64)
        person = np.array(self._pair_person, dtype=np.int32)
        slot = np.array(self._pair_slot, dtype=np.int64)
        behind = np.array(self._behind, dtype=np.int64)
        parts: list[tuple[Rows, I64]] = []
        for number in np.unique(epochs).tolist():
            epoch = self._epochs[number]
            found = fold(
                self._as_steps(table[epochs == number], epoch.zone),
                epoch.policy,
                _weights(self._book, epoch.ground),
            )
            parts.append(
                (
                    no_rows(len(found.person))._replace(
                        person=person[found.person],
                        line=found.line,
                        subscription=self._book.line_subscription[found.line],
                        product=found.product,
                        currency=found.currency,
                        day=found.day,
                        at=found.at,
                        delta=found.delta,
                        by_subscription=found.by_subscription,
                        by_product=found.by_product,
                        by_company=found.by_company,
                        cause=found.cause,
                        alive=found.alive,
                        seq=behind[found.state],
                    ),
                    slot[found.person],
                )
            )
        if not parts:
            return no_rows(), np.zeros(0, dtype=np.int64)
        return joined([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def _as_steps(self, table: I64, zone: Zone) -> Steps:
        pair, line, at, amount, cause, state, alive = table.T
        book = self._book
        # A subscription at another moment is another one: groups must not reach across pairs.
        subscription: NDArray[Any] = pair << 32 | book.line_subscription[line]
        return Steps(
            person=pair.astype(np.int32),
            line=line.astype(np.int32),
            subscription=subscription,
            product=book.line_product[line],
            currency=book.line_currency[line],
            at=at.copy(),
            day=zone.days(at),
            amount=amount.copy(),
            cause=cause.astype(np.uint8),
            state=state.astype(np.int32),
            alive=alive.astype(np.bool_),
        )


def _weights(book: Book, ground: Ground) -> Weights | None:
    """Constant rates, where there is more than one currency to compare."""
    if len(book.currencies) < 2:
        return None

    def weights(currency: NDArray[np.int16], day: I32) -> NDArray[np.float64]:
        rates = ecb_rates()  # loaded once, by the first customer with several currencies
        given = dict(ground.rates)
        start = ground.fiscal_year_start
        of = constant_weights(rates, book.currencies, ground.currency, start, given)
        return of(currency, day)

    return weights


def _discounted(versions: Iterable[Version], moment: Moment) -> list[Version]:
    """What was known of a customer at the moment, if any discount was; else nothing."""
    known = standing_at(versions, moment.seq)
    return known if any(version.gives for version in known) else []


def _left_out(
    ground: Ground, member: tuple[str, str], versions: Iterable[Version], moment: Moment
) -> bool:
    """Whether the customer is staff, a test or a bot, as far as was known at the moment."""
    known = [cast(Customer, version.record) for version in standing_at(versions, moment.seq)]
    latest = max(known, key=lambda record: (record.at, record.order), default=None)
    return leaves_out(ground.exclude, member[1], latest.email if latest else "")
