"""Fresh rows in place of those of some people: columns are what a list of rows would be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.test_sums import examples
from upwell.query.revenue.standing import Splice

PEOPLE = st.integers(0, 8)
Owned = list[tuple[int, int]]  # whose, and which row


@pytest.mark.parametrize("few", [0, 100])
@given(rows=st.lists(PEOPLE), people=st.sets(PEOPLE), fresh=st.lists(PEOPLE))
@examples(100)
def test_rows_of_some_people_give_way_to_fresh_ones(
    few: int, rows: list[int], people: set[int], fresh: list[int]
) -> None:
    old: Owned = [(person, n) for n, person in enumerate(sorted(rows))]
    own = sorted(person for person in fresh if person in people)
    new: Owned = [(person, 100 + n) for n, person in enumerate(own)]
    who = np.array(sorted(people), dtype=np.int32)
    splice = Splice(_persons(old), who, _persons(new), few)
    expected = sorted([row for row in old if row[0] not in people] + new)
    assert splice.column(_persons(old), _persons(new)).tolist() == [p for p, _ in expected]
    found = splice.column(_numbers(old), _numbers(new))
    assert found.tolist() == [number for _, number in expected]
    assert found.dtype == np.int64


def _persons(rows: Owned) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array([person for person, _ in rows], dtype=np.int32)


def _numbers(rows: Owned) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([number for _, number in rows], dtype=np.int64)
