"""What a query is, how times are written, what rows mean, and a query tried first; no server."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell.billing import Origin
from upwell.errors import Rejected, UpwellError
from upwell.event import UNASSIGNED, Delivery, Translated
from upwell.period import MICROS, Zone, to_instant, to_micros
from upwell.settings import SqlQuery, SqlSource
from upwell.sources.contract import BadQuery, Opening
from upwell.sources.sql import KIND
from upwell.sources.sql.known import Known
from upwell.sources.sql.plan import again, binds_of, micros_of, one_select, query_of, written
from upwell.sources.sql.preview import Tried, guess, tried
from upwell.sources.sql.rows import bound, numbers, unbound
from upwell.sources.sql.translate import translate

NOW = to_micros(dt.datetime(2026, 3, 1, 8, 30, 20, tzinfo=dt.UTC))
CURSOR = "select id, at from t where (at, id) > (:cursor_time, :cursor_id)"


def query(sql: str, **given: Any) -> SqlQuery:
    table = {"name": "q", "event_type": "activation", "timestamp": "at", "key": "id"}
    return SqlQuery(sql=sql, **{**table, **given})


# -- what a query is -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "given", "way"),
    [
        (CURSOR, {}, "cursor"),
        (f"{CURSOR};  ", {}, "cursor"),
        (f"{CURSOR} -- the newest; first", {}, "cursor"),
        ("with a as (select 1 as n) select n from a", {"event_type": "kpi"}, "gauge"),
        ("SELECT ';' as n", {"event_type": "kpi"}, "gauge"),
        ("select id, at from t", {"snapshot": True}, "snapshot"),
    ],
)
def test_a_query_is_read_by_cursor_as_a_gauge_or_as_a_snapshot(
    sql: str, given: dict[str, Any], way: str
) -> None:
    assert query_of(query(sql, **given)).way == way


@pytest.mark.parametrize(
    ("sql", "given", "says"),
    [
        ("select id, at from t", {}, "where (at, id) > (:cursor_time, :cursor_id)"),
        ("select id from t where at > :cursor_time", {}, "(:cursor_time, :cursor_id)"),
        ("select ':cursor_time :cursor_id' as id", {}, "(:cursor_time, :cursor_id)"),
        (CURSOR, {"snapshot": True}, "take :cursor_time out"),
        (CURSOR, {"key": ""}, 'key = "COLUMN"'),
        ("update t set id = 1", {}, "a single `select"),
        ("select 1; select 2", {"event_type": "kpi"}, "a single `select"),
        ("", {}, "a single `select"),
        ("/* select */ delete from t", {}, "a single `select"),
    ],
)
def test_what_is_wrong_with_a_query_is_said_with_what_to_write(
    sql: str, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadQuery) as failed:
        query_of(query(sql, **given))
    assert says in failed.value.problem.fix


def test_colons_that_are_no_cursor_stay_what_they_are() -> None:
    assert one_select("q", "select '12:30' as a, b::date from t") == (
        "select '12\\:30' as a, b\\:\\:date from t\n"
    )
    assert binds_of(CURSOR) == ["cursor_time", "cursor_id"]


# -- times ---------------------------------------------------------------------------------------


@given(
    micros=st.integers(1_000_000_000, 4_000_000_000).map(lambda seconds: seconds * MICROS),
    zone=st.sampled_from(("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")),
    like=st.sampled_from(
        (
            "2026-01-02 03:04:05+00", "2026-01-02T03:04:05Z", "2026-01-02 03:04:05.123456",
            "2026-01-02 03:04:05.5-05:30", 1_700_000_000, 1_700_000_000_000, 1_700_000_000.5,
        )
    ),
)  # fmt: skip
def test_a_moment_is_written_as_its_column_writes_it(micros: int, zone: str, like: Any) -> None:
    """What is written is read as the same moment; but for an hour that clocks show twice."""
    found = written(micros, like, Zone(zone))
    assert type(found) is type(like)
    if isinstance(like, str):
        assert len(found) == len(like)
    back = micros_of(found, Zone(zone))
    assert back is not None
    assert abs(back - micros) in (0, 3600 * MICROS)


def test_a_time_of_no_known_form_cannot_be_a_cursor() -> None:
    for value in ("yesterday", "", True, None):
        with pytest.raises(BadQuery, match="no time"):
            written(NOW, value, Zone("UTC"))


@given(
    st.one_of(
        st.none(), st.integers(-(2**62), 2**62), st.text(max_size=9), st.binary(max_size=9),
        st.floats(allow_nan=False, allow_infinity=False),
        st.decimals(allow_nan=False, allow_infinity=False), st.datetimes(),
    )
)  # fmt: skip
def test_a_value_of_a_cursor_survives_json(value: Any) -> None:
    assert unbound(msgspec.json.decode(msgspec.json.encode(bound(value)))) == value


def test_reading_again_begins_anew_and_forgets_what_is_known() -> None:
    cursor = {"round": 7, "spots": {"q": {"time": "2026-01-01", "id": 4, "live": True, "kept": 9}}}
    assert again(cursor, 0, 100) == {"round": 100, "spots": {"q": {}}}
    assert again(cursor, 50, 7)["round"] == 8
    assert again(cursor, 50, 7)["spots"]["q"]["since"] == 50


# -- what is known -------------------------------------------------------------------------------


def _seen(known: Known, rows: dict[str, str], kept: int) -> list[str]:
    keys, lines = [key.encode() for key in rows], [f"{k}{v}".encode() for k, v in rows.items()]
    new = known.fresh(numbers(keys), numbers(lines))
    known.save(kept)
    return [key for key, is_new in zip(rows, new.tolist(), strict=True) if is_new]


@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("xyz")), max_size=8))
def test_only_rows_that_are_new_or_other_are_kept(looks: list[dict[str, str]]) -> None:
    """After each look, and after each restart, what is known is what was there."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path, before, kept = Path(folder) / "q.known", dict[str, str](), 0
        for number, rows in enumerate(looks):
            known = Known(path, 1, kept)
            known.begin()
            kept += 1
            new = _seen(known, rows, kept) if rows else []
            assert new == [key for key, value in rows.items() if before.get(key) != value]
            if number % 3 == 2:  # ended before the look did
                before |= rows
                continue
            known.end(kept)
            before = dict(rows)


