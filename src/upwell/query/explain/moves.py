"""What the ledger knows of a change of MRR: its movements, and whose they were."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from upwell.money import major
from upwell.query.desk import Desk
from upwell.query.explain.shapes import ChangeCustomer, ChangeLead
from upwell.query.explain.spread import largest
from upwell.query.plan import Plan
from upwell.query.revenue.bridge import FLOW_OF, MOVES, Bars, attributed, undivided
from upwell.query.revenue.measures import ALL, FLOWS
from upwell.query.revenue.part import RESTATEMENT
from upwell.query.revenue.people import Page, moved, name_of, worth_of_rows
from upwell.query.revenue.reading import Asked

STOCKS = {"mrr": 1, "arr": 12}  # times MRR
NAMED = 8  # customers
MOSTLY = 0.6  # of a movement, from which one plan or country is worth a word
LOSSES = ("contraction", "churn")


class Spans(NamedTuple):
    """The span asked about and the earlier one, which may count up to an instant only."""

    now: Plan
    then: Plan
    until: int | None


def of_bars(name: str, bars: Bars) -> int:
    """A metric of the ledger, in nano-units, as a bridge has it."""
    if name in STOCKS:
        return bars.closing * STOCKS[name]
    if name == "net_new_mrr":
        return bars.net
    return next(own for move, own in zip(MOVES, bars.moves, strict=True) if FLOW_OF[move] == name)


def attributable(plan: Plan) -> bool:
    """Whether the metric is money of the ledger, so that each part is given its own movements."""
    return plan.metric.name in STOCKS or plan.metric.name in FLOWS


def totals(desk: Desk, plan: Plan, until: int | None) -> dict[str, int]:
    """The metric by key of the split, as it was counted for the whole: parts of one movement."""
    span = plan if until is None else plan.moved(plan.start, plan.zone.day_of(until) + 1)
    _, _, parts = attributed(span, desk.ledgers, until)
    return {key: of_bars(plan.metric.name, bars) for key, bars in parts}


def between(spans: Spans) -> Plan:
    """The days from the end of the earlier span to the end of the later one."""
    start = spans.then.end if spans.until is None else spans.then.zone.day_of(spans.until)
    return undivided(spans.now.moved(start, spans.now.end))


def movements(desk: Desk, spans: Spans) -> dict[str, int]:
    """What moved MRR from the earlier span's end to the later one's, by kind; losses negative."""
    plan, until = between(spans), spans.until
    _, total, _ = attributed(plan, desk.ledgers)
    sums = _signed(total.whole)
    if until is not None:  # what came before the instant on its day is in the earlier number
        _, before, _ = attributed(plan.moved(plan.start, plan.start + 1), desk.ledgers, until)
        early = _signed(before.whole)
        sums = {name: amount - early[name] for name, amount in sums.items()}
    times = STOCKS[spans.now.metric.name]
    return {name: amount * times for name, amount in sums.items()}


def _signed(bars: Bars) -> dict[str, int]:
    moves = dict(zip(MOVES, bars.moves, strict=True))
    signed = {name: -own if name in LOSSES else own for name, own in moves.items()}
    return signed | {"fx": bars.fx, "restatement": bars.restatement}


def customers(desk: Desk, spans: Spans) -> tuple[ChangeCustomer, ...]:
    """Whose payments moved the number most, either way; the largest first."""
    name = spans.now.metric.name
    changes: defaultdict[int, int] = defaultdict(int)
    about: dict[int, tuple[str, str]] = {}
    if name in STOCKS:
        asked, since = between(spans), spans.until
        _add(desk, asked, None, since, STOCKS[name], changes, about)
    else:
        _add(desk, undivided(spans.now), None, None, 1, changes, about)
        _add(desk, undivided(spans.then), spans.until, None, -1, changes, about)
    book = Asked(undivided(spans.now), desk.ledgers).book
    named = {str(person): amount for person, amount in changes.items() if amount}
    currency = spans.now.currency or ""
    found = []
    for person in map(int, largest(named, NAMED)):
        product, plan = about[person]
        known = book.persons[person]
        found.append(
            ChangeCustomer(
                id=name_of(book, person),
                name=known.name,
                product=product,
                plan=plan,
                country=known.country,
                change=major(changes[person], currency),
            )
        )
    return tuple(found)


def _add(
    desk: Desk,
    plan: Plan,
    until: int | None,
    since: int | None,
    times: int,
    changes: defaultdict[int, int],
    about: dict[int, tuple[str, str]],
) -> None:
    """Adds what each customer's rows of a span come to, and what the last of them was about."""
    kinds, sign = FLOWS.get(plan.metric.name, ((*ALL, RESTATEMENT), 1))
    span = plan if until is None else plan.moved(plan.start, plan.zone.day_of(until) + 1)
    asked = Asked(span, desk.ledgers, until)
    part, amounts = worth_of_rows(asked, kinds, sign)
    if since is not None:
        later = part.at >= since
        part, amounts = part.take(later), amounts[later]
    lines = asked.book.lines
    for person, line, amount in zip(
        part.person.tolist(), part.line.tolist(), (amounts * times).tolist(), strict=True
    ):
        changes[person] += amount
        about[person] = (lines[line].product, lines[line].plan)


def lead(desk: Desk, spans: Spans, product: str, falls: bool) -> ChangeLead | None:
    """The largest movement of a product in the direction of the change, and who made it."""
    plan = between(spans)
    if product:
        plan = plan.of(product)
    _, total, _ = attributed(plan, desk.ledgers)
    signed = _signed(total.whole)
    ways = {name: signed[name] for name in MOVES if signed[name] and (signed[name] < 0) == falls}
    if not ways:
        return None
    (movement,) = largest(ways, 1)
    page = moved(plan, desk.ledgers, movement, None, Page(500))
    weights = [(one, abs(float(one.amount))) for one in page.customers]
    whole = sum(weight for _, weight in weights)
    return ChangeLead(
        product=product,
        movement=movement,
        customers=page.total,
        plan=_mostly([(one.plan, weight) for one, weight in weights], whole),
        country=_mostly([(one.country, weight) for one, weight in weights], whole),
    )


def _mostly(weights: list[tuple[str, float]], whole: float) -> str:
    """The word that most of the weight has; none where no one does."""
    sums: defaultdict[str, float] = defaultdict(float)
    for word, weight in weights:
        sums[word] += weight
    word, most = max(sums.items(), key=lambda item: item[1], default=("", 0.0))
    return word if whole and most >= MOSTLY * whole else ""
