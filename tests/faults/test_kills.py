"""A hundred kills under load: nothing acknowledged is lost, nothing is stored twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.faults.kills import kill_again_and_again

KILLS = 1000 if os.environ.get("UPWELL_FAULTS") == "full" else 100


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_kills_under_load_lose_and_double_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = kill_again_and_again(KILLS, tmp_path)
    with capsys.disabled():
        print(f"\n{report}")
    assert (report.lost, report.doubled, report.damaged) == (0, 0, 0)
    assert report.acknowledged == report.sent == report.stored
    assert report.kills == KILLS
