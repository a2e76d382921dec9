"""Commands that answer: query, rows, report, sources, alerts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from upwell.cli import answers
from upwell.cli.frame import Home, as_json, ask, places, put_facts, put_json, put_table


def split_pairs(pairs: Sequence[str], option: str) -> dict[str, str]:
    """`name=value` texts as a dict; a usage error for others."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name or not value:
            raise click.UsageError(f"{option} {pair}: write it as {option} name=value")
        found[name] = value
    return found


def _listed(words: Sequence[str]) -> list[str]:
    return [part for word in words for part in word.split(",") if part]


@click.command()
@click.argument("metric")
@click.option("--product", multiple=True, metavar="P", help="A product; may be given again.")
@click.option("--from", "start", metavar="DATE", help="The first day.")
@click.option("--to", "end", metavar="DATE", help="The day after the last one.")
@click.option(
    "--grain",
    type=click.Choice(["hour", "day", "week", "month", "quarter", "year"]),
    default="day",
    show_default=True,
)
@click.option("--by", metavar="DIMENSION", help="One series for each value: product, plan, …")
@click.option("--where", multiple=True, metavar="KEY=VALUE", help="Only events with this value.")
@click.option("--compare", metavar="previous|week|year|DAY..DAY", help="Beside earlier days.")
@click.option("--known-at", metavar="TIME", help="As it was known then.")
@click.option("--currency", metavar="CODE", help="Show money in another currency.")
@click.option("--policy", metavar="NAME", help="Other counting rules.")
@click.option("--segment", metavar="ID", help="Only the users of a segment, or their customers.")
@click.option("--over", metavar="3m", help="How far nrr and grr look back.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", "parquet"]),
    default="table",
    show_default=True,
)
@click.option("--explain", is_flag=True, help="Why it changed: each part's share of the change.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--out", metavar="FILE", help="Write to a file instead of the terminal.")
@places
def query(
    home: Home,
    metric: str,
    product: tuple[str, ...],
    start: str | None,
    end: str | None,
    where: tuple[str, ...],
    form: str,
    as_json: bool,
    out: str | None,
    explain: bool,
    **rest: str | None,
) -> None:
    """One answer: a metric over time, or why it changed."""
    form = "json" if as_json else form
    if form == "parquet" and out is None and sys.stdout.isatty():
        raise click.UsageError("Parquet is no text for a terminal: give --out FILE")
    question: dict[str, Any] = {
        "metric": metric,
        "product": _listed(product),
        "from": start,
        "to": end,
        "where": {key: _listed([word]) for key, word in split_pairs(where, "--where").items()},
        **rest,
    }
    kept = {name: value for name, value in question.items() if value}
    if explain:
        _explained(ask(home, "explain", question=kept), form)
        return
    answer = ask(home, "query", question=kept)
    if form == "table" and out is None:
        put_table(*answers.table(answer))
        for note in answers.notes(answer):
            click.echo(f"note: {note}", err=True)
        return
    _write(answer, form, out)


def _explained(found: dict[str, Any], form: str) -> None:
    if form == "json":
        put_json(found)
        return
    if form != "table":
        raise click.UsageError("--explain gives a table, or --format json")
    put_table(*answers.explained(found))
    notes = [found["note"], *(f"{one['by']}: {one['note']}" for one in found["splits"])]
    for note in notes:
        if note and not note.endswith(": "):
            click.echo(f"note: {note}", err=True)


def _write(answer: dict[str, Any], form: str, out: str | None) -> None:
    if form == "json" and out is None:
        put_json(answer)
        return
    if form == "json":
        body = msgspec.json.encode(answer)
    elif form in ("csv", "parquet"):
        from upwell.query import Answer, tables  # arrays: other commands start without them

        made = tables.table(msgspec.convert(answer, Answer))
        body = tables.as_csv(made) if form == "csv" else tables.as_parquet(made)
    else:
        headers, lines, _ = answers.table(answer)
        body = "".join("\t".join(line) + "\n" for line in [headers, *lines]).encode()
    if out:
        Path(out).write_bytes(body)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()


