"""BigQuery read as a database: Google's own client, beside a server that speaks its contract."""

from __future__ import annotations

import datetime as dt
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from google.auth import jwt
from sqlalchemy.engine import make_url

from tests.bigquery import LEAST, BigQuery
from tests.bigquery_sql import DATASET, PROJECT, Refused
from tests.conformance.vendors import Line
from tests.ga4_export import Event, export
from upwell.egress import Guard
from upwell.errors import Rejected, UpwellError
from upwell.period import Zone, to_micros
from upwell.settings import SqlQuery, SqlSource
from upwell.sources.contract import (
    BadQuery,
    Cursor,
    NotAllowed,
    Opening,
    QuotaGone,
    SignIn,
    state_of,
)
from upwell.sources.sql import bigquery as vendor
from upwell.sources.sql.preview import tried
from upwell.sources.sql.reader import SqlReader

NOW = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
ZONE = Zone("America/Los_Angeles")
EVENTS = f"`{PROJECT}.{DATASET}.events_*`"
SELECT = f"""
select * from (
  select timestamp_micros(event_timestamp) as happened,
    to_hex(md5(to_json_string(struct(user_pseudo_id, event_name, event_timestamp,
      batch_page_id, batch_ordering_id, batch_event_index)))) as id,
    user_pseudo_id as who, event_name as called
  from {EVENTS}
  where _table_suffix between
    format_timestamp('%Y%m%d', timestamp_sub(:cursor_time, interval 1 day)) and '99999999'
)
where happened > :cursor_time or (happened = :cursor_time and id > :cursor_id)
"""


def query(**given: Any) -> SqlQuery:
    table = {
        "name": "events", "sql": SELECT, "event_type": "engagement", "timestamp": "happened",
        "key": "id", "actor_id": "who", "metadata": ("called",), "look_back": "72h",
    }  # fmt: skip
    return SqlQuery(**{**table, **given})


@pytest.fixture
def google() -> Iterator[BigQuery]:
    """A project with an empty dataset."""
    with closing(BigQuery()) as found:
        yield found


class Source:
    """A source beside it, whose pages are remembered."""

    def __init__(self, google: BigQuery, folder: Path, *queries: SqlQuery, **given: Any) -> None:
        self.now = NOW
        self.cursor: Cursor | None = None
        self.rows: list[dict[str, Any]] = []
        folder = folder / "data" / "pulls" / "db"
        folder.mkdir(parents=True)
        table = {"url": google.url, "queries": queries or (query(),), **given}
        self.opening = Opening(
            id="db",
            settings=SqlSource(id="db", product="mail", **table),
            secret=str,
            client=Guard().client,
            reach=Guard([f"127.0.0.1:{google.port}"]).reach,
            folder=folder,
            sleep=lambda _: None,
        )

    def check(self) -> list[str]:
        with closing(SqlReader(self.opening)) as reader:
            return list(reader.check())

    def look(self, pages: int = 1_000_000) -> int:
        """Read all that is due, or so many pages; how many rows were kept."""
        before = len(self.rows)
        with closing(SqlReader(self.opening, piece=11, stretch=30)) as reader:
            for page in reader.read(self.cursor, lambda: self.now):
                self.cursor = page.cursor
                self.rows += map(json.loads, page.body.splitlines())
                pages -= 1
                if not pages:
                    break
        return len(self.rows) - before

    def told(self) -> Counter[tuple[Any, ...]]:
        """Rows by their key, each once."""
        once = {row["id"]: row for row in self.rows}
        return Counter(
            (row["who"], row["called"], dt.datetime.fromisoformat(row["happened"]))
            for row in once.values()
        )


def day_of(at: dt.datetime) -> dt.date:
    """The day of the property in which Google keeps an event."""
    return at.astimezone(ZONE.info).date()


def put(google: BigQuery, events: list[Event]) -> None:
    for day in sorted({day_of(event.at) for event in events}):
        export(google, day, [event for event in events if day_of(event.at) == day])


def some(chance: random.Random, count: int, first: int, until: dt.datetime) -> list[Event]:
    """Events of the three days before; many have the same moment."""
    return [
        Event(
            until - dt.timedelta(minutes=chance.randrange(3 * 24 * 6) * 10),
            chance.choice(["page_view", "scroll"]),
            f"p{chance.randrange(5)}",
            n=first + at,
        )
        for at in range(count)
    ]


