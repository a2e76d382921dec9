"""Goals: what a metric is to be by a day, how far it is, and whether that is on pace."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

import msgspec

from upwell.access import Viewer, mint_id
from upwell.errors import Forbidden, NotFound, Rejected
from upwell.metrics.catalog import metric_named
from upwell.period import to_date, to_day, to_micros
from upwell.projection import Projection
from upwell.query.plan import FIRST_DAY, LAST_DAY, may_read, scope
from upwell.query.progress import Goal, GoalList, Standing, progress
from upwell.query.question import Ask, Value
from upwell.settings.schema import Goal as InFile
from upwell.state import goals as kept
from upwell.state.db import State

MOST = 200  # goals of a workspace


class NewGoal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/goals`: a metric, the value it is to have, and by the end of which day.

    Without a product it is about the company. `since` is the day on which it was set: today when
    left out. An `id` of one's own may be given.
    """

    metric: str
    by: dt.date
    value: Value
    product: str = ""
    since: dt.date | None = None
    id: str | None = None


class Goals:
    """The goals of a workspace: those of the configuration, and those made on pages."""

    def __init__(
        self,
        projection: Projection,
        state: State,
        ask: Ask,
        clock: Callable[[], dt.datetime],
        in_file: tuple[InFile, ...] = (),
    ) -> None:
        self._projection, self._state, self._ask, self._clock = projection, state, ask, clock
        self._fixed = {one.id: one for one in map(_fixed, in_file)}
        for one in kept.every(state):
            if one.id in self._fixed:
                raise Rejected(
                    "goal_twice",
                    f"The goal '{one.id}' stands in the configuration, and was made on a page.",
                    fix="Give the one in the file another id, or leave it out.",
                    where="goals",
                )

    def listed(self, viewer: Viewer, products: tuple[str, ...] = (), metric: str = "") -> GoalList:
        """Those of these products and this metric; the company's where no product is named."""
        may_read(viewer)
        if products:
            scope(products, self._projection.known_products(), viewer)
        every = [*self._fixed.values(), *kept.every(self._state)]
        found = [
            self._shown(one)
            for one in sorted(every, key=lambda one: (one.by, one.id))
            if _sees(viewer, one)
            and (not products or one.product in products)
            and metric in ("", one.metric)
        ]
        return GoalList(goals=tuple(found))

    def add(self, asked: NewGoal, viewer: Viewer) -> Goal:
        """Keeps a new one; Rejected where it cannot be reached or judged, or its id is taken."""
        may_read(viewer)
        others = kept.every(self._state)
        if len(others) >= MOST:
            raise Rejected("too_many_goals", f"There are {MOST} goals.", fix="Delete some.")
        made = self._made(asked, viewer, asked.id or mint_id("goal"))
        if made.id in self._fixed or any(one.id == made.id for one in others):
            raise Rejected(
                "goal_exists",
                f"There is a goal '{made.id}' already.",
                fix="Choose another id, or leave it out.",
                where="id",
                status=409,
            )
        kept.add(self._state, made)
        return self._shown(made)

    def put(self, id_: str, asked: NewGoal, viewer: Viewer) -> Goal:
        """Keeps it in place of an earlier one, whose `since` stays where none is given."""
        had = self._mine(id_, viewer)
        if asked.id not in (None, id_):
            raise Rejected("bad_id", "A goal keeps its id.", fix="Leave the id out.", where="id")
        if asked.since is None:
            asked = msgspec.structs.replace(asked, since=to_date(had.since))
        made = msgspec.structs.replace(
            self._made(asked, viewer, id_), created_at=had.created_at, created_by=had.created_by
        )
        kept.put(self._state, made)
        return self._shown(made)

    def drop(self, id_: str, viewer: Viewer) -> None:
        """Forgets one; NotFound where the viewer sees none of that id."""
        self._mine(id_, viewer)
        kept.drop(self._state, id_)

    def _mine(self, id_: str, viewer: Viewer) -> kept.Goal:
        """One that the viewer may change."""
        may_read(viewer)
        fixed = self._fixed.get(id_)
        if fixed is not None and _sees(viewer, fixed):
            raise Rejected(
                "kept_in_the_file",
                f"The goal '{id_}' stands in the configuration.",
                fix="Change it there, and start the server again.",
                where="id",
                status=409,
            )
        for one in kept.every(self._state):
            if one.id == id_ and _sees(viewer, one):
                return one
        raise NotFound("unknown_goal", f"There is no goal '{id_[:40]}'.", where="id")

    def _made(self, asked: NewGoal, viewer: Viewer, id_: str) -> kept.Goal:
        metric = metric_named(asked.metric, self._projection.ground.catalogue)
        if asked.product:
            scope((asked.product,), self._projection.known_products(), viewer)
        elif viewer.products is not None:
            raise Forbidden(
                "some_products_only",
                "This would be about products that you do not see.",
                fix=f"Name one: {', '.join(sorted(viewer.products)) or 'none is yours'}.",
                where="product",
            )
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", id_):
            raise Rejected(
                "bad_id",
                f"'{id_[:80]}' cannot be a goal's id.",
                fix="Use letters, digits, - and _, at most 63, or leave it out.",
                where="id",
            )
        now = self._clock()
        since = self._projection.zone.today(now) if asked.since is None else to_day(asked.since)
        by = to_day(asked.by)
        if not FIRST_DAY <= since <= by <= LAST_DAY:
            raise Rejected(
                "bad_day",
                f"A goal cannot be set on {to_date(since)} for {asked.by}.",
                fix="Choose a later day to reach it by.",
                where="by",
            )
        return kept.Goal(
            id=id_,
            metric=metric.name,
            product=asked.product,
            since=since,
            by=by,
            value=str(_number(asked.value)),
            created_at=to_micros(now),
            created_by=(viewer.name or viewer.id)[:320],
        )

    def _shown(self, one: kept.Goal) -> Goal:
        at = Standing(self._projection.ground.catalogue, self._projection.zone, self._clock())
        return progress(one, at, self._ask, one.id in self._fixed)


def in_settings(state: State) -> tuple[InFile, ...]:
    """The goals made on pages, as the configuration would say them."""
    return tuple(
        InFile(
            id=one.id,
            metric=one.metric,
            product=one.product or None,
            since=to_date(one.since),
            by=to_date(one.by),
            value=Decimal(one.value),
        )
        for one in kept.every(state)
    )


def _sees(viewer: Viewer, one: kept.Goal) -> bool:
    """The company's goals are for those who see all of it."""
    return viewer.sees(one.product) if one.product else viewer.products is None


def _fixed(one: InFile) -> kept.Goal:
    """A goal of the configuration; set at the beginning of its year where it does not say."""
    since = one.since or dt.date(one.by.year, 1, 1)
    return kept.Goal(
        id=one.id or "-".join(filter(None, (one.metric, one.product, str(one.by)))),
        metric=one.metric,
        product=one.product or "",
        since=to_day(since),
        by=to_day(one.by),
        value=str(one.value),
        created_at=0,
        created_by="",
    )


def _number(value: Value) -> Decimal:
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        found = Decimal("nan")
    if not found.is_finite() or abs(found) >= Decimal(10) ** 15 or len(str(found)) > 40:
        raise Rejected(
            "bad_value",
            f"'{str(value)[:40]}' is not a number to aim at.",
            fix="Write 120000, or 0.05 for 5 %.",
            where="value",
        )
    return found
