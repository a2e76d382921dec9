"""Revenue beyond series: bridges, customers, cohorts, counting rules, differences."""

from __future__ import annotations

from typing import Any

from litestar import get

from upwell.query.question import Question
from upwell.query.revenue.shapes import BridgeAnswer
from upwell.web import asking
from upwell.web.numbers import TakesQuestion
from upwell.web.routes import PARAMETERS, Call, needs

_TAGS = ["Revenue"]
_SPAN = ("product", "from", "to", "grain", "by", "where", "known_at", "policy", "currency")
_NAMES = {name: asking.NAMES[name] for name in _SPAN}


class _TakesSpan(TakesQuestion):
    names = _NAMES


def _asked(request: Call, *others: str, **defaults: Any) -> Question:
    """The question of the parameters, about MRR; by month where no grain is named."""
    params = {k: v for k, v in request.query_params.dict().items() if k not in others}
    return asking.from_params({"metric": ["mrr"], "grain": ["month"], **defaults, **params})


@get(
    "/v1/bridge",
    guards=needs("read"),
    opt={PARAMETERS: _NAMES},
    operation_class=_TakesSpan,
    tags=_TAGS,
    summary="The MRR bridge",
)
async def see_bridge(request: Call) -> BridgeAnswer:
    """From the MRR before `from` to that at the end, movement by movement, and by `by`."""
    return await request.run(request.parts.revenue.bridge, _asked(request), request.viewer)


ROUTES = (see_bridge,)
