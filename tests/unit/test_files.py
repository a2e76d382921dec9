"""Files become deliveries and events; every row is an event or has a reason."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upwell.errors import Rejected
from upwell.event import Delivery
from upwell.period import Zone, to_micros
from upwell.sources.columns import Faults, instants
from upwell.sources.files import Options, Plan, deliveries, plan, translate_file
from upwell.sources.records import records_of, split
from upwell.sources.repeats import Repeats

PRODUCTS = frozenset({"mail", "docs"})
NOW = to_micros(dt.datetime(2026, 11, 22, 8, tzinfo=dt.UTC))
SALES = Options(
    source="shop",
    product="mail",
    type="revenue",
    currency="USD",
    map={"actor_id": "who", "timestamp": "when", "value": "paid"},
)


def write(tmp_path: Path, text: str | bytes, name: str = "file.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def events(planned: Plan) -> list[dict[str, Any]]:
    return [
        row
        for _, translated, _ in deliveries(planned, NOW)
        for row in translated.events.to_pylist()
    ]


def refused(planned: Plan) -> list[tuple[int, str]]:
    last = [progress for _, _, progress in deliveries(planned, NOW)][-1]
    return [(row.row, row.code) for row in last.refused]


def change(options: Options, **fields: Any) -> Options:
    return msgspec.structs.replace(options, **fields)


def test_a_csv_with_a_header(tmp_path: Path) -> None:
    text = (
        "who,when,paid,plan\n"
        'ann,2026-11-01T10:00:00Z,49.00,team\n"bob, the 2nd",2026-11-02 11:30:00+01:00,0,\n'
    )
    options = change(SALES, map={**SALES.map, "metadata.plan": "plan"})
    planned = plan(write(tmp_path, text), options, PRODUCTS)
    one, two = events(planned)
    assert (one["product"], one["type"], one["source"]) == ("mail", "revenue", "shop")
    assert (one["actor"], one["value"], one["currency"]) == ("ann", Decimal("49.00"), "USD")
    assert (one["plan"], one["metadata"]) == ("team", '{"plan":"team"}')
    assert one["ts"] == to_micros(dt.datetime(2026, 11, 1, 10, tzinfo=dt.UTC))
    assert (two["actor"], two["plan"], two["metadata"]) == ("bob, the 2nd", None, None)
    assert two["value"] == 0, "a free order is an order"
    assert two["ts"] == to_micros(dt.datetime(2026, 11, 2, 10, 30, tzinfo=dt.UTC))
    assert planned.preview.records == 2
    assert planned.preview.events[0]["timestamp"] == "2026-11-01T10:00:00Z"


def test_columns_that_have_a_fields_name_need_no_mapping(tmp_path: Path) -> None:
    text = (
        "product_id,event_type,timestamp,actor_id,metadata.plan,idempotency_key\n"
        "mail,signup,2026-11-01T10:00:00Z,ann,team,k1\n"
        "docs,engagement,1793527200,bob,,\n"
    )
    one, two = events(plan(write(tmp_path, text), Options(source="s"), PRODUCTS))
    assert (one["product"], one["type"], one["key"], one["plan"]) == (
        "mail",
        "signup",
        "k1",
        "team",
    )
    assert (two["product"], two["value"]) == ("docs", 1)
    assert two["ts"] == 1793527200 * 1_000_000
    assert two["key"].startswith("row-")


@pytest.mark.parametrize(
    ("delimiter", "text"),
    [
        ("whitespace", "  a1 20261101   7.50\r\n  a2  20261102 8\r\n"),
        ("tab", "a1\t20261101\t7.50\na2\t20261102\t8\n"),
        (";", "a1;20261101;7.50\na2;20261102;8"),
        (None, "a1|20261101|7.50\n\n\na2|20261102|8\n"),
        (None, " a1 20261101   7.50\n a2  20261102 8\n"),
    ],
)
def test_column_numbers_where_there_is_no_header(
    tmp_path: Path, delimiter: str | None, text: str
) -> None:
    options = change(
        SALES,
        map={"actor_id": "1", "timestamp": "2", "value": "3"},
        delimiter=delimiter,
        date_format="%Y%m%d",
        zone="America/New_York",
    )
    one, two = events(plan(write(tmp_path, text), options, PRODUCTS))
    assert (one["actor"], one["value"], two["actor"], two["value"]) == (
        "a1",
        Decimal("7.5"),
        "a2",
        8,
    )
    assert one["ts"] == to_micros(dt.datetime(2026, 11, 1, 4, tzinfo=dt.UTC)), "local midnight"
    assert two["ts"] == to_micros(dt.datetime(2026, 11, 2, 5, tzinfo=dt.UTC)), "winter time"


def test_a_line_of_names_above_numbered_columns_is_no_event(tmp_path: Path) -> None:
    options = change(SALES, map={"actor_id": "1", "timestamp": "2", "value": "3"})
    text = "id when paid\n1 2026-11-01 1\n"
    planned = plan(write(tmp_path, text), options, PRODUCTS)
    assert planned.preview.records == 1
    assert planned.preview.columns == ("id", "when", "paid")
    # A cell that happens to read like the column's number is a cell.
    options = change(SALES, map={"actor_id": "3", "timestamp": "2", "value": "1"})
    assert events(plan(write(tmp_path, "3 2026-11-01 u1\n"), options, PRODUCTS))[0]["actor"] == "u1"


def test_jsonl_keeps_types_and_exact_numbers(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [
        {"product_id": "mail", "event_type": "revenue", "timestamp": 1793527200123, "value": 0.1},
        {"timestamp": "2026-11-01T10:00:00Z", "value": "12.345678901", "who": {"id": 7}},
    ]
    lines[0] |= {"currency": "eur", "metadata": {"plan": "team", "seats": 3, "rate": 0.10}}
    lines[1] |= {"metadata": {"trial": True}}
    text = b"\n".join(map(msgspec.json.encode, lines))
    options = Options(
        source="s", product="docs", type="revenue", currency="USD", map={"actor_id": "who.id"}
    )
    with pytest.raises(Rejected, match=r"no column 'who\.id'"):
        plan(write(tmp_path, text.replace(b"who", b"whom")), options, PRODUCTS)
    path = write(tmp_path, text, "x.jsonl")
    one, two = events(plan(path, options, PRODUCTS))
    assert (one["value"], one["currency"]) == (Decimal("0.1"), "EUR"), "money keeps its own"
    assert (one["metadata"], one["plan"]) == ('{"plan":"team","seats":3,"rate":0.1}', "team")
    assert one["ts"] == 1793527200123 * 1000
    assert (two["value"], two["actor"], two["product"]) == (Decimal("12.345678901"), "7", "docs")
    assert two["currency"] == "USD", "where a row names none"
    assert two["metadata"] == '{"trial":true}'
    planned = plan(path, change(options, product=None, currency=None, type=None), PRODUCTS)
    assert [row["currency"] for row in events(planned)] == ["EUR"]
    assert refused(planned) == [(2, "unknown_product")]


def test_parquet_rows_are_kept_as_lines(tmp_path: Path) -> None:
    table = pa.table(
        {
            "who": ["ann", "bob", None],
            "when": pa.array([1_793_527_200_000_000_001] * 3, pa.timestamp("ns", "UTC")),
            "paid": pa.array([11.77, float("nan"), 3.0], pa.float64()),
            "seats": pa.array([1, 2, 3], pa.int32()),
        }
    )
    path = tmp_path / "x.parquet"
    pq.write_table(table, path)
    planned = plan(path, change(SALES, map={**SALES.map, "metadata.seats": "seats"}), PRODUCTS)
    one, three = events(planned)
    assert (one["value"], one["actor"], one["metadata"]) == (Decimal("11.77"), "ann", '{"seats":1}')
    assert (three["actor"], three["value"]) == (None, 3)
    assert one["ts"] == 1_793_527_200_000_000
    assert refused(planned) == [(2, "missing_value")]
    delivery = next(deliveries(planned, NOW))[0]
    assert delivery.body.startswith(b'{"who":"ann","when":"2026-')
    assert delivery.about["sha256"] == planned.preview.sha256


BAD_ROWS = [
    ("ann,yesterday,1", "bad_time", "--date-format"),
    ("ann,2026-02-30,1", "bad_time", "2026-02-30"),
    ("ann,2026,1", "bad_time", "2026"),
    ("ann,,1", "missing_time", "empty"),
    ("ann,1850-01-01,1", "bad_time", "outside"),
    ('ann,2026-11-01,"1,000.50"', "bad_value", "1234.50"),
    ("ann,2026-11-01,$5", "bad_value", "$5"),
    ("ann,2026-11-01,nan", "bad_value", "nan"),
    ("ann,2026-11-01,0.1234567891", "bad_value", "9 places"),
    ("ann,2026-11-01,-5", "negative_value", "refund"),
    ("ann,2026-11-01,9999999999999999", "too_large_value", "major units"),
    ("ann,2026-11-01,", "missing_value", "value"),
    ("ann,2026-11-01", "bad_row", "2 columns"),
    ("ann,2026-11-01,1,2", "bad_row", "4 columns"),
    ('ann,2026-11-01,"1', "bad_row", "quote"),
    (f"{'a' * 1025},2026-11-01,1", "bad_length", "1,024"),
]


@pytest.mark.parametrize(("row", "code", "words"), BAD_ROWS)
def test_a_bad_row_is_named_and_the_good_ones_are_kept(
    tmp_path: Path, row: str, code: str, words: str
) -> None:
    text = f"who,when,paid\nann,2026-11-01,1\n{row}\nbob,2026-11-01,2\n"
    planned = plan(write(tmp_path, text), SALES, PRODUCTS)
    assert [event["actor"] for event in events(planned)] == ["ann", "bob"]
    ((delivery, translated, progress),) = deliveries(planned, NOW)
    assert [(r.row, r.code) for r in progress.refused] == [(3, code)]
    assert words in progress.refused[0].reason
    (dead,) = translate_file(delivery, PRODUCTS).dead
    assert (dead.idx, dead.source) == (1, "shop")
    assert dead.reason.startswith("Row 3: ")
    assert (progress.usable, progress.refused_rows, progress.done) == (2, 1, 3)
    assert translated.events.column("idx").to_pylist() == [0, 2]


def test_rows_that_are_not_utf8(tmp_path: Path) -> None:
    text = b"who,when,paid\nann,2026-11-01,1\nCaf\xe9,2026-11-01,1\nbob,2026-11-01,2\n"
    planned = plan(write(tmp_path, text), SALES, PRODUCTS)
    assert refused(planned) == [(3, "not_utf8")]
    assert [event["actor"] for event in events(planned)] == ["ann", "bob"]
    text = b'{"who":"ann","when":"2026-11-01","paid":1}\n{"who":"Caf\xe9"}\nnot json\n[1]\n'
    planned = plan(write(tmp_path, text), SALES, PRODUCTS)
    assert [row for row, _ in refused(planned)] == [2, 3, 4]


def test_types_products_and_currencies_of_rows(tmp_path: Path) -> None:
    text = (
        "product_id,event_type,timestamp,actor_id,value,currency\n"
        "mail,signup,2026-11-01,ann,,\n"
        "mial,signup,2026-11-01,ann,,\n"
        "mail,singup,2026-11-01,ann,,\n"
        "mail,signup,2026-11-01,,,\n"
        "mail,refund,2026-11-01,ann,5,usd\n"
        "mail,refund,2026-11-01,ann,5,\n"
        "mail,refund,2026-11-01,ann,5,USX\n"
        "mail,kpi,2026-11-01,,-5,\n"
        "mail,kpi,2026-11-01,,,\n"
    )
    planned = plan(write(tmp_path, text), Options(source="s"), PRODUCTS)
    assert [(e["type"], e["value"], e["currency"]) for e in events(planned)] == [
        ("signup", 1, None),
        ("refund", 5, "USD"),
        ("kpi", -5, None),
    ]
    assert refused(planned) == [
        (3, "unknown_product"),
        (4, "unknown_type"),
        (5, "missing_actor"),
        (7, "missing_currency"),
        (8, "unknown_currency"),
        (10, "missing_value"),
    ]


def test_repeats_count_and_shuffling_changes_no_key(tmp_path: Path) -> None:
    rows = [f"c{n % 7},2026-11-0{n % 3 + 1},{n % 2}.50" for n in range(100)]
    keys = []
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        text = "who,when,paid\n" + "\n".join(rows)
        planned = plan(write(tmp_path, text), SALES, PRODUCTS)
        assert planned.preview.repeats == 100 - 42
        keys.append(sorted(event["key"] for event in events(planned)))
    assert len(set(keys[0])) == 100
    assert keys[0] == keys[1] == keys[2]
    other = plan(tmp_path / "file.csv", change(SALES, type="refund"), PRODUCTS)
    assert not {e["key"] for e in events(other)} & set(keys[0]), "another type, other events"


def test_translation_needs_nothing_but_the_delivery(tmp_path: Path) -> None:
    rows = "\r\n".join(f'"c\n{n}",2026-11-01,{n % 5}' for n in range(12_000))
    planned = plan(write(tmp_path, f"who,when,paid\r\n{rows}"), SALES, PRODUCTS)
    parts = list(deliveries(planned, NOW))
    assert [part[2].done for part in parts] == [5_000, 10_000, 12_000]
    assert parts[1][0].about["first_row"] == 5_002
    for delivery, translated, _ in parts:
        raw = msgspec.json.encode(delivery.about)
        stored = msgspec.structs.replace(delivery, seq=9, about=msgspec.json.decode(raw))
        assert translate_file(stored, PRODUCTS).events.equals(translated.events)
    ids = {part[2].import_id for part in parts}
    assert ids == {parts[0][0].about["import_id"]}
    assert next(deliveries(planned, NOW + 1))[2].import_id not in ids


def test_the_future_is_brought_back(tmp_path: Path) -> None:
    text = "who,when,paid\nann,2026-11-22T08:59:00Z,1\nbob,2027-11-22,1\n"
    one, two = events(plan(write(tmp_path, text), SALES, PRODUCTS))
    assert not one["corrected"]
    assert (two["corrected"], two["ts"]) == (True, NOW)


def test_compressed_files(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbfwho,when,paid\nann,2026-11-01,1\n"
    path = write(tmp_path, gzip.compress(text), "x.csv.gz")
    assert len(events(plan(path, SALES, PRODUCTS))) == 1
    path.write_bytes(gzip.compress(text + b"ann,2026-11-01,1\n" * 9999)[:-20])
    with pytest.raises(Rejected, match="breaks off"):
        plan(path, SALES, PRODUCTS)


REFUSALS: list[tuple[dict[str, Any], str, str]] = [
    ({"product": "mial"}, "unknown_product", "'mail'"),
    ({"type": "revenu"}, "unknown_type", "'revenue'"),
    ({"currency": "USDX"}, "unknown_currency", "USD"),
    ({"zone": "Berlin"}, "unknown_timezone", "Europe/Berlin"),
    ({"delimiter": "::"}, "bad_delimiter", "whitespace"),
    ({"map": {"actor": "who"}}, "unknown_field", "'actor_id'"),
    ({"map": {"timestamp": "wen"}}, "unknown_column", "'when'"),
    ({"map": {"timestamp": "9"}}, "unknown_column", "who"),
    ({"map": {"actor_id": "who"}}, "unmapped", "who, when, paid"),
    ({"product": None}, "unmapped", "--product"),
    ({"type": None}, "unmapped", "--type"),
    ({"map": {"timestamp": "who"}}, "nothing_usable", "who, when, paid"),
]


@pytest.mark.parametrize(("fields", "code", "fix"), REFUSALS)
def test_options_that_do_not_fit(
    tmp_path: Path, fields: dict[str, Any], code: str, fix: str
) -> None:
    path = write(tmp_path, "who,when,paid\nann,2026-11-01,1\n")
    with pytest.raises(Rejected) as caught:
        plan(path, change(SALES, **fields), PRODUCTS)
    assert caught.value.problem.code == code
    assert fix in caught.value.problem.fix


def test_files_that_are_none(tmp_path: Path) -> None:
    for content, code in (
        ("", "empty_file"),
        ("\n \n", "empty_file"),
        ("who,when,paid\n\n", "empty_file"),
        ("[1]", "json_array"),
        (b"\xff\xfew\x00", "not_utf8"),
        (b"PAR1xx", "file_unreadable"),
        (b"who,when,paid\n" + b"x" * 3_000_000, "record_too_long"),
    ):
        with pytest.raises(Rejected) as caught:
            plan(write(tmp_path, content), change(SALES), PRODUCTS)
        assert caught.value.problem.code == code, content[:20]
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(Rejected, match="cannot be read"):
            plan(path, SALES, PRODUCTS)


def test_a_stray_quote_spoils_only_its_row(tmp_path: Path) -> None:
    rows = ['5" pipe,2026-11-01,1', '"open,2026-11-01,2', 'a,2026-11-01,"3"']
    rows += [f"c{n},2026-11-01,1" for n in range(11_000)]
    planned = plan(write(tmp_path, "\n".join(["who,when,paid", *rows])), SALES, PRODUCTS)
    found = events(planned)
    assert found[0]["actor"] == '5" pipe'
    assert len(found) == 11_002
    assert refused(planned) == [(3, "bad_row")]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.lists(st.text('ab,"\n é', max_size=6), min_size=2, max_size=2), min_size=1, max_size=30
    )
)
def test_records_are_cut_as_the_csv_module_writes_them(rows: list[list[str]]) -> None:
    import csv

    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    body = out.getvalue().encode()
    records = split(body, "csv", ",")
    read = [next(csv.reader(io.StringIO(r.decode(), newline=""))) for r in records if r]
    assert read == rows
    assert split(b"\n".join(records) + b"\n", "csv", ",") == records


def test_records_over_block_edges(tmp_path: Path) -> None:
    rows = [f'"c\n{"x" * (n % 700)}",{n}'.encode() for n in range(6_000)]
    path = write(tmp_path, b"\n".join(rows))
    assert [r for part in records_of(path, "csv", ",") for r in part] == rows


def test_repeats_are_found_share_by_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upwell.sources.repeats.AT_ONCE", 7)
    records = [str(n % 60).encode() for n in range(100)]
    with Repeats() as repeats:
        repeats.add(records[:50])
        repeats.add([*records[50:], b"  ", b""])
        repeats.find()
    assert (repeats.records, repeats.extra) == (100, 40)
    numbers = repeats.counter().number(records)
    assert numbers == dict.fromkeys(range(60, 100), 1)


@settings(max_examples=60, deadline=None)
@given(st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2100, 1, 1)))
def test_local_times_are_python_s(moment: dt.datetime) -> None:
    for name in ("America/New_York", "Australia/Lord_Howe", "UTC"):
        zone = Zone(name)
        faults = Faults(1)
        (micros,) = instants(pa.array([moment.isoformat()]), None, zone, faults)
        wanted = moment.replace(tzinfo=zone.info).astimezone(dt.UTC)
        assert not faults.bad.any()
        assert int(micros) == to_micros(wanted)


def test_hours_that_come_twice_or_never() -> None:
    zone = Zone("Europe/Berlin")
    texts = pa.array(["2026-10-25T02:30:00", "2026-03-29T02:30:00"])
    twice, never = instants(texts, None, zone, Faults(2)).tolist()
    assert twice == to_micros(dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC))
    assert never == to_micros(dt.datetime(2026, 3, 29, 1, 30, tzinfo=dt.UTC))


def test_dead_letters_carry_the_deliverys_number() -> None:
    about = {
        "format": "csv",
        "delimiter": ",",
        "width": 2,
        "columns": {"timestamp": 0, "actor_id": 1},
        "product": "mail",
        "type": "signup",
        "currency": None,
        "zone": "UTC",
        "date_format": None,
        "first_row": 1,
    }
    delivery = Delivery(
        seq=7, kind="import", source="s", received_at=NOW, about=about, body=b"never,ann\n"
    )
    translated = translate_file(delivery, PRODUCTS)
    assert translated.events.num_rows == 0
    assert (translated.dead[0].seq, translated.dead[0].recorded_at) == (7, NOW)
