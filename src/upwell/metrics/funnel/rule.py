"""What a funnel counts, in numbers: steps, windows, order, exclusions; and what it refuses."""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from upwell.errors import Rejected
from upwell.period import DAY_MICROS

MAX_STEPS = 20
MAX_ALTERNATIVES = 64
MAX_EXCLUSIONS = 20
MAX_WINDOW = 3660 * DAY_MICROS

Order = Literal["ordered", "strict", "any"]
Entry = Literal["latest", "first"]
Scope = Literal["first", "step"]
Mode = Literal["end_attempt", "drop_actor"]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step, done by any of its alternatives; an optional one may be passed over."""

    alternatives: int = 1
    optional: bool = False


class Exclusion(msgspec.Struct, frozen=True, kw_only=True):
    """An event that must not happen once step `after` is reached and before step `before` is.

    Steps are counted from 1. Judged before the same event's steps: it cannot end an attempt and
    carry it on. An attempt that one has ended is over: no later one hides its user.
    """

    after: int
    before: int
    mode: Mode = "end_attempt"


class FunnelRule(msgspec.Struct, frozen=True, kw_only=True):
    """How timelines are read; times and durations are microseconds.

    Entries lie in `entry_from <= t < entry_to`; events after `watermark` are not yet known, and
    after `here` (None: `watermark`) not all of them are: nobody drops out who could go on then.
    Alternatives are numbered through, step by step: the first step's, then the second's.
    """

    steps: tuple[Step, ...]
    window: int
    entry_from: int
    entry_to: int
    watermark: int
    here: int | None = None
    order: Order = "ordered"
    entry: Entry = "latest"
    exclusions: tuple[Exclusion, ...] = ()
    window_scope: Scope = "first"
    tolerance: int = 0

    @property
    def settled(self) -> int:
        """The moment until which every event is known."""
        return self.watermark if self.here is None else min(self.here, self.watermark)

    @property
    def step_of(self) -> NDArray[np.int64]:
        """The step of each alternative, counted from 0."""
        return np.repeat(np.arange(len(self.steps)), [step.alternatives for step in self.steps])

    @property
    def reach(self) -> int:
        """How long after an entry the last event of its attempt can be, in microseconds."""
        return self.window * (len(self.steps) - 1 if self.window_scope == "step" else 1)

    @property
    def mandatory(self) -> NDArray[np.bool_]:
        """Which steps may not be passed over."""
        return np.array([not step.optional for step in self.steps])


def check(rule: FunnelRule) -> None:
    """Nothing, or Rejected with the part of the question to change."""
    _check_steps(rule)
    if not 0 < rule.window <= MAX_WINDOW:
        raise _refuse("window", "The window must be between a moment and ten years.", "Use '14d'.")
    if rule.tolerance < 0 or rule.tolerance > rule.window:
        raise _refuse(
            "order_tolerance_ms",
            "The tolerance for the order of events must be between 0 and the window.",
            "Leave it out, or give a few seconds, such as 2000.",
        )
    if rule.entry_from >= rule.entry_to:
        raise _refuse("from", "The range ends before it begins.", "Set 'from' before 'to'.")
    if rule.order == "any":
        _check_any(rule)
    if len(rule.exclusions) > MAX_EXCLUSIONS:
        raise _refuse(
            "exclude",
            f"{len(rule.exclusions)} exclusions are more than {MAX_EXCLUSIONS}.",
            "Leave some out.",
        )
    for exclusion in rule.exclusions:
        _check_exclusion(exclusion, rule)


def _check_steps(rule: FunnelRule) -> None:
    count = len(rule.steps)
    if not 2 <= count <= MAX_STEPS:
        raise _refuse(
            "steps",
            f"A funnel has 2 to {MAX_STEPS} steps, not {count}.",
            "Add a step." if count < 2 else "Leave out steps, or ask for two funnels.",
        )
    if any(step.alternatives < 1 for step in rule.steps):
        raise _refuse("steps", "A step has no event.", "Name an event in each step.")
    total = sum(step.alternatives for step in rule.steps)
    if total > MAX_ALTERNATIVES:
        raise _refuse(
            "steps",
            f"{total} alternatives in all are more than {MAX_ALTERNATIVES}.",
            "Name fewer alternatives.",
        )
    if rule.steps[0].optional or rule.steps[-1].optional:
        raise _refuse(
            "steps",
            "The first and the last step cannot be optional.",
            "Leave that step out, or make it a step that counts.",
        )


def _check_any(rule: FunnelRule) -> None:
    if any(step.optional for step in rule.steps):
        raise _refuse(
            "steps",
            "In any order no step is optional: each one counts when it is done.",
            "Leave out 'optional', or use the order 'ordered'.",
        )
    if rule.window_scope == "step":
        raise _refuse(
            "window_scope",
            "In any order the window begins at the first event; steps have no windows.",
            "Use the window scope 'first'.",
        )


def _check_exclusion(exclusion: Exclusion, rule: FunnelRule) -> None:
    count = len(rule.steps)
    if not 1 <= exclusion.after < exclusion.before <= count:
        raise _refuse(
            "exclude",
            f"An exclusion cannot lie between steps {exclusion.after} and {exclusion.before}.",
            f"Name two steps of 1 to {count}, the earlier first.",
        )
    if rule.order == "any" and (exclusion.after, exclusion.before) != (1, count):
        raise _refuse(
            "exclude",
            "In any order an exclusion holds for the whole funnel.",
            f"Leave out 'between', or use [1, {count}].",
        )


def _refuse(where: str, message: str, fix: str) -> Rejected:
    return Rejected("bad_funnel", message, fix, where)
