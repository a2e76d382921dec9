"""The commands, over a small house: what they ask, what they print, how they fail."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from upwell import __version__, control
from upwell.cli import main
from upwell.errors import NotFound, Rejected, Unavailable, nearest
from upwell.sources import files

POINTS = [
    {"start": "2026-11-20", "value": "1234.50", "complete": True},
    {"start": "2026-11-21", "value": None, "complete": True},
    {"start": "2026-11-22", "value": "617.25", "complete": False, "provisional": True},
]


class Commands:
    """What the house can do, for these tests: each notes what it was asked."""

    def __init__(self, asked: list[tuple[str, dict[str, Any]]]) -> None:
        self._asked = asked

    def query(self, question: dict[str, Any]) -> dict[str, Any]:
        self._asked.append(("query", question))
        if question["metric"] != "revenue":
            fix = nearest(question["metric"], ["revenue"])
            raise Rejected("unknown_metric", f"Unknown metric '{question['metric']}'.", fix=fix)
        keys = ["=cmd()", "starter"] if "by" in question else [""]
        return {
            "question": question,
            "series": [{"key": key, "points": POINTS, "total": "1851.75"} for key in keys],
            "unit": "money",
            "currency": "USD",
            "as_of": {},
            "policy": "upwell",
            "position": "0-7",
            "unconverted": [{"currency": "XAU", "total": "3.00"}],
        }

    def explain(self, question: dict[str, Any]) -> dict[str, Any]:
        self._asked.append(("explain", question))
        parts = [
            {"key": "mail", "label": "Mail", "change": "-12.50"},
            {"key": "", "label": "", "kind": "other", "change": "2.50", "others": 3},
        ]
        return {
            "unit": "money",
            "currency": "USD",
            "change": "-10.00",
            "splits": [
                {"by": "product", "parts": parts, "note": ""},
                {"by": "plan", "parts": [], "note": "No sum is kept of this."},
            ],
            "customers": [{"id": "stripe:c", "name": "", "change": "-9.00"}],
            "note": "",
        }

    def rows(self, request: dict[str, Any]) -> dict[str, Any]:
        self._asked.append(("rows", request))
        event = {
            "product_id": "mail",
            "event_type": "churn",
            "timestamp": "2026-11-22T08:00:00Z",
            "actor_id": "ann",
        }
        return {"rows": [{"event": event, "delivery": {"seq": 7}}], "cursor": "abc"}

    def import_file(
        self, path: str, options: dict[str, Any], preview: bool
    ) -> Generator[dict[str, Any], None, dict[str, Any]]:
        self._asked.append(("import_file", options))
        chosen = msgspec.convert(options, files.Options)
        planned = files.plan(Path(path), chosen, frozenset({"mail"}))
        if preview:
            found: dict[str, Any] = msgspec.to_builtins(planned.preview)
            return found
        last = None
        for _, _, last in files.deliveries(planned, 1_800_000_000_000_000):
            yield {"label": "import", "done": last.done, "total": last.total}
        result: dict[str, Any] = msgspec.to_builtins(last)
        return result | {"stored": result["usable"], "repeats": 0}

    def retract(self, **args: Any) -> dict[str, Any]:
        self._asked.append(("retract", args))
        return {"events": 12000}

    def verify(self) -> dict[str, Any]:
        checks = [
            {"name": "sums", "ok": True, "detail": "equal"},
            {"name": "journal", "ok": False, "detail": "delivery 3 has another digest"},
        ]
        return {"ok": False, "checks": checks}

    def key_create(self, name: str, scopes: list[str], **rest: Any) -> dict[str, str]:
        self._asked.append(("key_create", {"name": name, "scopes": scopes, **rest}))
        return {"id": "key_1", "key": "uw_1_secret"}

    def key_list(self) -> dict[str, Any]:
        key = {"id": "key_1", "name": "ci", "scopes": ["ingest"], "created_at": "2026-11-22"}
        return {"keys": [key]}

    def key_revoke(self, id: str) -> dict[str, Any]:
        raise NotFound("unknown_key", f"There is no key '{id}'.", fix="See: upwell key list")

    def alerts_list(self, every: bool) -> dict[str, Any]:
        self._asked.append(("alerts_list", {"every": every}))
        alert = {"id": "a1", "state": "open", "severity": "high", "opened_at": "08:00"}
        return {"alerts": [alert | {"sentence": "Cancellations in Mail: 21 today."}]}

    def alerts_act(self, id: str, action: str) -> dict[str, str]:
        return {"id": id, "state": {"ack": "acknowledged"}.get(action, action)}

    def dead_letters(self, **args: Any) -> dict[str, Any]:
        self._asked.append(("dead_letters", args))
        letter = {"seq": 3, "idx": 1, "source": "s", "code": "bad_time", "reason": "Row 2: no time"}
        return {"dead_letters": [letter | {"recorded_at": "08:00", "text": "raw,row"}]}

    def replay(self, **args: Any) -> dict[str, int]:
        self._asked.append(("replay", args))
        return {"tried": 2, "used": 1}

    def rebuild(self) -> dict[str, int]:
        raise Unavailable("disk_full", "The disk is full.", fix="Make room.")

    def retranslate(self, source: str) -> dict[str, Any]:
        raise RuntimeError(f"unforeseen {source}")

    def report(self, formats: list[str], out: str, month: str | None = None) -> dict[str, Any]:
        return {"month": month, "files": [f"{out}/board.{each}" for each in formats]}

    def sources(self) -> dict[str, Any]:
        return {"sources": [{"id": "api", "kind": "events", "state": "live", "events": 12000}]}

    def check(self, config: str | None = None) -> dict[str, Any]:
        self._asked.append(("check", {"config": config}))
        return {
            "problems": [{"code": "x", "message": "Slack says no.", "fix": "Renew it."}],
            "warnings": [{"code": "overlap", "message": "Two send signups.", "fix": "Choose."}],
        }

    def config_export(self) -> dict[str, str]:
        return {"toml": '[workspace]\nname = "Acme"\n'}


class Small:
    """The house that the commands are given."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.served: dict[str, Any] = {}

    @contextlib.contextmanager
    def house(self, data: Path, config: Path | None) -> Iterator[Commands]:  # noqa: ARG002
        yield Commands(self.asked)

    def serve(self, **given: Any) -> None:
        self.served = given

    def demo(self, **given: Any) -> None:
        self.served = given


