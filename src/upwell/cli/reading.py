"""Commands about sources that are read and the customers they tell of: sync, add, reset, merge."""

from __future__ import annotations

from typing import Any

import click

from upwell.cli.frame import Home, as_json, ask, places, put_facts, put_json, put_table
from upwell.cli.given import pairs_of, pointed, prompted, secret_at


@click.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE…]")
@click.option(
    "--since",
    metavar="DATE",
    help="List again from this day on; lists of what may change later are read whole.",
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
            said = f"{each['error'] or 'read'} {each.get('fix', '')}".rstrip()
            click.echo(f"{'ok  ' if each['ok'] else 'FAIL'}  {each['id']}: {said}")
        for line in done["listed"]:
            click.echo(f"      {line}")
        for line in done["doubts"]:
            click.echo(f"      {line}")
        put_facts({"events": done["stored"]})
    return 0 if all(each["ok"] for each in done["sources"]) else 1


@click.group()
def source() -> None:
    """Sources that are read."""


_api_key = click.option(
    "--api-key",
    metavar="env:NAME|file:PATH",
    help="Where the key is; left out, it is asked for. It is kept in DATA/secrets.",
)
_webhook_secret = click.option(
    "--webhook-secret", metavar="env:NAME|file:PATH", help="The signing secret of the webhook."
)


@source.command()
@click.argument("kind", metavar="KIND")
@click.option("--id", "id", required=True, metavar="ID", help="What it is called: a-z, 0-9, -, _.")
@click.option("--name", default="", help="What people call it.")
@click.option("--product", metavar="P", help="Everything of the account is this product.")
@click.option("--product-from", metavar="metadata.KEY", help="Each object names its product.")
@_api_key
@_webhook_secret
@click.option("--api-base", default="", metavar="URL", help="Where Stripe's API is.")
@click.option(
    "--set",
    "keys",
    multiple=True,
    metavar="KEY=VALUE",
    help="A key of its table, for every kind but stripe; secrets as env:NAME or file:PATH.",
)
@as_json
@places
def add(
    home: Home,
    kind: str,
    id: str,
    product: str | None,
    product_from: str | None,
    api_key: str | None,
    webhook_secret: str | None,
    keys: tuple[str, ...],
    as_json: bool,
    **rest: str,
) -> None:
    """Connect a source: tries its credentials, keeps it, and begins to read.

    KIND is stripe, mixpanel, ga4, sql or one that another package adds; what keys each has stands
    in docs/reference/configuration.md. Of a Stripe account it shows what it sells.
    """
    if product and product_from:
        raise click.UsageError("give --product or --product-from, not both")
    if kind != "stripe":
        named = {"product": product, "product_from": product_from}
        table = {name: value for name, value in named.items() if value} | pairs_of(keys)
        asked = {"id": id, "kind": kind, "name": rest["name"], "settings": table}
        made = ask(home, "source_connect", create=True, asked=asked)
        put_json(made) if as_json else _put_connected(made)
        return
    given = {"product": product, "product_from": product_from}
    asked = {name: value for name, value in (given | rest).items() if value}
    asked |= {"id": id, "api_key": secret_at(api_key, "--api-key")}
    if webhook_secret:
        asked["webhook_secret"] = secret_at(webhook_secret, "--webhook-secret")
    made = ask(home, "source_add", create=True, asked=asked)
    put_json(made) if as_json else _put_account(made)


@source.command()
@click.argument("sql", metavar="SELECT")
@click.option("--url", required=True, metavar="env:NAME|file:PATH", help="The database.")
@click.option("--credentials", metavar="env:NAME|file:PATH", help="The key for BigQuery.")
@click.option("--product", metavar="P", help="Everything is this product.")
@click.option(
    "--set",
    "keys",
    multiple=True,
    metavar="KEY=VALUE",
    help="A key of the query: event_type, timestamp, key, actor_id, value, currency, snapshot.",
)
@as_json
@places
def preview(
    home: Home,
    sql: str,
    url: str,
    credentials: str | None,
    product: str | None,
    keys: tuple[str, ...],
    as_json: bool,
) -> int:
    """Try a query of a database: its first rows, and the events they would become.

    Nothing is kept. Without a mapping it says which columns there are.
    """
    query: dict[str, Any] = {"name": "preview", **pairs_of(keys), "sql": sql}
    if "snapshot" in query:
        query["snapshot"] = query["snapshot"] == "true"
    if "metadata" in query:
        query["metadata"] = query["metadata"].split(",")
    table: dict[str, Any] = {"url": secret_at(url, "--url"), "queries": [query]}
    if credentials:
        table["credentials"] = secret_at(credentials, "--credentials")
    if product:
        table["product"] = product
    found = ask(home, "source_preview", create=True, settings=table)
    put_json(found) if as_json else _put_preview(found)
    return 1 if found["problem"] else 0


def _put_preview(found: dict[str, Any]) -> None:
    click.echo(found["server"])
    names = [column["name"] for column in found["columns"]]
    put_table(names, [[cell or "" for cell in row] for row in found["rows"]])
    if problem := found["problem"]:
        click.echo(f"error: {problem['message']}")
        click.echo(f"fix: {problem['fix']}")
    if found["problem"] and found["guessed"]:
        named = " ".join(f"--set {field}={name}" for field, name in found["guessed"].items())
        click.echo(f"next: perhaps {named}")
    events = [one["event"] for one in found["events"]]
    if events:
        fields = ("timestamp", "event_type", "product_id", "actor_id", "value", "currency")
        put_table(fields, [[str(event.get(field) or "") for field in fields] for event in events])
    for one in found["refused"]:
        click.echo(f"not used: {one['reason']}")


def _kind(home: Home, id: str) -> str:
    kind: str = ask(home, "source_show", id=id)["source"]["kind"]
    return kind


def _put_connected(made: dict[str, Any]) -> None:
    click.echo(f"{made['source']} is connected")
    for line in made["found"]:
        click.echo(f"  {line}")


@source.command()
@click.argument("id", metavar="SOURCE")
@_api_key
@_webhook_secret
@click.option(
    "--set",
    "keys",
    multiple=True,
    metavar="KEY=env:NAME|file:PATH",
    help="A secret of its table, for every kind but stripe.",
)
@as_json
@places
def renew(
    home: Home,
    id: str,
    api_key: str | None,
    webhook_secret: str | None,
    keys: tuple[str, ...],
    as_json: bool,
) -> None:
    """Replace its key or another secret; reading goes on where it was.

    The new one is tried first: one that is refused changes nothing. Without options it is asked
    for.
    """
    if keys and (api_key or webhook_secret):
        raise click.UsageError("--api-key and --webhook-secret are of Stripe; of others, --set")
    kind = "" if api_key or webhook_secret or keys else _kind(home, id)
    if keys or kind not in ("", "stripe"):
        secrets = pointed(keys) if keys else prompted(kind)
        made = ask(home, "source_secrets", id=id, secrets=secrets)
        if as_json:
            put_json(made)
            return
        click.echo(f"{id}: {' and '.join(secrets).replace('_', ' ')} replaced")
        for line in made["found"]:
            click.echo(f"  {line}")
        return
    asked = {}
    if api_key or not webhook_secret:
        asked["api_key"] = secret_at(api_key, "--api-key")
    if webhook_secret:
        asked["webhook_secret"] = secret_at(webhook_secret, "--webhook-secret")
    done = ask(home, "source_renew", id=id, asked=asked)
    if as_json:
        put_json(done)
        return
    click.echo(f"{id}: {' and '.join(asked).replace('_', ' ')} replaced")
    _put_missing(done)


@source.command()
@click.argument("id", metavar="SOURCE")
@click.argument("pairs", nargs=-1, required=True, metavar="prod_…=PRODUCT…")
@as_json
@places
def assign(home: Home, id: str, pairs: tuple[str, ...], as_json: bool) -> None:
    """Say which of your products Stripe's products or prices are; it is counted again."""
    found = [pair.partition("=") for pair in pairs]
    for (theirs, _, ours), pair in zip(found, pairs, strict=True):
        if not theirs or not ours:
            raise click.UsageError(f"{pair}: write it as prod_…=PRODUCT")
    products = {theirs: ours for theirs, _, ours in found}
    done = ask(home, "source_assign", id=id, products=products)
    put_json(done) if as_json else click.echo(f"{id}: {len(products)} assigned, counted again")


@source.command()
@click.argument("id", metavar="SOURCE")
@click.option("--to", required=True, metavar="DATE", help="The first day that is read again.")
@as_json
@places
def reset(home: Home, id: str, to: str, as_json: bool) -> None:
    """Read it again from a day on; what is here already is not counted twice."""
    done = ask(home, "source_reset", id=id, to=to)
    if as_json:
        put_json(done)
        return
    click.echo(f"{id}: {'is read' if done['reading'] else 'will be read'} again")
    for line in done["listed"]:
        click.echo(f"  {line}")
    if done["paused"]:
        click.echo(f"next: upwell source resume {id}")
    elif not done["reading"]:
        click.echo(f"next: upwell sync {id}")


def _put_account(made: dict[str, Any]) -> None:
    id_, mode = made["source"], {True: "live data", False: "test data"}.get(made["livemode"])
    said = [part for part in (made["account"], mode) if part]
    click.echo(f"{id_}: connected{', ' if said else ''}{', '.join(said)}")
    _put_missing(made)
    put_table(
        ["product of Stripe's", "id", "prices", "subscriptions", "belongs to"],
        [
            [
                sold["name"],
                sold["id"],
                len(sold["prices"]),
                "many" if sold["active_subscriptions"] is None else sold["active_subscriptions"],
                sold["assigned_to"] or "–",
            ]
            for sold in made["products"]
        ],
        "prices subscriptions",
    )
    loose = [sold["id"] for sold in made["products"] if not sold["assigned_to"]]
    if loose:
        click.echo(f"next: upwell source assign {id_} {loose[0]}=PRODUCT …")
    click.echo(f"next: upwell sync {id_}, or let the server read it")
    click.echo(f"webhooks, where Stripe can reach this server: {made['webhook']}")


def _put_missing(made: dict[str, Any]) -> None:
    missing = [one["name"] for one in made["permissions"] if not one["ok"]]
    if missing:
        click.echo(f"the key may not read: {', '.join(missing)}. Give it read access in Stripe.")
    else:
        click.echo("the key may read everything that is needed")


@source.command()
@click.argument("id", metavar="SOURCE")
@as_json
@places
def pause(home: Home, id: str, as_json: bool) -> None:
    """Stop reading a source; its webhooks are still kept."""
    done = ask(home, "source_pause", id=id, paused=True)
    put_json(done) if as_json else click.echo(f"{id}: paused")


@source.command()
@click.argument("id", metavar="SOURCE")
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


@source.command("list")
@as_json
@places
def list_(home: Home, as_json: bool) -> int:
    """Every source: how it is doing, and up to when all of it is here."""
    found = ask(home, "sources")
    if as_json:
        put_json(found)
        return 0
    put_table(
        ["source", "kind", "products", "state", "received", "complete_through", "events", "unused"],
        [
            [
                each["id"],
                each["kind"],
                " ".join(each["products"]),
                _state(each),
                _moment(each["last_received"]),
                _moment(each.get("complete_to")),
                f"{each['events']:,}",
                f"{each['dead_letters']:,}",
            ]
            for each in found["sources"]
        ],
        "events unused",
    )
    for each in found["sources"]:
        if each["error"]:
            click.echo(f"{each['id']}: {each['error']} {each['fix']}".rstrip(), err=True)
        if each.get("reading"):
            click.echo(f"{each['id']}: {_reading(each['reading'])}", err=True)
    return 0


@source.command()
@click.argument("id", metavar="SOURCE")
@as_json
@places
def show(home: Home, id: str, as_json: bool) -> None:
    """One source: its state, its events, what changed of them, what could not be used."""
    found = ask(home, "source_show", id=id)
    if as_json:
        put_json(found)
        return
    one, health = found["source"], found["health"]
    facts = {
        "source": id,
        "kind": one["kind"],
        "products": " ".join(one["products"]),
        "state": _state(one),
        "why": one["error"],
        "next": one.get("fix"),
        "numbers_stand_still_since": _moment(one.get("complete_to")) if one.get("late") else "",
        "complete_through": _moment(one.get("complete_to")),
        "last_received": _moment(one["last_received"]),
        "events": one["events"],
        "reading": _reading(one["reading"]) if one.get("reading") else "",
    }
    put_facts({name: value for name, value in facts.items() if value})
    for change in health["drift"]:
        click.echo(f"changed: {change['event']}: {change['text']}")
    for one in health["unusable"]:
        click.echo(f"could not use: {one['records']:,}: {one['reason']} {one['fix']}")
    put_table(
        ["event", "type", "events", "first", "last"],
        [
            [
                each["name"],
                each["type"],
                f"{each['events']:,}",
                each["first_seen"],
                each["last_seen"],
            ]
            for each in health["events"]
        ],
        "events",
    )


def _state(one: dict[str, Any]) -> str:
    """The state in a few words, as the page has it."""
    if one["state"] == "failed":
        return f"failed: {one['failed']}"
    return "late" if one.get("late") == "late" and one["state"] != "paused" else str(one["state"])


def _moment(text: str | None) -> str:
    return text[:16].replace("T", " ") if text else ""


def _reading(one: dict[str, Any]) -> str:
    left = "" if one["seconds_left"] is None else f", about {one['seconds_left']:,.0f} s left"
    slices = f"{one['done']:,} of {one['total']:,}"
    return (
        f"reading {one['label']}: {slices}, {one['rows']:,} rows, {one['rate']:,.0f} a second{left}"
    )