def truth(events: list[Event]) -> Counter[tuple[Any, ...]]:
    return Counter((event.pseudo, event.name, event.at) for event in events)


@pytest.mark.parametrize("seed", range(2))
def test_events_are_the_rows_of_all_days_whatever_ends_when(
    google: BigQuery, tmp_path: Path, seed: int
) -> None:
    """Ties, days of another zone than UTC, what comes three days late, a reader that ends early."""
    chance = random.Random(seed)
    source = Source(google, tmp_path)
    events: list[Event] = []
    for step in range(4):
        fresh = some(chance, chance.randrange(50), 1_000 * step, source.now)
        put(google, fresh)
        events += fresh
        if events:
            source.look(pages=chance.choice([1, 2, 99]))
        source.now += dt.timedelta(hours=chance.choice([1, 8, 24]))
    source.look()
    assert source.told() == truth(events)
    assert source.look() == 0


def test_what_google_adds_within_three_days_is_found_and_intraday_is_left_out(
    google: BigQuery, tmp_path: Path
) -> None:
    source = Source(google, tmp_path)
    first = Event(NOW - dt.timedelta(hours=1), "page_view", "p1")
    put(google, [first])
    export(google, day_of(NOW), [first._replace(pseudo="twice")], prefix="intraday_")
    assert source.look() == 1
    late = Event(NOW - dt.timedelta(hours=72), "page_view", "p2")
    older = Event(NOW - dt.timedelta(days=9), "page_view", "p3")
    put(google, [late, older])
    source.now += dt.timedelta(hours=6)
    assert source.look() == 1
    assert source.told() == truth([first, late])


def test_a_check_is_free_and_a_look_bills_only_the_days_that_it_reads(
    google: BigQuery, tmp_path: Path
) -> None:
    source = Source(google, tmp_path)
    put(google, [Event(NOW - dt.timedelta(days=day), "page_view", "p") for day in range(9)])
    assert source.check() == ["BigQuery", "events: happened, id, who, called"]
    assert google.billed == 0
    assert all(asked["dryRun"] for asked in google.asked)
    source.look()
    source.now += dt.timedelta(hours=6)
    google.asked.clear()
    source.look()
    (asked,) = google.asked
    assert asked["maximumBytesBilled"] == str(vendor.MOST_BYTES)
    assert asked["jobTimeoutMs"] == "30000"
    times = [one["parameterValue"]["value"] for one in asked["queryParameters"]]
    assert (NOW - dt.timedelta(hours=72)).isoformat(sep=" ") in [str(time) for time in times]


def test_an_answer_may_take_longer_than_a_call(google: BigQuery, tmp_path: Path) -> None:
    google.takes, google.patience = 0.3, 0.05
    events = some(random.Random(3), 19, 0, NOW)
    put(google, events)
    source = Source(google, tmp_path)
    source.look()
    assert source.told() == truth(events)