class Terminal:
    """Runs commands and keeps what they print."""

    def __init__(self, house: Small, capsys: pytest.CaptureFixture[str]) -> None:
        self.house = house
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *argv: str) -> int:
        code = main(argv, parts=lambda: self.house)
        self.out, self.err = self._capsys.readouterr()
        return code


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("UPWELL_")]:
        monkeypatch.delenv(name)
    (tmp_path / "upwell-data").mkdir(mode=0o700)
    return Terminal(Small(), capsys)


def test_help_and_version(run: Terminal) -> None:
    assert run() == 0
    assert "import" in run.out
    assert "dead-letters" in run.out
    assert run("version") == 0
    assert run.out == f"upwell {__version__}\n"
    assert run("query", "--help") == 0


def test_a_table(run: Terminal) -> None:
    assert run("query", "revenue", "--product", "mail,docs", "--from", "2026-11-20") == 0
    lines = run.out.splitlines()
    assert lines[0].split() == ["start", "value"]
    assert lines[1].split()[:3] == ["2026-11-20", "1,234.50", "USD"]
    assert lines[1].count("█") == 2 * lines[3].count("█") == 24
    assert lines[2].split() == ["2026-11-21", "–"]
    assert lines[3].endswith("so far")
    assert lines[4].split() == ["total", "1,851.75", "USD"]
    assert "no rate is known: 3.00 XAU" in run.err
    assert run.house.asked[0][1] == {
        "metric": "revenue",
        "product": ["mail", "docs"],
        "from": "2026-11-20",
        "grain": "day",
    }


def test_series_side_by_side(run: Terminal) -> None:
    assert run("query", "revenue", "--by", "plan", "--where", "country=DE,AT") == 0
    assert run.out.splitlines()[2].split() == ["starter", "1,851.75", "USD", "█", "▁"]
    assert run.house.asked[0][1]["where"] == {"country": ["DE", "AT"]}


