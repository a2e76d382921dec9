"""What every kind of source that is read has to keep, whatever its vendor does."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conformance.vendors import Dying, Killed, Reading, World, reading
from tests.conformance.worlds import WORLDS
from upwell.errors import UpwellError


@pytest.fixture(params=sorted(WORLDS))
def make(request: pytest.FixtureRequest) -> Callable[[], World]:
    """Each kind's world, one after the other."""
    found: Callable[[], World] = WORLDS[request.param]
    return found


@pytest.fixture
def source(tmp_path: Path, make: Callable[[], World]) -> Iterator[Reading]:
    """A house that reads one of them."""
    with reading(tmp_path / "data", make) as found:
        yield found


def _whole(source: Reading) -> None:
    """Everything the vendor has is counted, once, and the house agrees with itself."""
    until = source.settle()
    truth = source.world.truth(until)
    assert truth, "a world in which nothing happened shows nothing"
    found = source.counted(until)
    assert found - truth == {}, "counted twice, or not the vendor's"
    assert truth - found == {}, "lost"
    assert source.sound() == []


def test_all_of_it_is_counted_once(source: Reading) -> None:
    source.until_whole()
    _whole(source)


def test_what_comes_later_is_added_and_what_was_read_is_not(source: Reading) -> None:
    source.until_whole()
    for _ in range(6):
        source.later(hours=5)
        source.until_whole()
    _whole(source)
    before = source.house.journal.newest
    for _ in range(5):
        source.until_whole()
    assert source.house.journal.newest - before <= 5, "a look that finds nothing keeps little"
    _whole(source)


@pytest.mark.parametrize("kept", [True, False])
def test_it_may_end_at_any_page(source: Reading, kept: bool) -> None:
    """Killed before or after each page is kept, it goes on where it was."""
    pages = 0
    for after in range(60):
        try:
            source.read(Dying(source.house, after % 3, kept))
        except Killed:
            pages += 1
        except UpwellError as error:
            source.later(seconds=max(1.0, float(getattr(error, "after", 60.0))))
        else:
            break
    assert pages, "the world is too small to be killed in"
    source.until_whole()
    _whole(source)


def test_the_line_may_break_at_any_byte(source: Reading) -> None:
    chance = random.Random(7)
    for step in range(24):
        source.line.break_after(
            chance.choice([chance.randrange(1, 4_000), 2 ** chance.randrange(18)])
        )
        try:
            source.read()
        except UpwellError as error:
            source.later(seconds=max(1.0, float(getattr(error, "after", 60.0))))
        if step % 6 == 5:
            source.later(hours=2)
    source.line.break_after(None)
    source.until_whole()
    _whole(source)


def test_a_day_without_the_vendor_loses_nothing(source: Reading) -> None:
    source.until_whole()
    source.later(hours=1)
    source.line.down = True
    for _ in range(8):
        source.later(hours=3)
        with pytest.raises(UpwellError) as failed:
            source.read()
        assert failed.value.problem.message, "an outage says what it is"
    before = source.counted()
    source.line.down = False
    source.until_whole()
    assert sum(source.counted().values()) >= sum(before.values())
    _whole(source)


def test_everything_read_once_more_counts_once(source: Reading) -> None:
    source.until_whole()
    source.later(hours=7)
    source.until_whole()
    source.again(0)
    source.until_whole()
    _whole(source)
    source.again(int(source.now.timestamp()) - 3 * 86_400)
    source.until_whole()
    _whole(source)


def test_what_was_read_can_be_read_anew(source: Reading) -> None:
    """The same bytes with the same parser say the same."""
    source.until_whole()
    source.later(hours=26)
    source.until_whole()
    before = source.counted()
    source.house.flow.perform(source.house.projection.rebuild)
    assert source.counted() == before
    _whole(source)
