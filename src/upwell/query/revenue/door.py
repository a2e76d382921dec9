"""What is asked of revenue beyond series: bridges, customers, cohorts, differences."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import msgspec

from upwell.access import Viewer
from upwell.errors import Forbidden, NotFound, Rejected
from upwell.metrics.choices import CHOICES
from upwell.metrics.policy import PRESETS
from upwell.period import to_micros
from upwell.query.desk import Desk
from upwell.query.plan import Plan
from upwell.query.question import Question
from upwell.query.revenue import bridge as bridges
from upwell.query.revenue import cash
from upwell.query.revenue.apart import each
from upwell.query.revenue.changes import changes
from upwell.query.revenue.cohorts import Measure, cohorts
from upwell.query.revenue.directory import Filters, Statuses, listed
from upwell.query.revenue.people import Page, moved
from upwell.query.revenue.profile import profile
from upwell.query.revenue.proofs import Changes, Reconciliation, Why
from upwell.query.revenue.shapes import (
    BridgeAnswer,
    Cohorts,
    CountingRule,
    CountingRules,
    Customers,
    MovedCustomers,
    Policies,
    Profile,
)
from upwell.query.revenue.why import why


class Revenue:
    """The second door, beside the desk and under its rules of who may see what."""

    def __init__(self, desk: Desk, clock: Callable[[], dt.datetime]) -> None:
        self.desk, self.clock = desk, clock
        self._statuses = Statuses(desk.projection)

    def bridge(self, question: Question, viewer: Viewer) -> BridgeAnswer:
        """The MRR bridge over the question's days, with parts where it splits."""
        projection = self.desk.projection
        position, asked = projection.position, self._plan(question, viewer)
        names = {product: projection.product_name(product) for product in asked.products}
        label = names if question.by == "product" else {}
        as_of = self.desk.as_of(asked)
        first, *others = [
            msgspec.structs.replace(
                bridges.bridge(one, self.desk.ledgers, label), as_of=as_of, position=str(position)
            )
            for one in each(asked, self.desk.ledgers)
        ]
        return msgspec.structs.replace(first, apart=tuple(others))

    def moved(
        self, question: Question, viewer: Viewer, movement: str, key: str | None, page: Page
    ) -> MovedCustomers:
        """Whose MRR made a bar of the bridge; where nothing is converted, of its first currency."""
        asked, *_ = each(self._plan(question, viewer), self.desk.ledgers)
        return moved(asked, self.desk.ledgers, movement, key, page)

    def customers(self, viewer: Viewer, filters: Filters, page: Page) -> Customers:
        """A page of the customers as they stand now."""
        asked = self._now(viewer, filters.segment or None)
        return listed(asked, self.desk.ledgers, self._statuses, filters, page)

    def customer(self, name: str, viewer: Viewer) -> Profile:
        """One customer."""
        ledgers = self.desk.ledgers
        asks = each(self._now(viewer), ledgers)
        every, unknown = list[Profile](), None
        for one in asks:
            try:
                every.append(profile(one, ledgers, self._statuses, name))
            except NotFound as error:  # nothing of what the viewer sees, in this currency
                unknown = error
        if unknown is not None and not every:
            raise unknown
        first, *others = [one for one in every if one.subscriptions or one.movements] or every[:1]
        return msgspec.structs.replace(first, apart=tuple(others))

    def cohorts(self, question: Question, viewer: Viewer, measure: Measure) -> Cohorts:
        """Retention by the period in which customers began to pay."""
        if question.grain in ("hour", "day"):
            raise Rejected(
                "no_such_grain",
                f"There are no cohorts by the {question.grain}.",
                fix="Ask by week, month, quarter or year.",
                where="grain",
            )
        ledgers = self.desk.ledgers
        asks = each(self._plan(question, viewer), ledgers)
        first, *others = [cohorts(one, ledgers, measure) for one in asks]
        return msgspec.structs.replace(first, apart=tuple(others))

    def policies(self) -> Policies:
        """Every set of counting rules, choice by choice."""
        return Policies(
            workspace=self.desk.projection.ground.policy,
            policies=tuple(
                CountingRules(
                    name=policy.name,
                    title=policy.title,
                    version=policy.version,
                    fields=tuple(
                        CountingRule(
                            name=choice.name,
                            value=_plain(getattr(policy, choice.name)),
                            title=choice.title,
                            definition=choice.definition,
                            about=choice.about,
                            said=_capital(choice.said(getattr(policy, choice.name))),
                        )
                        for choice in CHOICES
                    ),
                )
                for policy in map(self.desk.ledgers.policy, PRESETS)
            ),
        )

    def why(self, question: Question, viewer: Viewer, policy: str) -> Why:
        """Why MRR at the end of the question's days is another by other rules."""
        ledgers, projection = self.desk.ledgers, self.desk.projection
        asks = each(self._plan(question, viewer), ledgers)
        first, *others = [why(one, ledgers, projection, policy) for one in asks]
        return msgspec.structs.replace(first, apart=tuple(others))

    def changes(
        self, question: Question, viewer: Viewer, since: dt.datetime, until: dt.datetime
    ) -> Changes:
        """What became known of the question's days between two moments."""
        if since >= until:
            raise Rejected(
                "empty_range",
                "'from_known_at' is not before 'to_known_at'.",
                fix="Give the earlier moment first.",
                where="from_known_at",
            )
        asks = each(self._plan(question, viewer), self.desk.ledgers)
        times = to_micros(since), to_micros(until)
        first, *others = [changes(one, self.desk.ledgers, *times) for one in asks]
        return msgspec.structs.replace(first, apart=tuple(others))

    def reconciliation(self, question: Question, viewer: Viewer) -> Reconciliation:
        """Cash as counted against what each account's balance says; for the whole company."""
        if viewer.products is not None:
            raise Forbidden(
                "some_products_only",
                "Accounts hold the cash of every product, and you see only some.",
                fix="Ask with a key that is not bound to products.",
            )
        return cash.reconciliation(self._plan(question, viewer), self.desk.projection)

    def _plan(self, question: Question, viewer: Viewer) -> Plan:
        """A bridge, a customer, a cohort stand in one currency."""
        found = self.desk.plan(question, viewer, self.clock())
        own = self.desk.projection.ground.currency
        return replace(found, currency=found.currency or own)

    def _now(self, viewer: Viewer, segment: str | None = None) -> Plan:
        """A question about today, of everything that the viewer may see."""
        today = self.desk.projection.zone.local(to_micros(self.clock())).date()
        after = today + dt.timedelta(days=1)
        question = Question(metric="mrr", start=today, end=after, segment=segment)
        return self._plan(question, viewer)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _plain(value: object) -> str | int | bool | None:
    if isinstance(value, tuple):
        return ", ".join(str(one) for one in value)
    return value if value is None or isinstance(value, bool | int) else str(value)
