"""The list of customers: who they are, how they stand, what they bring in."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from upwell.errors import Rejected
from upwell.money import SCALE, converted, major
from upwell.period import to_date
from upwell.projection import Projection
from upwell.projection.book import Book
from upwell.query.plan import Plan
from upwell.query.revenue.cuts import Cuts
from upwell.query.revenue.exchange import SAME, nanos_of, valued
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.part import Part
from upwell.query.revenue.people import Page, name_of
from upwell.query.revenue.reading import Asked, scope_of
from upwell.query.revenue.shapes import CustomerLine, Customers, CustomerStatus, InCurrency
from upwell.query.revenue.sums import I64, Mask, added
from upwell.query.revenue.table import placed

Sort = Literal["mrr", "-mrr", "name", "created"]
SORTS: tuple[Sort, ...] = ("mrr", "-mrr", "name", "created")
STATUSES: tuple[CustomerStatus, ...] = get_args(CustomerStatus)
_STANDS = {"active": 0, "past_due": 1, "unpaid": 1, "trialing": 2, "paused": 3}


class Statuses:
    """How the customers' subscriptions stand by the billing systems' own words, by person.

    Read once, then only what commits have added since.
    """

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self._lock = Lock()
        self._generation = -1
        self._read = -1
        self._of: dict[tuple[str, str], tuple[str, int]] = {}  # subscription -> customer, status
        self._best: dict[tuple[str, str], int] = {}

    def best(self) -> Mapping[tuple[str, str], int]:
        """By source and customer the best status of any subscription, an index of STATUSES."""
        with self._lock:
            db = self.projection.reader()
            if self._generation != self.projection.generation:
                self._generation, self._read = self.projection.generation, -1
                self._of.clear()
            newest = int(db.execute("select coalesce(max(no), -1) from billing").fetchall()[0][0])
            if newest == self._read:
                return self._best
            rows = db.execute(_LATEST, [self._read]).fetchall()
            for source, id_, customer, status in rows:
                self._of[source, id_] = (customer, _STANDS.get(status, 4))
            self._read = newest
            best: dict[tuple[str, str], int] = {}
            for (source, _), (customer, status) in self._of.items():
                key = (source, customer)
                best[key] = min(status, best.get(key, 4))
            self._best = best
            return best


_LATEST = """
select source, id, arg_max(customer, (ts, ord)),
  arg_max(coalesce(json_extract_string(body, '$.status'), 'active'), (ts, ord))
from billing where kind = 'sub' and superseded_seq is null and (source, id) in (
  select (source, id) from billing where kind = 'sub' and no > ?)
group by source, id
"""


class Filters(NamedTuple):
    """Which customers are listed; empty is everybody."""

    q: str = ""
    product: str = ""
    plan: str = ""
    country: str = ""
    status: str = ""
    sort: Sort = "-mrr"
    segment: str = ""


def listed(
    plan: Plan, ledgers: Ledgers, statuses: Statuses, filters: Filters, page: Page
) -> Customers:
    """A page of the customers of the plan's products, as they stand on its last day."""
    _check(filters)
    asked = Asked(plan, ledgers)
    book, currency = asked.book, plan.currency or ledgers.ground.currency
    worth = _mrr(asked)
    stands = _stands(book, statuses, worth.amounts)
    chosen = _chosen(asked, filters, stands)
    numbers = np.flatnonzero(chosen)
    order = _sorted(book, numbers, worth, filters.sort)
    shown = numbers[order][page.start : page.start + page.limit]
    part = asked.shelf.part(scope_of(plan), np.sort(shown).astype(np.int32))
    own = {int(n): worth.currency(int(n), asked) for n in shown}
    paid = lifetime(statuses.projection, asked, own)
    return Customers(
        customers=tuple(
            _line(asked, part, n, STATUSES[stands[n]], worth, paid.get(n)) for n in own
        ),
        cursor=page.next(len(numbers)),
        total=len(numbers),
        currency=currency,
    )


