"""Commands that change or check what is kept: import, retract, rebuild, verify, keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from upwell.cli.asking import split_pairs
from upwell.cli.frame import Home, as_json, ask, places, put_facts, put_json, put_table


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--product", metavar="P", help="The product that the rows belong to.")
@click.option("--source", required=True, metavar="S", help="A name for where the file is from.")
@click.option(
    "--map",
    "pairs",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Which column is timestamp, actor_id, value, currency, event_type, product_id, "
    "idempotency_key or metadata.NAME: its name, its number from 1, or a path in JSON.",
)
@click.option("--type", "kind", metavar="TYPE", help="The event type of every row.")
@click.option("--currency", metavar="CODE", help="Of amounts whose row names none.")
@click.option("--zone", metavar="ZONE", help="Of times without one. [default: the workspace's]")
@click.option("--date-format", metavar="FORMAT", help="As in strptime: %Y%m%d, %d.%m.%Y %H:%M")
@click.option("--delimiter", metavar="D", help="A letter, or: comma semicolon tab whitespace.")
@click.option("--preview", is_flag=True, help="Show how the first rows are read; keep nothing.")
@as_json
@places
def import_files(
    home: Home,
    files: tuple[str, ...],
    pairs: tuple[str, ...],
    kind: str | None,
    preview: bool,
    as_json: bool,
    **options: str | None,
) -> None:
    """CSV, JSONL or Parquet files, through the journal.

    The same file again adds nothing. An import is undone with: upwell retract --import ID
    """
    said: dict[str, Any] = {
        **options,
        "type": kind,
        "map": split_pairs(pairs, "--map"),
    }
    given = {name: value for name, value in said.items() if value}
    results = []
    for file in files:
        path = str(Path(file).absolute())
        result = ask(home, "import_file", create=True, path=path, options=given, preview=preview)
        results.append(result)
        if not as_json:
            _put_preview(result) if preview else _put_import(file, result)
    if as_json:
        put_json(results if len(files) > 1 else results[0])


def _put_preview(preview: dict[str, Any]) -> None:
    put_table(
        ["time", "product", "type", "who", "value", "metadata"],
        [
            [
                event["timestamp"],
                event["product_id"],
                event["event_type"],
                event["actor_id"],
                f"{event['value']} {event['currency'] or ''}".strip(),
                " ".join(f"{name}={value}" for name, value in event["metadata"].items()),
            ]
            for event in preview["events"]
        ],
        "value",
    )
    put_facts(
        {
            "file": preview["file"],
            "records": preview["records"],
            "honest_repeats": preview["repeats"],
            "usable": f"{preview['usable']:,} of the first {preview['looked_at']:,}",
        }
    )
    _put_refused(preview["refused"], len(preview["refused"]))


def _put_import(file: str, result: dict[str, Any]) -> None:
    facts = {"file": file, "rows": result["usable"] + result["refused_rows"]}
    for name in ("stored", "repeats"):
        if result.get(name) is not None:
            facts[name] = result[name]
    facts |= {"refused": result["refused_rows"], "import": result["import_id"]}
    put_facts(facts)
    _put_refused(result["refused"], result["refused_rows"])


def _put_refused(rows: list[dict[str, Any]], total: int) -> None:
    for row in rows:
        click.echo(row["reason"], err=True)
    if total > len(rows):
        click.echo(f"… and {total - len(rows):,} more: upwell dead-letters list", err=True)


def _put(result: dict[str, Any], as_json: bool) -> None:
    put_json(result) if as_json else put_facts(result)


@click.command()
@click.option("--delivery", type=int, metavar="N", help="Everything that came with this delivery.")
@click.option("--import", "import_id", metavar="ID", help="Everything of this import.")
@click.option("--undo", is_flag=True, help="Bring it back.")
@as_json
@places
def retract(
    home: Home, delivery: int | None, import_id: str | None, undo: bool, as_json: bool
) -> None:
    """Take back what a delivery or an import brought; reversible."""
    if (delivery is None) == (import_id is None):
        raise click.UsageError("Give either --delivery N or --import ID")
    _put(ask(home, "retract", delivery=delivery, import_id=import_id, undo=undo), as_json)


@click.command()
@click.argument("month", metavar="MONTH")
@click.option("--reopen", is_flag=True, help="Open it again, and every month after it.")
@as_json
@places
def close(home: Home, month: str, reopen: bool, as_json: bool) -> None:
    """Close a month, such as 2026-01, and every month before it."""
    _put(ask(home, "close", month=month, reopen=reopen), as_json)


@click.command()
@as_json
@places
def rebuild(home: Home, as_json: bool) -> None:
    """Drop the sums and fold the stored events again."""
    _put(ask(home, "rebuild"), as_json)


@click.command()
@click.option("--source", required=True, metavar="S")
@click.option("--from", "since", metavar="TIME", help="Only what was received from then on.")
@as_json
@places
def retranslate(home: Home, source: str, since: str | None, as_json: bool) -> None:
    """Read a source's raw bytes again with today's parser; the new reading supersedes."""
    _put(ask(home, "retranslate", source=source, since=since), as_json)


@click.command()
@as_json
@places
def verify(home: Home, as_json: bool) -> int:
    """Check that sums, events and journal agree."""
    found = ask(home, "verify")
    if as_json:
        put_json(found)
    else:
        for check in found["checks"]:
            click.echo(f"{'ok  ' if check['ok'] else 'FAIL'}  {check['name']}: {check['detail']}")
    return 0 if found["ok"] else 1


@click.group("dead-letters")
def dead_letters() -> None:
    """What could not be used, why, and trying again."""


@dead_letters.command("list")
@click.option("--source", metavar="S")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@as_json
@places
def dead_list(home: Home, source: str | None, limit: int, as_json: bool) -> None:
    """The newest ones first."""
    found = ask(home, "dead_letters", source=source, limit=limit)
    if as_json:
        put_json(found)
        return
    put_table(
        ["delivery", "index", "source", "recorded", "code", "reason"],
        [
            [d["seq"], d["idx"], d["source"], d["recorded_at"], d["code"], d["reason"]]
            for d in found["dead_letters"]
        ],
        "delivery index",
    )


@dead_letters.command("show")
@click.argument("delivery", type=int)
@click.argument("index", type=int, required=False)
@as_json
@places
def dead_show(home: Home, delivery: int, index: int | None, as_json: bool) -> None:
    """One delivery's dead letters, with the record as it came."""
    found = ask(home, "dead_letters", seq=delivery, idx=index)
    if as_json:
        put_json(found)
        return
    for letter in found["dead_letters"]:
        put_facts({name: value for name, value in letter.items() if name != "text"})
        if letter.get("text"):
            click.echo(letter["text"])


