"""Commands about sources that are read and the customers they tell of: sync, pause, merge."""

from __future__ import annotations

from typing import Any

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


@click.group()
def customers() -> None:
    """Customers with several accounts."""


@customers.command()
@click.argument("names", nargs=-1, required=True, metavar="SOURCE:ID…")
@as_json
@places
def merge(home: Home, names: tuple[str, ...], as_json: bool) -> None:
    """Say that several accounts are one customer; `unmerge` takes it back."""
    _put_linked(ask(home, "customers_merge", customers=list(names)), as_json)


@customers.command()
@click.argument("names", nargs=-1, required=True, metavar="SOURCE:ID…")
@as_json
@places
def unmerge(home: Home, names: tuple[str, ...], as_json: bool) -> None:
    """Say that accounts are customers of their own, whatever the rules join."""
    _put_linked(ask(home, "customers_unmerge", customers=list(names)), as_json)


def _put_linked(done: dict[str, Any], as_json: bool) -> None:
    if as_json:
        put_json(done)
        return
    said = "one customer" if len(done["accounts"]) > 1 else "a customer of its own"
    click.echo(f"{', '.join(done['accounts'])}: {said}{'' if done['changed'] else ', as before'}")
