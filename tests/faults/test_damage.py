"""Damaged files are found and rebuilt, or told; `make faults` damages 300."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.damage import FILES, WAYS, run, silent
from tests.faults.harness import FULL


@pytest.mark.faults
@pytest.mark.timeout(0 if FULL else 600)
def test_no_damage_to_numbers_or_deliveries_goes_unnoticed(
    tell: Callable[[str], None],
) -> None:
    said, found = run(300 if FULL else len(FILES) * len(WAYS))
    tell(said)
    assert silent(found) == []
    assert any(one.outcome == "rebuilt" for one in found)
