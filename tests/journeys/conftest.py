"""Real input that journeys share."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

NAME = "lifetimes/datasets/CDNOW_master.txt"


@pytest.fixture(scope="session")
def cdnow() -> Path:
    """The published file: UPWELL_CDNOW, or out of the wheel that carries it."""
    given = os.environ.get("UPWELL_CDNOW")
    if given:
        return Path(given)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "upwell-tests"
    if not (cache / NAME).exists():
        cache.mkdir(parents=True, exist_ok=True)
        got = _download(cache)
        if got:
            pytest.skip(f"The CDNOW file cannot be had: {got}")
        (wheel,) = cache.glob("[Ll]ifetimes-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(NAME, cache)
    return cache / NAME


def _download(cache: Path) -> str:
    """Why the wheel could not be downloaded; empty where it was."""
    said = ""
    # An environment may come without pip; the interpreter it was made from has one.
    for python in (sys.executable, str(Path(sys.base_prefix) / "bin" / "python3")):
        command = [python, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(cache)]
        got = subprocess.run([*command, "lifetimes"], capture_output=True, text=True, check=False)
        if got.returncode == 0:
            return ""
        said = (got.stderr.strip().splitlines() or ["no reason given"])[-1]
    return said
