"""Reports as made: the frozen answers behind them and their files. Times: UTC microseconds."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from sqlalchemy import insert, select

from upwell.state.db import State
from upwell.state.tables import report_files, reports


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A stored report without its bytes; `month` is like 2026-10."""

    id: str
    month: str
    created_at: int
    created_by: str
    formats: tuple[str, ...]


def add(
    state: State,
    *,
    id_: str,
    month: str,
    created_at: int,
    created_by: str,
    answers: bytes,
    files: Mapping[str, bytes],
) -> Made:
    """Keeps a report; `answers` is JSON, `files` go by format ("pdf")."""
    with state.write() as at:
        at.execute(
            insert(reports).values(
                id=id_, month=month, created_at=created_at, created_by=created_by, answers=answers
            )
        )
        rows = [{"report": id_, "format": kind, "body": body} for kind, body in files.items()]
        if rows:
            at.execute(insert(report_files), rows)
    return Made(
        id=id_,
        month=month,
        created_at=created_at,
        created_by=created_by,
        formats=tuple(sorted(files)),
    )


def every(state: State, limit: int = 200) -> list[Made]:
    """The newest reports, newest first."""
    c = reports.c
    newest = select(c.id, c.month, c.created_at, c.created_by).order_by(
        c.created_at.desc(), c.id.desc()
    )
    with state.read() as at:
        rows = at.execute(newest.limit(limit)).all()
        files = at.execute(select(report_files.c.report, report_files.c.format)).all()
    formats: dict[str, list[str]] = {}
    for report, kind in files:
        formats.setdefault(report, []).append(kind)
    return [Made(**row._mapping, formats=tuple(sorted(formats.get(row.id, ())))) for row in rows]


def file(state: State, id_: str, kind: str) -> bytes | None:
    """The bytes of a report in one format."""
    wanted = (report_files.c.report == id_) & (report_files.c.format == kind)
    with state.read() as at:
        found = at.execute(select(report_files.c.body).where(wanted)).scalar()
    return None if found is None else bytes(found)


def answers(state: State, id_: str) -> bytes | None:
    """The frozen answers of a report, as the JSON that was stored."""
    with state.read() as at:
        found = at.execute(select(reports.c.answers).where(reports.c.id == id_)).scalar()
    return None if found is None else bytes(found)
