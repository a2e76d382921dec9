"""SIGKILL loses nothing that was acknowledged and doubles nothing; `make faults`: 1,000 times."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.harness import FULL
from tests.faults.kills import run


@pytest.mark.faults
@pytest.mark.timeout(0 if FULL else 1200)
def test_kills_lose_nothing_and_double_nothing(
    tell: Callable[[str], None],
) -> None:
    said, good = run(1000 if FULL else 100, seed=2026)
    tell(said)
    assert good, said
