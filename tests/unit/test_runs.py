"""Sorted runs against plain Python sets and lists."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from upwell.projection.runs import NOTHING, KeyIndex, OrderedSet, insert

keys = st.tuples(st.integers(0, 5), st.integers(0, 5))


@given(st.lists(st.lists(keys, max_size=8), max_size=12))
def test_a_key_is_found_where_it_was_first_seen(batches: list[list[tuple[int, int]]]) -> None:
    index, model, place = KeyIndex(), dict[tuple[int, int], int](), 0
    for batch in batches:
        distinct = list(dict.fromkeys(batch))
        high = np.array([key[0] for key in distinct], dtype=np.uint64)
        low = np.array([key[1] for key in distinct], dtype=np.uint64)
        found = index.find(high, low)
        assert found.tolist() == [model.get(key, -1) for key in distinct]
        new = found < 0
        places = np.arange(place, place + len(distinct), dtype=np.int64)
        index.add(high[new], low[new], places[new])
        for key, at, fresh in zip(distinct, places.tolist(), new.tolist(), strict=True):
            if fresh:
                model[key] = at
        place += len(distinct)
    assert len(index) == len(model)


def chains(values: set[int], shift: int) -> Counter[tuple[int, int]]:
    """Every value with the one before it of the same subject, or NOTHING."""
    found: Counter[tuple[int, int]] = Counter()
    ordered = sorted(values)
    for at, value in enumerate(ordered):
        before = ordered[at - 1] if at else int(NOTHING)
        same = at > 0 and before >> shift == value >> shift
        found[value, before if same else int(NOTHING)] += 1
    return found


@given(st.lists(st.lists(st.integers(1, 63), max_size=8), max_size=12))
def test_chains_do_not_depend_on_order_or_batching(batches: list[list[int]]) -> None:
    shift = 3
    known, pairs, model = OrderedSet(), Counter[tuple[int, int]](), set[int]()
    for batch in batches:
        change = insert(known, np.array(batch, dtype=np.uint64), shift)
        pairs.update(zip(change.value.tolist(), change.below.tolist(), strict=True))
        pairs.subtract(zip(change.moved.tolist(), change.was.tolist(), strict=True))
        pairs.update(zip(change.moved.tolist(), change.now.tolist(), strict=True))
        model |= set(batch)
        assert +pairs == chains(model, shift)
        assert min(pairs.values(), default=0) >= 0
    assert len(known) == len(model)
