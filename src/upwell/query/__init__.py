"""The one door: a question in, an answer out, for tiles, alerts, reports, commands and programs."""

from upwell.query.desk import Desk
from upwell.query.question import (
    Answer,
    Ask,
    Compare,
    Compared,
    Lateness,
    Point,
    Question,
    ReadSource,
    Series,
    Unconverted,
    Value,
)

__all__ = [
    "Answer",
    "Ask",
    "Compare",
    "Compared",
    "Desk",
    "Lateness",
    "Point",
    "Question",
    "ReadSource",
    "Series",
    "Unconverted",
    "Value",
]