@pytest.mark.parametrize(
    ("status", "reason", "message", "error", "state", "says"),
    [
        (401, "required", "Login Required.", SignIn, "sign-in", "new key"),
        (403, "accessDenied", "Access Denied: User does not have bigquery.jobs.create permission",
         NotAllowed, "permissions", "BigQuery Job User"),
        (403, "billingNotEnabled", "Billing has not been enabled for this project",
         NotAllowed, "permissions", "billing"),
        (403, "quotaExceeded", "Custom quota exceeded: QueryUsagePerDay",
         QuotaGone, "quota", "QueryUsagePerDay"),
        (403, "rateLimitExceeded", "Exceeded rate limits", QuotaGone, "quota", "rate limits"),
        (400, "resourcesExceeded", "Resources exceeded during query execution",
         BadQuery, "query", "fewer tables"),
        (503, "backendError", "Error encountered during execution.",
         UpwellError, "unreachable", "tried again"),
        (500, "bytesBilledLimitExceeded", "Query exceeded limit for bytes billed: 1.",
         BadQuery, "query", "maximum_bytes_billed"),
    ],
)  # fmt: skip
def test_each_refusal_of_google_has_its_state_and_next_step(
    google: BigQuery, tmp_path: Path, status: int, reason: str, message: str,
    error: type[UpwellError], state: str, says: str,
) -> None:  # fmt: skip
    google.refusing = Refused(status, reason, message)
    with pytest.raises(error) as failed:
        Source(google, tmp_path).look()
    problem = failed.value.problem
    assert state_of(failed.value) == state
    assert says in f"{problem.message} {problem.fix}"
    assert "BigQuery" in problem.message
    assert "http" not in problem.message
    assert problem.fix
    assert len(google.asked) == 1, "who reads decides when it is tried again"
    if isinstance(failed.value, QuotaGone):
        assert failed.value.after == (3_600 if reason == "quotaExceeded" else 60)


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        (SELECT.replace("events_*", "evnets_*"), "evnets_* does not match"),
        (SELECT.replace("events_*", "events_20200101"), "events_20200101"),
        (SELECT.replace("event_name as called", "event_nme as called"), "event_nme"),
        (SELECT.replace(" as happened", " as at").replace("happened", "at"), "AT"),
        (f"select timestamp_micros(event_timestamp) as happened, event_name as id from {EVENTS} "
         "where (timestamp_micros(event_timestamp), event_name) > (:cursor_time, :cursor_id)",
         "Write the comparison out"),
        (f"select * from (select event_timestamp as happened, event_name as id from {EVENTS}) "
         "where happened > :cursor_time or (happened = :cursor_time and id > :cursor_id)",
         "compare the timestamp"),
        (f"select * from {EVENTS}", "cursor"),
        (f"delete from {EVENTS} where true", "one select"),
    ],
)  # fmt: skip
def test_a_query_that_bigquery_cannot_answer_says_what_to_change(
    google: BigQuery, tmp_path: Path, sql: str, says: str
) -> None:
    put(google, [Event(NOW, "page_view", "p")])
    with pytest.raises(BadQuery) as failed:
        Source(google, tmp_path, query(sql=sql)).check()
    problem = failed.value.problem
    assert says in f"{problem.message} {problem.fix}"
    assert state_of(failed.value) == "query"
    assert google.billed == 0


def test_a_query_over_the_bound_of_bytes_is_not_run_and_says_so(
    google: BigQuery, tmp_path: Path
) -> None:
    put(google, [Event(NOW, "page_view", "p")])
    bound = f"{google.url}&maximum_bytes_billed={LEAST - 1}"
    with pytest.raises(BadQuery) as failed:
        Source(google, tmp_path, url=bound).look()
    assert failed.value.problem.code == "bytes"
    assert str(LEAST) in failed.value.problem.message
    assert google.billed == 0
    with pytest.raises(Rejected) as failed_too:
        Source(google, tmp_path / "b", url=f"{google.url}&maximum_bytes_billed=1GB").look()
    assert "maximum_bytes_billed" in failed_too.value.problem.message


def test_a_query_that_takes_too_long_is_stopped_by_bigquery(
    google: BigQuery, tmp_path: Path
) -> None:
    put(google, [Event(NOW, "page_view", "p")])
    google.takes = 5.0
    with pytest.raises(BadQuery) as failed:
        Source(google, tmp_path, timeout="1s").look()
    assert "1 s" in failed.value.problem.message
    assert "timeout" in failed.value.problem.fix


def test_an_answer_that_breaks_off_is_read_again(google: BigQuery, tmp_path: Path) -> None:
    events = some(random.Random(4), 80, 0, NOW)
    put(google, events)
    source = Source(google, tmp_path)
    states = set()
    with closing(Line(google.port)) as line:
        url = google.url_at(line.port)
        given = SqlSource(id="db", product="mail", url=url, queries=(query(),))
        reach = Guard([f"127.0.0.1:{line.port}"]).reach
        source.opening = Opening(
            **{**vars(source.opening), "settings": given, "reach": reach},
        )
        for count in (60, 900, 2_500, 4_000, 9_000):
            line.break_after(count)
            with pytest.raises(UpwellError) as failed:
                source.look()
            states.add(state_of(failed.value))
        line.break_after(None)
        source.look()
    assert states <= {"truncated", "unreachable"}
    assert "truncated" in states
    assert source.told() == truth(events)


