"""A served house by HTTP and by the terminal beside it: sent, refused, asked, led back, undone."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import duckdb
import pytest
import zstandard

from tests.served import CONFIG, UPWELL, Served, free_port
from upwell.metrics.catalog import CATALOG

DAY = dt.date.today() - dt.timedelta(days=2)
SPAN = {"from": str(DAY), "to": str(DAY + dt.timedelta(days=1))}
JSON, LINES = "application/json", "application/x-ndjson"


class Api:
    """A server with a key for everything."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.key = self.new_key("ingest", "read", "admin")["key"]
        self.number = 0

    def new_key(self, *scopes: str, product: str | None = None) -> dict[str, str]:
        words = [word for scope in scopes for word in ("--scope", scope)]
        words += ["--product", product] if product else []
        made: dict[str, str] = self.served.run("key", "create", "--name", "test", *words)
        return made

    def call(
        self, method: str, path: str, body: bytes | None = None, key: str | None = None, **more: str
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.key if key is None else key}", **more}
        status, _, said = self.served.call(method, path, body, **headers)
        return status, json.loads(said) if said else None

    def post(self, body: bytes, kind: str = JSON, **more: str) -> tuple[int, Any]:
        return self.call("POST", "/v1/events?wait=applied", body, **{"content-type": kind, **more})

    def send(self, *events: dict[str, Any]) -> Any:
        status, said = self.post(json.dumps(events).encode())
        assert status == 200, said
        return said

    def get(self, path: str, **params: str) -> Any:
        status, said = self.call("GET", f"{path}?{urlencode(params)}")
        assert status == 200, said
        return said

    def total(self, metric: str, **params: str) -> Any:
        (line,) = self.get("/v1/query", metric=metric, **{**SPAN, **params})["series"]
        return line["total"]

    def event(self, kind: str = "signup", **more: Any) -> dict[str, Any]:
        self.number += 1
        return {
            "product_id": "mail",
            "event_type": kind,
            "timestamp": f"{DAY}T08:00:00Z",
            "actor_id": f"a{self.number}",
            "idempotency_key": f"k{self.number}",
            **more,
        }

    def paid(self, value: Any, currency: str | None = "USD", **more: Any) -> dict[str, Any]:
        return self.event(
            "revenue", value=value, **({"currency": currency} if currency else {}), **more
        )


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("api")
    config = folder / "upwell.toml"
    config.write_text(CONFIG)
    with Served(folder / "data", config=config) as served:
        yield Api(served)


def test_events_come_in_every_form(api: Api) -> None:
    before = api.total("signups")
    lines = b"\n".join(json.dumps(api.event()).encode() for _ in range(3))
    forms: list[tuple[bytes, str, str, int]] = [
        (json.dumps(api.event()).encode(), JSON, "", 1),
        (json.dumps([api.event(), api.event()]).encode(), JSON, "", 2),
        (lines + b"\n", LINES, "", 3),
        (gzip.compress(json.dumps([api.event()]).encode()), JSON, "gzip", 1),
        (zstandard.compress(json.dumps([api.event()] * 1).encode()), JSON, "zstd", 1),
    ]
    for body, kind, encoding, count in forms:
        more = {"content-encoding": encoding} if encoding else {}
        status, said = api.post(body, kind, **more)
        assert (status, said["accepted"], said["rejected"]) == (200, count, []), said
        before += count
        assert api.total("signups") == before


def test_bad_events_are_refused_by_index_and_the_good_ones_kept(api: Api) -> None:
    before = api.total("revenue", product="docs")
    bad: list[tuple[dict[str, Any], str]] = [
        (api.paid("1", product_id="mial"), "unknown_product"),
        (api.event("sign_up"), "unknown_type"),
        (api.paid("1", timestamp=f"{DAY}T08:00:00"), "naive_time"),
        (api.paid(0.1 + 0.2), "binary_float"),
        (api.paid("1", currency=None), "missing_currency"),
        (api.paid("1", currency="DOL"), "unknown_currency"),
        (api.paid("-1"), "negative_money"),
        (api.event(metadata={"note": "x" * 33_000}), "large_metadata"),
        (api.event(metadata={"a": {"b": 1}}), "nested_metadata"),
    ]
    mixed = [event for event, _ in bad]
    mixed.insert(4, api.paid("12.34", product_id="docs"))
    said = api.send(*mixed)
    assert said["accepted"] == 1
    assert [one["index"] for one in said["rejected"]] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    for one in said["rejected"]:
        assert all(one[told] for told in ("code", "message", "fix")), one
    assert "mail" in said["rejected"][0]["fix"]
    assert "signup" in said["rejected"][1]["fix"]
    assert float(api.total("revenue", product="docs")) == float(before) + 12.34
    status, said = api.post(json.dumps([bad[0][0]]).encode())
    assert status == 400, said


