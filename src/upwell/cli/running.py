"""Commands about the server itself: serve, demo, check, config, version."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Any

import click

from upwell import __version__, control, settings
from upwell.cli.frame import Home, Parts, as_json, ask, fail, places, put_facts, put_json
from upwell.errors import Problem, Unavailable

DEMO_DATA = "demo-data"


def read_settings(home: Home) -> settings.Settings:
    """The configuration, with the metrics and event types that it names checked too."""
    from upwell.app.owned import names  # pyarrow: `upwell version` starts without it

    return settings.load(home.config, os.environ, names())


def port_taken(port: int) -> Unavailable:
    """The error for a port that another process listens on."""
    return Unavailable(
        "port_taken",
        f"Port {port} is taken by another process.",
        fix=f"Stop it, or choose another: --port {port + 1}",
        where=f"port {port}",
    )


def check_port(host: str, port: int) -> None:
    """Raises Unavailable where the address cannot be listened on; before anything is opened."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise click.UsageError(f"--host {host} is no address of this machine") from None
    family, kind, _, _, address = found[0]
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise port_taken(port) from None
            raise Unavailable(
                "port_refused",
                f"{host}:{port} cannot be listened on: {error.strerror}.",
                fix="Ports below 1024 need rights; choose another with --port.",
            ) from None


_port = click.option(
    "--port", type=click.IntRange(1, 65_535), default=8000, show_default=True, envvar="UPWELL_PORT"
)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, envvar="UPWELL_HOST")
@_port
@places
def serve(home: Home, host: str, port: int) -> None:
    """The server."""
    read_settings(home)  # what is wrong is said before anything starts
    check_port(host, port)
    house: Parts = click.get_current_context().obj()
    try:
        house.serve(data=home.data, config=home.config, host=host, port=port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise port_taken(port) from None
        raise


@click.command()
@_port
@click.option("--data", metavar="DIR", default=DEMO_DATA, show_default=True)
@click.option("--scale", type=click.FloatRange(0.01, 100), default=1.0, show_default=True)
def demo(data: str, port: int, scale: float) -> None:
    """A company with 12 products, 24 months of history, and live events."""
    check_port("127.0.0.1", port)
    house: Parts = click.get_current_context().obj()
    house.demo(data=Path(data), port=port, scale=scale)


@click.command()
@as_json
@places
def check(home: Home, as_json: bool) -> int:
    """Read the configuration, try what it names, and say what is wrong and how to mend it."""
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    level = 0
    try:
        read = read_settings(home)
    except settings.ConfigError as error:
        problems, level = error.problems, 2
    else:
        if home.data.is_dir():
            config = str(home.config.absolute()) if home.config else None
            tried = ask(home, "check", config=config)
            problems = tuple(Problem(**each) for each in tried["problems"])
            warnings = tuple(Problem(**each) for each in tried["warnings"])
            level = 1 if problems else 0
    if as_json:
        put_json({"ok": not problems, "problems": problems, "warnings": warnings})
        return level
    fail(problems)
    fail(warnings, "warning")
    if not problems:
        where = home.config or "no configuration: an empty workspace"
        click.echo(f"ok: {where}")
        click.echo(
            f"{len(read.products)} products, {len(read.sources)} sources, "
            f"{len(read.channels)} channels, {len(read.alerts)} alerts"
        )
    return level


@click.group()
def config() -> None:
    """The configuration."""


@config.command()
@places
def export(home: Home) -> None:
    """What holds now, as a file; secrets written inline are hidden."""
    if home.data.is_dir():
        click.echo(ask(home, "config_export")["toml"], nl=False)
    else:
        click.echo(settings.export(read_settings(home)), nl=False)


@click.command()
@click.option("--data", metavar="DIR", help="Say which version holds this data directory, too.")
@as_json
def version(data: str | None, as_json: bool) -> None:
    """The version of Upwell, and of what holds a data directory."""
    said: dict[str, Any] = {"version": __version__}
    if data is not None:
        said |= ask(Home(Path(data), None), "about")
        said["served"] = control.running(Path(data))
    if as_json:
        put_json(said)
        return
    click.echo(f"upwell {__version__}")
    if data is not None:
        put_facts({name: value for name, value in said.items() if name != "version"})
