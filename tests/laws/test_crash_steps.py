"""A crash or a failure between any two steps of a commit changes nothing.

Every statement that the loop gives to the projection fails once, before it has run and after; and
the process is killed at statements all along. What is in the journal is in the numbers afterwards,
once, as if nothing had happened.
"""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from tests.laws.crashing import every_statement_fails_once, killed_at_statements
from tests.laws.failing import Failing, broken
from tests.laws.test_corrections import DAY, FIRST, SECOND, reread, restore, retract, sale
from tests.laws.world import NOW, batch, changes, config, held, right, world
from tests.oracle.plain import Rules
from upwell.event import Delivery
from upwell.flow import Flow
from upwell.journal import Journal
from upwell.projection import Projection

STORY: tuple[Delivery, ...] = (
    config(Rules()),
    batch(FIRST),
    batch([*SECOND, FIRST[0]], NOW + DAY),  # two deliveries in one commit, a repeat among them
    config(Rules(zone="America/New_York", exclude=("u2",)), NOW + DAY),
    retract(2, at=NOW + 2 * DAY),
    batch([sale(1, "11.00"), sale(7, "7.00")], NOW + 2 * DAY),
    restore(5, NOW + 3 * DAY),
    reread(NOW + 4 * DAY, source="app", since=0),
    batch([sale(7, "8.00")], NOW + 4 * DAY),  # a conflict: a dead letter
    Delivery(kind="erasure", source="upwell", received_at=NOW + 5 * DAY),
    batch([sale(n, "1.00", NOW - n * DAY) for n in range(20, 40)], NOW + 5 * DAY),
)


def everything(projection: Projection) -> dict[str, Any]:
    """The sums, the stored versions, and what could not be used."""
    rows = projection.reader().execute(
        "select e.seq, idx, version_seq, recorded_at, superseded_at, ts, value, a.actor"
        " from events e left join actors a on a.no = e.actor order by all"
    )
    dead = projection.reader().execute("select * from dead_letters order by all").fetchall
    return {
        **held(projection),
        "changes": changes(projection),
        "versions": rows.fetchall(),
        "dead": dead(),
        "applied": projection.applied,
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with world(tmp_path_factory.mktemp("undisturbed")) as house:
        house.take(*STORY)
        return everything(house.projection)


@pytest.mark.parametrize("when", ["before", "after"])
def test_every_statement_may_fail(tmp_path: Path, undisturbed: dict[str, Any], when: str) -> None:
    every_statement_fails_once(tmp_path, STORY, everything, undisturbed, when)


def test_the_process_may_die_at_any_statement(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    dice = random.Random(7)
    assert killed_at_statements(tmp_path, STORY, everything, undisturbed, dice, 90) >= 5


def test_the_loop_tries_again_ever_more_rarely_and_says_so_ever_more_rarely(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    with world(tmp_path) as house, capture_logs() as logs:
        house.journal.append(STORY[:2])
        full = threading.Event()
        full.set()

        def fail(_: int, statement: str) -> None:
            if full.is_set() and statement != "rollback":
                broken()

        connection = Failing(house.projection, before=fail)
        house.flow.start()
        time.sleep(3)
        assert connection.count < 12  # 0.25 s, 0.5, 1, 2 ... apart
        told = [entry for entry in logs if entry["event"] == "commit failed"]
        assert 1 <= len(told) <= 4
        assert not house.flow.wait(2, timeout=0)
        full.clear()
        assert house.flow.wait(2, timeout=8)  # back within 10 s of space returning
        house.journal.append(STORY[2:])
        assert house.flow.wait(len(STORY), timeout=30)
        house.flow.stop()
        assert everything(house.projection) == undisturbed
        right(house.projection)


def test_a_delivery_that_cannot_be_applied_is_set_aside_and_the_others_come_through(
    tmp_path: Path,
) -> None:
    poison = Delivery(kind="retract", source="upwell", received_at=NOW, about={"nonsense": 1})
    broken_config = Delivery(kind="config", source="upwell", received_at=NOW, body=b"{")
    with world(tmp_path) as house:
        house.journal.append([*STORY[:2], poison, broken_config, batch(SECOND)])
        failures = 0
        while True:
            try:
                if not house.flow.follow():
                    break
            except (KeyError, msgspec.DecodeError):
                failures += 1
        assert failures == 6
        dead = house.projection.reader().execute("select seq, code from dead_letters order by seq")
        assert dead.fetchall() == [(3, "unusable"), (4, "unusable")]
        assert house.projection.applied == 5
        assert house.projection.sums.days["mail", "activation", ""]
        right(house.projection)


class Refusing(Projection):
    """A projection that cannot hold one delivery, for what is in it."""

    def apply(self, staged: Any, remote: bool = False) -> Any:
        if any(b"poison" in entry.delivery.body for entry in staged):
            raise ValueError("poison")
        return super().apply(staged, remote)


def test_events_that_cannot_be_applied_do_not_hold_up_those_around_them(tmp_path: Path) -> None:
    journal, projection = Journal.open(tmp_path), Refusing(tmp_path)
    flow = Flow(journal, projection)
    journal.append([config(Rules())])
    plans: dict[int, Any] = {7: {"metadata": {"plan": "poison"}}}
    journal.append([batch([sale(n, "1.00", **plans.get(n, {}))]) for n in range(1, 15)])
    flow.start()
    assert flow.wait(15, timeout=20)
    flow.stop()
    dead = projection.reader().execute("select seq, code from dead_letters").fetchall()
    assert dead == [(8, "unusable")]
    assert sum(n for n, _ in projection.sums.days["mail", "revenue", "USD"].values()) == 13
    projection.close()
    journal.close()


def test_work_between_commits_is_done_even_when_the_loop_ends(tmp_path: Path) -> None:
    with world(tmp_path) as house:
        house.flow.start()
        done: list[int] = []
        asking = [
            threading.Thread(target=lambda: done.append(house.flow.perform(lambda: 1)))
            for _ in range(20)
        ]
        for thread in asking[:10]:
            thread.start()
        house.flow.stop()
        for thread in asking[10:]:
            thread.start()
        for thread in asking:
            thread.join(5)
        assert done == [1] * 20


def test_whoever_waits_for_a_commit_finds_its_sums(tmp_path: Path) -> None:
    with world(tmp_path) as house:
        house.take(config(Rules()))
        house.flow.start()
        for number in range(1, 30):
            seq = house.journal.append([batch([sale(number, "1.00")])])[0]
            assert house.flow.wait(seq, 10)
            days = house.projection.sums.days["mail", "revenue", "USD"]
            assert sum(n for n, _ in days.values()) == number
        done = house.flow.command(retract(*range(2, 12)))
        assert done.result == {"retracted": 10}
        assert (
            sum(n for n, _ in house.projection.sums.days["mail", "revenue", "USD"].values()) == 19
        )
        house.flow.stop()
