"""Whatever happens to reading, exactly the events of the project are counted, each once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.mixpanel_project import DAY, NOON, Reading
from upwell.demo.mixpanel import Recorded
from upwell.errors import Unavailable
from upwell.sources import answers
from upwell.sources.contract import SignIn, Truncated
from upwell.sources.mixpanel import KIND, pages
from upwell.sources.mixpanel.lines import Lines

AT = NOON.timestamp()
QUICK = settings(max_examples=25, deadline=None)
SLOW = settings(max_examples=8, deadline=None)  # weeks of looks each

texts = st.text(st.characters(codec="utf-8"), max_size=12)
moments = st.tuples(
    st.floats(0, 20 * DAY), st.sampled_from([0.0, 0.0, 30.0, 4_000.0, DAY, 4.5 * DAY])
)
"""Seconds before noon at which an event happened, and how late it arrived."""

steps = st.one_of(
    st.tuples(st.just("look"), st.integers(1, 12)),  # killed after so many pages
    st.tuples(st.just("look"), st.none()),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("forget"), st.none()),  # what can be thrown away is
    st.tuples(st.just("later"), st.sampled_from([60.0, 300.0, 3_600.0, DAY, 6.5 * DAY])),
    st.tuples(st.just("cut"), st.integers(0, 6_000)),
    st.tuples(st.just("hung up"), st.integers(0, 6_000)),
    st.tuples(st.just("down"), st.booleans()),
    st.tuples(st.just("split"), st.integers(0, 4)),
    st.tuples(st.just("packed"), st.booleans()),
    st.tuples(st.just("again"), st.floats(0, 15 * DAY)),
    st.tuples(st.just("twice"), st.integers(0, 60)),  # an event is in the export once more
    st.tuples(st.just("identify"), st.integers(0, 6)),
    st.tuples(st.just("restore"), st.integers(0, 5)),  # a backup of the journal is put back
)


class Life:
    """A source through a course of events."""

    def __init__(self, folder: Path, events: list[tuple[float, float]], piece: int) -> None:
        self.project = Recorded()
        self.sent: list[dict[str, Any]] = []
        self.reading = Reading(folder, self.project)
        self.reading.wire.piece = piece
        self.folder = folder
        for number, (before, late) in enumerate(events):
            at = AT - before
            user = f"$device:{number % 7}"
            given = {"distinct_id": user, "$device_id": str(number % 7), "n": number}
            self.send({**given, "$insert_id": f"i{number}"}, at, at + late)

    def send(self, properties: dict[str, Any], at: float, arrived: float) -> None:
        self.project.send("A", properties, at, arrived)
        self.sent.append({**properties, "_at": at, "_arrived": arrived})

    def go(self, what: str, given: Any) -> None:
        reading, whims = self.reading, self.reading.fake.whims
        if what == "look":
            self.look(given)
        elif what == "restart":
            reading.later(5)
            reading.restart()
        elif what == "restore":
            del reading.pages[max(0, len(reading.pages) - given) :]
            reading.later(5)
            reading.restart()
        elif what == "forget":
            for path in self.folder.iterdir():
                path.unlink()
        elif what == "later":
            reading.later(given)
        elif what in ("cut", "hung up"):
            whims.cut, whims.how = given, "said" if what == "cut" else what
        elif what == "down":
            whims.down = given
        elif what == "split":
            whims.split = given
        elif what == "packed":
            reading.wire.packed = given
        elif what == "again" and reading.cursor is not None:
            now = reading.now.timestamp()
            reading.cursor = KIND.again(reading.cursor, int(now - given), int(now))
        elif what == "twice" and self.sent:
            one = self.sent[given % len(self.sent)]
            shown = {name: value for name, value in one.items() if not name.startswith("_")}
            self.project.send("A", shown, one["_at"], one["_arrived"] + 90.0)
        elif what == "identify":
            self.project.identify(f"$device:{given}", f"user-{given}")

    def look(self, most: int | None) -> None:
        try:
            self.reading.look(most)
        except (Truncated, Unavailable):
            self.reading.later(60)
            self.reading.restart()

    def settle(self) -> None:
        """Nothing goes wrong any more, and time passes until every phone has sent its events."""
        whims = self.reading.fake.whims
        whims.down, whims.cut = False, None
        for _ in range(8):
            self.reading.later(DAY * 0.9)
            self.reading.look()


@QUICK
@given(
    st.lists(moments, min_size=1, max_size=40),
    st.lists(steps, max_size=14),
    st.integers(1, 400),
)
def test_exactly_the_events_of_the_project_are_counted(
    events: list[tuple[float, float]], course: list[tuple[str, Any]], piece: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder), events, piece)
        for what, given in course:
            life.go(what, given)
        life.settle()
        assert life.reading.numbers() == list(range(len(events)))


@QUICK
@given(
    st.integers(0, 3_000),
    st.sampled_from(["said", "hung up", "silent"]),
    st.booleans(),
    st.integers(0, 3),
)
def test_an_answer_may_end_at_any_byte(cut: int, how: str, packed: bool, split: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder), [(60.0 * one, 0.0) for one in range(12)], 37)
        wire, whims = life.reading.wire, life.reading.fake.whims
        wire.silent = how == "silent"  # told by what is packed only
        wire.packed = packed or wire.silent
        whims.cut, whims.how, whims.split = cut, how, split
        life.look(None)
        life.look(None)
        assert life.reading.numbers() == list(range(12))


@QUICK
@given(st.integers(1, 12), st.integers(0, 25))
def test_again_may_be_asked_for_at_any_time(most: int, days: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder), [(DAY * one, 0.0) for one in range(30)], 500)
        life.look(most)
        life.go("again", days * DAY)
        life.reading.look()
        assert life.reading.numbers() == list(range(30))


@SLOW
@given(st.lists(moments, min_size=1, max_size=30), st.sets(st.integers(0, 6)))
def test_who_is_known_later_did_nothing_twice(
    events: list[tuple[float, float]], known: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder), events, 500)
        life.look(None)
        for one in known:
            life.go("identify", one)
        life.reading.cursor = KIND.again(life.reading.cursor or {}, 0, int(AT))
        life.reading.look()
        life.settle()
        assert life.reading.numbers() == list(range(len(events)))
        told = {
            row["actor"] for row in life.reading.counted().values() if row["type"] == "identify"
        }
        shown = {number % 7 for number in range(len(events))}
        assert told == {f"user-{one}" for one in known & shown}


@pytest.fixture(scope="module")
def small_pages() -> Iterator[None]:
    """Pages of two lines, read in small blocks."""
    before = pages.ROWS, answers.BLOCK
    pages.ROWS, answers.BLOCK = 2, 256
    yield
    pages.ROWS, answers.BLOCK = before


@pytest.mark.usefixtures("small_pages")
@QUICK
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.booleans())
def test_reading_may_end_after_any_page(kills: list[int], forgets: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder), [(3_000.0 * one, 0.0) for one in range(60)], 300)
        life.reading.fake.limits, life.reading.wire.packed = False, False
        for most in kills:
            life.look(most)
            life.reading.restart()
            if forgets:
                life.go("forget", None)
        life.reading.look()
        assert life.reading.numbers() == list(range(60))


@pytest.mark.usefixtures("small_pages")
@QUICK
@given(st.integers(1, 40), st.integers(0, 40))
def test_a_backup_of_the_journal_may_be_put_back(most: int, lost: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder), [(3_000.0 * one, 0.0) for one in range(60)], 300)
        life.reading.wire.packed = False
        life.look(most)
        life.go("restore", lost)
        life.reading.look()
        assert life.reading.numbers() == list(range(60))


@SLOW
@given(st.lists(moments, min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_lines_and_their_repeats_do_not_matter(
    events: list[tuple[float, float]], random: Any
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder), events, 500)
        straight = life.project.lines

        def shuffled(day: int, now: float) -> Any:
            lines = list(straight(day, now))
            lines += random.sample(lines, min(len(lines), 3))
            random.shuffle(lines)
            return iter(lines)

        life.project.lines = shuffled  # type: ignore[method-assign]
        life.settle()
        assert life.reading.numbers() == list(range(len(events)))


@QUICK
@given(st.lists(texts, min_size=1, max_size=12), st.data())
def test_lines_are_whole_however_they_are_cut(told: list[str], data: st.DataObject) -> None:
    project = Recorded()
    for number, text in enumerate(told):
        project.send("A", {"n": number, "text": text}, AT)
    lines = list(project.lines(int(AT // DAY), AT))
    body = b"".join(line + b"\n" for line in lines)
    places = data.draw(st.lists(st.integers(0, len(body)), max_size=8).map(sorted))
    breaks = data.draw(st.lists(st.integers(0, len(body)), max_size=4).map(sorted))
    joining = Lines()
    found: list[bytes] = []
    start = 0
    for end in [*places, len(body)]:
        found += joining.feed(body[start:end])
        start = end
    found += joining.finish()
    assert found == lines
    # Records are split over lines too; where a line ends anyway, one more end adds nothing.
    split = b""
    start = 0
    for end in [*breaks, len(body)]:
        split += body[start:end] + (b"\n" if end < len(body) else b"")
        start = end
    joining = Lines()
    assert joining.feed(split) + joining.finish() == lines


@SLOW
@given(st.integers(0, 11), st.integers(1, 30))
def test_a_day_of_outage_loses_nothing(hour: int, hours: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder), [], 1_000)
        life.reading.look()
        for number in range(45):
            at = life.reading.now.timestamp()
            life.send({"distinct_id": "ada", "$insert_id": f"i{number}", "n": number}, at, at)
            life.reading.fake.whims.down = hour <= number < hour + hours
            life.look(None)
            life.reading.later(3_600)
        life.reading.fake.whims.down = False
        life.reading.look()
        assert life.reading.numbers() == list(range(45))


def test_a_refused_sign_in_in_the_middle_keeps_what_was_read(tmp_path: Path) -> None:
    life = Life(tmp_path, [(3_600.0 * one, 0.0) for one in range(200)], 1_000)
    life.reading.look(most=3)
    good = life.reading.fake.account
    life.reading.fake.account = ("somebody", "else")
    for _ in range(3):
        with pytest.raises(SignIn):
            life.reading.look()
        life.reading.later(300)
    life.reading.fake.account = good
    life.reading.look()
    assert life.reading.numbers() == list(range(200))
