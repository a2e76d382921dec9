"""A story told with a failure, or the death of the process, between any two statements."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from tests.laws.failing import Failing, broken, die
from tests.laws.world import right, world
from upwell.event import Delivery
from upwell.projection import Projection

Everything = Callable[[Projection], dict[str, Any]]


def every_statement_fails_once(
    place: Path, story: Sequence[Delivery], everything: Everything, expected: object, when: str
) -> None:
    """Let each statement of each commit fail `when` ("before" or "after") it has run."""
    with world(place) as house:
        house.journal.append(story)
        allowed, tries = 1, 0

        def fail(count: int, _: str) -> None:
            if count == allowed:
                broken()

        connection = Failing(house.projection, **{when: fail})
        while True:
            if not isinstance(house.projection._db, Failing):  # it was opened again
                connection = Failing(house.projection, **{when: fail})
            connection.count = 0
            before = house.projection.applied
            try:
                if not house.flow.follow():
                    break
            except duckdb.IOException:
                tries += 1
            # The next try gets one statement further; behind a commit it begins again.
            allowed = allowed + 1 if house.projection.applied == before else 1
            assert allowed < 500
        assert tries > 150
        assert everything(house.projection) == expected
        right(house.projection)
    with world(place) as again:
        assert everything(again.projection) == expected


def killed_at_statements(
    place: Path,
    story: Sequence[Delivery],
    everything: Everything,
    expected: object,
    statements: random.Random,
    furthest: int,
) -> int:
    """Kill the process at statements drawn at random until all is applied; how often it died."""
    with world(place) as house:
        house.journal.append(story)
    deaths = 0
    for _ in range(60):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.laws.crashing",
                str(place),
                str(statements.randrange(1, furthest)),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr
        deaths += 1
    with world(place) as house:
        house.catch_up()
        assert everything(house.projection) == expected
        right(house.projection)
    return deaths


def follow_until(place: Path, statement: int) -> None:
    """Apply what waits, and die at the given statement."""
    with world(place) as house:
        Failing(house.projection, before=lambda count, _: die() if count == statement else None)
        house.catch_up()


if __name__ == "__main__":
    follow_until(Path(sys.argv[1]), int(sys.argv[2]))
