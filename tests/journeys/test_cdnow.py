"""The CDNOW purchases through the terminal: imported, asked, led back to their lines, undone."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.served import UPWELL

pytestmark = pytest.mark.slow

CONFIG = """\
[workspace]
name = "CDNOW"
timezone = "UTC"
currency = "USD"

[[products]]
id = "cdnow"
name = "CDNOW"
"""
IMPORT = (
    "--product", "cdnow", "--source", "cdnow", "--type", "revenue", "--currency", "USD",
    "--map", "actor_id=1", "--map", "timestamp=2", "--map", "value=4",
    "--date-format", "%Y%m%d", "--delimiter", "whitespace",
)  # fmt: skip
SPAN = ("--from", "1997-01-01", "--to", "1998-07-01")


class Terminal:
    """`upwell` on one data directory."""

    def __init__(self, folder: Path, config: str | None = CONFIG) -> None:
        self.data = folder / "data"
        self.words: list[str] = ["--data", str(self.data)]
        if config is not None:
            path = folder / "upwell.toml"
            path.write_text(config)
            self.words += ["--config", str(path)]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*UPWELL, *words, *self.words],
            capture_output=True, text=True, timeout=240, check=False, cwd=self.data.parent,
        )  # fmt: skip

    def ask(self, *words: str) -> Any:
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def months(self, metric: str) -> dict[str, Any]:
        (line,) = self.ask("query", metric, *SPAN, "--grain", "month")["series"]
        return {point["start"][:7]: point["value"] for point in line["points"]}


def recount(path: Path) -> tuple[dict[str, Decimal], dict[str, int]]:
    """Money and customers of each month, by reading the file line by line."""
    paid: dict[str, Decimal] = defaultdict(Decimal)
    people: dict[str, set[str]] = defaultdict(set)
    for line in path.read_text().splitlines()[1:]:
        who, day, _, value = line.split()
        paid[f"{day[:4]}-{day[4:6]}"] += Decimal(value)
        people[f"{day[:4]}-{day[4:6]}"].add(who)
    return dict(paid), {month: len(own) for month, own in people.items()}


def test_the_purchases_agree_with_a_recount_and_lead_to_their_lines(
    cdnow: Path, tmp_path: Path
) -> None:
    terminal = Terminal(tmp_path)
    started = time.monotonic()
    first = terminal.ask("import", str(cdnow), *IMPORT)
    print(f"69,659 purchases imported in {time.monotonic() - started:.1f} s")
    assert (first["stored"], first["repeats"], first["refused_rows"]) == (69_659, 0, 0)
    paid, people = recount(cdnow)
    assert {m: Decimal(v) for m, v in terminal.months("revenue").items()} == paid
    assert terminal.months("actors") == people
    (line,) = terminal.ask("query", "actors", *SPAN, "--grain", "year")["series"]
    assert line["total"] == 23_570
    assert all(point["complete"] for point in line["points"])

    again = terminal.ask("import", str(cdnow), *IMPORT)
    assert (again["stored"], again["repeats"]) == (0, 69_659)
    assert {m: Decimal(v) for m, v in terminal.months("revenue").items()} == paid

    _rows_lead_to_lines(terminal, cdnow, "1997-01-17")
    assert terminal.ask("verify")["ok"] is True

    gone = terminal.ask("retract", "--import", first["import_id"])
    assert gone["retracted"] == 69_659
    assert set(terminal.months("revenue").values()) == {"0.00"}
    back = terminal.ask("retract", "--import", first["import_id"], "--undo")
    assert back["restored"] == 69_659
    assert {m: Decimal(v) for m, v in terminal.months("revenue").items()} == paid
    assert terminal.months("actors") == people


def _rows_lead_to_lines(terminal: Terminal, cdnow: Path, day: str) -> None:
    """The rows behind one day's revenue are that day's lines of the file, each as often."""
    after = f"{day[:8]}{int(day[8:]) + 1:02}"
    found: Counter[tuple[str, Decimal]] = Counter()
    cursor: list[str] = []
    while True:
        span = ("--product", "cdnow", "--from", day, "--to", after, "--limit", "100")
        page = terminal.ask("rows", "revenue", *span, *cursor)
        for row in page["rows"]:
            event = row["event"]
            assert row["delivery"]["source"] == "cdnow"
            found[event["actor_id"], Decimal(event["value"])] += 1
        if page["cursor"] is None:
            break
        cursor = ["--cursor", page["cursor"]]
    lines = [line.split() for line in cdnow.read_text().splitlines()[1:]]
    wanted = [(who, Decimal(value)) for who, at, _, value in lines if at == day.replace("-", "")]
    assert found == Counter(wanted)
    (line,) = terminal.ask("query", "revenue", "--from", day, "--to", after)["series"]
    assert Decimal(line["total"]) == sum(value for _, value in wanted)


def test_shuffled_lines_give_the_same_and_add_nothing(cdnow: Path, tmp_path: Path) -> None:
    header, *lines = cdnow.read_bytes().splitlines()
    random.Random(11).shuffle(lines)
    shuffled = tmp_path / "shuffled.txt"
    shuffled.write_bytes(b"\n".join([header, *lines]))
    terminal = Terminal(tmp_path)
    assert terminal.ask("import", str(shuffled), *IMPORT)["stored"] == 69_659
    paid, people = recount(cdnow)
    assert {m: Decimal(v) for m, v in terminal.months("revenue").items()} == paid
    assert terminal.months("actors") == people
    assert terminal.ask("import", str(cdnow), *IMPORT)["stored"] == 0


def test_shown_in_a_currency_that_had_no_rate_yet(cdnow: Path, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    terminal.ask("import", str(cdnow), *IMPORT)
    answer = terminal.ask("query", "revenue", *SPAN, "--grain", "month", "--currency", "EUR")
    paid, _ = recount(cdnow)
    assert {point["value"] for point in answer["series"][0]["points"]} == {None}
    assert [Decimal(m["total"]) for m in answer["unconverted"]] == [sum(paid.values())]


@pytest.mark.parametrize("config", [None, CONFIG.replace('id = "cdnow"', 'id = "cdno"')])
def test_an_import_for_a_product_that_is_not_configured_says_so(
    cdnow: Path, tmp_path: Path, config: str | None
) -> None:
    done = Terminal(tmp_path, config).run("import", str(cdnow), *IMPORT)
    assert done.returncode in (1, 2)
    assert "cdnow" in done.stderr
    assert "fix:" in done.stderr
    assert "Traceback" not in done.stderr
