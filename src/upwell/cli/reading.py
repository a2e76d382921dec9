"""Commands about sources that are read: sync, pause, resume."""

from __future__ import annotations

import click

from upwell.cli.frame import Home, as_json, ask, places, put_facts, put_json


@click.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE…]")
@click.option(
    "--since",
    metavar="DATE",
    help="List everything again: Stripe's lists cannot say what changed since a day.",
)
@as_json
@places
def sync(home: Home, sources: tuple[str, ...], since: str | None, as_json: bool) -> int:
    """Read sources now: what is new, and what is missing of the past.

    It can be stopped at any time, and goes on from there.
    """
    done = ask(home, "sync", create=True, sources=list(sources), since=since)
    if as_json:
        put_json(done)
    else:
        for each in done["sources"]:
            click.echo(
                f"{'ok  ' if each['ok'] else 'FAIL'}  {each['id']}: {each['error'] or 'read'}"
            )
        put_facts({"events": done["stored"]})
    return 0 if all(each["ok"] for each in done["sources"]) else 1


@click.group()
def source() -> None:
    """Sources that are read."""


@source.command()
@click.argument("id")
@as_json
@places
def pause(home: Home, id: str, as_json: bool) -> None:
    """Stop reading a source; its webhooks are still kept."""
    done = ask(home, "source_pause", id=id, paused=True)
    put_json(done) if as_json else click.echo(f"{id}: paused")


@source.command()
@click.argument("id")
@as_json
@places
def resume(home: Home, id: str, as_json: bool) -> None:
    """Go on reading a source from where it was."""
    done = ask(home, "source_pause", id=id, paused=False)
    put_json(done) if as_json else click.echo(f"{id}: is read again")
