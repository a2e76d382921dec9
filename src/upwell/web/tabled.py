"""Answers as the caller wants them: JSON, or the table behind them as CSV or Parquet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ParamSpec, TypeVar

from litestar import Response
from litestar.params import QueryParameter

from upwell.errors import Rejected, nearest
from upwell.query import tables
from upwell.web.routes import Call

P = ParamSpec("P")
T = TypeVar("T")

FORMAT = {"format": "json, csv or parquet; as `Accept` says, or json, when left out."}
Form = Annotated[str | None, QueryParameter(name="format", description=FORMAT["format"])]
_TYPES = {
    "json": "application/json",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}
_WRITERS = {"csv": tables.as_csv, "parquet": tables.as_parquet}


async def shown(
    request: Call, form: str | None, name: str, call: Callable[P, T], *args: P.args, **kw: P.kwargs
) -> Response[T]:
    """What `call` answers, in the form asked for; `name` is the file's, without its ending."""
    form = _form(form, request.headers.get("accept", ""))

    def answer() -> Any:
        found = call(*args, **kw)
        return found if form == "json" else _WRITERS[form](tables.table(found))

    content = await request.run(answer)
    if form == "json":
        return Response(content)
    charset = "; charset=utf-8; header=present" if form == "csv" else ""
    return Response(
        content,
        media_type=_TYPES[form] + charset,
        headers={"Content-Disposition": f'attachment; filename="{name}.{form}"'},
    )


def _form(asked: str | None, accept: str) -> str:
    """The form asked for by name, else the first known one that is accepted, else JSON."""
    if asked is None:
        wanted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
        return next(
            (form for one in wanted for form, type_ in _TYPES.items() if type_ == one), "json"
        )
    if asked not in _TYPES:
        raise Rejected(
            "unknown_format",
            f"Unknown format '{asked[:40]}'.",
            fix=nearest(asked, _TYPES),
            where="format",
        )
    return asked