def _line(
    asked: Asked, part: Part, person: int, status: CustomerStatus, worth: Worth, paid: int | None
) -> CustomerLine:
    book, currency = asked.book, worth.currency(person, asked)
    own = part.take(part.person == person)
    who, there = book.persons[person], lines_of(own, asked.plan.seen)
    lines = [book.lines[line] for line in there]
    return CustomerLine(
        id=name_of(book, person),
        name=who.name,
        email=who.email,
        country=who.country,
        products=tuple(sorted({line.product for line in lines})),
        plans=tuple(sorted({line.plan for line in lines})),
        status=status,
        currency=currency,
        mrr=major(int(worth.amounts[person]), currency),
        since=to_date(int(own.day[0])) if len(own.day) else None,
        ltv=None if paid is None else major(paid, currency),
        also=worth.others(person, asked),
    )


def lines_of(part: Part, seen: int) -> dict[int, int]:
    """What each line that a customer pays for brings in at an instant."""
    found: dict[int, int] = {}
    for line, delta, at in zip(
        part.line.tolist(), part.delta.tolist(), part.at.tolist(), strict=True
    ):
        if at <= seen:
            found[line] = found.get(line, 0) + delta
    return {line: amount for line, amount in found.items() if amount}


class Worth(NamedTuple):
    """The MRR of every customer in nano-units of a currency: the one shown, or their own.

    `native` is MRR by customer and currency, in 1e-6 minor units; `own` the number of each
    customer's currency where nothing is converted.
    """

    amounts: I64
    native: I64
    own: I64 | None

    def currency(self, person: int, asked: Asked) -> str:
        """The currency that a customer's money is in."""
        if self.own is None or not asked.book.currencies:
            return asked.exchange.target
        return asked.book.currencies[int(self.own[person])]

    def others(self, person: int, asked: Asked) -> tuple[InCurrency, ...]:
        """What a customer pays in other currencies, where nothing is converted."""
        if self.own is None:
            return ()
        return tuple(
            InCurrency(currency=name, mrr=major(nanos_of(fine, name), name))
            for code, fine in enumerate(self.native[person].tolist())
            if fine and code != self.own[person] and (name := asked.book.currencies[code])
        )


def _mrr(asked: Asked) -> Worth:
    """The MRR of every customer now."""
    book, today = asked.book, asked.plan.today
    many = max(1, len(book.currencies))

    def work(part: Part, cuts: Cuts) -> tuple[I64]:
        there, _ = placed(part, cuts)
        place = (part.person.astype(np.int64) * many + part.currency)[there]
        count = len(book.persons)
        return (added(place, part.delta[there], count * many).reshape(count, many),)

    (native,) = asked.sum(scope_of(asked.plan), ("people",), asked.cuts, work)
    found = np.zeros(len(native), dtype=np.int64)
    if asked.policy.fx == "none":
        own = _own(asked, native)
        for code, currency in enumerate(book.currencies):
            those = own == code
            found[those] = valued(native[those, code], currency, SAME)
        return Worth(found, native, own)
    for code, currency in enumerate(book.currencies):
        quote = asked.exchange.closing(currency, today)
        if quote is not None:
            found += valued(native[:, code], currency, quote)
    return Worth(found, native, None)


def _own(asked: Asked, native: I64) -> I64:
    """The currency of each customer: the one shown where they pay in it, else their first."""
    names, pays = asked.book.currencies, native != 0
    ever = np.zeros_like(pays)
    rows = asked.book.rows
    inside = (rows.person < pays.shape[0]) & (rows.currency < pays.shape[1])
    ever[rows.person[inside], rows.currency[inside]] = True
    of = np.where(pays.any(axis=1, keepdims=True), pays, ever)  # who left is shown as they were
    found: I64 = of.argmax(axis=1).astype(np.int64)
    if asked.exchange.target in names:
        shown = names.index(asked.exchange.target)
        found[of[:, shown] | ~of.any(axis=1)] = shown
    return found


def _stands(book: Book, statuses: Statuses, worth: I64) -> NDArray[np.int8]:
    """The status of every customer; who is not told of stands as they pay."""
    found = np.where(worth > 0, 0, 4).astype(np.int8)
    numbers = book.people.numbers
    for key, status in statuses.best().items():
        number = numbers.get(key)
        if number is not None and number < len(found):
            found[number] = status
    for number, person in enumerate(book.persons[: len(found)]):
        if len(person.ids) > 1:  # several customers that are one
            others = [numbers[one] for one in person.ids if one in numbers]
            found[number] = min(found[one] for one in others if one < len(found))
    return found


