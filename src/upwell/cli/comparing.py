"""`upwell compare`: a sheet of month-end figures beside ours."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from upwell.cli.frame import Home, as_json, ask, places, put_json, put_table
from upwell.errors import Rejected


@click.command()
@click.argument("sheet", metavar="SHEET.csv", type=click.Path(exists=True, dir_okay=False))
@as_json
@places
def compare(home: Home, sheet: str, as_json: bool) -> None:
    """Your own month-end figures beside ours, and why they differ.

    The sheet has a column `month` (2026-01) and one for each metric, named as in `upwell query`;
    with a column `product`, a line is about that product. Commas, semicolons or tabs part them.
    """
    found = ask(home, "compare", figures=_figures(Path(sheet)))
    if as_json:
        put_json(found)
        return
    products = any(one["product"] for one in found["figures"])
    put_table(
        ["month", *(["product"] if products else []), *COLUMNS],
        [
            [
                one["month"][:7],
                *([one["product"] or "all"] if products else []),
                one["metric"],
                _shown(one["sheet"]),
                _shown(one["ours"]),
                _shown(one["difference"]),
                _why(one),
            ]
            for one in found["figures"]
        ],
        "sheet ours difference",
    )


COLUMNS = ("metric", "sheet", "ours", "difference", "why")


def _shown(value: str | None) -> str:
    """A number to the cent, a rate to the hundredth of a percent; --json has it whole."""
    if value is None:
        return "–"
    number = Decimal(value)
    places = 0 if number == number.to_integral() else 2 if abs(number) >= 10 else 4
    return f"{number:,.{places}f}"


def _why(one: dict[str, Any]) -> str:
    if one["ours"] is None:
        return "Nothing is known here of this month."
    return " ".join(f"{_shown(share['amount'])}: {share['sentence']}" for share in one["causes"])


def _figures(path: Path) -> list[dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise _bad(path, "is no text in UTF-8", "Save the sheet as CSV in UTF-8.") from None
    first = text.partition("\n")[0]
    parted = max(",;\t", key=first.count)
    lines = list(csv.reader(text.splitlines(), delimiter=parted))
    names = [name.strip().lower() for name in lines[0]] if lines else []
    metrics = [name for name in names if name and name not in ("month", "product")]
    if "month" not in names or not metrics:
        raise _bad(
            path, "has no column 'month', or no metric", "Begin it with: month,mrr,customers"
        )
    if len(set(names)) < len(names):
        raise _bad(path, "names a column twice", "Give each column a name of its own.")
    found = []
    for number, line in enumerate(lines[1:], 2):
        row = dict(zip(names, line, strict=False))
        if len(line) > len(names):
            raise _bad(
                path,
                f"has {len(line)} cells in line {number}, and {len(names)} columns",
                "Put numbers with a comma into quotes.",
            )
        about = {"month": row.get("month", ""), "product": row.get("product", "")}
        found += [
            {**about, "metric": name, "value": row[name], "where": f"{path.name}:{number}, {name}"}
            for name in metrics
            if row.get(name, "").strip()
        ]
    if not found:
        raise _bad(path, "holds no figures", "Write a line for each month below the names.")
    return found


def _bad(path: Path, what: str, fix: str) -> Rejected:
    return Rejected("bad_sheet", f"{path.name} {what}.", fix=fix, where=str(path))
