"""People of one question, numbered without gaps."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from upwell.warehouse.order import Crew, marked, notice, number, numbered

PEOPLE = st.lists(st.integers(0, 700), max_size=40)


@given(low=st.integers(0, 300), parts=st.lists(PEOPLE, min_size=1, max_size=4))
def test_numbers_are_places_among_those_who_are_there(low: int, parts: list[list[int]]) -> None:
    crew = Crew(low, np.zeros(700 // 64 + 1, np.uint64), np.empty(700 // 64 + 1, np.int64))
    whole = [np.array(part, np.uint32) + np.uint32(low) for part in parts]
    for who in whole:
        notice(who, crew)
    people = numbered(crew)
    assert people.tolist() == sorted({low + one for part in parts for one in part})
    for who in whole:
        own = who.copy()
        number(own, crew)
        assert people[own].tolist() == who.tolist()


@given(st.lists(st.integers(0, 2**64 - 1), max_size=6))
def test_marks_are_told_one_by_one(marks: list[int]) -> None:
    people = np.arange(len(marks)) * 10 + 3
    who, at = marked(np.array(marks, np.uint64), people)
    expected = [
        (person, n)
        for person, bits in zip(people.tolist(), marks, strict=True)
        for n in range(64)
        if bits >> n & 1
    ]
    assert list(zip(who.tolist(), at.tolist(), strict=True)) == expected
