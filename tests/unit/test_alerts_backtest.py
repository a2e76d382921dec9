from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from upwell.alerts import backtest
from upwell.errors import Rejected

HEAD = "series,date,value,kind,holiday\n"


def written(path: Path, values: list[object], packed: bool = False) -> Path:
    lines = [
        f"a,2026-{1 + day // 28:02d}-{1 + day % 28:02d},{value},count,0"
        for day, value in enumerate(values)
    ]
    text = HEAD + "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    return path


@pytest.mark.parametrize("name", ["series.csv", "series.csv.gz"])
def test_a_score_for_every_day_from_earlier_days_only(tmp_path: Path, name: str) -> None:
    values = [10 + day % 3 for day in range(40)]
    later = [*values[:35], 500, *values[36:]]
    found = []
    for given in (values, later):
        out = tmp_path / "scores.jsonl"
        source = written(tmp_path / name, list(given), packed=name.endswith("gz"))
        assert backtest.run(source, out) == 40
        found.append([json.loads(line) for line in out.read_text().splitlines()])
    assert set(found[0][0]) == {"series", "date", "score", "expected", "low", "high"}
    assert [row["score"] for row in found[0][:30]] == [0.0] * 30
    assert found[0][29]["expected"] is None
    assert found[0][:35] == found[1][:35]  # what comes later changes nothing
    assert found[1][35]["score"] > 3.5
    assert found[1][35]["high"] < 500


def test_a_day_not_known_is_left_out(tmp_path: Path) -> None:
    rows = list(backtest.read(written(tmp_path / "a.csv", [5] * 30 + ["", "nan", 50])))
    assert [row.value for row in rows[30:]] == [None, None, 50]
    scored = list(backtest.scores(rows))
    assert [row.score for row in scored[30:32]] == [0.0, 0.0]
    assert scored[32].score > 3.5


@pytest.mark.parametrize(
    ("text", "where", "word"),
    [
        ("series,date\n", "a.csv:1", "value, kind"),
        (HEAD + "a,2026-01-01,1,count,0\na,tomorrow,1,count,0\n", "a.csv:3", "tomorrow"),
        (HEAD + "a,2026-01-01,many,count,0\n", "a.csv:2", "many"),
        (HEAD + "a,2026-01-01,1,colour,0\n", "a.csv:2", "colour"),
        (HEAD + "a,2026-01-02,1,count,0\na,2026-01-01,1,count,0\n", "a.csv:3", "comes after"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(
    tmp_path: Path, text: str, where: str, word: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(Rejected) as caught:
        list(backtest.read(path))
    assert caught.value.problem.where == where
    assert word in caught.value.problem.message
    assert caught.value.problem.fix


def test_a_file_that_is_not_there_or_not_packed_is_named(tmp_path: Path) -> None:
    torn = tmp_path / "a.csv.gz"
    torn.write_bytes(b"not gzip")
    for path in (tmp_path / "none.csv", torn):
        with pytest.raises(Rejected, match="cannot be read"):
            list(backtest.read(path))