def test_repeats_are_dropped_and_conflicts_kept_aside(api: Api) -> None:
    event = api.paid("10", product_id="docs")
    api.send(event)
    total = api.total("revenue", product="docs")
    api.send(event)
    api.send(event | {"value": "99"})
    assert api.total("revenue", product="docs") == total
    letters = api.get("/v1/dead-letters")["dead_letters"]
    assert [letter["code"] for letter in letters[:1]] == ["conflicting_duplicate"]
    listed = api.served.run("dead-letters", "list")["dead_letters"]
    assert listed[0]["seq"] == letters[0]["seq"]
    shown = api.served.run("dead-letters", "show", str(letters[0]["seq"]))["dead_letters"]
    assert '"99"' in shown[0]["text"]
    tried = api.served.run("dead-letters", "replay", "--delivery", str(letters[0]["seq"]))
    assert tried["still_unusable"] == tried["tried"] == 1
    assert api.total("revenue", product="docs") == total


def test_limits_say_what_to_do(api: Api) -> None:
    large = b"[" + b" " * (20 * 1024 * 1024) + b"]"
    cases: list[tuple[bytes, dict[str, str], set[int]]] = [
        (large, {}, {413}),
        (gzip.compress(large), {"content-encoding": "gzip"}, {413}),
        (gzip.compress(b"0" * 300_000_000), {"content-encoding": "gzip"}, {413}),
        (b"no gzip", {"content-encoding": "gzip"}, {400}),
        (b"x", {"content-encoding": "br"}, {400, 415}),
        (b"{", {}, {400}),
        (b"", {}, {400}),
        (b"\xff\xfe", {}, {400}),
        (b"[" * 100_000, {}, {400}),
        (b'{"a":' * 100_000, {}, {400}),
    ]
    for body, headers, statuses in cases:
        try:
            status, said = api.post(body, **headers)
        except ConnectionError:  # told before it had read everything that we sent
            assert 413 in statuses
            continue
        assert status in statuses, (body[:20], said)
        assert all(said["error"][told] for told in ("code", "fix")), said


def test_keys_open_what_they_say_and_nothing_else(api: Api) -> None:
    ingest, read = api.new_key("ingest")["key"], api.new_key("read")
    docs = api.new_key("ingest", "read", product="docs")["key"]
    question = f"/v1/query?{urlencode({'metric': 'signups', **SPAN})}"
    body = json.dumps([api.event()]).encode()
    sent = {"content-type": JSON}
    assert api.call("GET", question, key=read["key"])[0] == 200
    assert api.call("GET", question, key=ingest)[0] == 403
    assert api.call("POST", "/v1/events", body, key=read["key"], **sent)[0] == 403
    status, said = api.call("POST", "/v1/events", body, key=docs, **sent)
    assert (status, said["rejected"][0]["code"]) == (400, "unknown_product")
    status, said = api.call("GET", question + "&product=mail", key=docs)
    assert (status, said["error"]["code"]) == (400, "unknown_product")
    assert "mail" not in said["error"]["fix"]
    for wrong in ("uw_00000000_wrong", "nonsense"):
        status, said = api.call("GET", question, key=wrong)
        assert status == 401
        assert said["error"]["fix"]
    assert api.served.call("GET", question)[0] == 401
    assert api.served.run("key", "revoke", read["id"])["revoked"] is True
    assert api.call("GET", question, key=read["key"])[0] == 401
    assert read["key"] not in json.dumps(api.served.run("key", "list"))


