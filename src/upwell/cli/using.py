"""The command that asks how products are used: funnels, retention, lifecycle, stickiness, paths."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from upwell.cli.answers import bar
from upwell.cli.frame import Home, ask, places, put_json, put_table
from upwell.errors import Rejected


class Sheet(NamedTuple):
    """A part of an answer as a table; `right` names the headers of numbers."""

    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]
    right: str
    title: str = ""


def _funnel(answer: dict[str, Any]) -> Iterator[Sheet]:
    headers = ["step", "users", "of-first", "of-before", "median", "dropped", "open"]
    entered = answer["whole"]["entered"]
    rows = [
        [
            step["label"],
            f"{step['count']:,}",
            _share(step["conversion"]),
            _share(step["step_conversion"]),
            _span(step["median_seconds"]),
            f"{step['dropped']:,}",
            f"{step['open']:,}",
            bar(step["count"], entered),
        ]
        for step in answer["steps"]
    ]
    yield Sheet([*headers, ""], rows, " ".join(headers[1:]))
    yield from _routes(answer)
    if answer["parts"]:
        steps = [f"step-{place}" for place in range(1, len(answer["steps"]) + 1)]
        right = [*steps, "converted"]
        parts = [_part(part) for part in answer["parts"]]
        yield Sheet(["value", *right], parts, " ".join(right), "By value")
    if answer["trend"]:
        yield _trend(answer["trend"])
    if answer["whole"]["histogram"]:
        yield _times(answer["whole"]["histogram"])


def _routes(answer: dict[str, Any]) -> Iterator[Sheet]:
    """The links between steps, where there is more than one way; and what happens on them."""
    flow = answer["flow"]
    names = {node["id"]: node["label"] for node in flow["nodes"]}
    if len(flow["nodes"]) > len(answer["steps"]):
        rows = [
            [names[one["source"]], names[one["target"]], one["count"], _span(one["median_seconds"])]
            for one in flow["links"]
        ]
        yield Sheet(["from", "to", "users", "median"], rows, "users median", "Routes")
    rows = [
        [names[link["source"]], names[link["target"]], *cells]
        for link in flow["between"]
        for cells in [
            *([one["label"], one["users"], one["times"]] for one in link["events"]),
            ["nothing else", link["direct"], ""],
        ]
    ]
    if rows:
        yield Sheet(["from", "to", "event", "users", "times"], rows, "users times", "Between steps")


def _part(part: dict[str, Any]) -> list[str]:
    counts = [f"{step['count']:,}" for step in part["steps"]]
    return [_value(part), *counts, _share(part["steps"][-1]["conversion"])]


def _trend(points: Sequence[dict[str, Any]]) -> Sheet:
    most = max(point["entered"] for point in points)
    rows = [
        [
            point["start"],
            f"{point['entered']:,}",
            f"{point['converted']:,}",
            _share(point["conversion"]),
            f"{point['open']:,}",
            bar(point["entered"], most),
        ]
        for point in points
    ]
    headers = ["entered-on", "entered", "converted", "share", "open", ""]
    return Sheet(headers, rows, "entered converted share open", "By when they entered")


def _times(histogram: dict[str, Any]) -> Sheet:
    low, width, counts = histogram["low"], histogram["width"], histogram["counts"]
    rows = [
        [f"from {_span(low + place * width)}", f"{count:,}", bar(count, max(counts))]
        for place, count in enumerate(counts)
        if count
    ]
    return Sheet(["time", "users", ""], rows, "users", "Time to convert")


def _retention(answer: dict[str, Any]) -> Iterator[Sheet]:
    tables = [("", answer), *((_value(part), part) for part in answer["parts"])]
    for title, table in tables:
        rows = [
            [cohort["start"], f"{cohort['size']:,}", *map(_share, cohort["shares"])]
            for cohort in table["cohorts"]
        ]
        means = ["mean", "", *map(_share, table["mean"])]
        columns = answer["columns"]
        headers = ["cohort", "size", *columns]
        yield Sheet(headers, [*rows, means], " ".join(["size", *columns]), title)


def _lifecycle(answer: dict[str, Any]) -> Iterator[Sheet]:
    names = ("new", "returning", "resurrecting", "dormant", "active")
    most = max((point["active"] for point in answer["points"]), default=0)
    rows = [
        [
            point["start"],
            *(f"{point[name]:,}" for name in names),
            bar(point["active"], most),
            "" if point["complete"] else "so far",
        ]
        for point in answer["points"]
    ]
    yield Sheet(["start", *names, "", ""], rows, " ".join(names))


def _stickiness(answer: dict[str, Any]) -> Iterator[Sheet]:
    pairs = enumerate(zip(answer["exact"], answer["cumulative"], strict=True), 1)
    rows = [
        [str(times), f"{exact:,}", f"{more:,}", bar(exact, max(answer["exact"]))]
        for times, (exact, more) in pairs
    ]
    yield Sheet(["times", "exactly", "or-more", ""], rows, "times exactly or-more")
    mean, share = answer["mean_active"], _share(answer["share"])
    facts = [[f"{answer['people']:,}", "" if mean is None else f"{mean:,.1f}", share]]
    yield Sheet(["users", "at-a-time", "share"], facts, "users at-a-time share")


def _paths(answer: dict[str, Any]) -> Iterator[Sheet]:
    most = max((edge["transitions"] for edge in answer["edges"]), default=0)
    rows = [
        [
            edge["source"],
            edge["target"],
            f"{edge['transitions']:,}",
            f"{edge['actors']:,}",
            _span(edge["mean_seconds"]),
            bar(edge["transitions"], most),
        ]
        for edge in answer["edges"]
    ]
    yield Sheet(["from", "to", "times", "users", "mean", ""], rows, "times users mean")
    ends = [[node["id"], node["visits"], node["ends"]] for node in answer["nodes"] if node["ends"]]
    yield Sheet(["at", "visits", "ended"], ends, "visits ended", "Where they stop")


def _people(answer: dict[str, Any]) -> Iterator[Sheet]:
    names = ("id", "product", "first_seen", "last_seen")
    rows = [
        [*(person[name] for name in names), f"{person['events']:,}"] for person in answer["people"]
    ]
    yield Sheet(["user", "product", "first seen", "last seen", "events"], rows, "events")


def _value(part: dict[str, Any]) -> str:
    """A value of the breakdown, as it is called."""
    return "(other)" if part["other"] else "(none)" if part["key"] is None else part["key"]


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _span(seconds: float | None) -> str:
    """A duration in the unit that suits it: 40 s, 5 min, 1.5 h, 3 d."""
    if seconds is None:
        return ""
    units = ((86_400, "d"), (3_600, "h"), (60, "min"))
    size, unit = next((one for one in units if seconds >= one[0]), (1, "s"))
    return f"{round(seconds / size, 1):,g} {unit}"


SHEETS: dict[str, Callable[[dict[str, Any]], Iterator[Sheet]]] = {
    "funnel": _funnel,
    "retention": _retention,
    "lifecycle": _lifecycle,
    "stickiness": _stickiness,
    "paths": _paths,
    "people": _people,
}


@click.command("ask")
@click.argument("kind", type=click.Choice(list(SHEETS)))
@click.argument("body", metavar="BODY.json|-|'{…}'")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@places
def ask_usage(home: Home, kind: str, body: str, form: str, as_json: bool) -> None:
    """How products are used: a question as POST /v1/KIND takes it.

    It is read from a file, from - for standard input, or written out: '{"event": "signup"}'.
    """
    answer = ask(home, "usage", kind=kind, body=_read(body))
    if form == "json" or as_json:
        put_json(answer)
        return
    for place, sheet in enumerate(SHEETS[kind](answer)):
        if place:
            click.echo()
        if sheet.title:
            click.echo(sheet.title)
        put_table(sheet.headers, sheet.rows, sheet.right)
    if said := answer.get("rule"):
        click.echo(f"note: {said}", err=True)
    if answer.get("cursor"):
        click.echo(f"more: of {answer['total']:,}, with cursor {answer['cursor']}", err=True)


def _read(body: str) -> Any:
    named = "What is written out" if body.startswith("{") else body
    try:
        if body.startswith("{"):
            text = body.encode()
        else:
            text = sys.stdin.buffer.read() if body == "-" else Path(body).read_bytes()
        return msgspec.json.decode(text)
    except OSError as error:
        raise Rejected("no_file", f"{body} cannot be read: {error.strerror}.") from None
    except msgspec.DecodeError as error:
        raise Rejected(
            "bad_json", f"{named} is not JSON: {error}.", fix="Write one JSON object.", where=body
        ) from None