def test_a_file_that_is_ahead_of_the_cursor_or_of_another_round_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "q.known"
    known = Known(path, 1, 0)
    known.begin()
    assert _seen(known, {"a": "x"}, 5) == ["a"]
    known.end(5)
    assert _seen(Known(path, 1, 5), {"a": "x"}, 5) == []
    path.write_bytes(path.read_bytes()[:-3])  # torn
    assert _seen(Known(path, 1, 5), {"a": "x"}, 5) == ["a"]
    assert _seen(Known(path, 2, 5), {"a": "x"}, 5) == ["a"]
    assert _seen(Known(path, 2, 4), {"a": "x"}, 5) == ["a"]


def test_pages_that_ended_long_before_are_forgotten(tmp_path: Path) -> None:
    known = Known(tmp_path / "q.known", 1, 0)
    known.begin()
    for at in range(10):
        one = np.array([at], dtype=np.uint64)
        known.fresh(one, one)
        known.save(at + 1, at, at - 3)
    assert known.seen == 4


# -- what rows mean ------------------------------------------------------------------------------


def _translated(
    rows: Sequence[dict[str, Any]], origin: Origin | None = None, **given: Any
) -> Translated:
    mapping = {"event_type": "revenue", "timestamp": "at", "key": "id", "value": "v"} | given
    about = mapping.pop("about", {})
    timezone = mapping.pop("timezone", "UTC")
    table = {"timezone": timezone, "queries": {"q": mapping}}
    known = origin or Origin(id="db", kind="sql", product="mail")
    body = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    delivery = Delivery(
        seq=3, kind="pull", source="db", received_at=NOW, about={"query": "q"} | about, body=body
    )
    return translate(
        delivery, msgspec.structs.replace(known, given=table), frozenset({"mail", "drive"})
    )


