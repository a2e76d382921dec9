"""One customer: what they have, what moved, what they paid."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import numpy as np

from upwell.billing import SubscriptionState
from upwell.errors import NotFound
from upwell.metrics.revenue.causes import CAUSES
from upwell.money import SCALE, major
from upwell.period import add_months, to_date, to_day, to_instant
from upwell.projection import Projection
from upwell.projection.book import KINDS, Line, Person
from upwell.query.plan import Plan
from upwell.query.revenue.belonging import accounts, parted, payers_of
from upwell.query.revenue.directory import STATUSES, Statuses, lifetime, lines_of
from upwell.query.revenue.exchange import nanos_of, worth
from upwell.query.revenue.ledgers import Ledgers
from upwell.query.revenue.part import Part
from upwell.query.revenue.people import name_of, number_of
from upwell.query.revenue.reading import Asked, scope_of
from upwell.query.revenue.shapes import (
    CustomerFacts,
    MonthValue,
    MovementLine,
    PaymentLine,
    Profile,
    SubscriptionLine,
)
from upwell.query.revenue.used import used

MONTHS = 24  # of MRR that a profile shows
MOST_PAYMENTS = 200


class Shown(NamedTuple):
    """A customer with the rows that the viewer may see."""

    asked: Asked
    person: int
    part: Part

    @property
    def who(self) -> Person:
        """Name, address and ids."""
        return self.asked.book.persons[self.person]

    @property
    def whole(self) -> bool:
        """Whether the viewer sees all products."""
        return set(self.asked.book.products) <= set(self.asked.plan.products)

    def worth(self, fine: int, currency: str) -> int:
        """An amount in the currency shown, at today's rate."""
        if self.asked.plan.only not in (None, currency):
            return 0
        quote = self.asked.exchange.closing(currency, self.asked.plan.today)
        return 0 if quote is None else worth(fine, currency, quote)

    def text(self, units: int) -> str:
        """Nano-units in words."""
        return major(units, self.asked.exchange.target)


def profile(plan: Plan, ledgers: Ledgers, statuses: Statuses, name: str) -> Profile:
    """Everything known of a customer in the plan's products; NotFound for others' customers."""
    asked = Asked(plan, ledgers)
    person = _head(asked, ledgers, number_of(asked.book, name))
    part = asked.shelf.part(scope_of(plan), np.array([person], dtype=np.int32))
    shown = Shown(asked, person, part)
    if not len(part.line) and not shown.whole:
        raise NotFound(
            "unknown_customer", f"There is no customer '{name[:100]}'.", "Look under Customers."
        )
    projection = statuses.projection
    subscriptions = _subscriptions(shown, projection)
    now = sum(
        shown.worth(amount, asked.book.lines[line].currency)
        for line, amount in lines_of(part, plan.seen).items()
    )
    return Profile(
        customer=_facts(shown, projection, statuses, now),
        currency=asked.exchange.target,
        subscriptions=subscriptions,
        movements=_movements(shown),
        payments=_payments(shown, projection),
        mrr=_months(shown),
        use=used(plan, projection, payers_of(shown.who.ids, projection)),
    )


def _facts(shown: Shown, projection: Projection, statuses: Statuses, mrr: int) -> CustomerFacts:
    who, part = shown.who, shown.part
    paid = lifetime(projection, shown.asked, {shown.person: shown.asked.exchange.target}).get(
        shown.person
    )
    known = [best for one in who.ids if (best := statuses.best().get(one)) is not None]
    status = min(known, default=0 if mrr > 0 else len(STATUSES) - 1)
    return CustomerFacts(
        id=name_of(shown.asked.book, shown.person),
        name=who.name,
        email=who.email,
        country=who.country,
        since=to_date(int(part.day[0])) if len(part.day) else None,
        status=STATUSES[status],
        mrr=shown.text(mrr),
        lifetime_value=None if paid is None else shown.text(paid),
        sources=accounts(who.ids, who.name, projection),
        apart=parted(who.ids, projection) if shown.whole else (),
    )


def _head(asked: Asked, ledgers: Ledgers, person: int) -> int:
    """Who stands for all that are one with a customer."""
    own = asked.book.persons[person].ids[0]
    return asked.book.people.number(*ledgers.ground.same.get(own, own))


def _subscriptions(shown: Shown, projection: Projection) -> tuple[SubscriptionLine, ...]:
    """The subscriptions as the billing systems last told of them, the newest first."""
    plan, book = shown.asked.plan, shown.asked.book
    amounts: dict[tuple[str, str], int] = {}
    told: dict[tuple[str, str], Line] = {}
    for number in dict.fromkeys(shown.part.line.tolist()):
        line = book.lines[number]
        told[line.source, line.subscription] = line
    for number, amount in lines_of(shown.part, plan.seen).items():
        line = book.lines[number]
        key = (line.source, line.subscription)
        told[key] = line  # of several lines one that is paid for
        amounts[key] = amounts.get(key, 0) + shown.worth(amount, line.currency)
    for source, customer in shown.who.ids:
        for id_ in _ids(projection, source, customer):
            told.setdefault((source, id_), Line(id_, "", "", "", "", customer, source))
    found = []
    for key, line in told.items():
        line_shown = _subscription(shown, projection, line, amounts.get(key, 0))
        if line_shown is not None:
            found.append(line_shown)
    return tuple(sorted(found, key=lambda one: (one.started is None, one.started), reverse=True))


