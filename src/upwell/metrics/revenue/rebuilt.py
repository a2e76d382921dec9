"""What invoices leave unsaid about the states that were pieced together from them.

An invoice names what it charges for. What was charged before goes on until its own period ends:
a yearly item beside a monthly one, or all items but the one whose proration is billed. A discount
is named with the day it began, which may be before the invoice that shows it first.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from upwell.billing import Discount, Item, SubscriptionState


def continued(states: Sequence[SubscriptionState]) -> list[SubscriptionState | None]:
    """The states of one subscription, in order, with what goes on; None for one without any item.

    What the source said itself stays as it is.
    """
    return _from_their_start(_going_on(states))


def _going_on(states: Sequence[SubscriptionState]) -> list[SubscriptionState | None]:
    found: list[SubscriptionState | None] = []
    standing: dict[str, Item] = {}
    shared: tuple[Discount, ...] = ()
    for state in states:
        if not state.reconstructed:
            standing, shared = {}, ()
            found.append(state)
            continue
        own = {item.id: item for item in state.items}
        if state.partial:
            own = {id_: _with_own(item, standing.get(id_)) for id_, item in own.items()}
        others = {
            id_: item
            for id_, item in standing.items()
            if item.until is not None and item.until > state.at and id_ not in state.dropped
        }
        standing = {**others, **own}
        shared = _more(state.discounts, shared) if state.partial else state.discounts
        if state.partial and not standing:
            found.append(None)
        else:
            items = state.items if standing == own and not state.partial else (*standing.values(),)
            found.append(replace(state, items=items, discounts=shared))
    return found


def _with_own(item: Item, before: Item | None) -> Item:
    """A prorated item with the discounts it had: they are in its amount already."""
    if before is None or item.discounts:
        return item
    return replace(item, discounts=before.discounts)


def _more(own: tuple[Discount, ...], before: tuple[Discount, ...]) -> tuple[Discount, ...]:
    named = {one.id for one in own}
    return (*own, *(one for one in before if one.id not in named))


def _from_their_start(
    states: list[SubscriptionState | None],
) -> list[SubscriptionState | None]:
    """Let discounts stand from the state during which they began."""
    found = list(states)
    for place in range(len(found) - 1, 0, -1):
        state = found[place]
        before = found[place - 1]
        if state is None or before is None or not before.reconstructed:
            continue
        items, span = {item.id: item for item in state.items}, (before.at, state.at)
        found[place - 1] = replace(
            before,
            discounts=_begun(before.discounts, state.discounts, *span),
            items=tuple(
                replace(item, discounts=_begun(item.discounts, later.discounts, *span))
                if (later := items.get(item.id)) is not None
                else item
                for item in before.items
            ),
        )
    return found


def _begun(
    here: tuple[Discount, ...], later: tuple[Discount, ...], since: int, at: int
) -> tuple[Discount, ...]:
    """Those here, with the later ones that began before `at`.

    One that is gone later made room: it ends where the first of the others begins, if that is
    here, from `since` on; else nobody can say when it ended.
    """
    known, stay = {one.id for one in here}, {one.id for one in later}
    early = [one for one in later if one.id not in known and one.start and one.start < at]
    if not early or known <= stay:
        return (*here, *early)
    first = min(one.start or 0 for one in early)
    if first < since:
        return here
    kept = (one if one.id in stay else replace(one, end=_sooner(one.end, first)) for one in here)
    return (*kept, *early)


def _sooner(end: int | None, other: int) -> int:
    return other if end is None else min(end, other)
