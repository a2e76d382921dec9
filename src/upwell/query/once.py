"""People of several products counted once: from the sums of each product and of linked people.

Company-wide sums of linked people are kept; of some of the products they are made from the active
days of the people concerned, before the sums are read.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.metrics.engagement import Gaps, coarser, coming, turnout, within
from upwell.period import Grain
from upwell.projection import Projection
from upwell.projection.store import GAPS_AMONG, GAPS_OF
from upwell.projection.sums import LINKED, PARTS, Sums, Work
from upwell.query import scan
from upwell.query.among import USERS, Among

Ints = NDArray[np.int64]


class Once(NamedTuple):
    """Distinct people of a set in several products; read under the lock of the sums.

    `linked` holds the sums of people who are linked over these products, None where nobody is.
    """

    sums: Sums
    products: tuple[str, ...]
    members: str
    linked: Sums | None

    def people(self, first: int, end: int) -> int:
        """Different people with an active day in [first, end), linked ones once."""
        found = self.unlinked(first, end)
        if self.linked is not None:
            found += self.linked.distinct(LINKED, self.members, first, end)
        return found

    def unlinked(self, first: int, end: int) -> int:
        """Those of them who are not linked over these products, as far as is known."""
        found = sum(self.sums.distinct(p, self.members, first, end) for p in self.products)
        if self.linked is not None:
            found -= self.linked.distinct(PARTS, self.members, first, end)
        return found

    def trailing(self, width: int, first: int, end: int) -> Ints:
        """Different people of the `width` days up to and including each day of [first, end)."""

        def work(*gaps: Ints) -> Ints:
            return coming(Gaps(*gaps), width)

        return within(np.cumsum(self._added(("coming", width), work, 0, end)), first, end)

    def by_day(self, first: int, end: int) -> Ints:
        """Different people of each day of [first, end)."""
        found: Ints = self.turnout("day", 0, first, end).sum(axis=0)
        return found

    def turnout(self, grain: Grain, week_start: int, first: int, end: int) -> Ints:
        """By [new, returning, resurrecting] the people of each bucket of [first, end)."""

        def work(*gaps: Ints) -> Ints:
            return turnout(coarser(Gaps(*gaps), grain, week_start))

        return self._added(("turnout", grain, week_start), work, first, end)

    def _added(self, name: Hashable, work: Work, first: int, end: int) -> Ints:
        """What is made of these people's gaps and kept under a name, added up."""

        def of(sums: Sums, place: str) -> Ints:
            return within(sums.table(place, self.members, name, work), first, end)

        first_of, *others = self.products or ("",)  # no product, where there are none yet
        found = of(self.sums, first_of)
        for product in others:
            found += of(self.sums, product)
        if self.linked is not None:
            found += of(self.linked, LINKED) - of(self.linked, PARTS)
        return found


def once_among(
    projection: Projection,
    among: Among,
    groups: Iterable[tuple[str, ...]],
    members: str,
    since: int,
) -> dict[tuple[str, ...], Once]:
    """How the users of a segment are counted in each group of products, from a day on.

    A group is all of the products, or one of them.
    """
    found, named = Sums(), tuple(groups)
    products = sorted({product for own in named for product in own})
    given = {"members": members, "since": since, "products": products}
    rows = scan.run(projection, GAPS_OF.format(among=USERS), given, among=among)
    for place, own in groupby(rows, key=itemgetter(0)):
        found.add_gaps(place, members, [row[1:] for row in own])
    linked = found if found.gaps.get((LINKED, members)) else None
    return {own: Once(found, own, members, linked if len(own) > 1 else None) for own in named}


def once(projection: Projection, products: tuple[str, ...], members: str) -> Once:
    """How people of these products are counted."""
    sums = projection.sums
    linked: Sums | None = None
    if len(products) > 1 and sums.gaps.get((LINKED, members)):
        everything = set(projection.known_products()) <= set(products)
        linked = sums if everything else _among(projection, products, members)
    return Once(sums, products, members, linked)


def _among(projection: Projection, products: tuple[str, ...], members: str) -> Sums:
    """The sums of those who are linked over some of the products."""
    found = Sums()
    given = [members, list(products), list(products)]
    rows = scan.run(projection, GAPS_AMONG, given)
    for place, own in groupby(rows, key=itemgetter(0)):
        found.add_gaps(place, members, [row[1:] for row in own])
    return found
