"""A company's own metrics: each way of counting, checked by hand; what a configuration may say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from tests.laws.world import NOW, World, batch, config, ground, world
from tests.oracle.plain import Event, Rules
from upwell.access import SYSTEM
from upwell.alerts.rules import rules
from upwell.app.house import ground_of
from upwell.app.owned import names
from upwell.errors import Rejected
from upwell.event import Delivery
from upwell.live.watch import Subject
from upwell.metrics.own import Activation, Own
from upwell.period import to_instant
from upwell.query.desk import Desk
from upwell.query.question import Answer, Question
from upwell.query.rows import rows
from upwell.settings import Alert, ConfigError, load

DAY = 86_400_000_000
AT = NOW - NOW % DAY + DAY // 2  # noon, UTC
KPI = ("kpi",)
OWN = (
    Own(name="seats", title="Paid seats", types=KPI, named="paid_seats"),
    Own(name="now_seats", title="Seats", aggregate="latest", types=KPI, named="paid_seats"),
    Own(name="shares", title="Shares", aggregate="count", types=("engagement",), named="shared",
        where=(("plan", ("team", "enterprise")),)),
    Own(name="sharers", title="Sharers", aggregate="unique", of="actor_id",
        types=("engagement",), named="shared"),
    Own(name="documents", title="Documents", aggregate="unique", of="metadata.doc", named="shared"),
    Own(name="each", title="Shares a sharer", aggregate="ratio", unit="count",
        numerator="shares", denominator="sharers"),
    Own(name="paid_a_share", title="Paid a share", aggregate="ratio", unit="money",
        numerator="gross_revenue", denominator="shares"),
)  # fmt: skip


def shared(day: int, who: str, plan: str, doc: str, product: str = "mail") -> Event:
    metadata = {"name": "shared", "plan": plan, "doc": doc}
    return Event(product, "engagement", AT + day * DAY, actor=who, metadata=metadata)


def seats(day: int, value: str, product: str = "mail", seconds: int = 0) -> Event:
    at = AT + day * DAY + seconds * 1_000_000
    return Event(product, "kpi", at, value=Decimal(value), metadata={"name": "paid_seats"})


EVENTS = [
    seats(-3, "10.5"), seats(-3, "12", seconds=1), seats(-1, "3", "docs"), seats(0, "20"),
    shared(-3, "ann", "team", "a"), shared(-3, "ann", "free", "a"), shared(-2, "bob", "team", "b"),
    shared(-2, "ann", "enterprise", "a", "docs"),
    Event("mail", "revenue", AT - 2 * DAY, actor="ann", value=Decimal("9"), currency="USD"),
]  # fmt: skip


def own(metrics: tuple[Own, ...]) -> Delivery:
    """A configuration with these metrics."""
    body = msgspec.json.encode(msgspec.structs.replace(ground(Rules()), metrics=metrics))
    return Delivery(kind="config", source="upwell", received_at=NOW, body=body)


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as house:
        house.take(config(Rules()), batch(EVENTS[:4]), own(OWN), batch(EVENTS[4:]))
        yield house


def answer(house: World, metric: str, **more: object) -> Answer:
    question = msgspec.convert(
        {
            "metric": metric,
            "from": (to_instant(AT).date() - dt.timedelta(days=4)).isoformat(),
            "to": (to_instant(AT).date() + dt.timedelta(days=1)).isoformat(),
            **more,
        },
        Question,
    )
    return Desk(house.projection).answer(question, SYSTEM, to_instant(AT + DAY // 3))


def values(found: Answer, key: str = "") -> list[object]:
    return next([point.value for point in one.points] for one in found.series if one.key == key)


@pytest.mark.parametrize(
    ("metric", "points", "total", "scanned"),
    [
        ("seats", [0, 22.5, 0, 3, 20], 45.5, False),
        ("now_seats", [None, 12, 12, 15, 23], 23, True),
        ("shares", [0, 1, 2, 0, 0], 3, False),
        ("sharers", [0, 1, 2, 0, 0], 3, False),
        ("documents", [0, 1, 2, 0, 0], 2, True),
        ("each", [None, 1, 1, None, None], 1, False),
        ("paid_a_share", [None, "0.00", "4.50", None, None], "3.00", False),
    ],
)
def test_each_way_of_counting(
    asked: World, metric: str, points: list[object], total: object, scanned: bool
) -> None:
    """By day over five days; ann of docs is another user than ann of mail."""
    found = answer(asked, metric)
    assert values(found) == points
    assert found.series[0].total == total
    assert found.scanned is scanned


def test_split_filtered_and_by_the_hour(asked: World) -> None:
    """Declared dimensions need no scan; others and hours of them do, and agree."""
    by_plan = answer(asked, "shares", by="plan")
    assert {one.key: one.total for one in by_plan.series} == {"team": 2, "enterprise": 1}
    assert not by_plan.scanned
    by_doc = answer(asked, "shares", by="doc")
    assert {one.key: one.total for one in by_doc.series} == {"a": 2, "b": 1}
    assert by_doc.scanned
    assert answer(asked, "shares", by="plan", grain="hour").series[0].total == 2
    assert answer(asked, "seats", by="product").series[0].total == 42.5
    assert answer(asked, "sharers", where={"doc": ["b"]}).series[0].total == 1
    assert answer(asked, "seats", where={"name": ["paid_seats"]}).series[0].total == 45.5


@pytest.mark.parametrize("metric", ["seats", "now_seats", "shares", "sharers", "documents", "each"])
def test_compared_and_as_known_then(asked: World, metric: str) -> None:
    """Every way of asking answers: with the span before, and as known at the end."""
    now = answer(asked, metric)
    known = answer(asked, metric, known_at=to_instant(AT + DAY // 3).isoformat())
    assert values(known) == values(now)
    assert answer(asked, metric, compare="previous").series[0].compare is not None


def test_rows_are_the_events_themselves(asked: World) -> None:
    """Rows carry the type that was sent."""
    desk = Desk(asked.projection)
    for metric, count in (("shares", 3), ("sharers", 4), ("now_seats", 4), ("each", 3)):
        question = msgspec.convert({"metric": metric}, Question)
        plan = desk.behind(desk.plan(question, SYSTEM, to_instant(AT + DAY // 3)))
        found = rows(plan, asked.projection, SYSTEM, lambda _: None).rows
        assert len(found) == count
        assert {row.event.event_type for row in found} <= {"kpi", "engagement"}


def test_taken_out_it_is_gone(asked: World) -> None:
    """Its sums go, and its name is unknown."""
    asked.take(own(OWN[:1]))
    assert not any(key[1] == "own:shares" for key in asked.projection.sums.days)
    with pytest.raises(Rejected, match="shares"):
        answer(asked, "shares")
    assert answer(asked, "seats").series[0].total == 45.5


HEAD = '[[metrics]]\nname = "mine"\ntitle = "Mine"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('agregate = "sum"', "agregate"),
        ('event = "kpis"', "kpis"),
        ('aggregate = "ratio"\nunit = "ratio"', "numerator"),
        ('aggregate = "ratio"\nunit = "ratio"\nnumerator = "signupz"\ndenominator = "dau"',
         "signupz"),
        ('aggregate = "ratio"\nunit = "ratio"\nnumerator = "nrr"\ndenominator = "dau"',
         "a ratio itself"),
        ('aggregate = "ratio"\nunit = "ratio"\nnumerator = "mrr"\ndenominator = "dau"',
         "does not fit"),
        ('event = "kpi"\nunit = "money"', "no currency"),
        ('event = "revenue"\nunit = "count"', "money"),
        ('aggregate = "count"\nunit = "seconds"', "does not fit"),
        ('aggregate = "unique"\nof = "doc"', "told apart"),
        ('of = "actor_id"', "cannot be added"),
        ('numerator = "dau"', "Only a ratio"),
        ('unit = "ratio"', "Only a ratio"),
    ],
)  # fmt: skip
def test_a_wrong_metric_is_told(tmp_path: Path, text: str, said: str) -> None:
    """Each mistake is named with what to change, and its line."""
    path = tmp_path / "upwell.toml"
    path.write_text(HEAD + text)
    with pytest.raises(ConfigError) as caught:
        load(path, {}, names())
    assert any(said in problem.message for problem in caught.value.problems)
    assert all(problem.fix and "line" in problem.where for problem in caught.value.problems)


def test_a_name_that_upwell_has_is_taken(tmp_path: Path) -> None:
    """A built-in metric keeps its name."""
    path = tmp_path / "upwell.toml"
    path.write_text(HEAD.replace('"mine"', '"mrr"'))
    with pytest.raises(ConfigError, match="has already"):
        load(path, {}, names())


def signups() -> list[Event]:
    """Ann shares three times after signing up to mail, bob twice, cleo in docs once."""
    people = (("ann", "mail", 3), ("bob", "mail", 2), ("cleo", "docs", 1))
    found = []
    for who, product, times in people:
        found.append(Event(product, "signup", AT - 4 * DAY, actor=who))
        found += [shared(-3, who, "team", str(n), product) for n in range(times)]
    return [*found, Event("mail", "activation", AT - 3 * DAY, actor="bob")]


@pytest.mark.parametrize(
    ("activation", "docs", "rates", "counts"),
    [
        (Activation(), None, (1 / 3, 0.5), 1),
        (Activation(event="shared", times=3, days=2), None, (1 / 3, 0.5), 1),
        (Activation(event="shared", times=2, days=2), Activation(event="engagement"), (1, 1), 3),
        (Activation(event="shared", times=4), None, (0, 0), 0),
    ],
)
def test_a_company_says_what_activates(
    tmp_path: Path,
    activation: Activation,
    docs: Activation | None,
    rates: tuple[float, float],
    counts: int,
) -> None:
    """The rate and the number follow it, in sums and in what was known."""
    said = ground(Rules())
    products = tuple(
        msgspec.structs.replace(one, activation=docs if one.id == "docs" else None)
        for one in said.products
    )
    said = msgspec.structs.replace(said, activation=activation, products=products)
    body = msgspec.json.encode(said)
    delivery = Delivery(kind="config", source="upwell", received_at=NOW, body=body)
    with world(tmp_path) as house:
        house.take(config(Rules()), batch(signups()[:5]), delivery, batch(signups()[5:]))
        for known in ({}, {"known_at": to_instant(AT + DAY // 3).isoformat()}):
            found = answer(house, "activation_rate", **known)
            assert found.series[0].total == pytest.approx(rates[0])
            mail = answer(house, "activation_rate", product=["mail"], **known)
            assert mail.series[0].total == pytest.approx(rates[1])
            assert answer(house, "activations", **known).series[0].total == counts


@pytest.mark.parametrize("within", ["soon", "0d", "36h"])
def test_an_activation_is_within_whole_days(tmp_path: Path, within: str) -> None:
    """Anything else is told."""
    path = tmp_path / "upwell.toml"
    path.write_text(f'[workspace]\nactivation = {{event = "shared", within = "{within}"}}\n')
    with pytest.raises(ConfigError, match="no whole days"):
        load(path, {}, names())


def test_what_a_file_says_is_what_counts(tmp_path: Path) -> None:
    """From the file to the ground."""
    path = tmp_path / "upwell.toml"
    path.write_text(
        '[workspace]\nactivation = {event = "shared", times = 3, within = "2w"}\n'
        '[[products]]\nid = "mail"\nactivation = {event = "signup"}\n' + HEAD + 'event = "kpi"\n'
    )
    found = ground_of(load(path, {}, names()))
    assert found.activates("docs") == Activation(event="shared", times=3, days=14)
    assert found.activates("mail") == Activation(event="signup")
    assert found.metrics == (Own(name="mine", title="Mine", types=("kpi",)),)


def test_they_are_watched_and_alerted_on(asked: World) -> None:
    """What a commit touches finds the open page; a rule names one that is there."""
    catalogue = asked.projection.ground.catalogue
    question = msgspec.convert({"metric": "each"}, Question)
    subject = Subject.of(question, SYSTEM, catalogue)
    assert subject.touch({"own:sharers": {"mail": {NOW // DAY}}})
    assert not subject.touch({"own:seats": {"mail": {NOW // DAY}}})
    assert [rule.metric for rule in rules((Alert(metric="seats"),), 3, catalogue)] == ["seats"]
    with pytest.raises(Rejected, match="sets"):
        rules((Alert(metric="sets"),), 3, catalogue)
