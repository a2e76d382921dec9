"""What answers make of reports: the one for what is asked, or that it is not reported."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from tests.laws.world import NOW, World, config, ground, world
from tests.oracle.plain import Rules
from upwell.access import SYSTEM
from upwell.billing import Origin
from upwell.errors import Rejected
from upwell.event import Delivery
from upwell.metrics.reported import OTHER_ROW, SAMPLED, THRESHOLDED, WITHHELD
from upwell.period import to_instant
from upwell.query.desk import Desk
from upwell.query.explain import Explain
from upwell.query.question import Answer, Question
from upwell.query.rows import rows
from upwell.sources.ga4.reports import Body, Part, days

TODAY = to_instant(NOW).date()
HOUR = 3_600_000_000
LOS_ANGELES = "America/Los_Angeles"


def date(ago: int) -> dt.date:
    return TODAY - dt.timedelta(days=ago)


def row(ago: int, *cells: object) -> list[str]:
    """A row of a day: what it is about, then sessions, users, new, views, conversions, revenue."""
    return [f"{date(ago):%Y%m%d}", *map(str, cells)]


def part(
    report: str,
    *found: list[str],
    ago: Sequence[int] = (4, 3, 2, 1, 0),
    zone: str = "UTC",
    currency: str = "USD",
    flags: int = 0,
) -> Part:
    marked = tuple(str(date(one)) for one in ago)
    return Part(
        report=report, zone=zone, currency=currency, flags=flags, days=marked, rows=tuple(found)
    )


def page(*parts: Part, source: str = "site", restates: bool = True, at: int = NOW) -> Delivery:
    body = msgspec.json.encode(Body(property="1234", parts=parts))
    about = {"of": "ga4", "pull": {}, **({"restates": True} if restates else {})}
    return Delivery(kind="pull", source=source, received_at=at, about=about, body=body)


def setting(zone: str = "UTC") -> Delivery:
    """Two products, each with a property of its own."""
    origins = (
        Origin(id="site", kind="ga4", product="mail"),
        Origin(id="other", kind="ga4", product="docs"),
    )
    stands = msgspec.structs.replace(ground(Rules()), sources=origins, timezone=zone)
    return Delivery(
        kind="config", source="upwell", received_at=NOW, body=msgspec.json.encode(stands)
    )


PAGES = (
    page(
        part("day", row(2, 10, 8, 3, 30, 2, "12.5"), row(1, 20, 15, 6, 60, 4, "25.25")),
        part(
            "channel",
            row(2, "Direct", 6, 6, 2, 10, 1, 5),
            row(2, "Email", 4, 4, 1, 20, 1, "7.5"),
            row(1, "Direct", 21, 16, 6, 60, 4, "25.25"),
            flags=THRESHOLDED | SAMPLED,
        ),
        part("country", row(2, "DE", 9, 7, 3, 30, 2, 0), flags=WITHHELD),
        part("device", row(2, "mobile", 9, 7, 3, 30, 2, "12.5"), ago=(2,)),
        part("landing_page", row(2, "/", 9, 7, 3, 30, 2, 0), row(2, "(other)", 1, 1, 0, 1, 0, 0),
            ago=(2,), flags=OTHER_ROW),
        part("source_medium", *(row(2, f"s{n}", 1000 - n, 5, 1, 1, 0, 0) for n in range(300))),
    ),
    page(part("day", row(1, 5, 5, 5, 5, 0, 0), ago=(1, 0)), source="other"),
)  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("reports")) as found:
        found.take(config(Rules()), setting(), *PAGES)
        yield found


def ask(house: World, metric: str, **more: object) -> Answer:
    given = {"metric": metric, "from": str(date(4)), "to": str(date(-1)), "product": ["mail"]}
    question = msgspec.convert({**given, **more}, Question)
    return Desk(house.projection).answer(question, SYSTEM, to_instant(NOW))


def values(answer: Answer) -> dict[str, list[object]]:
    return {one.key: [point.value for point in one.points] for one in answer.series}


def test_a_metric_names_the_report_by_day_alone(house: World) -> None:
    answer = ask(house, "ga4_sessions")
    assert values(answer) == {"": [0, 0, 10, 20, 0]}  # the channels say 10 and 21
    assert answer.series[0].total == 30
    assert answer.note == ""
    assert ask(house, "ga4_page_views").series[0].total == 90
    assert ask(house, "ga4_new_users").series[0].total == 9
    assert ask(house, "ga4_conversions").series[0].total == 6
    assert ask(house, "ga4_revenue", currency="USD").series[0].total == "37.75"


def test_a_breakdown_is_the_report_of_that_dimension(house: World) -> None:
    answer = ask(house, "ga4_sessions", by="channel")
    assert values(answer) == {"Direct": [0, 0, 6, 21, 0], "Email": [0, 0, 4, 0, 0]}
    assert [one.total for one in answer.series] == [27, 4]
    assert "few users" in answer.note
    assert "sample" in answer.note
    narrowed = ask(house, "ga4_sessions", where={"channel": ["Email"]})
    assert values(narrowed) == {"": [0, 0, 4, 0, 0]}


def test_users_of_several_days_are_not_reported(house: World) -> None:
    answer = ask(house, "ga4_users")
    assert values(answer) == {"": [0, 0, 8, 15, 0]}
    assert answer.series[0].total is None
    assert "do not add up" in answer.note
    weekly = ask(house, "ga4_users", grain="month")
    assert {value for (*all_,) in values(weekly).values() for value in all_} == {None}
    one = {"from": str(date(1)), "to": str(date(0))}
    assert ask(house, "ga4_users", **one).series[0].total == 15
    by = ask(house, "ga4_users", by="channel", **one)
    assert [(line.key, line.total) for line in by.series] == [("Direct", 16)]


def test_users_of_several_rows_are_not_reported(house: World) -> None:
    one = {"from": str(date(2)), "to": str(date(1))}
    several = {"channel": ["Direct", "Email"]}
    answer = ask(house, "ga4_users", where=several, **one)
    assert answer.series[0].total is None
    assert "do not add up" in answer.note
    assert ask(house, "ga4_sessions", where=several, **one).series[0].total == 10
    single = ask(house, "ga4_users", where={"channel": ["Email"]}, **one)
    assert single.series[0].total == 4


def test_users_of_several_properties_are_not_reported(house: World) -> None:
    one = {"from": str(date(1)), "to": str(date(0)), "product": []}
    answer = ask(house, "ga4_users", **one)
    assert answer.series[0].total is None
    assert "several properties" in answer.note
    assert ask(house, "ga4_sessions", **one).series[0].total == 25
    apart = ask(house, "ga4_users", by="product", **one)
    assert {line.key: line.total for line in apart.series} == {"mail": 15, "docs": 5, "x": None}


@pytest.mark.parametrize(
    "more",
    [{"by": "plan"}, {"by": "country", "where": {"channel": ["Direct"]}}, {"where": {"os": ["x"]}}],
)
def test_what_no_report_says_is_not_reported(house: World, more: dict[str, object]) -> None:
    answer = ask(house, "ga4_sessions", **more)
    assert values(answer) == {"": [None] * 5}
    assert answer.series[0].total is None
    assert answer.note.startswith("Not reported: there is no report by ")


def test_days_that_were_not_read_have_no_value(house: World) -> None:
    answer = ask(house, "ga4_sessions", by="device")
    assert values(answer) == {"mobile": [None, None, 9, None, None]}
    assert "Of 4 of these 5 days no report was read yet." in answer.note
    nothing = ask(house, "ga4_sessions", product=["x"])
    assert values(nothing) == {"": [None] * 5}
    assert "no report of these dates was read yet" in nothing.note
    assert "(other)" in ask(house, "ga4_sessions", by="landing_page").note


def test_revenue_that_google_hides_is_not_reported(house: World) -> None:
    hidden = ask(house, "ga4_revenue", by="country")
    assert values(hidden) == {"": [None] * 5}
    assert hidden.note.startswith("Not reported: Google does not show revenue")
    shown = ask(house, "ga4_sessions", by="country")
    assert [line.total for line in shown.series] == [9]


def test_a_report_is_never_activity_nor_an_events_name(house: World) -> None:
    assert ask(house, "actors").series[0].total == 0
    assert ask(house, "sessions").series[0].total == 0
    assert ask(house, "page_views").series[0].total == 0
    assert ask(house, "revenue").series[0].total == "0.00"


def test_hours_and_segments_are_refused(house: World) -> None:
    with pytest.raises(Rejected) as caught:
        ask(house, "ga4_sessions", grain="hour")
    assert caught.value.problem.code == "no_hours"
    with pytest.raises(Rejected) as caught:
        ask(house, "ga4_sessions", segment="s1")
    assert caught.value.problem.code == "no_segment"


def test_restated_zones_and_currencies(tmp_path: Path) -> None:
    """One house: a day restated and as it was known, dates of another zone, another currency."""
    with world(tmp_path) as house:
        far = part("day", row(2, 10, 8, 3, 30, 2, 1), row(1, 2, 2, 1, 3, 2, 1), zone=LOS_ANGELES)
        house.take(config(Rules()), setting("Pacific/Auckland"), page(far))
        assert values(ask(house, "ga4_sessions")) == {"": [0, 0, 10, 2, 0]}
        near = part("day", row(3, 7, 7, 1, 1, 1, 0), zone="Pacific/Kiritimati", ago=(3,))
        house.take(setting(LOS_ANGELES), page(near))
        assert values(ask(house, "ga4_sessions")) == {"": [0, 7, 10, 2, 0]}

        more = part("day", row(2, 26, 18, 7, 70, 5, 30), ago=(2,), zone=LOS_ANGELES)
        house.take(setting(), page(more, at=NOW + HOUR))
        assert values(ask(house, "ga4_sessions")) == {"": [0, 7, 26, 2, 0]}
        assert ask(house, "ga4_revenue", currency="USD").series[0].total == "31.00"
        then = to_instant(NOW + HOUR // 2).isoformat()
        assert values(ask(house, "ga4_sessions", known_at=then)) == {"": [0, 7, 10, 2, 0]}

        euros = part("day", row(4, 1, 1, 1, 1, 1, 100), currency="EUR", ago=(4,))
        house.take(page(euros, source="another"), page(euros))
        native = ask(house, "ga4_revenue", currency="native")
        assert {line.key: line.total for line in native.series} == {"EUR": "100.00", "USD": "31.00"}
        split = ask(house, "ga4_revenue", by="currency")
        assert {line.key for line in split.series} == {"EUR", "USD"}


def test_rows_behind_a_number_are_those_of_its_report(house: World) -> None:
    desk = Desk(house.projection)
    question = msgspec.convert(
        {"metric": "ga4_sessions", "from": str(date(4)), "to": str(date(-1)), "by": "channel"},
        Question,
    )
    asked = desk.plan(question, SYSTEM, to_instant(NOW))
    found = rows(asked, house.projection, SYSTEM, lambda _: None, key="Direct").rows
    assert [str(one.event.value) for one in found] == ["21", "6"]
    assert found[0].event.metadata["channel"] == "Direct"


def test_compared_days_are_whole(house: World) -> None:
    answer = ask(house, "ga4_sessions", **{"from": str(date(0)), "compare": "previous"})
    assert answer.series[0].compare is not None
    assert answer.series[0].compare.points[0].value == 20
    assert answer.series[0].compare.total is None  # of yesterday until now nobody knows


def test_a_change_is_explained_by_reports_that_were_read(house: World) -> None:
    question = msgspec.convert(
        {"metric": "ga4_sessions", "from": str(date(1)), "to": str(date(0)), "product": ["mail"]},
        Question,
    )
    desk = Desk(house.projection)
    found = Explain(desk, lambda: to_instant(NOW)).explain(question, SYSTEM)
    assert (found.before, found.after, found.change) == (10, 20, 10)
    splits = {split.by: split for split in found.splits}
    assert [(part.label, part.kind, part.change) for part in splits["channel"].parts] == [
        ("Direct", "part", 15), ("Email", "part", -4), ("", "rest", -1),
    ]  # fmt: skip
    assert splits["device"].parts == ()
    assert splits["device"].note == "No report of both spans was read."


def test_the_rest_of_a_long_report(house: World) -> None:
    answer = ask(house, "ga4_sessions", by="source_medium")
    assert len(answer.series) == 200
    found = {line.key: line.total for line in answer.series}
    assert found["other"] == sum(1000 - n for n in range(199, 300))
    users = ask(house, "ga4_users", by="source_medium")
    assert "other" not in {line.key for line in users.series}


def test_days_are_written_out() -> None:
    assert days("2026-02-27", "2026-03-02") == (
        "2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02",
    )  # fmt: skip
