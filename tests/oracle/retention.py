"""Retention by brute force: one person at a time, lists and sets, straight from the definition.

Nothing of the product is used. Buckets come from `zoneinfo` and the calendar; a person is a list of
events, in any order of arrival.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

HOURS_24 = 24 * 3600 * 1_000_000


class Event(NamedTuple):
    """`at` is UTC micros; `plan` is a property; `amount` is what revenue it brought."""

    at: int
    name: str
    plan: str = "team"
    amount: int = 0


People = Mapping[int, list[Event]]
Places = Callable[[int], int]


def bucket_of(at: int, zone: str, grain: str, week_start: int) -> int:
    """The number of the local bucket of an instant, counted from 1970; weeks as whole sevens."""
    instant = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=at)
    date = instant.astimezone(ZoneInfo(zone)).date()
    if grain == "month":
        return (date.year - 1970) * 12 + date.month - 1
    if grain == "week":
        begins = date
        while begins.weekday() != week_start:
            begins -= dt.timedelta(days=1)
        some_week = dt.date(1970, 1, 1)
        while some_week.weekday() != week_start:
            some_week -= dt.timedelta(days=1)
        return (begins - some_week).days // 7
    return (date - dt.date(1970, 1, 1)).days


class Asked(NamedTuple):
    """One question: `first` and `end` are buckets, `last` the last one that is over.

    `ends` is the last distance of each column, column 0 by itself; a bucket counts with at least
    so many returns.
    """

    rule: str
    counting: str
    first: int
    end: int
    last: int
    ends: tuple[int, ...]
    plan: str | None = None  # the property that starts must have
    by_plan: bool = False
    money: bool = False
    at_least: int = 1

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The first and the last distance of each column."""
        return [(0, 0), *((low + 1, high) for low, high in pairwise(self.ends))]


def beginnings(events: Iterable[Event], asked: Asked, bucket: Places) -> set[tuple[int, str]]:
    """The (bucket, value) of each cohort that a person is in."""
    starts = sorted((e for e in events if e.name == "start"), key=lambda e: e.at)
    fitting = [e for e in starts if asked.plan is None or e.plan == asked.plan]
    if asked.rule == "first_ever":
        fitting = [e for e in starts[:1] if e in fitting]
    if asked.rule == "first_time":
        fitting = fitting[:1]
    return {(bucket(e.at), e.plan if asked.by_plan else "") for e in fitting}


class Cohort(NamedTuple):
    """`cells[k]` is None where not over; `who[k]` are those it counts."""

    size: int
    cells: list[int | None]
    who: list[set[int]]
    members: set[int]


def retention(people: People, asked: Asked, bucket: Places) -> dict[tuple[str, int], Cohort]:
    """The table by value of the breakdown and bucket, cohorts without people left out."""
    members: dict[tuple[str, int], set[int]] = {}
    for person, events in people.items():
        for cohort, value in beginnings(events, asked, bucket):
            if asked.first <= cohort < asked.end:
                members.setdefault((value, cohort), set()).add(person)
    return {
        key: _cohort(key[1], found, people, asked, bucket) for key, found in sorted(members.items())
    }


def _cohort(cohort: int, members: set[int], people: People, asked: Asked, bucket: Places) -> Cohort:
    cells: list[int | None] = []
    who: list[set[int]] = []
    for k, (low, high) in enumerate(asked.spans):
        furthest = asked.last if asked.counting == "on_or_after" and k else cohort + high
        over = cohort + high <= asked.last
        back = {
            person: [e for e in people[person] if cohort + low <= bucket(e.at) <= furthest]
            for person in members
        }
        came = {
            person
            for person, found in back.items()
            if any(
                n >= asked.at_least
                for n in Counter(bucket(e.at) for e in found if e.name == "return").values()
            )
        }
        who.append(members if k == 0 else came if over else set())
        if asked.money:
            total = sum(e.amount for found in back.values() for e in found)
            cells.append(total if over else None)
        elif k == 0:
            cells.append(len(members))
        else:
            cells.append(len(came) if over else None)
    return Cohort(len(members), cells, who, members)


def by_hours(
    people: People, asked: Asked, bucket: Places, closes: Callable[[int], int], now: int
) -> dict[int, Cohort]:
    """The same in windows of 24 hours from each one's first start of the cohort's bucket.

    A cell is over when its window is for whoever might have begun at the bucket's last instant.
    """
    found: dict[int, Cohort] = {}
    cohorts = {
        cohort
        for events in people.values()
        for cohort, _ in beginnings(events, asked, bucket)
        if asked.first <= cohort < asked.end
    }
    for cohort in sorted(cohorts):
        opened: dict[int, int] = {}
        for person, events in people.items():
            if cohort in {c for c, _ in beginnings(events, asked, bucket)}:
                fitting = [e for e in events if asked.plan is None or e.plan == asked.plan]
                opened[person] = min(
                    e.at for e in fitting if e.name == "start" and bucket(e.at) == cohort
                )
        over = [k for k in range(1000) if closes(cohort) + (k + 1) * HOURS_24 <= now]
        cells: list[int | None] = [len(opened)]
        who = [set(opened)]
        for low, high in asked.spans[1:]:
            after = asked.counting == "on_or_after"
            windows = [j for j in over if j >= low] if after else range(low, high + 1)
            came = set()
            for person, start in opened.items():
                returns = [e.at for e in people[person] if e.name == "return" and e.at >= start]
                often = Counter((at - start) // HOURS_24 for at in returns)
                if any(often[window] >= asked.at_least for window in windows):
                    came.add(person)
            cells.append(len(came) if high in over else None)
            who.append(came if high in over else set())
        found[cohort] = Cohort(len(opened), cells, who, set(opened))
    return found