def test_an_address_of_ones_own_network_is_judged(google: BigQuery, tmp_path: Path) -> None:
    with pytest.raises(UpwellError) as failed:
        Source(google, tmp_path, url=google.url.replace("127.0.0.1", "127.0.0.2")).look()
    assert failed.value.problem.code == "unsafe_url"
    assert google.asked == []


@pytest.mark.parametrize("key", ["", "{", '{"type": "external_account"}'])
def test_without_a_key_of_a_service_account_nobody_is_asked(
    google: BigQuery, tmp_path: Path, key: str
) -> None:
    url = google.url.replace("http:", "https:")
    with pytest.raises(SignIn) as failed:
        Source(google, tmp_path, url=url, credentials=key).look()
    assert failed.value.problem.where == "credentials"
    assert 'credentials = "file:PATH"' in failed.value.problem.fix


def test_each_request_is_signed_with_the_key_for_google_alone() -> None:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    key = {
        "type": "service_account", "client_email": "upwell@acme-web.example", "private_key": pem,
        "private_key_id": "1", "token_uri": "https://internal.example/token",
    }  # fmt: skip
    bigquery = vendor.BigQuery()
    url = make_url("bigquery://acme-web?location=EU")
    assert bigquery.reached(url) == ("bigquery.googleapis.com", 443)
    client = bigquery.arguments(url, json.dumps(key), 30.0, ())["client"]
    headers: dict[str, str] = {}
    client._credentials.before_request(None, "GET", "https://bigquery.googleapis.com/", headers)
    token = headers["authorization"].removeprefix("Bearer ")
    said = jwt.decode(token, verify=False)  # type: ignore[no-untyped-call]
    assert said["iss"] == "upwell@acme-web.example"
    assert said["scope"] == "https://www.googleapis.com/auth/bigquery"
    assert client.location == "EU"
    bigquery.close()


def test_without_the_packages_it_says_what_to_install(
    google: BigQuery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "upwell.sources.sql.bigquery")
    monkeypatch.setitem(sys.modules, "google.cloud.bigquery", None)
    monkeypatch.delattr("google.cloud.bigquery")
    with pytest.raises(Rejected) as failed:
        Source(google, tmp_path).check()
    assert 'pip install "upwell[bigquery]"' in failed.value.problem.fix


def test_a_preview_shows_columns_rows_and_events(google: BigQuery, tmp_path: Path) -> None:
    put(google, [Event(NOW - dt.timedelta(days=2), "page_view", "p1")])
    shown = tried(Source(google, tmp_path).opening, to_micros(NOW))
    assert shown.server == "BigQuery"
    assert shown.columns == [
        ("happened", "TIMESTAMP"), ("id", "STRING"), ("who", "STRING"), ("called", "STRING"),
    ]  # fmt: skip
    assert [event.actor_id for _, event in shown.events] == ["p1"]
    unmapped = SqlQuery(name="query", sql=SELECT, event_type="")
    shown = tried(Source(google, tmp_path / "b", unmapped).opening, to_micros(NOW))
    assert shown.problem is not None
    assert shown.guessed["timestamp"] == "happened"
    assert [row[2] for row in shown.rows] == ["p1"]


def test_amounts_come_as_the_site_sent_them(google: BigQuery, tmp_path: Path) -> None:
    amounts: list[float | int] = [12.5, 3, 0.1, 19.99]
    put(google, [
        Event(NOW, "purchase", "p", amount=amount, currency="EUR", n=at)
        for at, amount in enumerate(amounts)
    ])  # fmt: skip
    paid = SELECT.replace(
        "event_name as called",
        "(select coalesce(p.value.double_value, p.value.float_value, p.value.int_value) "
        "from unnest(event_params) as p where p.key = 'value') as amount",
    )
    revenue = query(sql=paid, event_type="revenue", value="amount", currency="EUR", metadata=())
    shown = tried(Source(google, tmp_path, revenue).opening, to_micros(NOW))
    found = sorted(event.value for _, event in shown.events)
    assert found == [Decimal("0.1"), Decimal(3), Decimal("12.5"), Decimal("19.99")]
