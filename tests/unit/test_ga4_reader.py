"""Reading a property over HTTP with Google's own client: pages, restating, quotas, failures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.analytics import data_v1beta as api
from google.analytics.data_v1beta.services.beta_analytics_data.transports.rest import (
    BetaAnalyticsDataRestTransport,
)
from google.auth.credentials import AnonymousCredentials

from tests.unit.ga4_site import SMALL, START, Clock, Site, near, site, translated
from upwell.demo.ga4.fake import Failure
from upwell.errors import Rejected, UpwellError
from upwell.metrics.reported import OTHER_ROW, REPORTS, SAMPLED, THRESHOLDED, WITHHELD
from upwell.period import Zone, to_micros
from upwell.sources.contract import QuotaGone, SignIn, state_of
from upwell.sources.ga4 import KIND
from upwell.sources.ga4.cursor import State, until_hour


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def one(tmp_path: Path, clock: Clock) -> Iterator[Site]:
    with site(tmp_path / "site", clock) as found:
        yield found


def test_googles_own_client_reads_the_fake(one: Site) -> None:
    nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]
    transport = BetaAnalyticsDataRestTransport(
        host=one.base.removeprefix("http://"), url_scheme="http", credentials=nobody
    )
    client = api.BetaAnalyticsDataClient(transport=transport)
    request = api.RunReportRequest(
        property="properties/1234",
        dimensions=[api.Dimension(name="date"), api.Dimension(name="countryId")],
        metrics=[api.Metric(name="sessions"), api.Metric(name="totalRevenue")],
        date_ranges=[api.DateRange(start_date="2026-10-01", end_date="2026-10-02")],
        return_property_quota=True,
    )
    report = client.run_report(request)
    first = dt.date(2026, 10, 1)
    countries = one.fake.rows(("countryId",), first)
    rows = [row for row in report.rows if row.dimension_values[0].value == "20261001"]
    assert {row.dimension_values[1].value: int(row.metric_values[0].value) for row in rows} == {
        key[0]: row[0] for key, row in countries.items()
    }
    assert report.metadata.time_zone == "Europe/Berlin"
    assert report.property_quota.tokens_per_hour.remaining < 40_000
    batch = client.batch_run_reports(
        api.BatchRunReportsRequest(property="properties/1234", requests=[request, request])
    )
    assert [answer.row_count for answer in batch.reports] == [report.row_count] * 2
    names = {one.api_name for one in client.get_metadata(name="properties/1234/metadata").metrics}
    assert {"sessions", "keyEvents"} <= names
    transport.close()  # type: ignore[no-untyped-call]


def test_a_year_and_more_is_read_newest_first(one: Site) -> None:
    reader = one.open()
    pages = one.read(reader)
    assert one.told() == one.truth(one.days(400))
    past = [page for page in pages if page.history]
    assert [page.restates for page in pages] == [not page.history for page in pages]
    assert [page.done for page in past] == sorted(page.done for page in past)
    assert past[-1].done == past[-1].total == 397
    assert one.fake.reports == 1 + 6 * 15  # the zone; the last days and 14 slices of the past
    assert set(one.reached) == {("127.0.0.1", int(one.base.rpartition(":")[2]))}
    yesterday = Zone("Europe/Berlin").opens(one.days(1)[0].toordinal() - 719_163)
    assert [page.complete_to for page in pages if page.complete_to] == [yesterday]
    assert one.read(reader)[-1].rows == 0


def test_reports_of_many_rows_come_in_pages(tmp_path: Path, clock: Clock) -> None:
    with site(tmp_path / "site", clock, page=7) as one:
        one.pages += list(one.open().read(near(one, 8), clock))
        assert one.told() == one.truth(one.days(8))
        assert max(page.read for page in one.pages) <= 5 * 7


def test_only_what_changed_of_the_last_days_is_passed_on(one: Site, clock: Clock) -> None:
    reader = one.open()
    one.pages += list(reader.read(near(one), clock))
    again = one.read(reader)
    assert [page.keep for page in again] == [False, False]
    assert not any(page.body for page in again)
    clock.on(hours=1)
    later = one.read(reader)
    assert 0 < sum(page.rows for page in later) < sum(page.read for page in later) / 2
    assert one.told() == one.truth(one.days(20))
    clock.on(days=2)
    one.read(one.open())
    assert one.told() == one.truth(one.days(22))


@pytest.mark.parametrize("lost", [False, True])
def test_a_row_that_is_gone_is_taken_back(one: Site, clock: Clock, lost: bool) -> None:
    one.pages += list(one.open().read(near(one), clock))
    gone = max(one.fake.rows(("countryId",), one.days(1)[0]))[0]
    one.fake.hidden.add(gone)
    if lost:
        one.lose_folder()
    clock.on(hours=1)
    one.read(one.open())
    recent = {str(day) for day in one.days(3)}
    found = {place: value for place, value in one.told().items() if place[2] in recent}
    assert (found == one.truth(one.days(3))) != lost  # the file that was lost is what knew of it


def test_quotas_are_left_for_the_last_days(tmp_path: Path, clock: Clock) -> None:
    with site(tmp_path / "site", clock, hour=120, project=120) as one:
        reader = one.open()
        one.pages += list(reader.read(near(one, 150), clock))
        hours = [dict(one.fake.used)]
        while one.pages[-1].cursor["upto"] > one.pages[-1].cursor["floor"]:
            clock.on(hours=1)
            one.read(reader)
            hours.append(dict(one.fake.used))
        assert len(hours) > 1
        assert all(17 < used["Hour"] <= 120 - 17 for used in hours)  # a look takes 17 tokens
        assert one.told() == one.truth(one.days(150))


def test_the_vendor_says_when_its_quota_is_gone(one: Site, clock: Clock) -> None:
    reader = one.open()
    one.pages += list(reader.read(near(one), clock))
    one.fake.used["Hour"] = one.fake.limits["Hour"]
    clock.on(minutes=2)
    with pytest.raises(QuotaGone) as caught:
        one.read(reader)
    assert caught.value.after == until_hour(int(clock().timestamp())) == 28 * 60
    one.fake.used["Day"] = one.fake.limits["Day"]
    with pytest.raises(QuotaGone) as caught:
        one.read(reader)
    pacific = Zone("America/Los_Angeles")
    midnight = pacific.opens(pacific.today(clock()) + 1)
    assert caught.value.after == (midnight - to_micros(clock())) / 1e6
    clock.on(days=1)
    one.read(reader)
    assert one.told() == one.truth(one.days(21))


def test_no_question_is_asked_where_no_token_is_left(tmp_path: Path, clock: Clock) -> None:
    with site(tmp_path / "site", clock, hour=16, project=16) as one:
        reader = one.open()
        with pytest.raises(QuotaGone):
            one.read(reader)
        asked = len(one.fake.requests)
        assert asked == 2  # the zone and five reports; it knew that nothing was left for the sixth
        clock.on(hours=1)
        one.read(reader, most=1)
        assert len(one.fake.requests) == asked + 1


FAILURES: list[tuple[Failure, str]] = [
    (400, "query"), (401, "sign-in"), (403, "permissions"), (404, "refused"), (429, "quota"),
    (500, "unreachable"), (503, "unreachable"), ("cut", "truncated"), ("short", "truncated"),
]  # fmt: skip


@pytest.mark.parametrize(("failure", "state"), FAILURES)
def test_every_failure_has_its_state_and_nothing_is_lost(
    one: Site, clock: Clock, failure: Failure, state: str
) -> None:
    reader = one.open()
    one.pages += list(reader.read(near(one), clock))
    clock.on(hours=2)
    before = len(one.pages)
    for place in (0, 1):
        reading = reader.read(one.cursor, clock)
        if place:
            one.pages.append(next(reading))
        one.fake.fail.append(failure)
        with pytest.raises(UpwellError) as caught:
            next(reading)
        assert state_of(caught.value) == state
        assert caught.value.problem.message
    assert len(one.pages) == before + 1
    one.read(reader)
    assert one.told() == one.truth(one.days(20))


def test_an_address_that_answers_nothing_is_unreachable(one: Site) -> None:
    with pytest.raises(UpwellError) as caught:
        one.open(base="http://127.0.0.1:9").check()
    assert state_of(caught.value) == "unreachable"


def test_hosts_are_judged_before_they_are_called(one: Site) -> None:
    def refuse(host: str, port: int) -> None:
        raise Rejected("unsafe_url", f"{host}:{port} is private.")

    with pytest.raises(Rejected):
        one.open(reach=refuse).check()
    assert one.fake.requests == []


@pytest.mark.parametrize("key", ["", "{}", "[]", '{"type": "service_account"}'])
def test_credentials_that_are_no_key_are_told(one: Site, key: str) -> None:
    with pytest.raises(SignIn) as caught:
        one.open(base="https://analytics.example", key=key)
    assert caught.value.problem.where == "credentials"


def test_check_says_what_there_is(one: Site) -> None:
    said = one.open().check()
    assert said[0] == "Property 1234: days of Europe/Berlin, money in EUR"
    assert "landing_page" in said[1]
    assert "13,998 this hour" in said[2]


def test_what_google_says_of_its_numbers_is_kept(tmp_path: Path, clock: Clock) -> None:
    with site(tmp_path / "site", clock, most=3, threshold=2, sampled=True) as one:
        page = next(one.open().read(near(one), clock))
        events = translated(page).events
        names = events["name"].to_pylist()
        values = dict(zip(names, events["value"].to_pylist(), strict=True))
        assert values["read by day"] == SAMPLED
        assert values["read by country"] == SAMPLED | THRESHOLDED | OTHER_ROW
        money = {
            name.partition(" ")[0]: currency
            for name, currency in zip(names, events["currency"].to_pylist(), strict=True)
        }
        assert money == {
            "read": None, "sessions": None, "users": None, "new_users": None, "page_views": None,
            "conversions": None, "revenue": "EUR",
        }  # fmt: skip


def test_revenue_that_google_hides_is_marked(tmp_path: Path, clock: Clock) -> None:
    with site(tmp_path / "site", clock, blind=True) as one:
        page = next(one.open().read(near(one), clock))
        events = translated(page).events
        values = dict(zip(events["name"].to_pylist(), events["value"].to_pylist(), strict=True))
        assert values["read by day"] == WITHHELD
        assert values["revenue by day"] == 0


def test_the_past_can_be_read_once_more(one: Site, clock: Clock) -> None:
    reader = one.open()
    one.pages += list(reader.read(near(one), clock))
    cursor = one.cursor
    assert cursor is not None
    since = int(dt.datetime(2026, 10, 20, tzinfo=dt.UTC).timestamp())
    now = int(clock().timestamp())
    pages = list(reader.read(KIND.again(cursor, since, now), clock))
    assert all(page.restates for page in pages)
    assert State(**KIND.again(cursor, since, now)).floor == "2026-10-20"
    assert State(**KIND.again(cursor, 0, now)).floor == str(one.days(400)[0])
    one.pages += pages
    assert one.told() == one.truth(one.days(20))
    assert pages[-1].cursor.get("again", False) is False


def test_reports_and_their_names_fit_together() -> None:
    assert set(REPORTS) == {"day", "channel", "country", "device", "landing_page", "source_medium"}
    assert START.tzinfo is dt.UTC
    assert SMALL.rows(dt.date(2026, 1, 1), (), -1.0) == {}
