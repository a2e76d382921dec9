"""Law: frames laid over the first picture give what a fresh question would answer."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from upwell.access import SYSTEM, Viewer
from upwell.event import Change, Position, Touched
from upwell.live import frames
from upwell.live.picture import WHOLE, adds, touches
from upwell.live.watch import Subject, ask_again
from upwell.metrics.catalog import (
    Cohort,
    Distinct,
    Ledger,
    MeanOfDays,
    Net,
    Sessions,
    Sum,
    Trailing,
    metric_named,
)
from upwell.money import major, nanos
from upwell.period import Bucket, Zone, buckets, to_date, to_day
from upwell.query import Answer, Compared, Point, Question, Series, Value

UTC = Zone("UTC")
FIRST = to_day(dt.date(2026, 1, 26))  # a Monday; the ranges below cross a month
DAYS = 14
SCOPED = Viewer(id="p", scopes=frozenset({"read"}), products=frozenset({"mail", "docs"}))


@dataclass(frozen=True)
class Happening:
    """An event, as small as a metric can see it."""

    product: str
    type: str
    day: int
    actor: str
    value: Decimal
    plan: str


class Company:
    """A few events in memory and the plainest reading of the catalogue over them."""

    def __init__(self) -> None:
        self.events: list[Happening] = []

    def ask(self, question: Question, viewer: Viewer) -> Answer:
        metric = metric_named(question.metric)
        assert question.start is not None
        assert question.end is not None
        low, high = to_day(question.start), to_day(question.end)
        seen = [
            event
            for event in self.events
            if viewer.sees(event.product)
            and (not question.product or event.product in question.product)
            and event.type in metric.reads
            and event.plan in question.where.get("plan", (event.plan,))
        ]
        keys = sorted({e.plan for e in seen if low <= e.day < high})
        if question.by is None:
            split = {"": seen}
        elif question.by == "product":
            names = [n for n in question.product or ("mail", "docs", "code") if viewer.sees(n)]
            split = {name: [event for event in seen if event.product == name] for name in names}
        else:
            split = {key: [event for event in seen if event.plan == key] for key in keys}
        spans = buckets(UTC, low, high, question.grain)
        shift = high - low
        before = [
            b._replace(first=b.first - shift, end=b.end - shift, label=str(b.first - shift))
            for b in spans
        ]
        return Answer(
            question=question,
            series=tuple(
                Series(
                    key=key,
                    points=tuple(_point(metric.rule, mine, b) for b in spans),
                    total=_value(metric.rule, mine, low, high),
                    compare=None
                    if question.compare is None
                    else Compared(
                        points=tuple(_point(metric.rule, mine, b) for b in before),
                        total=_value(metric.rule, mine, low - shift, low),
                    ),
                )
                for key, mine in split.items()
            ),
            as_of={"api": str(len(self.events))},
            policy="upwell",
            position=f"0-{len(self.events)}",
            unit=metric.unit,
            currency="USD" if metric.unit == "money" else None,
        )


def _point(rule: Any, events: list[Happening], bucket: Bucket) -> Point:
    value = _value(rule, events, bucket.first, bucket.end)
    return Point(start=bucket.label, value=value, complete=bucket.end < FIRST + 15)


def _value(rule: Any, events: list[Happening], low: int, high: int) -> Value:
    now = [event for event in events if low <= event.day < high]
    match rule:
        case Ledger(events=Sum() as told):  # no billing source tells of these products
            return _value(told, events, low, high)
        case Sum(type=kind, of="count"):
            return sum(event.type == kind for event in now)
        case Sum(type=kind, of="value"):
            return _money(sum((e.value for e in now if e.type == kind), Decimal(0)))
        case Net(plus=plus, minus=minus):
            gain = sum((e.value for e in now if e.type == plus.type), Decimal(0))
            return _money(gain - sum((e.value for e in now if e.type == minus.type), Decimal(0)))
        case Distinct():
            return len({event.actor for event in now})
        case MeanOfDays():
            days = [len({e.actor for e in now if e.day == day}) for day in range(low, high)]
            return sum(days) / len(days)
        case Trailing(days=width):
            return len({e.actor for e in events if high - width <= e.day < high})
        case Sessions():
            views = {(e.actor, e.day) for e in events if e.type == "page_view"}
            # The first view of a day begins a session, unless the actor viewed the day before.
            return sum(low <= day < high and (actor, day - 1) not in views for actor, day in views)
        case Cohort(entry=entry, goal=goal, window_days=window):
            firsts: dict[str, int] = {}
            for e in sorted(events, key=lambda e: e.day):
                if e.type == entry:
                    firsts.setdefault(e.actor, e.day)
            cohort = {actor: day for actor, day in firsts.items() if low <= day < high}
            won = sum(
                any(
                    e.type == goal and e.actor == actor and day <= e.day < day + window
                    for e in events
                )
                for actor, day in cohort.items()
            )
            return won / len(cohort) if cohort else None
    raise AssertionError(rule)


def _money(value: Decimal) -> str:
    return major(nanos(value), "USD")


def laid_over(answer: Answer, frame: dict[str, Any]) -> Answer:
    """What a page does with a frame."""
    if "answer" in frame:
        return msgspec.convert(frame["answer"], Answer)
    moved = {(point["key"], point["start"]): point for point in frame["points"]}
    return msgspec.structs.replace(
        answer,
        as_of=answer.as_of | frame["as_of"],
        series=tuple(
            msgspec.structs.replace(
                series,
                total=frame["totals"].get(series.key, series.total),
                points=tuple(
                    Point(
                        start=point.start,
                        value=moved[(series.key, point.start)]["value"],
                        complete=moved[(series.key, point.start)]["complete"],
                    )
                    if (series.key, point.start) in moved
                    else point
                    for point in series.points
                ),
            )
            for series in answer.series
        ),
    )


def happenings(*types: str) -> st.SearchStrategy[Happening]:
    return st.builds(
        Happening,
        product=st.sampled_from(["mail", "docs", "code"]),
        type=st.sampled_from(types),
        day=st.one_of(st.integers(FIRST - 12, FIRST + DAYS + 3), st.integers(FIRST - 35, FIRST)),
        actor=st.sampled_from("abcd"),
        value=st.decimals(0, 1000, places=3),
        plan=st.sampled_from(["team", "solo", "free"]),
    )


KINDS = {"revenue", "refund", "signup", "activation", "page_view", "churn"}
METRICS = [
    "revenue",
    "gross_revenue",
    "signups",
    "churned_customers",
    "page_views",
    "sessions",
    "actors",
    "dau",
    "wau",
    "mau",
    "visitors",
    "activation_rate",
]
questions = st.builds(
    Question,
    metric=st.sampled_from(METRICS),
    product=st.sampled_from([(), ("mail",), ("mail", "code")]),
    start=st.integers(0, 5).map(lambda n: to_date(FIRST + n)),
    end=st.integers(8, DAYS).map(lambda n: to_date(FIRST + n)),
    grain=st.sampled_from(["day", "week", "month"]),
    by=st.sampled_from([None, None, "plan", "product"]),
    where=st.sampled_from([{}, {}, {"plan": ("team", "solo")}]),
    compare=st.sampled_from([None, None, "previous"]),
)


@st.composite
def stories(draw: st.DrawFn) -> tuple[Question, list[Happening], list[list[Happening]]]:
    """A question, what happened before it was asked, and commits that are mostly about it."""
    question = draw(questions)
    types = [*sorted(metric_named(question.metric).reads & KINDS) * 3, *sorted(KINDS)]
    events = happenings(*types)
    before = draw(st.lists(events, max_size=12))
    commits = draw(st.lists(st.lists(events, min_size=1, max_size=4), min_size=1, max_size=6))
    return question, before, commits


@given(story=stories(), viewer=st.sampled_from([SYSTEM, SCOPED]), together=st.booleans())
@settings(max_examples=300, deadline=None)
@example(  # an earlier signup takes its actor out of a later bucket that no event touched
    story=(
        Question(metric="activation_rate", start=to_date(FIRST), end=to_date(FIRST + 14)),
        [Happening("mail", "signup", FIRST + 9, "a", Decimal(1), "team")],
        [[Happening("mail", "signup", FIRST - 2, "a", Decimal(1), "team")]],
    ),
    viewer=SYSTEM,
    together=False,
)
@example(  # a key that was not there before
    story=(
        Question(metric="signups", start=to_date(FIRST), end=to_date(FIRST + 14), by="plan"),
        [Happening("mail", "signup", FIRST + 9, "a", Decimal(1), "team")],
        [[Happening("mail", "signup", FIRST + 3, "a", Decimal(1), "solo")]],
    ),
    viewer=SYSTEM,
    together=False,
)
@example(  # a late event of a month before counts until thirty days after it
    story=(
        Question(metric="mau", start=to_date(FIRST), end=to_date(FIRST + 14)),
        [],
        [[Happening("mail", "page_view", FIRST - 20, "a", Decimal(1), "team")]],
    ),
    viewer=SYSTEM,
    together=False,
)
@example(  # a view before midnight takes in the session that began after it
    story=(
        Question(metric="sessions", start=to_date(FIRST), end=to_date(FIRST + 14)),
        [Happening("mail", "page_view", FIRST + 9, "a", Decimal(1), "team")],
        [[Happening("mail", "page_view", FIRST + 8, "a", Decimal(1), "team")]],
    ),
    viewer=SYSTEM,
    together=False,
)
def test_frames_laid_over_the_picture_give_the_fresh_answer(
    story: tuple[Question, list[Happening], list[list[Happening]]], viewer: Viewer, together: bool
) -> None:
    question, before, commits = story
    company = Company()
    company.events += before
    subject = Subject.of(question, viewer)
    subject.picture = company.ask(question, viewer)
    page = subject.picture
    waiting: list[Change] = []
    for seq, commit in enumerate(commits, start=1):
        company.events += commit
        touched = frozenset(Touched(e.product, e.type, e.day) for e in commit)
        waiting.append(Change(Position(0, seq), 0, touched))
        if together and seq < len(commits):
            continue  # the hub was resting: several commits meet in one round
        if subject.touch(touches(waiting)):
            told = ask_again(
                company.ask,
                question,
                viewer,
                subject.metric,
                subject.picture,
                subject.begin(whole=False),
            )
            assert told.problem is None
            subject.picture = told.picture
            if not told.nothing:
                subject.tick += 1
                body = told.body if told.moved is not None else subject.snapshot()
                frame = msgspec.json.decode(frames.head("t") + '0-0",' + body)
                page = laid_over(page, frame)
        waiting.clear()
        assert page.series == company.ask(question, viewer).series


@given(
    question=questions.filter(lambda q: q.by != "plan" and q.compare is None),
    before=st.lists(happenings(*sorted(KINDS)), min_size=1, max_size=12),
    late=happenings(*sorted(KINDS)),
)
@settings(max_examples=200, deadline=None)
def test_a_sum_is_asked_only_where_it_was_touched(
    question: Question, before: list[Happening], late: Happening
) -> None:
    company = Company()
    company.events += before
    asked: list[Question] = []

    def ask(question: Question, viewer: Viewer) -> Answer:
        asked.append(question)
        return company.ask(question, viewer)

    subject = Subject.of(question, SYSTEM)
    subject.picture = company.ask(question, SYSTEM)
    company.events.append(late)
    change = Change(Position(0, 1), 0, frozenset({Touched(late.product, late.type, late.day)}))
    if not subject.touch(touches([change])):
        assert company.ask(question, SYSTEM).series == subject.picture.series
        return
    span = subject.begin(whole=False)
    ask_again(ask, question, SYSTEM, subject.metric, subject.picture, span)
    if adds(subject.metric):
        assert len(asked) == 1
        assert asked[0].start is not None
        assert asked[0].end is not None
        days = to_day(asked[0].end) - to_day(asked[0].start)
        assert days <= {"day": 2, "week": 14, "month": 62}[question.grain]


def test_a_watched_segment_is_asked_again_whatever_comes() -> None:
    """Who signs in to docs may be in the segment from now on, and with them all that they paid."""
    question = Question(metric="revenue", product=("mail",), segment="seg_1")
    subject = Subject.of(question, SYSTEM)
    assert not subject.cheap
    assert not subject.touch({})
    assert subject.touch({"identify": {"docs": {FIRST}}})
    assert subject.begin(whole=False) == WHOLE