def test_one_question_and_many_and_what_can_be_asked(api: Api) -> None:
    api.send(api.event(metadata={"plan": "team"}), api.event(metadata={"plan": "solo"}))
    question = {"metric": "signups", "product": "mail", "by": "plan", **SPAN}
    alone = api.get("/v1/query", **question)
    body = json.dumps({"questions": [question, {"metric": "sinups"}]}).encode()
    status, many = api.call("POST", "/v1/query", body, **{"content-type": JSON})
    assert status == 200
    assert many["answers"][0]["series"] == alone["series"]
    assert "signups" in many["answers"][1]["error"]["fix"]
    filtered = api.get(
        "/v1/query", **{k: v for k, v in question.items() if k != "by"}, where="plan:team"
    )
    assert filtered["series"][0]["total"] == {s["key"]: s["total"] for s in alone["series"]}["team"]
    metrics = {metric["name"]: metric for metric in api.get("/v1/metrics")["metrics"]}
    assert set(metrics) == set(CATALOG)
    for name, metric in metrics.items():
        assert all(metric[told] for told in ("title", "definition", "unit"))
        for grain in metric["grains"]:
            assert api.get("/v1/query", metric=name, grain=grain, **SPAN)["series"]
        for dimension in metric["dimensions"]:
            api.get("/v1/query", metric=name, by=dimension, **SPAN)
    status, said = api.call("GET", "/v1/query?metric=revenue&grian=day")
    assert (status, said["error"]["where"]) == (400, "grian")


def test_a_number_leads_to_its_rows_and_to_the_bytes(api: Api) -> None:
    own = api.paid("300", currency="JPY", metadata={"plan": "rare", "note": "größe"})
    api.send(own)
    page = api.get("/v1/rows", metric="revenue", by="plan", key="rare", **SPAN)
    (row,) = page["rows"]
    assert page["cursor"] is None
    assert row["event"]["value"] == "300"
    assert row["event"]["idempotency_key"] == own["idempotency_key"]
    assert row["event"]["metadata"] == own["metadata"]
    original = api.get(f"/v1/deliveries/{row['delivery']['seq']}")
    assert json.loads(original["text"])[0] == own
    assert api.call("GET", "/v1/deliveries/999999999")[0] == 404


def test_a_file_beside_the_server_is_imported_and_taken_back(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "paid.csv"
    rows = [f"c{n},{DAY} 10:0{n},{n}.50,USD" for n in range(4)]
    file.write_text("\n".join(["who,at,amount,money", *rows, "c9,never,1,USD"]))
    words = (
        "import", str(file), "--product", "docs", "--source", "till", "--type", "revenue",
        "--map", "actor_id=who", "--map", "timestamp=at", "--map", "value=amount",
        "--map", "currency=money", "--zone", "Europe/Berlin",
    )  # fmt: skip
    before = float(api.total("revenue", product="docs"))
    preview = api.served.run(*words, "--preview")
    assert preview["records"] == 5
    assert float(api.total("revenue", product="docs")) == before
    done = api.served.run(*words)
    assert (done["stored"], done["refused_rows"]) == (4, 1)
    assert "never" in done["refused"][0]["reason"]
    assert float(api.total("revenue", product="docs")) == before + 8
    api.served.run("retract", "--import", done["import_id"])
    assert float(api.total("revenue", product="docs")) == before
    api.served.run("retract", "--import", done["import_id"], "--undo")
    assert float(api.total("revenue", product="docs")) == before + 8
    assert api.served.run("verify")["ok"] is True


ALIKE: list[tuple[str, ...]] = [
    ("query", "revenue", "--from", SPAN["from"], "--to", SPAN["to"], "--by", "product"),
    ("query", "actors", "--from", SPAN["from"], "--to", SPAN["to"], "--compare", "previous"),
    ("rows", "revenue", "--from", SPAN["from"], "--to", SPAN["to"], "--limit", "3"),
    ("dead-letters", "list"),
    ("key", "list"),
    ("alerts", "list", "--all"),
    ("sources",),
    ("verify",),
    ("rebuild",),
    ("retranslate", "--source", "test"),
    ("check",),
]


def test_every_command_says_the_same_with_and_without_the_server(
    serve: Callable[..., Served],
) -> None:
    served = serve(name="alike")
    api = Api(served)
    api.send(api.paid("5"), api.event(), api.paid("7", product_id="docs"))
    api.send(api.paid("5", idempotency_key="k1"))
    beside = [served.run(*words) for words in ALIKE]
    exported = _text(served, "config", "export")
    assert served.stop() == 130
    alone = [served.run(*words) for words in ALIKE]
    for words, one, other in zip(ALIKE, beside, alone, strict=True):
        assert _steady(one) == _steady(other), words
    assert _text(served, "config", "export") == exported


def _steady(said: Any) -> Any:
    """Without how long it took, when it was tried last, how far the journal has come."""
    if isinstance(said, dict):
        return {
            k: _steady(v)
            for k, v in said.items()
            if k not in ("seconds", "position", "state", "detail", "recorded_at")
        }
    return [_steady(one) for one in said] if isinstance(said, list) else said


def _text(served: Served, *words: str) -> str:
    done = upwell(*words, "--data", str(served.data), "--config", str(served.config))
    assert done.returncode == 0, done.stderr
    return done.stdout


def upwell(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*UPWELL, *words], capture_output=True, text=True, timeout=120, check=False
    )


