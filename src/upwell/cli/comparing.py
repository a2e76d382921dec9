"""`upwell compare`: a sheet of month-end figures beside ours."""

from __future__ import annotations

import csv
from pathlib import Path

import click

from upwell.cli.frame import Home, as_json, ask, places, put_json, put_table
from upwell.errors import Rejected


@click.command()
@click.argument("sheet", metavar="SHEET.csv", type=click.Path(exists=True, dir_okay=False))
@as_json
@places
def compare(home: Home, sheet: str, as_json: bool) -> None:
    """Your own month-end figures beside ours, and why they differ.

    The sheet has a column `month` (2026-01) and one for each metric, named as in `upwell query`.
    """
    found = ask(home, "compare", figures=_figures(Path(sheet)))
    if as_json:
        put_json(found)
        return
    put_table(
        ["month", "metric", "sheet", "ours", "difference", "why"],
        [
            [
                one["month"][:7],
                one["metric"],
                one["sheet"],
                one["ours"],
                one["difference"],
                " ".join(f"{share['amount']}: {share['sentence']}" for share in one["causes"]),
            ]
            for one in found["figures"]
        ],
        "sheet ours difference",
    )


def _figures(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        names = [name for name in rows.fieldnames or () if name and name != "month"]
        if "month" not in (rows.fieldnames or ()) or not names:
            raise Rejected(
                "bad_sheet",
                f"{path.name} has no column 'month', or no other.",
                fix="Begin it with: month,mrr,customers",
                where=str(path),
            )
        return [
            {"month": row["month"], "metric": name, "value": row[name]}
            for row in rows
            for name in names
            if row.get(name)
        ]
