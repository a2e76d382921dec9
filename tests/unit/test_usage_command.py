"""`upwell ask`: each kind of question from a file and from standard input, as table and as JSON."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.laws.world import batch
from tests.unit.usage_house import Asking, happened, opened
from upwell.access import SYSTEM
from upwell.cli import main

DAYS = {"product": "mail", "from": "2026-06-01", "to": "2026-06-02"}
KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "funnel": ({**DAYS, "steps": [{"event": "A"}, {"event": "B"}]}, "B         1     50.0%"),
    "retention": (
        {**DAYS, "start": {"event": "A"}, "return": {"event": "B"}},
        "2026-06-01     2",
    ),
    "lifecycle": (DAYS, "2026-06-01    2          0             0        0       2"),
    "stickiness": (DAYS, "    1        2        2"),
    "paths": (DAYS, "1_A   2_B      1      1  5 min"),
    "people": ({"of": {"did": {**DAYS, "event": "B"}}}, "u     mail     2026-06-01T00:00:00Z"),
}


class Commands:
    """The one command, over a door."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def usage(self, kind: str, body: Any) -> Any:
        return self._asking.door.by_name(kind, body, SYSTEM)


class Parts:
    """What the terminal is given."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    @contextlib.contextmanager
    def house(self, data: Path, config: Path | None) -> Iterator[Commands]:  # noqa: ARG002
        yield Commands(self._asking)

    def serve(self, **given: Any) -> None:
        raise NotImplementedError

    def demo(self, **given: Any) -> None:
        raise NotImplementedError


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    with opened(tmp_path / "house", 1_000) as house:
        house.house.take(batch(happened({"u": "A0 B5", "v": "A1"})))
        (tmp_path / "data").mkdir(mode=0o700)
        yield house


def run(asking: Asking, tmp_path: Path, *argv: str) -> int:
    return main([*argv, "--data", str(tmp_path / "data")], parts=lambda: Parts(asking))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_as_a_table_and_as_json(
    asking: Asking, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    body, line = KINDS[kind]
    file = tmp_path / "body.json"
    file.write_bytes(msgspec.json.encode(body))
    assert run(asking, tmp_path, "ask", kind, str(file)) == 0
    assert line in capsys.readouterr().out
    for said in (["--format", "json"], ["--json"]):
        assert run(asking, tmp_path, "ask", kind, str(file), *said) == 0
        answered = msgspec.json.decode(capsys.readouterr().out)
        found = asking.door.by_name(kind, body, SYSTEM)
        assert answered == msgspec.json.decode(msgspec.json.encode(found))


FUNNEL = """step    users  of-first  of-before   median  dropped  open
A           3    100.0%     100.0%                 1     0  ████████████████████████
B or C      2     66.7%      66.7%  3.5 min        0     0  ████████████████

Routes
from  to  users  median
A     B       1   5 min
A     C       1   2 min

Between steps
from  to  event         users  times
A     B   D                 1      1
A     B   nothing else      0
A     C   nothing else      1

By value
value   step-1  step-2  converted
team         1       1     100.0%
(none)       2       1      50.0%

By when they entered
entered-on  entered  converted  share  open
2026-06-01        3          2  66.7%     0  ████████████████████████

Time to convert
time        users
from 2 min      1  ████████████████████████
from 5 min      1  ████████████████████████
"""


def test_a_funnel_is_drawn(
    asking: Asking, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Written out on the command line; with all that it can be asked for."""
    asking.house.take(batch(happened({"u": "C900 D3"})))
    asking.house.take(batch(happened({"w": "A5 C7"}, product="docs", plan="team")))
    asked = {
        **DAYS,
        "product": ["mail", "docs"],
        "steps": [{"event": "A"}, {"any": [{"event": "B"}, {"event": "C"}]}],
        "by": "plan",
        "trend": "day",
        "between": 3,
        "window": "1h",
    }
    assert run(asking, tmp_path, "ask", "funnel", msgspec.json.encode(asked).decode()) == 0
    assert capsys.readouterr().out == FUNNEL


def test_from_standard_input(
    asking: Asking,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = io.TextIOWrapper(io.BytesIO(msgspec.json.encode(DAYS)))
    monkeypatch.setattr("sys.stdin", given)
    assert run(asking, tmp_path, "ask", "lifecycle", "-") == 0
    said = capsys.readouterr()
    assert "2026-06-01" in said.out
    assert "note: Users with any activity in a day." in said.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ('{"grian": "day"}', "The question is not a lifecycle"),
        ('{"event": "Z"}', "No event 'Z' has come yet."),
    ],
)
def test_what_is_wrong_is_said(
    asking: Asking, tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "body.json"
    file.write_text(text)
    assert run(asking, tmp_path, "ask", "lifecycle", str(file)) == 2
    assert message in capsys.readouterr().err
    assert run(asking, tmp_path, "ask", "lifecycle", str(tmp_path / "none.json")) == 2
    assert "cannot be read" in capsys.readouterr().err