def test_what_goes_wrong_on_the_terminal_has_a_code_and_a_way_out(tmp_path: Path) -> None:
    data, config = tmp_path / "data", tmp_path / "upwell.toml"
    places = ("--data", str(data), "--config", str(config))
    config.write_text(CONFIG)
    made = upwell("key", "create", "--name", "n", "--scope", "read", *places)
    assert made.returncode == 0, made.stderr
    cases: list[tuple[tuple[str, ...], int, str]] = [
        (("query", "revenu"), 1, "revenue"),
        (("query", "revenue", "--grain", "fortnight"), 2, "week"),
        (("query", "revenue", "--from", "2026-02-30"), 1, "2026-02-30"),
        (("query", "revenue", "--product", "mial"), 1, "mail"),
        (("retract",), 2, "--import"),
        (("retract", "--delivery", "99999"), 1, "99999"),
        (("key", "revoke", "key_00000000"), 1, "key"),
        (("import", str(tmp_path / "no.csv"), "--source", "s", "--product", "mail"), 1, "no.csv"),
    ]
    for words, code, said in cases:
        done = upwell(*words, *places)
        assert done.returncode in (code, 2), (words, done.stderr)
        assert said in done.stderr, (words, done.stderr)
        assert "Traceback" not in done.stderr
    none = upwell("query", "revenue", "--data", str(tmp_path / "nowhere"))
    assert (none.returncode, "upwell demo" in none.stderr) == (2, True)

    config.write_text(CONFIG + '\n[workspace\nname = "x"\n')
    for words in (("check",), ("serve", "--port", str(free_port()))):
        broken = upwell(*words, *places)
        assert broken.returncode == 2, broken.stderr
        assert "line 12" in broken.stderr
        assert "fix:" in broken.stderr
    config.write_text(CONFIG.replace("timezone", "tz") + 'nmae = "x"\n')
    wrong = upwell("check", *places)
    assert wrong.returncode == 2
    assert "name" in wrong.stderr


def test_a_taken_port_and_a_directory_in_use_are_named(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    served = serve(name="mine")
    taken = upwell("serve", "--port", str(served.port), "--data", str(tmp_path / "other"))
    assert (taken.returncode, f"Port {served.port} is taken" in taken.stderr) == (1, True)
    assert "--port" in taken.stderr
    twice = upwell("serve", "--port", str(free_port()), "--data", str(served.data))
    assert twice.returncode == 1
    assert "fix:" in twice.stderr


@pytest.mark.parametrize("part", ["projection.duckdb", "journal.sqlite"])
def test_a_directory_of_a_newer_version_is_left_alone(tmp_path: Path, part: str) -> None:
    places = ("--data", str(tmp_path / "data"))
    assert upwell("key", "create", "--name", "n", "--scope", "read", *places).returncode == 0
    file = tmp_path / "data" / part
    if part.endswith("duckdb"):
        with duckdb.connect(str(file)) as db:
            db.execute("update meta set value = '99' where key = 'format'")
    else:
        with sqlite3.connect(file) as journal:
            journal.execute("update meta set value = '99' where key = 'format'")
        journal.close()
    before = file.read_bytes()
    done = upwell("query", "revenue", *places)
    assert done.returncode == 2, done.stdout
    assert "newer" in done.stderr
    assert "fix:" in done.stderr
    assert "Traceback" not in done.stderr
    assert file.read_bytes() == before