def test_rows_become_events_and_wrong_ones_have_reasons() -> None:
    good = {"id": 1, "at": "2026-01-01 00:00:00+00", "v": "4.50", "c": "EUR", "who": "ada"}
    done = _translated(
        [
            good,
            good | {"id": None},
            good | {"id": 2, "at": None},
            good | {"id": 3, "at": "infinity"},
            good | {"id": 4, "v": "NaN"},
            good | {"id": 5, "v": None},
            good | {"id": 6, "v": "-1"},
            good | {"id": 7, "c": "DOGE"},
            good | {"id": 8, "v": 0.1 + 0.2, "c": "usd"},
        ],
        currency="c",
        actor_id="who",
        metadata=["who"],
    )
    rows = done.events.to_pylist()
    assert [(row["key"], row["value"], row["currency"]) for row in rows] == [
        ("q:1", Decimal("4.5"), "EUR"), ("q:8", Decimal("0.3"), "USD"),
    ]  # fmt: skip
    assert rows[0]["actor"] == "ada"
    assert msgspec.json.decode(rows[0]["metadata"]) == {"name": "q", "who": "ada"}
    assert [(dead.idx, dead.code) for dead in done.dead] == [
        (1, "null_key"), (2, "missing_time"), (3, "bad_time"), (4, "bad_value"),
        (5, "missing_value"), (6, "negative_value"), (7, "unknown_currency"),
    ]  # fmt: skip


def test_times_without_a_zone_are_local_and_products_come_from_a_column() -> None:
    rows = [
        {"id": n, "at": "2025-07-01 12:00:00", "v": 1, "of": of}
        for n, of in enumerate(("drive", "x9", "unknown", None))
    ]
    origin = Origin(id="db", kind="sql", product_from="metadata.of", assign={"x9": "mail"})
    done = _translated(rows, origin, currency="EUR", timezone="Europe/Berlin")
    found = done.events.to_pylist()
    assert [row["product"] for row in found] == ["drive", "mail", UNASSIGNED, UNASSIGNED]
    assert to_instant(found[0]["ts"]).hour == 10
    assert not done.dead