@click.command()
@click.argument("metric")
@click.option("--product", multiple=True, metavar="P")
@click.option("--from", "start", metavar="DATE")
@click.option("--to", "end", metavar="DATE")
@click.option("--by", metavar="DIMENSION")
@click.option("--key", metavar="VALUE", help="The value of the dimension.")
@click.option("--segment", metavar="ID", help="Only the users of a segment, or their customers.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--cursor", metavar="CURSOR", help="Go on where the last answer ended.")
@as_json
@places
def rows(
    home: Home,
    product: tuple[str, ...],
    start: str | None,
    end: str | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """The events behind a number, each with the delivery that brought it."""
    days = {"from": start, "to": end, "product": _listed(product)}
    given = {name: value for name, value in (days | rest).items() if value}
    found = ask(home, "rows", request=given)
    if as_json:
        put_json(found)
        return
    lines = [
        [
            event["timestamp"],
            event["product_id"],
            event["event_type"],
            event.get("actor_id"),
            f"{event.get('value', 1)} {event.get('currency') or ''}".strip(),
            row["delivery"]["seq"],
        ]
        for row in found["rows"]
        for event in [row["event"]]
    ]
    put_table(["time", "product", "type", "who", "value", "delivery"], lines, "value delivery")
    if found.get("cursor"):
        click.echo(f"more: --cursor {found['cursor']}", err=True)


@click.command()
@click.option("--month", metavar="YYYY-MM", help="The month reported on. [default: the last one]")
@click.option("--format", "forms", default="pdf", show_default=True, metavar="pdf,…")
@click.option("--out", default=".", metavar="DIR", help="Where the files are written.")
@as_json
@places
def report(home: Home, month: str | None, forms: str, out: str, as_json: bool) -> None:
    """The board report of a month."""
    directory = Path(out).absolute()
    made = ask(home, "report", month=month, formats=_listed([forms]), out=str(directory))
    if as_json:
        put_json(made)
        return
    for file in made["files"]:
        click.echo(file)


@click.command()
@as_json
@places
def sources(home: Home, as_json: bool) -> None:
    """Where data come from: how fresh each source is, and what could not be used."""
    found = ask(home, "sources")
    if as_json:
        put_json(found)
        return
    put_table(
        ["source", "kind", "state", "last received", "events", "unusable", "error"],
        [
            [
                each["id"],
                each.get("kind"),
                each["state"],
                each.get("last_received") or "never",
                f"{each.get('events', 0):,}",
                f"{each.get('dead_letters', 0):,}",
                each.get("error"),
            ]
            for each in found["sources"]
        ],
        "events unusable",
    )


@click.group()
def alerts() -> None:
    """The alert inbox, and judging a series of your own."""


@alerts.command("list")
@click.option("--all", "every", is_flag=True, help="The resolved ones too.")
@as_json
@places
def alerts_list(home: Home, every: bool, as_json: bool) -> None:
    """Open alerts, newest first."""
    found = ask(home, "alerts_list", every=every)
    if as_json:
        put_json(found)
        return
    put_table(
        ["id", "state", "severity", "opened", ""],
        [
            [each["id"], each["state"], each["severity"], each["opened_at"], each["sentence"]]
            for each in found["alerts"]
        ],
    )


def _act(action: str, says: str) -> click.Command:
    @alerts.command(action, help=says)
    @click.argument("alert")
    @as_json
    @places
    def act(home: Home, alert: str, as_json: bool) -> None:
        changed = ask(home, "alerts_act", id=alert, action=action)
        put_json(changed) if as_json else click.echo(f"{alert}: {changed['state']}")

    return act


_act("ack", "Say that someone is looking into it.")
_act("mute", "Send nothing more about it.")
_act("resolve", "Say that it is over.")


@alerts.command()
@click.option("--series", required=True, metavar="FILE.csv[.gz]", help="series,date,value,kind,…")
@click.option("--out", required=True, metavar="SCORES.jsonl")
def backtest(series: str, out: str) -> None:
    """Judge daily series: each day by the days before it."""
    from upwell.alerts import backtest as backtesting  # numpy: other commands start without it

    days = backtesting.run(Path(series), Path(out))
    put_facts({"days_judged": days, "written": out})
