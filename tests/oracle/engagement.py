"""Lifecycle, rolling people and stickiness by brute force: sets of people, one bucket at a time."""

from __future__ import annotations

from collections.abc import Mapping

Active = Mapping[int, set[int]]  # a person's active buckets


def active(people: Active, bucket: int) -> set[int]:
    """Who was active in the bucket."""
    return {person for person, buckets in people.items() if bucket in buckets}


def lifecycle(people: Active, bucket: int) -> dict[str, set[int]]:
    """Who was new, returning, resurrecting or dormant in the bucket."""
    found: dict[str, set[int]] = {
        kind: set() for kind in ("new", "returning", "resurrecting", "dormant")
    }
    for person, buckets in people.items():
        if bucket in buckets:
            if min(buckets) == bucket:
                found["new"].add(person)
            elif bucket - 1 in buckets:
                found["returning"].add(person)
            else:
                found["resurrecting"].add(person)
        elif bucket - 1 in buckets:
            found["dormant"].add(person)
    return found


def trailing(people: Active, width: int, day: int) -> int:
    """People with an active day among the `width` days up to and including `day`."""
    window = set(range(day - width + 1, day + 1))
    return sum(1 for buckets in people.values() if buckets & window)


def frequency(people: Active, first: int, end: int) -> dict[int, int]:
    """In how many buckets of [first, end) each person was active, who was."""
    times = {p: len(buckets & set(range(first, end))) for p, buckets in people.items()}
    return {person: n for person, n in times.items() if n}
