"""The wheel in an empty environment, with no Node in sight: the demo, its pages, its commands."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.served import Served

ROOT = Path(__file__).parents[2]
SCALE = "0.05"
PRODUCTS = 12

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def run(*line: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """What a program prints, after it has ended well."""
    done = subprocess.run(
        [str(word) for word in line], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(checkout: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """`python -m build --wheel` of a checkout."""
    line = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    return subprocess.run(line, cwd=checkout, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    out = tmp_path_factory.mktemp("dist")
    done = build(ROOT, out)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel and what the lock names; its folder of programs."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    pip = (str(folder / "bin/python"), "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "install", "--require-hashes", "-r", ROOT / "requirements.lock")
    run(*pip, "install", "--no-deps", wheel)
    run(*pip, "check")
    return folder / "bin"


def test_it_carries_what_it_needs_and_nothing_else(
    wheel: Path, tell: Callable[[str], None]
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    for name in (
        "py.typed",
        "web/pages/index.html",
        "reports/bundle/charts.js",
        "reports/bundle/fonts/Inter-Regular.ttf",
        "reports/bundle/fonts/Inter-SemiBold.ttf",
        "reports/bundle/fonts/LICENSE",
        "reports/templates/board.typ",
        "state/migrations/versions/v0001_people_keys_reports.py",
    ):
        assert sizes.get(f"upwell/{name}") is not None, name
    assert any(re.fullmatch(r"upwell/web/pages/assets/.*\.js", name) for name in sizes)
    assert any(name.endswith("licenses/NOTICE") for name in sizes)
    tracked = set(run("git", "ls-files", "src").splitlines())
    built = re.compile(r"upwell/(web/pages|reports/bundle)/|upwell-[^/]*\.dist-info/")
    strange = [n for n in sizes if not built.match(n) and f"src/{n}" not in tracked]
    assert strange == []
    pages = sum(size for name, size in sizes.items() if "/pages/" in name)
    charts = sum(size for name, size in sizes.items() if "/bundle/" in name)
    tell(
        f"wheel {wheel.stat().st_size / 1e6:.2f} MB; unpacked {sum(sizes.values()) / 1e6:.2f}"
        f" MB, of it pages {pages / 1e6:.2f} MB, charts and fonts {charts / 1e6:.2f} MB"
    )


def test_without_pages_it_says_what_to_run(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(
        ROOT / "src", checkout / "src", ignore=shutil.ignore_patterns("pages", "__pycache__")
    )
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, checkout)
    done = build(checkout, tmp_path / "dist")
    assert done.returncode != 0
    assert "The pages are not built" in done.stdout + done.stderr
    assert "make build" in done.stdout + done.stderr


def test_the_demo_runs_from_it(
    installed: Path, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    # Only the environment's own programs: no Node, no checkout, no compiler.
    env = {"PATH": str(installed), "HOME": str(tmp_path), "PYTHONPATH": "", "PYTHONWARNINGS": ""}
    assert shutil.which("node", path=env["PATH"]) is None
    command = (str(installed / "upwell"),)
    began = time.monotonic()
    where = run(installed / "python", "-c", "import upwell; print(upwell.__file__)", env=env)
    assert Path(where.strip()).is_relative_to(installed.parent)
    with Served(tmp_path / "demo", "demo", "--scale", SCALE, command=command, env=env) as demo:
        started = time.monotonic() - began
        _the_page_loads(demo)
        cookie, session = _sign_in(demo)
        assert session["viewer"] is not None
        assert session["demo"] is True
        filled = _fills(demo, cookie)
        products = _json(demo, "/v1/products", cookie)["products"]
        assert len(products) == PRODUCTS
        assert all(product["events"] > 0 for product in products)
        _commands_work(demo)
        assert demo.stop() == 130  # as everything that Ctrl-C ends
    size = sum(f.stat().st_size for f in installed.parent.rglob("*") if f.is_file())
    tell(
        f"demo from the wheel: answers after {started:.1f} s, filled after {filled:.1f} s; "
        f"the environment is {size / 1e6:.0f} MB"
    )


def _the_page_loads(demo: Served) -> None:
    status, headers, body = demo.get("/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assets = re.findall(r'(?:src|href)="(/assets/[^"]+)"', body.decode())
    assert any(name.endswith(".js") for name in assets)
    for name in assets:
        status, _, body = demo.get(name)
        assert (status, len(body) > 100) == (200, True), name


def _sign_in(demo: Served) -> tuple[str, dict[str, Any]]:
    status, headers, body = demo.get("/v1/session")
    assert status == 200
    session: dict[str, Any] = msgspec.json.decode(body)
    return headers["set-cookie"].partition(";")[0], session


def _fills(demo: Served, cookie: str) -> float:
    """Seconds until history is in and applied."""
    began = time.monotonic()
    while time.monotonic() < began + 120:
        told = _json(demo, "/v1/sources", cookie)
        arrived = sum(source["events"] for source in told["sources"])
        if arrived and told["backfill"] is None and told["backlog"] == 0:
            return time.monotonic() - began
        time.sleep(0.2)
    raise AssertionError(f"It does not fill: {told}")


def _commands_work(demo: Served) -> None:
    answer = demo.run("query", "revenue", "--by", "product", "--grain", "month")
    assert sum(float(series["total"]) for series in answer["series"]) > 0
    assert demo.run("verify")["ok"] is True


def _json(demo: Served, path: str, cookie: str) -> dict[str, Any]:
    status, _, body = demo.get(path, cookie=cookie)
    assert status == 200, (path, body)
    decoded: dict[str, Any] = msgspec.json.decode(body)
    return decoded