@dead_letters.command("replay")
@click.option("--delivery", type=int, metavar="N", help="Only this delivery.")
@click.option("--source", metavar="S", help="Only this source.")
@as_json
@places
def dead_replay(home: Home, delivery: int | None, source: str | None, as_json: bool) -> None:
    """Try them again, after what was wrong has been mended."""
    _put(ask(home, "replay", seq=delivery, source=source), as_json)


@click.group()
def key() -> None:
    """API keys."""


@key.command("create")
@click.option("--name", required=True, metavar="N")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(["ingest", "read", "admin"]),
)
@click.option("--product", "products", multiple=True, metavar="P", help="Only these products.")
@click.option(
    "--public", is_flag=True, help="For pages that everybody can read: it can only send events."
)
@click.option("--origin", "origins", multiple=True, metavar="SITE", help="The site of such pages.")
@as_json
@places
def key_create(
    home: Home,
    name: str,
    scopes: tuple[str, ...],
    products: tuple[str, ...],
    public: bool,
    origins: tuple[str, ...],
    as_json: bool,
) -> None:
    """A new key; it is shown once, and works at once."""
    if public != bool(origins):
        raise click.UsageError(
            "A public key needs both: --public --origin https://www.acme.example"
        )
    made = ask(
        home,
        "key_create",
        create=True,
        name=name,
        scopes=list(scopes),
        products=[p for word in products for p in word.split(",")] or None,
        origins=list(origins),
    )
    if as_json:
        put_json(made)
        return
    click.echo(made["key"])
    click.echo(f"{made['id']}: keep it now, it is not shown again.", err=True)


@key.command("list")
@as_json
@places
def key_list(home: Home, as_json: bool) -> None:
    """All keys, without their secrets."""
    found = ask(home, "key_list")
    if as_json:
        put_json(found)
        return
    put_table(
        ["id", "name", "scopes", "products", "sites", "created", "revoked"],
        [
            [
                each["id"],
                each["name"],
                " ".join(each["scopes"]),
                " ".join(each["products"]) if each.get("products") else "all",
                " ".join(each.get("origins") or ()),
                each["created_at"],
                each.get("revoked_at"),
            ]
            for each in found["keys"]
        ],
    )


@key.command("revoke")
@click.argument("id")
@as_json
@places
def key_revoke(home: Home, id: str, as_json: bool) -> None:
    """End a key for good."""
    done = ask(home, "key_revoke", id=id)
    put_json(done) if as_json else click.echo(f"{id}: revoked")
