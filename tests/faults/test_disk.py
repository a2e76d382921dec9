"""Full and failing disks: nothing is acknowledged that is not kept; more in `make faults`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import disk
from tests.faults.harness import FULL


@pytest.mark.faults
@pytest.mark.skipif(not disk.can_mount(), reason="a small disk needs root")
def test_a_full_disk_loses_nothing(tmp_path: Path, tell: Callable[[str], None]) -> None:
    said, good = disk.full(tmp_path / "full", rounds=3 if FULL else 1)
    tell(said)
    assert good, said


@pytest.mark.faults
@pytest.mark.skipif(not disk.can_trace(), reason="failing calls need strace")
def test_a_failing_disk_loses_nothing(tmp_path: Path, tell: Callable[[str], None]) -> None:
    said, good = disk.failing(tmp_path / "failing")
    tell(said)
    assert good, said


@pytest.mark.faults
@pytest.mark.timeout(0 if FULL else 300)
@pytest.mark.skipif(not disk.can_trace(), reason="failing calls need strace")
@pytest.mark.parametrize("syscall", ["fdatasync", "pwrite64"])
def test_a_kill_at_each_call_to_the_disk_loses_nothing(
    tmp_path: Path, tell: Callable[[str], None], syscall: str
) -> None:
    said, good = disk.calls(
        tmp_path / "calls", disk.MOST if FULL else 4, syscall, first=1 if FULL else 30
    )
    tell(said)
    assert good, said
