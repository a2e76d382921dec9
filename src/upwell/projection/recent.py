"""What the last commits told of subscriptions, at hand for those who follow the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from upwell.projection.billing import LEDGER, Version

MOST_COMMITS = 64
MOST_VERSIONS = 20_000  # of all commits that are kept: a long past is read from the file


class Heard(NamedTuple):
    """The standing versions of the customers that one commit told of.

    Its own versions are numbered from `first` to before `next`.
    """

    first: int
    next: int
    versions: tuple[Version, ...]

    @classmethod
    def of(cls, first: int, after: int, versions: Iterable[Version]) -> Heard:
        """With those of the versions that stand and that the ledger is made of."""
        own = (v for v in versions if v.kind in LEDGER and v.superseded_seq is None)
        return cls(first, after, tuple(own))


class Recent:
    """The last commits; replaced, never changed, so that any thread may read.

    `next` is the number that the next version will have.
    """

    def __init__(self, next_no: int = 0) -> None:
        self.next = next_no
        self._heard: tuple[Heard, ...] = ()

    def take(self, first: int, after: int, versions: Iterable[Version]) -> None:
        """A commit that numbered its versions from `first` to before `after`."""
        if first == after:
            return
        heard = (*self._heard, Heard.of(first, after, versions))[-MOST_COMMITS:]
        while heard and sum(len(one.versions) for one in heard) > MOST_VERSIONS:
            heard = heard[1:]
        self._heard, self.next = heard, after

    def since(self, number: int) -> list[Heard] | None:
        """The commits that told of version `number` and of all after it.

        None: it is too long ago, or nothing was told.
        """
        heard = [one for one in self._heard if one.next > number]
        return heard if heard and heard[0].first <= number else None
