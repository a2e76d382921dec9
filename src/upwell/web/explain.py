"""Why a number changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar

from litestar import get

from upwell.errors import Rejected
from upwell.query.explain import Explanation
from upwell.web import asking
from upwell.web.numbers import TakesQuestion
from upwell.web.routes import PARAMETERS, Call, needs

_NAMES = {
    **{name: text for name, text in asking.NAMES.items() if name != "by"},
    "compare": "previous (when left out), week, year, or earlier days as 2026-01-01..2026-02-01, "
    "the second one not included.",
}


class _TakesChange(TakesQuestion):
    names: ClassVar[Mapping[str, str]] = _NAMES


@get(
    "/v1/explain",
    guards=needs("read"),
    opt={PARAMETERS: _NAMES},
    operation_class=_TakesChange,
    tags=["Numbers"],
    summary="Explain a change",
)
async def explain(request: Call) -> Explanation:
    """What each product, plan, country and every other part has of a change; they add up to it.

    Of MRR also what moved it, and the customers who moved it most.
    """
    params = request.query_params.dict()
    against = _days(params)
    question = asking.from_params(params)
    return await request.run(request.parts.explain, question, request.viewer, against)


def _days(params: dict[str, list[str]]) -> tuple[dt.date, dt.date] | None:
    """Days to compare with, taken out of the parameters where they are no word."""
    start, dots, end = params.get("compare", [""])[0].partition("..")
    if not dots:
        return None
    if len(params.pop("compare")) > 1:
        raise Rejected(
            "repeated_parameter", "'compare' is given twice.", fix="Give it once.", where="compare"
        )
    return asking.day(start, "compare"), asking.day(end, "compare")


ROUTES: tuple[Any, ...] = (explain,)
