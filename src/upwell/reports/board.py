"""What the board report asks. The outline is the report: every figure comes from one of these."""

from __future__ import annotations

import datetime as dt
import re
from typing import NamedTuple

from upwell.errors import Rejected
from upwell.period import add_months
from upwell.query import Question

HEADLINES = (
    "revenue",
    "refunds",
    "signups",
    "activation_rate",
    "actors",
    "dau",
    "visitors",
    "cancellations",
)
OF_A_PRODUCT = ("revenue", "signups", "dau", "cancellations")


class Month(NamedTuple):
    """A calendar month in the workspace's zone."""

    first: dt.date

    @classmethod
    def parse(cls, text: str) -> Month:
        """The month of a text like 2026-10; raises Rejected for anything else."""
        if re.fullmatch(r"(19|20|21)\d\d-(0[1-9]|1[0-2])", text):
            return cls(dt.date(int(text[:4]), int(text[5:]), 1))
        raise Rejected(
            "bad_month", f"'{text}' is not a month.", fix="Write it like 2026-10.", where="month"
        )

    @property
    def end(self) -> dt.date:
        """The day after its last."""
        return add_months(self.first, 1)

    def back(self, months: int) -> Month:
        """So many months before."""
        return Month(add_months(self.first, -months))

    @property
    def title(self) -> str:
        """October 2026."""
        return f"{self.first:%B} {self.first.year}"

    @property
    def name(self) -> str:
        """October."""
        return f"{self.first:%B}"

    def __str__(self) -> str:
        return f"{self.first:%Y-%m}"


class Outline(NamedTuple):
    """The questions of a report, by what they are for."""

    headlines: tuple[Question, ...]
    products: tuple[Question, ...]
    days: Question

    @property
    def questions(self) -> tuple[Question, ...]:
        """All of them, in the order of the page."""
        return (*self.headlines, self.days, *self.products)


def outline(month: Month) -> Outline:
    """The report in questions."""
    return Outline(
        # How did the company do this month, against the month before and over a year of seasons?
        headlines=tuple(by_month(metric, month) for metric in HEADLINES),
        # When in the month did customers leave, against the same number of days before?
        days=by_day("cancellations", month),
        # Which products did that?
        products=tuple(by_month(metric, month, by="product") for metric in OF_A_PRODUCT),
    )


def by_month(metric: str, month: Month, by: str | None = None) -> Question:
    """Thirteen months: the month, the one before, and back to the same one a year ago."""
    since = month.back(12).first
    return Question(metric=metric, start=since, end=month.end, grain="month", by=by)


def by_day(metric: str, month: Month) -> Question:
    """The month's days beside as many days before them."""
    return Question(
        metric=metric, start=month.first, end=month.end, grain="day", compare="previous"
    )