def _ids(projection: Projection, source: str, customer: str) -> list[str]:
    rows = projection.reader().execute(
        "select distinct id from billing where kind = 'sub' and source = ? and customer = ?",
        [source, customer],
    )
    return [str(id_) for (id_,) in rows.fetchall()]


def _subscription(
    shown: Shown, projection: Projection, line: Line, mrr: int
) -> SubscriptionLine | None:
    seen = shown.asked.plan.seen
    states = [
        state
        for state, _, recorded, superseded in projection.states(line.source, line.subscription)
        if recorded <= seen and (superseded is None or superseded > seen)
    ]
    past = [state for state in states if state.at <= seen] or states
    state, only = past[-1] if past else None, shown.asked.plan.only
    if state is not None and only not in (None, state.currency):
        return None
    if state is not None and state.items:
        item = next((i for i in state.items if i.product == line.product), state.items[0])
        line = line._replace(
            product=line.product or item.product,
            plan=line.plan or item.price.plan,
            interval=line.interval or str(item.price.interval or ""),
        )
    if line.product not in shown.asked.plan.products:
        return None
    first = states[0] if states else None
    return SubscriptionLine(
        id=line.subscription,
        source=line.source,
        product=line.product,
        plan=line.plan,
        interval=line.interval,
        status=_status(state, mrr),
        mrr=shown.text(mrr),
        started=_instant((first.created or first.at) if first else _began(shown, line)),
        trial_end=_instant(state.trial_end if state else None),
        cancel_at=_instant(state.cancel_at if state else None),
        canceled_at=_instant(state.canceled_at if state else None),
        ended_at=_instant(state.ended_at if state else None),
        reason=(state.reason or None) if state else None,
    )


def _status(state: SubscriptionState | None, mrr: int) -> str:
    if state is None:
        return "active" if mrr else "canceled"
    return "canceled" if state.deleted else state.status


def _began(shown: Shown, line: Line) -> int | None:
    numbers = shown.asked.book.lines
    part = shown.part
    own = [
        at
        for number, at in zip(part.line.tolist(), part.at.tolist(), strict=True)
        if numbers[number].subscription == line.subscription
    ]
    return min(own, default=None)


def _instant(micros: int | None) -> dt.datetime | None:
    return None if micros is None else to_instant(micros)


def _movements(shown: Shown) -> tuple[MovementLine, ...]:
    """What moved, the newest first; both amounts at today's rate."""
    book, part, total, found = shown.asked.book, shown.part, 0, []
    for n in range(len(part.line)):
        if part.at[n] > shown.asked.plan.seen:
            continue
        line = book.lines[int(part.line[n])]
        amount = shown.worth(int(part.delta[n]), line.currency)
        total += amount
        found.append(
            MovementLine(
                at=to_instant(int(part.at[n])),
                day=to_date(int(part.day[n])),
                product=line.product,
                plan=line.plan,
                kind=KINDS[int(part.kind[n])],
                cause=CAUSES[int(part.cause[n])],
                amount=shown.text(amount),
                mrr_after=shown.text(total),
                delivery=int(book.rows.seq[part.place[n]]),
            )
        )
    return tuple(reversed(found))


def _months(shown: Shown) -> tuple[MonthValue, ...]:
    """MRR at the end of each of the last months, the running one as it stands."""
    plan, part = shown.asked.plan, shown.part
    first = to_date(plan.today).replace(day=1)
    starts = [add_months(first, -n) for n in range(MONTHS - 1, -1, -1)]
    found = []
    for start in starts:
        before = (part.day < to_day(add_months(start, 1))) & (part.at <= plan.seen)
        codes = part.currency[before]
        total = sum(
            shown.worth(
                int(part.delta[before][codes == code].sum()), shown.asked.book.currencies[code]
            )
            for code in np.unique(codes).tolist()
        )
        found.append(MonthValue(start=start, value=shown.text(total)))
    return tuple(found)


def _payments(shown: Shown, projection: Projection) -> tuple[PaymentLine, ...]:
    """The invoices, the newest first; what was given back names its invoice."""
    ids = [f"{source}\n{customer}" for source, customer in shown.who.ids]
    rows = projection.reader().execute(
        """with back as (
          select source, json_extract_string(metadata, '$.invoice') as invoice, sum(value) as given
          from events where type = 'refund' and superseded_at is null and not excluded
            and actor in (select no from actors where actor in (select unnest(?::varchar[])))
          group by all)
        select p.id, coalesce(paid_at, first_failed, ts), due, paid, status, product, currency,
          back.given
        from payments p left join back on back.source = p.source and back.invoice = p.id
        where p.source || chr(10) || customer in (select unnest(?::varchar[]))
          and product in (select unnest(?::varchar[])) and superseded_at is null
        qualify row_number() over (partition by p.source, p.id order by ts desc, no desc) = 1
        order by 2 desc limit ?""",
        [
            [customer for _, customer in shown.who.ids],
            ids,
            list(shown.asked.plan.products),
            MOST_PAYMENTS,
        ],
    )
    return tuple(
        PaymentLine(
            id=id_,
            at=to_instant(at),
            amount=_minor(paid if status == "paid" else due, currency),
            status=status,
            product=product,
            currency=currency,
            refunded=None if given is None else major(int(given * SCALE), currency),
        )
        for id_, at, due, paid, status, product, currency, given in rows.fetchall()
        if shown.asked.plan.only in (None, currency)
    )


def _minor(amount: int, currency: str) -> str:
    return major(nanos_of(amount * 10**6, currency), currency)
