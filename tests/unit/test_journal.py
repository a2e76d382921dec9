"""The journal: order, time, group commit, seals, erasure, damage, and a writer that never stops."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import apsw
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upwell.errors import Rejected, Unavailable
from upwell.event import Delivery
from upwell.journal import DAMAGED, Damage, Journal, opened
from upwell.period import to_micros

NOVEMBER = 1_793_500_000_000_000  # 2026-11-01
DAY = 86_400_000_000


def delivery(number: int, at: int = NOVEMBER, size: int = 10, **about: Any) -> Delivery:
    body = f"{number:010}".encode() * max(1, size // 10)
    return Delivery(source="app", received_at=at, about={"shape": "one", **about}, body=body)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with opened(tmp_path) as found:
        yield found


def damage(path: Path) -> list[Damage]:
    with opened(path) as found:
        return list(found.verify())


def change(path: Path, statement: str, *values: Any) -> None:
    """Alter the file behind the journal's back."""
    connection = apsw.Connection(str(path / "journal.sqlite"))
    connection.execute(statement, values)
    connection.close()


def test_deliveries_are_numbered_in_the_order_they_came(journal: Journal) -> None:
    assert journal.append([delivery(n) for n in range(5)]) == [1, 2, 3, 4, 5]
    assert journal.append([delivery(5)]) == [6]
    assert [d.body for d, _ in journal.read(2)] == [delivery(n).body for n in (2, 3, 4, 5)]
    assert journal.newest == 6


