"""What every test may use."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis

from tests import leftovers
from tests.served import CONFIG, Served

if TYPE_CHECKING:  # loaded where a test wants them: most tests are about one part
    from upwell.app import House
    from upwell.settings import Settings

# dev looks for something new each time; ci finds the same each time, so that a red run says
# something about the change; quick is for a look in between.
SLOW = [HealthCheck.too_slow]
hypothesis.register_profile("dev", deadline=None, print_blob=True, suppress_health_check=SLOW)
hypothesis.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=SLOW)
hypothesis.register_profile("quick", deadline=None, max_examples=10, suppress_health_check=SLOW)
hypothesis.load_profile(
    os.environ.get("UPWELL_HYPOTHESIS") or ("ci" if os.environ.get("CI") else "dev")
)

LEFT = pytest.StashKey[list[str]]()
TOLD = "told"

HERE = Path(__file__).parent
# Files that take long, longest first: they begin before the others, so that of two workers none
# is left with one of them at the end.
LONG = (
    "browser/test_demo",
    "browser/test_revenue_pages",
    "journeys/test_stripe_company",
    "journeys/test_wheel",
    "faults/test_kills",
    "laws/",
    "journeys/",
)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as the server does."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def databases_end() -> Iterator[None]:
    """Servers of databases that tests started together end with the last test."""
    yield
    if found := sys.modules.get("tests.databases"):
        found.end()


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Keeps a figure, `tell(sentence)`, to be read at the end of the run."""
    return partial(record_property, TOLD)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Opens a house in the test's folder, `house(settings, clock=…, name=…)`; closed at the end."""
    from upwell.app.house import House, now

    with ExitStack() as opened:

        def open_house(
            settings: Settings | None = None,
            *,
            clock: Callable[[], dt.datetime] = now,
            name: str = "house",
        ) -> House:
            (tmp_path / name).mkdir(exist_ok=True)
            return opened.enter_context(closing(House(tmp_path / name, settings, clock)))

        yield open_house


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts a server in the test's folder, `serve(config_text)`; stopped at the end.

    `name` is its data directory's (the same name again: the same data), the rest is Served's.
    """
    with ExitStack() as running:

        def start(
            text: str | None = CONFIG, *words: str, name: str = "data", **rest: Any
        ) -> Served:
            config = None
            if text is not None:
                config = tmp_path / f"{name}.toml"
                config.write_text(text)
            served = Served(tmp_path / name, *words, config=config, **rest)
            running.callback(served.kill)
            return served

        yield start


def pytest_configure(config: pytest.Config) -> None:
    """Become the parent of orphans, to find them at the end."""
    config.stash[LEFT] = []
    leftovers.adopt()
    # Code is compiled once for all the processes that tests start, not by each of them anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; those of a stage of `make test` must be where the stage looks."""
    for item in items:
        for mark, folder in (("slow", "journeys"), ("browser", "browser"), ("faults", "faults")):
            if item.get_closest_marker(mark) and HERE / folder not in item.path.parents:
                raise pytest.UsageError(f"{item.nodeid} is marked {mark}: move it to {folder}/")

    def place(item: pytest.Item) -> int:
        own = item.path.relative_to(HERE).as_posix()
        return next((n for n, name in enumerate(LONG) if own.startswith(name)), len(LONG))

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take from a finished xdist worker what it found."""
    node.config.stash[LEFT] += getattr(node, "workeroutput", {}).get("left", [])


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that leaves processes behind."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:  # a worker tells the one that started it
        output["left"] = leftovers.left()
        return
    found = session.config.stash[LEFT]
    found += leftovers.left()
    if found and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what tests told, and name the processes."""
    for report in chain.from_iterable(terminalreporter.stats.values()):
        kept = getattr(report, "user_properties", ())
        said = [str(value) for name, value in kept if name == TOLD and report.when == "call"]
        if said:
            terminalreporter.write_line("\n".join([report.nodeid, *said]))
    for line in config.stash[LEFT]:
        terminalreporter.write_line(f"LEFT BEHIND: {line}", red=True)
