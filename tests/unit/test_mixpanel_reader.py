"""Reading Mixpanel's export: what is asked for when, and what becomes of answers of all kinds."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.mixpanel_project import AT, DAY, NOON, TODAY, Reading, Sender
from upwell.demo.mixpanel import Generated, Recorded
from upwell.errors import Rejected, Unavailable, UpwellError
from upwell.sources.contract import BadQuery, NotAllowed, QuotaGone, SignIn, Truncated, state_of
from upwell.sources.mixpanel import KIND
from upwell.sources.mixpanel.plan import CALLS, FLOOR, HOUR, Plan


@pytest.fixture
def sender() -> Sender:
    return Sender(Recorded())


@pytest.fixture
def reading(tmp_path: Path, sender: Sender) -> Iterator[Reading]:
    found = Reading(tmp_path, sender.project)
    yield found
    found.close()


# -- what is read when ---------------------------------------------------------------------------


def test_today_comes_first_then_the_last_days_then_the_past(
    reading: Reading, sender: Sender
) -> None:
    for days in range(40):
        sender.send(AT - days * DAY)
    pages = reading.look()
    assert reading.numbers() == sender.all
    labels = [page.label for page in pages]
    assert labels[:7] == [
        "2026-11-23", "2026-11-22", "2026-11-21", "2026-11-20", "2026-11-19", "2026-11-18",
        "2026-11-17",
    ]  # fmt: skip
    assert labels[7] == "2026-11-13 to 2026-11-16"  # days with few events are asked for together
    assert all(page.history for page in pages)
    told = [page.complete_to for page in pages]
    assert told[:5] == [None] * 5
    assert told[5] == NOON.timestamp() * 1_000_000  # from here on nothing before is missing


def test_only_new_lines_are_kept_and_a_look_without_any_is_not(
    reading: Reading, sender: Sender
) -> None:
    sender.send(AT - 60)
    reading.look()
    reading.later(300)
    sender.send(AT + 200)
    (page,) = reading.look()
    assert (page.rows, page.read, page.history) == (1, 2, False)
    reading.later(300)
    (page,) = reading.look()
    assert (page.rows, page.read, page.keep, page.body) == (0, 2, False, b"")
    assert page.complete_to is not None
    assert AT + 600 <= page.complete_to / 1_000_000 < AT + 610
    assert reading.numbers() == sender.all


def test_a_day_of_looks_keeps_to_the_schedule(reading: Reading) -> None:
    reading.look()
    before = len(reading.fake.calls)
    end = reading.now + dt.timedelta(days=1, minutes=3)
    while reading.now < end:
        reading.later(300)
        reading.look()
    asked = Counter(call.first for call in reading.fake.calls[before:])
    assert asked["2026-11-23"] + asked["2026-11-24"] <= 288 + 24
    assert asked["2026-11-23"] + asked["2026-11-24"] >= 260
    assert 10 <= asked["2026-11-22"] <= 14  # hourly until midnight, then daily
    assert all(asked[f"2026-11-{day}"] == 1 for day in (19, 20, 21))
    assert all(call.status == 200 for call in reading.fake.calls)


def test_what_phones_send_days_later_is_found(reading: Reading, sender: Sender) -> None:
    reading.look()
    sender.send(AT - DAY, arrived=AT + 2 * DAY)
    sender.send(AT, arrived=AT + 4.9 * DAY)
    for _ in range(7 * 24):
        reading.later(HOUR)
        reading.look()
    assert reading.numbers() == sender.all


def test_days_that_nobody_read_are_read_later(reading: Reading, sender: Sender) -> None:
    reading.look()
    for days in range(1, 12):
        sender.send(AT + days * DAY - 100)
    reading.restart()
    reading.now = NOON + dt.timedelta(days=11)
    pages = reading.look()
    assert reading.numbers() == sender.all
    assert pages[0].label == "2026-12-04"
    assert pages[-1].complete_to is not None


def test_the_past_takes_the_calls_that_are_left_and_today_goes_first(tmp_path: Path) -> None:
    reading = Reading(tmp_path, Generated(TODAY - 99, TODAY, per_day=8), since=_date(TODAY - 99))
    reading.cursor = Plan.begin(TODAY, TODAY - 99).cursor()
    plan = Plan.of(reading.cursor)
    assert plan.next_past() == (TODAY - 6, TODAY - 6)
    found = reading.look()
    calls = [call.at for call in reading.fake.calls]
    assert all(call.status == 200 for call in reading.fake.calls)
    for number, at in enumerate(calls):
        assert sum(at - HOUR < one <= at for one in calls[: number + 1]) <= CALLS
    assert found[-1].label.startswith("2026-08-16")


def test_a_large_past_waits_for_calls_and_does_not_stop_today(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upwell.sources.mixpanel.plan.AIM", 1)  # each day is large
    reading = Reading(tmp_path, Generated(TODAY - 150, TODAY, per_day=3), since=_date(TODAY - 149))
    reading.look()
    assert all(call.status == 200 for call in reading.fake.calls)
    took = reading.now - NOON
    assert dt.timedelta(hours=2) < took < dt.timedelta(hours=6)
    looks = [call.at for call in reading.fake.calls if call.first == "2026-11-23"]
    assert max(b - a for a, b in pairwise(looks)) < 400
    assert len(reading.counted()) > 150 * 2


def test_a_restart_knows_the_calls_of_the_last_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upwell.sources.mixpanel.plan.AIM", 1)
    reading = Reading(tmp_path, Generated(TODAY - 60, TODAY, per_day=3))
    reading.look(most=40)
    reading.restart()
    assert len(Plan.of(reading.cursor or {}).calls) == 40
    reading.look(most=30)
    assert all(call.status == 200 for call in reading.fake.calls)
    assert reading.now - NOON > dt.timedelta(minutes=30)


def test_half_a_year_without_events_is_the_beginning(reading: Reading, sender: Sender) -> None:
    sender.send(AT - 100 * DAY)
    sender.send(AT - 250 * DAY)
    sender.send(AT - 500 * DAY)  # nobody looks so far
    reading.look()
    assert reading.numbers() == [0, 1]
    assert len(reading.fake.calls) < 40
    assert not reading.look()


def test_nothing_is_asked_for_before_the_first_day_wanted(tmp_path: Path, sender: Sender) -> None:
    reading = Reading(tmp_path, sender.project, since=_date(TODAY - 20))
    sender.send(AT - 20 * DAY)
    sender.send(AT - 22 * DAY)
    pages = reading.look()
    assert reading.numbers() == [0]
    assert (pages[0].done, pages[0].total) == (0, 15)
    assert min(call.first for call in reading.fake.calls) == "2026-11-03"


def test_a_first_day_of_this_week_leaves_no_past(tmp_path: Path, sender: Sender) -> None:
    reading = Reading(tmp_path, sender.project, since=_date(TODAY - 2))
    assert [page.label for page in reading.look()] == ["2026-11-23", "2026-11-22", "2026-11-21"]


def test_reading_ends_soon_when_it_is_to(reading: Reading) -> None:
    reading.stopped = True
    assert not reading.look()
    assert not reading.fake.calls


def _date(day: int) -> dt.date:
    return dt.date(1970, 1, 1) + dt.timedelta(days=day)


# -- again ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [0, 2, 5, 6, 7, 20, 60])
def test_again_reads_all_since_then(reading: Reading, sender: Sender, days: int) -> None:
    for number in range(70):
        sender.send(AT - number * DAY - 60)
    reading.look()
    reading.pages = []  # as if a new journal had begun
    assert reading.cursor is not None
    reading.cursor = KIND.again(reading.cursor, int(AT - days * DAY), int(AT))
    reading.look()
    assert set(reading.numbers()) >= set(range(days + 1))
    assert len(reading.numbers()) <= days + 10


def test_again_from_the_beginning_reads_everything(reading: Reading, sender: Sender) -> None:
    for number in range(0, 300, 20):
        sender.send(AT - number * DAY - 60)
    reading.look()
    reading.pages = []
    assert reading.cursor is not None
    reading.cursor = KIND.again(reading.cursor, 0, int(AT))
    reading.later(HOUR)
    reading.look()
    assert reading.numbers() == sender.all


def test_again_in_the_middle_of_the_past_leaves_nothing_out(
    reading: Reading, sender: Sender
) -> None:
    for number in range(70):
        sender.send(AT - number * DAY - 60)
    reading.look(most=9)
    assert reading.cursor is not None
    reading.cursor = KIND.again(reading.cursor, int(AT - 12 * DAY), int(AT))
    reading.look()
    assert reading.numbers() == sender.all


# -- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "state", "fix"),
    [
        (401, SignIn, "sign-in", "service account's user name and secret"),
        (402, NotAllowed, "permissions", "raw data export"),
        (403, NotAllowed, "permissions", "a role in this project"),
        (400, BadQuery, "query", "`project_id`"),
        (404, Rejected, "refused", "`api_base`"),
        (500, Unavailable, "unreachable", "tried again"),
        (503, Unavailable, "unreachable", "tried again"),
    ],
)
def test_a_refusal_says_what_to_change(
    reading: Reading, status: int, kind: type[UpwellError], state: str, fix: str
) -> None:
    reading.fake.whims.refuse = (status, "The vendor's words")
    with pytest.raises(kind) as caught:
        reading.look()
    problem = caught.value.problem
    assert state_of(caught.value) == state
    assert f"{status}: The vendor's words" in problem.message
    assert fix in problem.fix


def test_a_quota_that_is_gone_says_how_long(reading: Reading) -> None:
    reading.fake.whims.refuse = (429, "Too many")
    with pytest.raises(QuotaGone) as caught:
        reading.look()
    assert caught.value.after == 120.0
    reading.fake.whims.retry_after = None
    with pytest.raises(QuotaGone) as caught:
        reading.look()
    assert caught.value.after == 600.0


def test_wrong_credentials_and_others_projects_are_named(tmp_path: Path, sender: Sender) -> None:
    cases: tuple[tuple[dict[str, Any], type[Rejected]], ...] = (
        ({"secret": "wrong"}, SignIn),
        ({"username": "", "secret": "wrong"}, SignIn),
        ({"project_id": "1"}, NotAllowed),
        ({"project_id": ""}, BadQuery),
    )
    for given, kind in cases:
        with pytest.raises(kind):
            Reading(tmp_path, sender.project, **given).look()


def test_a_projects_secret_is_enough(tmp_path: Path, sender: Sender) -> None:
    sender.send(AT)
    reading = Reading(tmp_path, sender.project, username="", secret="project-secret", project_id="")
    reading.look()
    assert reading.numbers() == [0]


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ({}, "data.mixpanel.com"),
        ({"region": "eu"}, "data-eu.mixpanel.com"),
        ({"region": "in"}, "data-in.mixpanel.com"),
        ({"api_base": "http://mixpanel.acme.example/"}, "mixpanel.acme.example"),
    ],
)
def test_each_region_has_its_address(
    tmp_path: Path, sender: Sender, given: dict[str, Any], host: str
) -> None:
    reading = Reading(tmp_path, sender.project, **given)
    reading.look(most=1)
    assert reading.wire.hosts == [host]


@pytest.mark.parametrize("how", ["said", "hung up"])
@pytest.mark.parametrize("packed", [True, False])
def test_an_answer_that_broke_off_is_read_again(
    reading: Reading, sender: Sender, how: str, packed: bool
) -> None:
    for _ in range(30):
        sender.send(AT - 60)
    reading.wire.packed = packed
    reading.fake.whims.how, reading.fake.whims.cut = how, 2_000
    with pytest.raises(Truncated) as caught:
        reading.look()
    assert state_of(caught.value) == "truncated"
    reading.later(60)
    reading.look()
    assert reading.numbers() == sender.all


def test_a_span_of_the_past_that_broke_off_is_asked_for_in_halves(
    reading: Reading, sender: Sender
) -> None:
    for days in range(60):
        sender.send(AT - days * DAY)
    reading.look(most=8)
    reading.fake.whims.cut = 20
    with pytest.raises(Truncated):
        reading.look()
    assert reading.fake.calls[-1][1:3] == ("2026-10-28", "2026-11-12")
    reading.later(60)
    reading.look(most=1)
    assert reading.fake.calls[-1][1:3] == ("2026-11-05", "2026-11-12")
    reading.look()
    assert reading.numbers() == sender.all


def test_records_split_over_lines_are_joined(reading: Reading, sender: Sender) -> None:
    for _ in range(50):
        sender.send(AT - 60, text='a "quoted" {brace}} \\ and ünïcode')
    reading.fake.whims.split = 3
    reading.look()
    assert reading.numbers() == sender.all


def test_an_outage_of_the_vendor_costs_nothing_but_time(reading: Reading, sender: Sender) -> None:
    reading.look()
    reading.fake.whims.down = True
    for _ in range(24):
        reading.later(HOUR)
        sender.send(reading.now.timestamp())
        with pytest.raises(Unavailable):
            reading.look()
    reading.fake.whims.down = False
    reading.later(60)
    reading.look()
    assert reading.numbers() == sender.all


def test_a_vendor_that_is_not_there_is_unavailable(tmp_path: Path, sender: Sender) -> None:
    reading = Reading(
        tmp_path,
        sender.project,
        client=lambda _: httpx.Client(trust_env=False),
        api_base="http://127.0.0.1:9",
    )
    with pytest.raises(Unavailable) as caught:
        reading.look()
    assert caught.value.problem.message.startswith("Mixpanel does not answer")


@pytest.mark.parametrize("body", [b"<html>\n<body>Sign in</body></html>\n" * 9, b"OK", b"[]\n"])
def test_what_is_no_export_is_named(tmp_path: Path, sender: Sender, body: bytes) -> None:
    def page(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=httpx.ByteStream(body))

    reading = Reading(
        tmp_path, sender.project, client=lambda _: httpx.Client(transport=httpx.MockTransport(page))
    )
    with pytest.raises(Rejected) as caught:
        reading.look()
    assert caught.value.problem.code == "not_an_export"


# -- zones ---------------------------------------------------------------------------------------


def test_a_project_of_an_old_zone_has_its_days_and_times(tmp_path: Path) -> None:
    sender = Sender(Recorded("Asia/Tokyo"))
    late = NOON.replace(hour=16)  # 01:00 of the next day in Tokyo
    reading = Reading(tmp_path, sender.project, now=late, zone="Asia/Tokyo")
    for hours in range(60):
        sender.send(late.timestamp() - hours * HOUR)
    reading.look()
    assert reading.fake.calls[0].first == "2026-11-24"
    assert reading.numbers() == sender.all
    times = sorted(row["ts"] for row in reading.counted().values())
    assert times[-1] == late.timestamp() * 1_000_000


@pytest.mark.parametrize(
    ("project", "given", "says"),
    [
        ("Europe/Berlin", "UTC", "1 h ahead"),
        ("UTC", "America/New_York", "are UTC, not those of America/New_York"),
    ],
)
def test_a_wrong_zone_is_told_before_anything_is_kept(
    tmp_path: Path, project: str, given: str, says: str
) -> None:
    sender = Sender(Recorded(project))
    reading = Reading(tmp_path, sender.project, timezone=given)
    reading.fake.zone = "UTC"
    for seconds in range(80):
        sender.send(AT - seconds)
    with pytest.raises(Rejected) as caught:
        reading.look()
    assert caught.value.problem.code == "wrong_zone"
    assert says in caught.value.problem.message
    assert not reading.pages


def test_a_date_that_the_project_does_not_have_yet_points_at_the_zone(
    tmp_path: Path, sender: Sender
) -> None:
    late = NOON.replace(hour=20)
    reading = Reading(tmp_path, sender.project, now=late, timezone="Asia/Tokyo")
    with pytest.raises(BadQuery) as caught:
        reading.look()
    assert "later than today" in caught.value.problem.message
    assert "`timezone`" in caught.value.problem.fix


# -- files that may be lost ----------------------------------------------------------------------


def test_lost_files_only_mean_repeats(reading: Reading, sender: Sender, tmp_path: Path) -> None:
    sender.send(AT - 60)
    reading.look()
    for path in tmp_path.iterdir():
        path.unlink()
    reading.later(300)
    sender.send(AT + 60)
    (page,) = reading.look()
    assert page.rows == 2
    assert reading.numbers() == sender.all


def test_files_newer_than_the_journal_hide_nothing(reading: Reading, sender: Sender) -> None:
    sender.send(AT - 60)
    reading.look()
    kept = list(reading.pages)
    reading.later(300)
    sender.send(AT + 60)
    reading.look()
    reading.pages = kept  # a backup of the journal is put back
    reading.later(5)
    reading.restart()
    reading.look()
    assert reading.numbers() == sender.all
    reading.pages = []
    reading.later(5)
    reading.restart()
    reading.look()
    assert reading.numbers() == sender.all


def test_files_of_days_that_are_over_are_removed(reading: Reading, tmp_path: Path) -> None:
    project = reading.fake.project
    assert isinstance(project, Recorded)
    Sender(project).send(AT)
    for _ in range(9):
        reading.look()
        reading.later(DAY)
    assert len(list(tmp_path.iterdir())) <= 7


def test_the_export_has_nothing_before_its_first_day() -> None:
    plan = Plan(settled=FLOOR + 3, past=[(FLOOR + 3, None)], span=31)
    part = plan.next_past()
    assert part is not None
    assert part.first == FLOOR
    plan.passed(part, 5)
    assert plan.next_past() is None
