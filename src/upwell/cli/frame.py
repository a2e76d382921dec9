"""What every command shares: where the data are, asking the house, progress, errors, tables."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import click
import msgspec

from upwell import control
from upwell.errors import NotFound, Problem

DATA = "upwell-data"
LINE_EVERY = 2.0  # seconds between lines of progress where there is no terminal

F = TypeVar("F", bound=Callable[..., Any])


class Parts(Protocol):
    """What the commands need of the house below them; `upwell.app` is it."""

    def house(self, data: Path, config: Path | None) -> AbstractContextManager[object]:
        """The object whose methods are the commands, opened on a directory that is owned."""
        ...

    def serve(self, *, data: Path, config: Path | None, host: str, port: int) -> None:
        """The server, until it is told to stop."""
        ...

    def demo(self, *, data: Path, port: int, scale: float) -> None:
        """The demo company, until it is told to stop."""
        ...


class Home(NamedTuple):
    """The data directory and the configuration that a command works on."""

    data: Path
    config: Path | None


def home_of(data: str, config: str | None, env: Mapping[str, str] = os.environ) -> Home:
    """Where the configuration is: as given, UPWELL_CONFIG, ./upwell.toml, DATA/upwell.toml."""
    directory = Path(data)
    said = config or env.get("UPWELL_CONFIG")
    if said:
        return Home(directory, Path(said))
    for path in (Path("upwell.toml"), directory / "upwell.toml"):
        if path.is_file():
            return Home(directory, path)
    return Home(directory, None)


def places(command: F) -> F:
    """Adds --data and --config, and hands the command a `home`."""

    def with_home(*args: Any, data: str, config: str | None, **rest: Any) -> Any:
        return command(*args, home=home_of(data, config), **rest)

    with_home.__name__, with_home.__doc__ = command.__name__, command.__doc__
    with_home.__dict__.update(command.__dict__)
    data = click.option(
        "--data",
        metavar="DIR",
        envvar="UPWELL_DATA",
        default=DATA,
        help=f"The data directory. [default: UPWELL_DATA or ./{DATA}]",
    )
    config = click.option(
        "--config",
        metavar="FILE",
        help="The configuration. [default: UPWELL_CONFIG, ./upwell.toml or DATA/upwell.toml]",
    )
    return data(config(with_home))  # type: ignore[return-value]


as_json = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")


def ask(home: Home, command: str, *, create: bool = False, **args: Any) -> Any:
    """The result of a command of the house, through its server or by opening it here.

    `create` allows a data directory that does not exist yet.
    """
    if not create and not home.data.is_dir():
        raise NotFound(
            "no_data",
            f"There is no data directory {home.data}.",
            fix="Give it with --data, or begin with: upwell demo",
            where=str(home.data),
        )
    load: Callable[[], Parts] = click.get_current_context().obj

    @contextlib.contextmanager
    def house() -> Iterator[Mapping[str, control.Handler]]:
        # Loaded only where no server answers: it takes longer than most questions.
        with load().house(home.data, home.config) as commands:
            yield control.handlers(commands)

    given = {name: value for name, value in args.items() if value is not None}
    with _told(command.replace("_", " ")) as tell:
        return control.call(home.data, command, given, tell, house=house)


@contextlib.contextmanager
def _told(label: str) -> Iterator[control.Progress]:
    """Shows progress on standard error: a bar on a terminal, a line now and then elsewhere."""
    if not sys.stderr.isatty():
        yield _Lines(label)
        return
    # A third of a second to load: only for a terminal.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[counts]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None, counts="")

        def show(step: dict[str, Any]) -> None:
            bar.update(
                task,
                description=step.get("label", label),
                completed=step.get("done", 0),
                total=step.get("total"),
                counts=_counts(step),
            )

        yield show


class _Lines:
    def __init__(self, label: str) -> None:
        self._label = label
        self._last = time.monotonic()

    def __call__(self, step: dict[str, Any]) -> None:
        now = time.monotonic()
        if now - self._last >= LINE_EVERY:
            self._last = now
            click.echo(f"{step.get('label', self._label)}: {_counts(step)}", err=True)


def _counts(step: Mapping[str, Any]) -> str:
    done, total = step.get("done"), step.get("total")
    if done is None:
        return ""
    if step.get("of") == "share":
        return f"{done} %"
    return f"{done:,} of {total:,}" if total else f"{done:,}"


def fail(problems: Sequence[Problem], word: str = "error") -> None:
    """Each problem on standard error: what is wrong, where, and what to change."""
    for problem in problems:
        click.echo(f"{word}: {problem.message}", err=True)
        if problem.where and problem.where not in problem.message:
            click.echo(f"where: {problem.where}", err=True)
        if problem.fix:
            click.echo(f"fix: {problem.fix}", err=True)


def put_json(value: Any) -> None:
    """The value as one JSON document on standard output."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def put_table(headers: Sequence[str], rows: Sequence[Sequence[Any]], right: str = "") -> None:
    """A table on standard output; `right` names the headers whose cells stand on the right."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    numeric = right.split()
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        for header in headers:
            table.add_column(header, justify="right" if header in numeric else "left")
        for row in cells:
            table.add_row(*row)
        Console(markup=False, highlight=False).print(table)
        return
    widths = [
        max([len(header), *(len(row[n]) for row in cells)]) for n, header in enumerate(headers)
    ]
    for row in [list(headers), *cells]:
        shown = [
            cell.rjust(width) if header in numeric else cell.ljust(width)
            for header, cell, width in zip(headers, row, widths, strict=True)
        ]
        click.echo("  ".join(shown).rstrip())


def put_facts(facts: Mapping[str, Any]) -> None:
    """One `name: value` a line."""
    for name, value in facts.items():
        if isinstance(value, (dict, list)):
            value = msgspec.json.encode(value).decode()
        shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value
        click.echo(f"{name.replace('_', ' ')}: {shown}")
