"""Why a number changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from litestar import get

from upwell.query.explain import Explanation
from upwell.web import asking
from upwell.web.numbers import TakesQuestion
from upwell.web.routes import PARAMETERS, Call, needs

_NAMES = {name: text for name, text in asking.NAMES.items() if name != "by"}


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
    question = asking.from_params(request.query_params.dict())
    return await request.run(request.parts.explain, question, request.viewer)


ROUTES: tuple[Any, ...] = (explain,)