def test_a_gauge_is_known_by_query_row_and_minute() -> None:
    about: dict[str, Any] = {"about": {"read_at": NOW // (60 * MICROS) * 60 * MICROS}}
    rows = [{"plan": "team", "v": 7}, {"plan": "solo", "v": 7}]
    gauge: dict[str, Any] = {"event_type": "kpi", "timestamp": "", "key": "", "metadata": ["plan"]}
    first = _translated(rows, **gauge, **about).events.to_pylist()
    other = _translated([row | {"v": 8} for row in rows], **gauge, **about).events.to_pylist()
    assert [row["key"] for row in first] == [row["key"] for row in other]
    assert len({row["key"] for row in first}) == 2
    assert {to_instant(row["ts"]).isoformat() for row in first} == {"2026-03-01T08:30:00+00:00"}
    named = _translated(rows, **(gauge | {"key": "plan"}), **about).events["key"].to_pylist()
    assert named == ["q:team@2026-03-01T08:30", "q:solo@2026-03-01T08:30"]


def test_rows_of_a_query_that_is_gone_are_counted_as_such() -> None:
    delivery = Delivery(
        kind="pull", source="db", received_at=NOW, about={"query": "old"}, body=b"{}\n{}\n"
    )
    done = translate(delivery, Origin(id="db", kind="sql"), frozenset())
    assert done.events.num_rows == 0
    assert done.unknown == {"rows of old": 2}


# -- tried first ---------------------------------------------------------------------------------


def _tried(folder: Path, url: str = "", **given: Any) -> Tried:
    path = folder / "shop.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("create table if not exists t (id integer, userId text, createdAt text, n real)")
        db.execute("delete from t")
        rows = [(1, "ada", "2026-01-01 10:00:00", 1.5), (2, None, "2026-01-02 10:00:00", 2)]
        db.executemany("insert into t values (?, ?, ?, ?)", rows)
    table = {"name": "q", "event_type": "signup", **given}
    own = folder / "data" / "pulls" / "preview"
    own.mkdir(parents=True, exist_ok=True)
    source = SqlSource(
        id="preview",
        product="mail",
        url=url or f"sqlite:///{path}",
        queries=(msgspec.convert(table, SqlQuery),),
    )
    opening = Opening(
        id="preview", settings=source, secret=str, client=_nothing, reach=_nothing, folder=own,
        sleep=_nothing,
    )  # fmt: skip
    return tried(opening, NOW)


def _nothing(*_: Any) -> Any:
    return None


SHOP = "select * from t where (createdAt, id) > (:cursor_time, :cursor_id)"


def test_a_preview_shows_rows_events_and_refusals(tmp_path: Path) -> None:
    found = _tried(tmp_path, sql=SHOP, timestamp="createdAt", key="id", actor_id="userId")
    assert found.server.startswith("SQLite 3.")
    assert (found.way, found.problem) == ("cursor", None)
    assert [name for name, _ in found.columns] == ["id", "userId", "createdAt", "n"]
    assert found.rows == [
        ["1", "ada", "2026-01-01 10:00:00", "1.5"], ["2", None, "2026-01-02 10:00:00", "2.0"],
    ]  # fmt: skip
    ((row, event),) = found.events
    assert (row, event.actor_id, event.event_type) == (0, "ada", "signup")
    ((refused, code, reason),) = found.refused
    assert (refused, code) == (1, "missing_actor_id")
    assert "userId" in reason


@pytest.mark.parametrize("sql", ["select * from t", SHOP])
def test_without_a_mapping_it_shows_rows_and_what_is_missing(tmp_path: Path, sql: str) -> None:
    found = _tried(tmp_path, sql=sql)
    assert len(found.rows) == 2
    assert found.problem is not None
    assert found.guessed == {
        "timestamp": "createdAt", "key": "id", "actor_id": "userId", "value": "n",
    }  # fmt: skip
    assert found.events == []


def test_columns_are_guessed_by_name_and_type() -> None:
    types = {"id": "int4", "at": "text", "created": "timestamptz", "owner_id": "int4"}
    assert guess(list(types), types) == {
        "timestamp": "created",
        "key": "id",
        "actor_id": "owner_id",
    }
    assert guess(["a", "b"], {"a": "text", "b": "text"}) == {}


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("sqlite:///{folder}/none.db", "no_file"),
        ("sqlite://", "no_file"),
        ("sqlite:///{folder}/data/state.sqlite", "own_file"),
        ("postgresql://", "bad_url"),
        ("postgresql://a:b@h/d?host=10.0.0.1", "bad_url"),
        ("cassandra://a/b", "no_driver"),
        ("what?", "bad_url"),
    ],
)
def test_an_address_that_cannot_be_read_says_what_to_write(
    tmp_path: Path, url: str, code: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "state.sqlite").touch()
    with pytest.raises(Rejected) as failed:
        _tried(tmp_path, url=url.format(folder=tmp_path), sql=SHOP)
    assert failed.value.problem.code == code
    assert failed.value.problem.fix
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(
    ("sql", "state"),
    [
        ("select * from nowhere", "table"),
        ("select nowhere from t", "column"),
        ("select from where", "syntax"),
        ("select pg_sleep(1)", "function"),
    ],
)
def test_what_a_database_refuses_has_a_name_and_a_next_step(
    tmp_path: Path, sql: str, state: str
) -> None:
    with pytest.raises(UpwellError) as failed:
        _tried(tmp_path, sql=sql)
    assert failed.value.problem.code == state
    assert isinstance(failed.value, BadQuery)
    assert failed.value.problem.fix


def test_a_kind_tells_translate_what_columns_mean() -> None:
    source = SqlSource(id="db", url="sqlite:///a", queries=(query(CURSOR, actor_id="who"),))
    assert KIND.given(source) == {
        "timezone": "UTC",
        "queries": {
            "q": {"event_type": "activation", "timestamp": "at", "key": "id", "actor_id": "who"}
        },
    }
