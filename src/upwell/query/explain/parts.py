"""The splits of a change: one function for what adds up, one for rates, one for movements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from upwell.metrics.catalog import Reported
from upwell.metrics.revenue.display import half_even
from upwell.money import digits, major
from upwell.query.desk import Desk
from upwell.query.explain import moves
from upwell.query.explain.moves import Spans
from upwell.query.explain.shapes import ChangePart, ChangeSplit, Kind
from upwell.query.explain.sides import Sides, sides
from upwell.query.explain.spread import MOST, SCALE, Pair, additive, effects, largest, settled
from upwell.query.lines import OTHER, Number
from upwell.query.plan import Plan
from upwell.query.question import Value

ONCE = "Who is in several of them is counted once in the whole."
UNREAD = "No report of both spans was read."
NO_PARTS = "{} is neither a sum nor one thing over another: it has no parts that add up."
_NONE: Sides = (Fraction(0), Fraction(0))
_LACK = "\0"  # the key of what no value of the split has


class Case(NamedTuple):
    """A change that is taken apart: its values before and after, in whole steps of `unit`."""

    desk: Desk
    spans: Spans
    whole: Pair
    unit: int

    def show(self, fine: int) -> Value:
        """Billionths as answers carry them."""
        return shown(self.spans.now, fine)

    def label(self, by: str, key: str) -> str:
        """What a value of the split is called."""
        return self.desk.projection.product_name(key) if by == "product" else key


def step(plan: Plan, values: Iterable[int | None]) -> int:
    """The smallest difference that is shown, in billionths: a cent, a whole, 0.01 %."""
    match plan.metric.unit:
        case "money":
            return SCALE // 10 ** digits(plan.currency) if plan.currency else 1
        case "ratio":
            return SCALE // 10_000
        case "count" if all(value is None or value % SCALE == 0 for value in values):
            return SCALE
    return SCALE // 100


def shown(plan: Plan, fine: int) -> Value:
    """Billionths of the metric's unit as answers carry them."""
    if plan.metric.unit == "money":
        return major(fine, plan.currency or "")
    return fine / SCALE if fine % SCALE else fine // SCALE


def movements(case: Case) -> ChangeSplit:
    """A change of MRR by what moved it."""
    found = moves.movements(case.desk, case.spans)
    names = [name for name in largest(found, len(found)) if found[name]]
    target = (case.whole.after - case.whole.before) // case.unit
    changes = settled([found[name] for name in names], target, case.unit)
    parts = [
        ChangePart(key=name, label=name, change=case.show(change * case.unit))
        for name, change in zip(names, changes, strict=True)
    ]
    return ChangeSplit(by="movement", parts=tuple(parts))


def adding(case: Case, by: str, apart: Spans) -> ChangeSplit:
    """Of what adds up: the change of each value, and what several of them have in common."""
    columns: list[Mapping[str, Number]] = [
        _totals(case.desk, apart.then, apart.until),
        _totals(case.desk, apart.now, None),
    ]
    rule = apart.now.metric.rule
    unread = any(set(column.values()) == {None} for column in columns)
    if unread and isinstance(rule, Reported):
        return ChangeSplit(by=by, parts=(), note=UNREAD)
    scale = 1 if apart.now.metric.unit == "money" else SCALE
    pairs = {
        key: Pair(*(round((column.get(key) or 0) * scale) for column in columns))
        for key in dict.fromkeys((*columns[0], *columns[1]))
    }
    rest = () if by == "product" else (OTHER,)
    drawn, lack = additive(case.whole, pairs, case.unit, rest)
    parts = []
    for keys, before, after in drawn:
        together = len(keys) > 1 or keys[0] in rest
        parts.append(
            ChangePart(
                key="" if together else keys[0],
                label="" if together else case.label(by, keys[0]),
                kind="other" if together else "part",
                before=case.show(before),
                after=case.show(after),
                change=case.show(after - before),
                others=len(keys) if together else 0,
            )
        )
    sums = apart.now.additive or apart.now.metric.unit == "money"
    sums = sums or (isinstance(rule, Reported) and rule.adds)
    kind: Kind = "rest" if sums else "overlap"
    if any(lack):
        parts.append(
            ChangePart(
                key="",
                label="",
                kind=kind,
                before=case.show(lack.before),
                after=case.show(lack.after),
                change=case.show(lack.change),
            )
        )
    return ChangeSplit(
        by=by, parts=tuple(parts), note=ONCE if any(lack) and kind == "overlap" else ""
    )


def _totals(desk: Desk, plan: Plan, until: int | None) -> Mapping[str, Number]:
    if moves.attributable(plan):
        return moves.totals(desk, plan, until)
    return desk.totals(plan, until)


def dividing(case: Case, by: str, apart: Spans) -> ChangeSplit:
    """Of a rate: what each value's own rate did, and what its share of the whole did."""
    title = case.spans.now.metric.title
    none = ChangeSplit(by=by, parts=(), note=NO_PARTS.format(title))
    wholes, split = _both(case.desk, case.spans), _both(case.desk, apart)
    if wholes is None or split is None:
        return none
    before, after = (next(iter(of.values()), _NONE) for of in wholes)
    if not (before[1] and after[1]):
        return none
    pairs = {
        key: (split[0].get(key, _NONE), split[1].get(key, _NONE))
        for key in dict.fromkeys((*split[0], *split[1]))
    }
    pairs[_LACK] = (
        _less(before, (then for then, _ in pairs.values())),
        _less(after, (now for _, now in pairs.values())),
    )
    found = effects((before, after), pairs)
    fine = {key: round(of.change * SCALE) for key, of in found.items()}
    target = (case.whole.after - case.whole.before) // case.unit
    if abs(sum(fine.values()) - target * case.unit) > 2 * case.unit:
        return none  # what it is said to be made of does not make it
    named = largest({key: change for key, change in fine.items() if change}, MOST, (_LACK,))
    others = [key for key in fine if key not in named and key != _LACK and fine[key]]
    groups = [*([key] for key in named), *([others] if others else []), [_LACK]]
    changes = settled([sum(fine[key] for key in keys) for keys in groups], target, case.unit)
    parts = []
    for keys, change in zip(groups, changes, strict=True):
        own = half_even(round(sum(found[key].rate for key in keys) * SCALE), case.unit)
        if keys == [_LACK] and not change and not own:
            continue
        kind: Kind = "overlap" if keys == [_LACK] else "other" if keys is others else "part"
        then, now = pairs[keys[0]]
        parts.append(
            ChangePart(
                key=keys[0] if kind == "part" else "",
                label=case.label(by, keys[0]) if kind == "part" else "",
                kind=kind,
                before=_rate(case, then) if kind == "part" else None,
                after=_rate(case, now) if kind == "part" else None,
                change=case.show(change * case.unit),
                rate=case.show(own * case.unit),
                mix=case.show((change - own) * case.unit),
                others=len(keys) if kind == "other" else 0,
            )
        )
    return ChangeSplit(by=by, parts=tuple(parts))


def _both(desk: Desk, spans: Spans) -> tuple[dict[str, Sides], dict[str, Sides]] | None:
    then, now = sides(desk, spans.then, spans.until), sides(desk, spans.now, None)
    return None if then is None or now is None else (then, now)


def _less(whole: Sides, parts: Iterable[Sides]) -> Sides:
    above, below = whole
    for own in parts:
        above, below = above - own[0], below - own[1]
    return above, below


def _rate(case: Case, of: Sides) -> Value:
    if not of[1]:
        return None
    return case.show(half_even(round(of[0] / of[1] * SCALE), case.unit) * case.unit)
