"""Damaged files are found and rebuilt, or told; `make faults` damages 300."""

from __future__ import annotations

import pytest

from tests.faults.damage import FILES, WAYS, run, silent
from tests.faults.harness import FULL


@pytest.mark.faults
@pytest.mark.timeout(0 if FULL else 600)
def test_no_damage_to_numbers_or_deliveries_goes_unnoticed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said, found = run(300 if FULL else len(FILES) * len(WAYS))
    with capsys.disabled():
        print(f"\n{said}")
    assert silent(found) == []
    assert any(one.outcome == "rebuilt" for one in found)