def test_why_it_changed(run: Terminal) -> None:
    assert run("query", "revenue", "--explain", "--compare", "year") == 0
    assert [line.split() for line in run.out.splitlines()] == [
        ["by", "change"],
        ["in", "all", "-10.00", "USD"],
        ["product", "Mail", "-12.50", "USD"],
        ["product", "the", "others", "+2.50", "USD"],
        ["customer", "stripe:c", "-9.00", "USD"],
    ]
    assert run.err == "note: plan: No sum is kept of this.\n"
    assert run.house.asked[-1] == (
        "explain",
        {"metric": "revenue", "grain": "day", "compare": "year"},
    )
    assert run("query", "revenue", "--explain", "--json") == 0
    assert run("query", "revenue", "--explain", "--format", "csv") == 2


def test_csv_json_and_parquet(run: Terminal, tmp_path: Path) -> None:
    assert run("query", "revenue", "--by", "plan", "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(run.out)))
    assert len(rows) == 6
    assert rows[0] == {
        "start": "2026-11-20",
        "key": "'=cmd()",
        "value": "1234.50",
        "complete": "true",
    }
    assert run("query", "revenue", "--json") == 0
    assert msgspec.json.decode(run.out)["series"][0]["points"] == POINTS
    assert run("query", "revenue", "--format", "parquet", "--out", "x.parquet") == 0
    table = pq.read_table(tmp_path / "x.parquet")
    assert [str(v) for v in table["value"].to_pylist()] == [
        "1234.500000000",
        "None",
        "617.250000000",
    ]
    assert run("query", "revenue", "--out", "x.txt") == 0
    assert (tmp_path / "x.txt").read_text().startswith("start\tvalue")


FAILURES: list[tuple[list[str], int, str, str]] = [
    (["query", "revenu"], 2, "Unknown metric 'revenu'.", "Did you mean 'revenue'?"),
    (["query"], 2, "Missing argument 'METRIC'.", "upwell query --help"),
    (["qery"], 2, "No such command 'qery'.", "upwell --help"),
    (["query", "revenue", "--grain", "dya"], 2, "'dya' is not one of", "upwell query --help"),
    (["query", "revenue", "--where", "plan"], 2, "--where name=value", "--help"),
    (["import", "f.csv", "--source", "s", "--map", "x"], 2, "--map name=value", "--help"),
    (["import", "no.csv", "--source", "s"], 2, "no.csv cannot be read", "Check the path"),
    (["retract"], 2, "either --delivery N or --import ID", "--help"),
    (["rebuild"], 1, "The disk is full.", "Make room."),
    (["retranslate", "--source", "s"], 1, "RuntimeError: unforeseen", "UPWELL_DEBUG"),
    (["key", "revoke", "k"], 2, "There is no key 'k'.", "upwell key list"),
    (["query", "revenue", "--data", "none"], 2, "no data directory none", "upwell demo"),
    (["check", "--config", "none.toml"], 2, "none.toml cannot be read", "--config"),
    (["serve", "--config", "none.toml"], 2, "none.toml cannot be read", "--config"),
    (["alerts", "backtest", "--series", "none.csv", "--out", "o"], 2, "none.csv", ""),
]


@pytest.mark.parametrize(("argv", "code", "message", "fix"), FAILURES)
def test_failures_say_what_to_change(
    run: Terminal, argv: list[str], code: int, message: str, fix: str
) -> None:
    assert run(*argv) == code
    first, *rest = run.err.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert fix in "\n".join(rest)
    assert "Traceback" not in run.err
    assert run.out == ""


def test_import_with_bad_rows(run: Terminal, tmp_path: Path) -> None:
    text = "who,when,paid,plan\nann,2026-11-01,1,team\nbob,never,1,\ncid,2026-11-02,2,\n"
    (tmp_path / "sales.csv").write_text(text)
    options = ["--product", "mail", "--source", "shop", "--type", "revenue", "--currency", "USD"]
    options += ["--map", "actor_id=who", "--map", "timestamp=when", "--map", "value=paid"]
    options += ["--map", "metadata.plan=plan"]
    assert run("import", "sales.csv", *options, "--preview") == 0
    assert "2026-11-01T00:00:00Z  mail     revenue  ann" in run.out
    assert "plan=team" in run.out
    assert "usable: 2 of the first 3" in run.out
    assert run("import", "sales.csv", *options) == 0
    assert "rows: 3\nstored: 2\nrepeats: 0\nrefused: 1\nimport: imp_" in run.out
    assert "Row 3: 'never' is no time" in run.err
    assert run("import", "sales.csv", "sales.csv", *options, "--json") == 0
    assert [each["usable"] for each in msgspec.json.decode(run.out)] == [2, 2]
    assert "zone" not in run.house.asked[0][1], "the house knows the workspace's"
    assert run("import", "sales.csv", *options, "--product", "mial") == 2
    assert "Did you mean 'mail'?" in run.err


def test_other_commands_print_what_they_got(run: Terminal, tmp_path: Path) -> None:
    assert run("verify") == 1
    assert "FAIL  journal: delivery 3" in run.out
    assert run("retract", "--import", "imp_1", "--undo") == 0
    assert run.out == "events: 12,000\n"
    assert run.house.asked[-1][1] == {"import_id": "imp_1", "undo": True}
    assert run("rows", "cancellations", "--product", "mail") == 0
    assert run.out.splitlines()[1].split() == [
        "2026-11-22T08:00:00Z",
        "mail",
        "churn",
        "ann",
        "1",
        "7",
    ]
    assert "--cursor abc" in run.err
    assert run("key", "create", "--name", "ci", "--scope", "ingest", "--scope", "read") == 0
    assert run.out == "uw_1_secret\n"
    assert run("key", "create", "--name", "ci", "--scope", "read", "--json", "--data", "new") == 0
    assert msgspec.json.decode(run.out) == {"id": "key_1", "key": "uw_1_secret"}
    assert run("key", "list") == 0
    assert "key_1  ci    ingest  all" in run.out
    assert run("alerts", "list") == 0
    assert "Cancellations in Mail" in run.out
    assert run("alerts", "ack", "a1") == 0
    assert run.out == "a1: acknowledged\n"
    assert run("dead-letters", "list") == 0
    assert "Row 2: no time" in run.out
    assert run("dead-letters", "show", "3", "1") == 0
    assert run.out.endswith("raw,row\n")
    assert run.house.asked[-1] == ("dead_letters", {"seq": 3, "idx": 1})
    assert run("dead-letters", "replay", "--source", "s", "--json") == 0
    assert msgspec.json.decode(run.out) == {"tried": 2, "used": 1}
    assert run("report", "--month", "2026-10", "--format", "pdf,html", "--out", "r") == 0
    assert run.out.split() == [f"{tmp_path}/r/board.pdf", f"{tmp_path}/r/board.html"]
    assert run("sources") == 0
    assert "api" in run.out
    assert run("config", "export") == 0
    assert run.out.startswith("[workspace]")


def test_backtest(run: Terminal, tmp_path: Path) -> None:
    days = "\n".join(f"s,2026-{m:02}-{d:02},5,count," for m in (1, 2) for d in range(1, 29))
    (tmp_path / "s.csv").write_text(f"series,date,value,kind,holiday\n{days}\n")
    assert run("alerts", "backtest", "--series", "s.csv", "--out", "o.jsonl") == 0
    assert "days judged: 56" in run.out
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == 56


def test_check(run: Terminal, tmp_path: Path) -> None:
    (tmp_path / "upwell.toml").write_text('[workspace]\ntimezon = "UTC"\nweek_start = "x"\n')
    assert run("check") == 2
    assert run.err.count("error: ") == 2
    assert "where: upwell.toml, line 2" in run.err
    assert run("check", "--json") == 2
    assert [p["where"] for p in msgspec.json.decode(run.out)["problems"]] == [
        "upwell.toml, line 2",
        "upwell.toml, line 3",
    ]
    (tmp_path / "upwell.toml").write_text('[[alerts]]\nmetric = "cancelations"\n')
    assert run("check") == 2
    assert "'cancellations'" in run.err
    (tmp_path / "upwell.toml").write_text('[workspace]\nname = "Acme"\n')
    assert run("check") == 1
    assert "error: Slack says no." in run.err
    assert "warning: Two send signups." in run.err
    assert run.house.asked[-1][1] == {"config": f"{tmp_path}/upwell.toml"}
    assert run("check", "--data", "none") == 0
    assert run.out.startswith("ok: upwell.toml")
    assert not (tmp_path / "none").exists()


def test_which_configuration_holds(
    run: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def served() -> Any:
        assert run("serve", "--port", "18431") == 0
        return run.house.served["config"]

    assert served() is None
    inside = tmp_path / "upwell-data" / "upwell.toml"
    inside.write_text("")
    assert served() == Path("upwell-data/upwell.toml")
    Path("upwell.toml").write_text("")
    assert served() == Path("upwell.toml")
    Path("other.toml").write_text("")
    monkeypatch.setenv("UPWELL_CONFIG", "other.toml")
    assert served() == Path("other.toml")
    monkeypatch.setenv("UPWELL_DATA", "elsewhere")
    assert run("serve", "--config", "upwell.toml", "--host", "::1") == 0
    assert run.house.served == {
        "data": Path("elsewhere"),
        "config": Path("upwell.toml"),
        "host": "::1",
        "port": 8000,
    }
    assert run("demo", "--port", "18432", "--scale", "0.1") == 0
    assert run.house.served == {"data": Path("demo-data"), "port": 18432, "scale": 0.1}


def test_a_taken_port(run: Terminal) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        for command in ("serve", "demo"):
            assert run(command, "--port", port) == 1
            assert f"error: Port {port} is taken" in run.err
            assert f"--port {int(port) + 1}" in run.err
    assert run.house.served == {}
    assert run("serve", "--host", "no.such.host.invalid") == 2


def test_a_running_server_is_asked(run: Terminal, tmp_path: Path) -> None:
    data = tmp_path / "upwell-data"
    asked: list[tuple[str, dict[str, Any]]] = []
    server = control.serve_control(data, control.handlers(Commands(asked)))
    with control.own(data, "upwell serve"), server:
        assert run("query", "revenue") == 0
        assert "1,851.75 USD" in run.out
        assert run("query", "revenu") == 2
        assert "Did you mean" in run.err
        assert run("rebuild") == 1
        assert run("retranslate", "--source", "s") == 1
        assert "unforeseen" in run.err
    assert [name for name, _ in asked] == ["query", "query"]
    assert run.house.asked == []


def test_who_stops_reading_is_told_nothing(tmp_path: Path) -> None:
    command = f"{sys.executable} -m upwell.cli --help | true"
    got = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=tmp_path)
    assert got.stderr == ""


def test_on_a_terminal_there_is_a_bar_and_a_wide_table(
    run: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"u{n},2026-11-01,signup\n" for n in range(12_000))
    (tmp_path / "f.csv").write_text(f"actor_id,timestamp,event_type\n{rows}")
    inside, outside = os.openpty()
    read: list[bytes] = []

    def drain() -> None:
        with contextlib.suppress(OSError):  # the terminal was closed
            while block := os.read(inside, 4096):
                read.append(block)

    reader = threading.Thread(target=drain)
    reader.start()
    with os.fdopen(outside, "w") as terminal, monkeypatch.context() as on:
        on.setattr(sys, "stdout", terminal)
        on.setattr(sys, "stderr", terminal)
        on.setenv("TERM", "xterm")
        on.setenv("COLUMNS", "100")
        assert main(["query", "revenue"], parts=lambda: run.house) == 0
        assert main(["query", "revenue", "--format", "parquet"], parts=lambda: run.house) == 2
        asked = ["import", "f.csv", "--product", "mail", "--source", "s"]
        assert main(asked, parts=lambda: run.house) == 0
    reader.join()
    os.close(inside)
    shown = b"".join(read).decode()
    assert "1,234.50 USD" in shown
    assert "give --out FILE" in shown
    assert "12,000 of 12,000" in shown
    assert "stored: 12,000" in shown
