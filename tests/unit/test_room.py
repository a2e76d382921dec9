"""Long columns in files give what columns in memory give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from upwell.projection.room import Columns, Room
from upwell.projection.runs import KeyIndex, Multimap, OrderedSet

KEYS = st.lists(st.integers(0, 30), max_size=40)


def sorted_rows(columns: Columns) -> list[tuple[int, ...]]:
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


@given(KEYS, KEYS, st.integers(1, 9))
def test_merged_columns_hold_all_rows_in_order(
    one: list[int], other: list[int], piece: int
) -> None:
    """However many rows are merged at a time."""
    parts = []
    for place, keys in enumerate((one, other)):
        first = np.array(sorted(keys), np.uint64)
        parts.append((first, np.arange(len(first)) * 2 + place))
    made = Room(piece=piece).merged(*parts)
    assert made[0].tolist() == sorted([*one, *other])
    assert sorted_rows(made) == sorted(sorted_rows(parts[0]) + sorted_rows(parts[1]))


@given(st.lists(KEYS, max_size=5), st.integers(1, 9), st.booleans())
def test_batches_are_sorted_in_pieces(batches: list[list[int]], piece: int, once: bool) -> None:
    """In any order, of any size; with `once` a value stands once."""
    columns = [(np.array(keys, np.int64), np.array(keys, np.int64) * 7) for keys in batches]
    made = Room(piece=piece).sorted(lambda: columns, 30, once=once)
    every = [key for keys in batches for key in keys]
    if not batches:
        assert made == ()
        return
    assert made[0].tolist() == sorted(set(every) if once else every)
    assert (made[1] == made[0] * 7).all()


def test_long_columns_lie_in_files_without_a_name(tmp_path: Path) -> None:
    """What is looked up in them is what was put there; nothing is left in the folder."""
    room = Room(tmp_path, large=10, piece=7)
    keys, index = np.arange(100, dtype=np.uint64)[::-1] * 3, KeyIndex(room)
    index.load(lambda: [(keys[:60], keys[:60] + 1, keys[:60].astype(np.int64))], 300)
    index.add(keys[60:], keys[60:] + 1, keys[60:].astype(np.int64))
    found = index.find(np.arange(300, dtype=np.uint64), np.arange(1, 301, dtype=np.uint64))
    assert found.tolist() == [n if n % 3 == 0 else -1 for n in range(300)]
    days, times = OrderedSet(room), Multimap(room)
    days.load(lambda: [(keys,)], 300)
    here, below, above = days.neighbours(np.array([5, 6], np.uint64))
    assert (here.tolist(), below.tolist(), above.tolist()) == ([False, True], [3, 3], [6, 9])
    for n in range(30):
        times.add(np.array([n % 4, 2]), np.array([n, -n]))
    who, what = times.of(np.array([1, 2]))
    expected = [(n % 4, n) for n in range(30) if n % 4 in (1, 2)] + [(2, -n) for n in range(30)]
    assert sorted(zip(who.tolist(), what.tolist(), strict=True)) == sorted(expected)
    assert not list(tmp_path.iterdir())


def test_without_a_place_for_files_columns_are_in_memory(tmp_path: Path) -> None:
    column = Room(tmp_path / "nowhere", large=1).column(10, np.dtype(np.int64))
    column[:] = 3
    assert column.sum() == 30
