"""One watched question: its picture, what of it is touched and not yet asked, and asking again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from upwell.access import Scope, Viewer
from upwell.errors import Problem, Rejected, UpwellError
from upwell.live import frames
from upwell.live.picture import (
    WHOLE,
    Moved,
    Span,
    Touches,
    adds,
    difference,
    narrowed,
    span_touched,
    spliced,
)
from upwell.metrics.catalog import CATALOG, Ledger, Metric, metric_named
from upwell.query import Answer, Ask, Question

if TYPE_CHECKING:
    from upwell.live.connection import Connection

Sight = tuple[frozenset[str] | None, frozenset[Scope]]
"""What decides who may share an answer: the products and scopes of a viewer."""


class Watch(msgspec.Struct, frozen=True):
    """What a client asks to be told about, under a name of its own."""

    id: str
    question: Question


class Told(NamedTuple):
    """The outcome of asking again: the new picture, and what of it moved.

    `moved` None: the whole picture has to be sent. `problem`: it could not be answered.
    """

    picture: Answer | None
    moved: Moved | None
    body: str
    problem: Problem | None
    seconds: float = 0.0  # by the clock on the wall
    cpu: float = 0.0  # of the asking thread
    final: bool = False  # the problem stays however often it is asked

    @property
    def nothing(self) -> bool:
        """Whether the picture stays as it was sent."""
        return self.moved is not None and not self.body


def sight(viewer: Viewer) -> Sight:
    """The part of a viewer on which answers may depend."""
    return viewer.products, viewer.scopes


def key_of(question: Question, viewer: Viewer) -> bytes:
    """Equal for questions and viewers that get the same answer."""
    products, scopes = sight(viewer)
    names = None if products is None else sorted(products)
    return msgspec.json.encode((question, names, sorted(scopes)), order="deterministic")


@dataclass(eq=False, slots=True)
class Subject:
    """A question that somebody watches, shared by all viewers who may see the same."""

    key: bytes
    question: Question
    viewer: Viewer
    metric: Metric
    products: frozenset[str] | None
    picture: Answer | None = None
    tick: int = 0  # when the picture last moved
    span: Span | None = None  # touched and not asked again yet
    busy: bool = False
    due: float = 0.0  # not asked again before
    fresh_until: float = 0.0  # asked again whole after this, for what moves by the clock alone
    left_at: float | None = None  # since when nobody watches
    problem: Problem | None = None  # told, and not mended yet
    watchers: set[tuple[Connection, str]] = field(default_factory=set)
    _snapshot: tuple[int, str] = (-1, "")

    @classmethod
    def of(
        cls, question: Question, viewer: Viewer, catalogue: Mapping[str, Metric] = CATALOG
    ) -> Subject:
        """The subject of a question; raises Rejected where the metric is not known."""
        named = frozenset(question.product)
        products: frozenset[str] | None
        if viewer.products is None:
            products = named or None
        else:
            products = named & viewer.products if named else viewer.products
        metric = metric_named(question.metric, catalogue)
        return cls(key_of(question, viewer), question, viewer, metric, products)

    @property
    def cheap(self) -> bool:
        """Whether asking again is cheap: sums, and what the ledger holds in memory.

        Counts of different people are not, nor rates.
        """
        rule = self.metric.rule
        if self.question.segment is not None:
            return False
        return adds(self.metric) or (isinstance(rule, Ledger) and rule.kind in ("flow", "stock"))

    def touch(self, touched: Touches, everything: bool = False) -> bool:
        """Note what the touches may have changed; whether there is anything."""
        found: Span | None = WHOLE
        if not everything:
            found = span_touched(self.question, self.metric, self.products, touched)
        if found is not None:
            self.span = found.joined(self.span)
        return found is not None

    def begin(self, whole: bool) -> Span:
        """The days to ask for now; what is touched from here on is asked the next time."""
        span = WHOLE if whole or self.span is None else self.span
        self.busy, self.span = True, None
        return span

    def snapshot(self) -> str:
        """The whole picture as a frame's body, encoded once per movement."""
        if self.picture is None:
            raise ValueError("a subject without a picture has no snapshot")
        if self._snapshot[0] != self.tick:
            self._snapshot = (self.tick, frames.answer_body(self.picture))
        return self._snapshot[1]


def ask_again(
    ask: Ask, question: Question, viewer: Viewer, metric: Metric, old: Answer | None, span: Span
) -> Told:
    """Ask for what was touched and compare with the picture; runs beside the event loop."""
    wall, cpu = time.perf_counter(), time.thread_time()
    told = _told(ask, question, viewer, metric, old, span)
    return told._replace(seconds=time.perf_counter() - wall, cpu=time.thread_time() - cpu)


def _told(
    ask: Ask, question: Question, viewer: Viewer, metric: Metric, old: Answer | None, span: Span
) -> Told:
    try:
        new = _asked(ask, question, viewer, metric, old, span)
    except UpwellError as error:
        return Told(old, None, "", error.problem, final=isinstance(error, Rejected))
    moved = None if old is None else difference(old, new)
    if moved is None:
        return Told(new, None, "", None)
    if moved.points or moved.totals or (moved.as_of and span == WHOLE):
        return Told(new, moved, frames.moved_body(moved), None)
    # Nothing on the page moves: what was sent stays the picture, its freshness too.
    return Told(old, moved, "", None)


def _asked(
    ask: Ask, question: Question, viewer: Viewer, metric: Metric, old: Answer | None, span: Span
) -> Answer:
    if old is not None and span != WHOLE:
        part = narrowed(question, metric, old, span)
        if part is not None:
            whole = spliced(old, ask(part, viewer))
            if whole is not None:
                return whole
    return ask(question, viewer)