def _chosen(asked: Asked, filters: Filters, stands: NDArray[np.int8]) -> Mask:
    book, rows = asked.book, asked.book.rows
    found = np.ones(len(stands), dtype=np.bool_)
    persons = book.persons[: len(stands)]
    for number, person in enumerate(persons):
        if person.excluded:
            found[number] = False
        for member in person.ids[1:]:  # stands under the first of them
            other = book.people.numbers.get(member)
            if other is not None and other != number and other < len(found):
                found[other] = False
    if filters.status:
        found &= stands == STATUSES.index(filters.status)
    if filters.country:
        found &= np.array([person.country == filters.country for person in persons], dtype=np.bool_)
    if filters.q:
        wanted = filters.q.casefold()
        texts = (f"{p.name}\n{p.email}\n{p.ids}".casefold() for p in persons)
        found &= np.fromiter((wanted in text for text in texts), np.bool_, len(persons))
    if (among := asked.plan.among) is not None:
        found &= np.isin(np.arange(len(found)), np.frombuffer(among.customers, dtype=np.int32))
    products = (filters.product,) if filters.product else asked.plan.products
    if not set(book.products) <= set(products):
        found &= _having(
            rows.person, np.isin(np.array(book.products), products)[rows.product], found
        )
    if filters.plan:
        of_plan = np.isin(np.array(book.plans), [filters.plan])[book.line_plan]
        found &= _having(rows.person, of_plan[rows.line], found)
    return found


def _having(person: NDArray[np.int32], rows: Mask, like: Mask) -> Mask:
    found = np.zeros(len(like), dtype=np.bool_)
    found[person[rows]] = True
    return found


def _sorted(book: Book, numbers: NDArray[np.intp], worth: Worth, sort: Sort) -> NDArray[np.intp]:
    if sort == "name":
        names = [(book.persons[n].name or "\uffff").casefold() for n in numbers.tolist()]
        return np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.intp)
    if sort == "created":  # the newest first
        created = [-(book.persons[n].created or 0) for n in numbers.tolist()]
        return np.argsort(np.array(created, dtype=np.int64), kind="stable")
    amounts = worth.amounts[numbers] * (1 if sort == "mrr" else -1)
    if worth.own is not None:  # amounts of two currencies have no order
        return np.lexsort((amounts, worth.own[numbers]))
    return np.argsort(amounts, kind="stable")


def lifetime(projection: Projection, asked: Asked, persons: Mapping[int, str]) -> dict[int, int]:
    """What customers have paid less what was given back, in nano-units; who never paid is left out.

    Into each one's currency at the rates of each payment's day; where nothing is converted, only
    what was paid in it.
    """
    converts = asked.policy.fx != "none"
    book = asked.book
    owner = {key: n for n in persons for key in book.persons[n].ids}
    rows = projection.reader().execute(
        """select e.source, a.actor, e.currency, e.day,
          sum(case when e.type = 'revenue' then e.value else -e.value end)
        from events e join actors a on a.no = e.actor
        where a.actor in (select unnest(?::varchar[])) and e.type in ('revenue', 'refund')
          and e.product in (select unnest(?::varchar[]))
          and e.superseded_at is null and not e.excluded group by all""",
        [[customer for _, customer in owner], list(asked.plan.products)],
    )
    found: dict[int, int] = {}
    for source, actor, currency, day, amount in rows.fetchall():
        person = owner.get((source, actor))
        if person is None:
            continue
        own = persons[person] == currency
        quote = asked.exchange.closing(currency, day) if converts else SAME if own else None
        if quote is not None:
            found[person] = found.get(person, 0) + converted(int(amount * SCALE), quote)
    return found


def _check(filters: Filters) -> None:
    for where, value, known in (
        ("sort", filters.sort, SORTS),
        ("status", filters.status, ("", *STATUSES)),
    ):
        if value not in known:
            raise Rejected(
                f"unknown_{where}",
                f"Unknown {where} '{value[:40]}'.",
                fix=f"One of {', '.join(word for word in known if word)}.",
                where=where,
            )
