"""The command that asks how products are used: funnels, retention, lifecycle, stickiness, paths."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from upwell.cli.frame import Home, ask, places, put_json, put_table
from upwell.errors import Rejected


class Sheet(NamedTuple):
    """An answer as a table; `right` names the headers of numbers."""

    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]
    right: str


def _funnel(answer: dict[str, Any]) -> Sheet:
    fields = ("count", "conversion", "step_conversion", "median_seconds", "dropped", "open")
    headers = ["step", "users", "of-first", "of-before", "median", "dropped", "open"]
    rows = [
        [
            step["label"],
            f"{step['count']:,}",
            _share(step["conversion"]),
            _share(step["step_conversion"]),
            "" if step["median_seconds"] is None else f"{step['median_seconds']:,.0f} s",
            *(f"{step[name]:,}" for name in fields[4:]),
        ]
        for step in answer["steps"]
    ]
    return Sheet(headers, rows, " ".join(headers[1:]))


def _retention(answer: dict[str, Any]) -> Sheet:
    columns = [str(k) for k in range(len(answer["mean"]))]
    rows = [
        [cohort["start"], f"{cohort['size']:,}", *cohort["values"]] for cohort in answer["cohorts"]
    ]
    means = ["mean", "", *(_share(mean) for mean in answer["mean"])]
    return Sheet(["cohort", "size", *columns], [*rows, means], " ".join(["size", *columns]))


def _lifecycle(answer: dict[str, Any]) -> Sheet:
    names = ("new", "returning", "resurrecting", "dormant", "active")
    rows = [
        [point["start"], *(f"{point[name]:,}" for name in names), _so_far(point["complete"])]
        for point in answer["points"]
    ]
    return Sheet(["start", *names, ""], rows, " ".join(names))


def _stickiness(answer: dict[str, Any]) -> Sheet:
    pairs = enumerate(zip(answer["exact"], answer["cumulative"], strict=True), 1)
    rows = [[str(times), f"{exact:,}", f"{more:,}"] for times, (exact, more) in pairs]
    return Sheet(["times", "exactly", "or-more"], rows, "times exactly or-more")


def _paths(answer: dict[str, Any]) -> Sheet:
    rows = [
        [
            edge["source"],
            edge["target"],
            f"{edge['transitions']:,}",
            f"{edge['actors']:,}",
            f"{edge['mean_seconds']:,.0f} s",
        ]
        for edge in answer["edges"]
    ]
    return Sheet(["from", "to", "times", "users", "mean"], rows, "times users mean")


def _people(answer: dict[str, Any]) -> Sheet:
    names = ("id", "product", "first_seen", "last_seen")
    rows = [
        [*(person[name] for name in names), f"{person['events']:,}"] for person in answer["people"]
    ]
    return Sheet(["user", "product", "first seen", "last seen", "events"], rows, "events")


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _so_far(complete: bool) -> str:
    return "" if complete else "so far"


SHEETS: dict[str, Callable[[dict[str, Any]], Sheet]] = {
    "funnel": _funnel,
    "retention": _retention,
    "lifecycle": _lifecycle,
    "stickiness": _stickiness,
    "paths": _paths,
    "people": _people,
}


@click.command("ask")
@click.argument("kind", type=click.Choice(list(SHEETS)))
@click.argument("body", metavar="BODY.json|-")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
)
@places
def ask_usage(home: Home, kind: str, body: str, form: str) -> None:
    """How products are used: a question as POST /v1/KIND takes it, from a file or - for stdin."""
    answer = ask(home, "usage", kind=kind, body=_read(body))
    if form == "json":
        put_json(answer)
        return
    put_table(*SHEETS[kind](answer))
    if said := answer.get("rule"):
        click.echo(f"note: {said}", err=True)
    if answer.get("cursor"):
        click.echo(f"more: of {answer['total']:,}, with cursor {answer['cursor']}", err=True)


def _read(body: str) -> Any:
    try:
        text = sys.stdin.buffer.read() if body == "-" else Path(body).read_bytes()
        return msgspec.json.decode(text)
    except OSError as error:
        raise Rejected("no_file", f"{body} cannot be read: {error.strerror}.") from None
    except msgspec.DecodeError as error:
        raise Rejected(
            "bad_json", f"{body} is not JSON: {error}.", fix="Write one JSON object.", where=body
        ) from None
