"""The tree itself: nothing in it belongs to one machine, and what is shipped has its licence."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted(ROOT.glob("requirements*.lock"))
MACHINE = re.compile(r"(?<![\w.])/(work|root|Users|home/\w+)/\w")
REGISTRY = re.compile(r"registry\.npmjs|pypi\.org|pythonhosted\.|deb\.debian")
MOCKS = re.compile(r"unittest\.mock|\bmock\.patch|\bmocker\.")


def tracked() -> list[Path]:
    """The files of the checkout as git knows them, new ones too."""
    line = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    """Where a pattern occurs in the tree, as path:line."""
    found = []
    for path in tracked():
        if path == Path(__file__):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture
        for number, line in enumerate(text.splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    return found


def test_no_path_of_a_machine_stands_in_the_tree() -> None:
    assert MACHINE.search("cd /root/upwell")
    assert lines_with(MACHINE) == []


def test_no_host_of_a_registry_stands_in_the_tree() -> None:
    assert lines_with(REGISTRY) == []


def test_nothing_is_mocked() -> None:
    assert lines_with(MOCKS) == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_locks_carry_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    pinned = re.findall(
        r"^([\w.-]+(?:\[[\w,]+\])?)==\S+.*\\\n    --hash=sha256:", text, re.MULTILINE
    )
    entries = re.findall(r"^[^\s#].*", text, re.MULTILINE)
    assert len(pinned) == len(entries) > 0
    assert "://" not in text


def test_the_runtime_lock_holds_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = set(re.findall(r"^([\w.-]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    wanted = {re.split(r"[^\w.-]", one)[0].lower() for one in project["dependencies"]}
    assert wanted - locked == set()


def test_the_lock_of_the_pages_carries_hashes_and_no_address() -> None:
    packages = json.loads((ROOT / "ui/package-lock.json").read_text())["packages"]
    installed = {name: entry for name, entry in packages.items() if name}
    assert [name for name, entry in installed.items() if "integrity" not in entry] == []
    assert [name for name, entry in installed.items() if "resolved" in entry] == []


def test_what_the_pages_ship_is_in_the_notice() -> None:
    notice = (ROOT / "NOTICE").read_text()
    packages = json.loads((ROOT / "ui/package-lock.json").read_text())["packages"]
    shipped = {
        name.removeprefix("node_modules/")
        for name, entry in packages.items()
        if name and not entry.get("dev") and "svelte/" not in name
    } | {"svelte"}
    assert {
        name for name in shipped if not re.search(rf"(?<![\w-]){re.escape(name)}\b", notice)
    } == set()


def test_what_ci_runs_can_be_run() -> None:
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text()
