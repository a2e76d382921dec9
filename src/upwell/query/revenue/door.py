"""What is asked of revenue beyond series: bridges, customers, cohorts, differences."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import msgspec

from upwell.access import Viewer
from upwell.projection import Projection
from upwell.query.desk import Desk
from upwell.query.question import Question
from upwell.query.revenue import bridge as bridges
from upwell.query.revenue.shapes import BridgeAnswer


class Revenue:
    """The second door, beside the desk and under its rules of who may see what."""

    def __init__(self, desk: Desk, clock: Callable[[], dt.datetime]) -> None:
        self.desk, self.clock = desk, clock
        self.projection: Projection = desk.projection

    def bridge(self, question: Question, viewer: Viewer) -> BridgeAnswer:
        """The MRR bridge over the question's days, with parts where it splits."""
        position = self.projection.position
        asked = self.desk.plan(
            msgspec.structs.replace(question, metric="mrr"), viewer, self.clock()
        )
        names = {product: self.projection.product_name(product) for product in asked.products}
        label = names if question.by == "product" else {}
        found = bridges.bridge(asked, self.desk.ledgers, label)
        return msgspec.structs.replace(found, as_of=self.desk.as_of(asked), position=str(position))
