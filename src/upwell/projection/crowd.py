"""Actors who are one person with others, or were until now, and which person each is."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.projection.runs import I64, U64, among, distinct

_CODE_BITS = 20  # products


class Labels(NamedTuple):
    """Whom each actor is: columns beside the crowd's actors.

    `own` is the smallest of the person's actors in the same product; `whole` the smallest of all
    of them where they are of several products, else 0; `person` the smallest of all in any case.
    """

    own: I64
    whole: I64
    person: I64

    @property
    def part(self) -> I64:
        """`own` of those who are a part of somebody in several products, else 0."""
        return np.where(self.whole > 0, self.own, 0)


class Crowd(NamedTuple):
    """Actors in order, who they were before a commit and who they are after it.

    A person is in it with all actors, or not at all.
    """

    actor: I64
    was: Labels
    now: Labels

    def has(self, actors: I64) -> NDArray[np.bool_]:
        """Which of these actors are in the crowd."""
        return among(actors, self.actor)

    def parties(self, labels: Labels) -> list[list[int]]:
        """The actors of each person of one product."""
        found: defaultdict[int, list[int]] = defaultdict(list)
        for actor, own in zip(self.actor.tolist(), labels.own.tolist(), strict=True):
            found[own].append(actor)
        return list(found.values())


def labels(actor: I64, root: I64, product: I64) -> Labels:
    """Whom each actor is, from whom stands for it over all products; actors are in order."""
    person = np.where(root == 0, actor, root)
    keys = (person << _CODE_BITS) | product
    order = np.argsort(keys, kind="stable")
    first = heads(keys[order])
    own = np.empty_like(actor)
    own[order] = actor[order][first][np.cumsum(first) - 1]
    pairs = distinct(keys.astype(np.uint64)).astype(np.int64) >> _CODE_BITS
    several = pairs[1:][pairs[1:] == pairs[:-1]]
    return Labels(own, np.where(np.isin(person, several), person, 0), person)


def heads(ordered: I64) -> NDArray[np.bool_]:
    """Which values of an ordered column are not those before them."""
    found: NDArray[np.bool_] = np.ones(len(ordered), np.bool_)
    found[1:] = ordered[1:] != ordered[:-1]
    return found


_NONE = np.zeros(0, np.int64)
NOBODY = Crowd(_NONE, Labels(_NONE, _NONE, _NONE), Labels(_NONE, _NONE, _NONE))


def connected(one: U64, other: U64) -> tuple[U64, U64]:
    """Who is one by pairs: everybody named, in order, and the smallest that each is one with."""
    names, place = np.unique(np.concatenate([one, other]), return_inverse=True)
    left, right = place[: len(one)], place[len(one) :]
    label = np.arange(len(names))
    while True:
        lowest = label.copy()
        np.minimum.at(lowest, left, label[right])
        np.minimum.at(lowest, right, label[left])
        lowest = lowest[lowest]
        if np.array_equal(lowest, label):
            return names, names[label]
        label = lowest
