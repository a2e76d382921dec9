"""The board report: made from the desk's answers, kept with them, written to files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from upwell.access import SYSTEM, Viewer, mint_id
from upwell.app.house import House
from upwell.errors import Rejected
from upwell.period import to_micros
from upwell.reports import Month, make_report
from upwell.reports.charts import shipped
from upwell.settings import Settings
from upwell.state import reports

FORMATS = ("pdf",)


def keep_report(
    house: House, settings: Settings, month: str, viewer: Viewer, now: dt.datetime
) -> reports.Made:
    """Make the report of a month, and keep its files with the answers behind them."""
    made = make_report(house.answer, Month.parse(month), settings, now, shipped())
    return reports.add(
        house.state,
        id_=mint_id("rep"),
        month=month,
        created_at=to_micros(now),
        created_by=viewer.id,
        answers=made.answers,
        files={"pdf": made.pdf},
    )


def write_report(
    house: House, settings: Settings, month: str, formats: Sequence[str], out: Path
) -> list[str]:
    """Make and keep the report of a month, and write its files; returns their paths."""
    for name in formats:
        if name not in FORMATS:
            raise Rejected(
                "unknown_format",
                f"A report cannot be written as '{name}' yet.",
                fix=f"Use --format {','.join(FORMATS)}.",
                where="--format",
            )
    made = keep_report(house, settings, month, SYSTEM, house.clock())
    body = reports.file(house.state, made.id, "pdf")
    assert body is not None
    path = out / f"board-{month}.pdf"
    try:
        out.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    except OSError as error:
        raise Rejected(
            "cannot_write",
            f"{path} cannot be written: {error.strerror}.",
            fix="Give another directory with --out.",
            where=str(path),
        ) from error
    return [str(path)]