def test_many_at_once_are_all_kept_each_under_its_own_number(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        taken: dict[int, int] = {}

        def send(first: int) -> None:
            for number in range(first, first + 40):
                taken[number] = journal.append([delivery(number)])[0]

        threads = [threading.Thread(target=send, args=(n * 40,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken.values()) == list(range(1, 321))
    with opened(tmp_path) as again:
        for number, seq in taken.items():
            kept = again.get(seq)
            assert kept is not None
            assert kept.body == delivery(number).body
        assert list(again.verify()) == []


def test_time_never_runs_backwards(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.append([delivery(1, NOVEMBER + 5), delivery(2, NOVEMBER), delivery(3)])
    with opened(tmp_path) as journal:
        journal.append([delivery(4, NOVEMBER - DAY), delivery(5, NOVEMBER + 9)])
        times = [found.received_at - NOVEMBER for found, _ in journal.read(0)]
    assert times == [5, 5, 5, 5, 9]


def test_what_is_read_from_memory_is_what_is_read_from_the_disk(tmp_path: Path) -> None:
    sent = [delivery(n, NOVEMBER + n, rejected=[1, 2], text="ä\x00") for n in range(20)]
    with opened(tmp_path) as journal:
        journal.append(sent)
        live = [found for found, _ in journal.read(0)]
        one = journal.get(7)
    with opened(tmp_path) as journal:
        stored = [found for found, _ in journal.read(0)]
    assert live == stored
    assert one == stored[6]
    assert [found.about for found in stored] == [found.about for found in sent]


def test_what_the_door_made_of_a_body_comes_along_until_it_is_read_from_disk(
    tmp_path: Path,
) -> None:
    carried = object()
    with opened(tmp_path) as journal:
        journal.hand_over(delivery(1), carried).result()
        assert journal.read(0)[0][1] is carried
    with opened(tmp_path) as journal:
        assert journal.read(0)[0][1] is None


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_reading_in_slices_finds_everything_once(tmp_path: Path, size: int) -> None:
    with opened(tmp_path) as journal:
        journal.append([delivery(n, size=size) for n in range(25)])
    with opened(tmp_path) as journal:
        after, found = 0, list[int]()
        while part := journal.read(after, limit_bytes=5_000_000):
            assert sum(len(d.body) for d, _ in part[:-1]) < 5_000_000
            found += [d.seq for d, _ in part]
            after = found[-1]
        assert found == list(range(1, 26))
        assert [d.seq for d, _ in journal.read(3, upto=5)] == [4, 5]
        assert journal.read(0, upto=0) == []


def test_every_month_that_has_ended_is_sealed(tmp_path: Path) -> None:
    months = [to_micros(dt.datetime(2026, month, 15, tzinfo=dt.UTC)) for month in (1, 2, 5)]
    with opened(tmp_path) as journal:
        # One group: months end inside it.
        waiting = [journal.hand_over(delivery(n, at)) for n, at in enumerate(sorted(months * 2))]
        assert [w.result().seq for w in waiting] == [1, 2, 3, 4, 5, 6]
        journal.append([delivery(7, months[-1] + 30 * DAY)])
        assert list(journal.verify()) == []
    rows = apsw.Connection(str(tmp_path / "journal.sqlite")).execute(
        "select month, first_seq, last_seq from seals order by month"
    )
    assert list(rows) == [("2026-01", 1, 2), ("2026-02", 3, 4), ("2026-05", 5, 6)]


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("update deliveries set body = zeroblob(20) where seq = 2", "delivery 2"),
        ("update deliveries set body = (select body from deliveries where seq = 1) where seq = 2",
         "delivery 2"),
        ("update deliveries set source = 'other' where seq = 3", "delivery 3"),
        ("update deliveries set received_at = received_at + 1 where seq = 3", "delivery 3"),
        ("update deliveries set about = '{' where seq = 3", "delivery 3"),
        ("update deliveries set kind = 'nothing' where seq = 3", "delivery 3"),
        ("delete from deliveries where seq = 1", "delivery 1"),
        ("delete from deliveries where seq = 3", "delivery 3"),
        ("update seals set digest = zeroblob(32)", "month 2026-11"),
        ("delete from seals", "month 2026-11"),
    ],
)  # fmt: skip
def test_verify_finds_what_was_changed(tmp_path: Path, statement: str, where: str) -> None:
    with opened(tmp_path) as journal:
        journal.append([delivery(n, NOVEMBER + n) for n in range(5)])
        journal.append([delivery(6, NOVEMBER + 40 * DAY)])
    assert damage(tmp_path) == []
    change(tmp_path, statement)
    assert where in [found.where for found in damage(tmp_path)]


def test_deliveries_that_were_there_and_are_gone_are_missed(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.append([delivery(1)])
        journal.resume_after(3)
        assert [found.where for found in journal.verify()] == ["delivery 2", "delivery 3"]
        assert journal.append([delivery(2)]) == [4]


def test_a_damaged_delivery_is_read_as_one_and_hides_no_other(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.append([delivery(n) for n in range(3)])
    change(tmp_path, "update deliveries set body = zeroblob(9) where seq = 2")
    with opened(tmp_path) as journal:
        first, second, third = [found for found, _ in journal.read(0)]
        assert (first.body, second.body, third.body) == (delivery(0).body, b"", delivery(2).body)
        assert "cannot be read" in second.about[DAMAGED]


def test_an_erasure_leaves_no_byte_and_seals_its_month_again(tmp_path: Path) -> None:
    secret = b'{"actor_id": "eve@acme.example"}'
    with opened(tmp_path) as journal:
        journal.append([Delivery(source="app", received_at=NOVEMBER, body=secret), delivery(2)])
        journal.append([delivery(3, NOVEMBER + 40 * DAY)])
        journal.rewrite(1, b"{}", NOVEMBER + 41 * DAY)
        kept = journal.get(1)
        assert kept is not None
        assert kept.body == b"{}"
        assert [found.body for found, _ in journal.read(0)][:1] == [b"{}"]
        assert list(journal.verify()) == []
        for file in tmp_path.iterdir():
            assert b"eve@acme" not in file.read_bytes(), file
    assert damage(tmp_path) == []


def test_erasing_beside_a_busy_door_disturbs_neither(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.append([delivery(n) for n in range(50)])
        waiting = []
        for number in range(50):
            waiting += [journal.hand_over(delivery(number)) for _ in range(5)]
            journal.rewrite(number + 1, b"gone", NOVEMBER)
        assert sorted(w.result().seq for w in waiting) == list(range(51, 301))
    with opened(tmp_path) as journal:
        assert list(journal.verify()) == []
        assert [found.body for found, _ in journal.read(0)][:50] == [b"gone"] * 50
        assert journal.newest == 300


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    change(tmp_path, "update meta set value = '2' where key = 'format'")
    with pytest.raises(Rejected, match="newer Upwell") as refused:
        Journal.open(tmp_path)
    assert refused.value.problem.code == "newer_data"


@pytest.mark.parametrize("at", [0, 100])
def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(tmp_path: Path, at: int) -> None:
    with opened(tmp_path) as journal:
        journal.append([delivery(n, size=5000) for n in range(50)])
    path = tmp_path / "journal.sqlite"
    broken = bytearray(path.read_bytes())
    broken[at : at + 4096] = bytes(4096)
    path.write_bytes(broken)
    with pytest.raises(Rejected, match="damaged") as refused:
        Journal.open(tmp_path)
    assert refused.value.problem.code == "journal_damaged"
    assert path.read_bytes() == broken


@pytest.mark.anyio
async def test_a_caller_that_gives_up_does_not_stop_the_writer(journal: Journal) -> None:
    for number in range(20):
        task = asyncio.ensure_future(journal.submit(delivery(number)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    seq = await asyncio.wait_for(journal.submit(delivery(99)), 10)
    assert seq == 21  # what was handed over is kept, whoever waits for it


def test_what_cannot_be_written_is_refused_and_the_next_is_taken(journal: Journal) -> None:
    unwritable = Delivery(source="app", received_at=NOVEMBER, about={"x": object()}, body=b"")
    with pytest.raises(TypeError):
        journal.append([unwritable])
    assert journal.append([delivery(1)]) == [1]


def test_closing_keeps_what_was_handed_over_and_refuses_what_comes_after(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    waiting = [journal.hand_over(delivery(n, size=100_000)) for n in range(100)]
    journal.close()
    assert [w.result(timeout=1).seq for w in waiting] == list(range(1, 101))
    with pytest.raises(Unavailable, match="stopping"):
        journal.append([delivery(101)])
    journal.close()  # closing twice is nothing
    with opened(tmp_path) as again:
        assert again.newest == 100


def test_being_woken_before_waiting_is_not_missed(journal: Journal) -> None:
    journal.wake()
    began = time.monotonic()
    assert not journal.wait(0, timeout=60.0)
    assert time.monotonic() - began < 30
    began = time.monotonic()
    assert not journal.wait(0, timeout=0.05)  # once only: the next one waits
    assert time.monotonic() - began > 0.04


def test_a_transaction_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    """A full disk, by SQLite's own limit of pages."""
    with opened(tmp_path) as journal:
        journal.append([delivery(1)])
        row: Any = journal._write.execute("pragma page_count").fetchone()
        journal._write.execute(f"pragma max_page_count = {row[0] + 2}")
        big = Delivery(source="app", received_at=NOVEMBER, body=bytes(range(256)) * 4000)
        noise = msgspec.structs.replace(big, body=random.Random(1).randbytes(400_000))
        with pytest.raises(Unavailable, match="disk is full") as refused:
            journal.append([noise])
        assert refused.value.problem.code == "disk_full"
        assert refused.value.retry_after > 0
        assert journal.newest == 1
        journal._write.execute("pragma max_page_count = 1000000")
        assert journal.append([noise]) == [2]
    assert damage(tmp_path) == []


WAYS = ["events", "sdk", "sdk.mixpanel", "sdk.segment", "pull"]
SENT = st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(WAYS))


def sent(name: str, way: str) -> Delivery:
    """What came by a door of a vendor's clients says which; `sdk` alone, that none is known."""
    kind, _, vendor = way.partition(".")
    about = {"door": f"{vendor}.track"} if vendor else {}
    return Delivery(kind=cast(Any, kind), source=name, received_at=1, about=about, body=b"x")


@settings(max_examples=25)
@given(st.lists(st.lists(SENT, max_size=6), max_size=8))
def test_sources_are_counted_as_they_come(batches: list[list[tuple[str, Any]]]) -> None:
    """Asked after each batch, from which only the new is read, or once at the end: the same."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.open(Path(folder))
        try:
            for batch in batches:
                journal.append([sent(name, way) for name, way in batch])
                counted = journal.sources()
            counted = journal.sources()
        finally:
            journal.close()
        again = Journal.open(Path(folder))
        try:
            assert again.sources() == counted
        finally:
            again.close()
        every = [one for batch in batches for one in batch]
        names = Counter(name for name, _ in every)
        assert {one.source: one.deliveries for one in counted} == dict(names)
        assert {one.source: one.kind for one in counted} == dict(every), "that of the newest"
