"""Lines of Mixpanel's export: records in pieces, ends in the middle, lines that are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from upwell.sources.contract import Truncated
from upwell.sources.mixpanel.known import Known
from upwell.sources.mixpanel.lines import Lines
from upwell.sources.mixpanel.pages import counted

ONE = b'{"event":"A","properties":{"time":1}}'


def test_known_lines_are_told_from_new_ones(tmp_path: Path) -> None:
    known = Known(tmp_path / "a", 0)
    assert known.fresh([b"a", b"b", b"a"]) == [b"a", b"b"]
    known.save()
    assert known.fresh([b"c", b"b", b"d"]) == [b"c", b"d"]
    known.save()
    assert known.count == 4
    again = Known(tmp_path / "a", 2)  # the cursor knows of two
    assert again.fresh([b"a", b"b", b"c", b"d"]) == [b"c", b"d"]
    assert Known(tmp_path / "none", 5).fresh([b"a"]) == [b"a"]


def test_asking_whether_lines_are_known_notes_nothing(tmp_path: Path) -> None:
    known = Known(tmp_path / "a", 0)
    assert known.fresh([b"b", b"a", b"b"]) == [b"b", b"a"]
    assert known.unsure([b"c", b"a", b"c"]) == [b"c", b"c"]
    assert known.count == 2
    assert known.fresh([b"c", b"a"]) == [b"c"]


def test_lines_that_are_known_are_not_read_again() -> None:
    asked: list[bytes] = []

    def unsure(lines: Sequence[bytes]) -> list[bytes]:
        new = [line for line in lines if line != b"known"]
        asked.extend(new)
        return new

    lines = Lines(unsure)
    assert lines.feed(b"known\n" + ONE + b"\nknown\n") == [b"known", ONE, b"known"]
    assert asked == [ONE]
    # A record in two pieces is joined, whatever stands before it.
    assert lines.feed(ONE[:9] + b"\n" + ONE[9:] + b"\n") == [ONE]


def test_lines_that_belong_to_no_record_are_given_as_they_are() -> None:
    lines = Lines()
    assert lines.feed(ONE + b"\n}} junk\n" + ONE + b"\n") == [ONE, b"}} junk", ONE]
    assert lines.feed(b'{"error":"odd"}\n\n') == [b'{"error":"odd"}']
    assert lines.feed(b"more junk\n") == []
    assert lines.finish() == [b"more junk"]


@pytest.mark.parametrize(
    "end",
    [
        b"export terminated early\n", b"export terminated early", b"[terminated early]\n",
        ONE[:20] + b"\nexport terminated early\n", ONE[:20] + b"export terminated early\n",
        b'{"error":"export terminated early"}\n', b'"terminated early"\n', ONE[:-1],
    ],
)  # fmt: skip
def test_an_end_in_the_middle_is_seen_in_all_its_forms(end: bytes) -> None:
    lines = Lines()
    assert lines.feed(ONE + b"\n" + end) == [ONE]
    with pytest.raises(Truncated):
        lines.finish()


def test_an_event_about_an_early_end_is_an_event() -> None:
    told = b'{"event":"terminated early","properties":{"time":1,"why":"terminated early"}}'
    lines = Lines()
    assert lines.feed(told + b"\n" + told) == [told]
    assert lines.finish() == [told]


def test_lines_that_are_no_events_are_no_reason_not_to_connect() -> None:
    said = "3 events since yesterday"
    assert counted([b'{"event":"A"}', b'{"event":5}', b"nonsense"]) == f"{said}: A."
    assert counted([b"{", b"nonsense", b"\xff"]) == f"{said}."
