"""People of several products counted once: from the sums of each product and of linked people.

Company-wide sums of linked people are kept; of some of the products they are made from the active
days of the people concerned, before the sums are read.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from upwell.metrics.engagement import Gaps
from upwell.projection import Projection
from upwell.projection.store import GAPS_AMONG
from upwell.projection.sums import LINKED, PARTS, Sums
from upwell.query import scan


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

    def gaps(self, since: int = 0) -> Gaps:
        """The gaps between active days of these people, of days from `since` on."""
        parts = [self.sums.gap_columns(p, self.members, since) for p in self.products]
        if self.linked is not None:
            parts.append(self.linked.gap_columns(LINKED, self.members, since))
            day, was, n = self.linked.gap_columns(PARTS, self.members, since)
            parts.append((day, was, -n))
        days, earlier, people = zip(*parts, strict=True)
        return Gaps(np.concatenate(days), np.concatenate(earlier), np.concatenate(people))


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
