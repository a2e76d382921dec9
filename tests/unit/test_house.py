"""Opening a data directory: what belongs together, what is put aside, what is kept."""

from __future__ import annotations

import datetime as dt
import shutil
import threading
from pathlib import Path

import apsw
import duckdb
import pytest

from tests.laws.world import NOW, PRODUCTS, batch, held
from tests.oracle.plain import Event
from upwell.app.checks import verify
from upwell.app.house import House
from upwell.errors import Rejected
from upwell.period import to_instant
from upwell.settings import Product, Settings

SETTINGS = Settings(products=tuple(Product(id=name) for name in PRODUCTS))


def clock() -> dt.datetime:
    return to_instant(NOW)


def signup(number: int) -> Event:
    return Event("mail", "signup", NOW, actor=f"u{number}", key=f"s{number}")


def opened(path: Path) -> House:
    house = House(path, SETTINGS, clock)
    assert house.caught_up(30)
    return house


def filled(path: Path, first: int = 0) -> House:
    house = opened(path)
    house.journal.append([batch([signup(first + n)]) for n in range(5)])
    assert house.caught_up(30)
    return house


def wrong(house: House) -> dict[str, str]:
    return {check["name"]: check["detail"] for check in verify(house) if not check["ok"]}


def aside(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir() if ".damaged" in file.name)


def test_sums_of_another_journal_are_put_aside_and_made_again(tmp_path: Path) -> None:
    filled(tmp_path / "one").close()
    other = filled(tmp_path / "two", first=100)
    expected = held(other.projection)
    other.close()
    shutil.copy(tmp_path / "one" / "projection.duckdb", tmp_path / "two")
    house = opened(tmp_path / "two")
    assert held(house.projection) == expected
    assert wrong(house) == {}
    house.close()
    assert aside(tmp_path / "two") == ["projection.damaged-1"]


def test_events_whose_bytes_were_lost_are_kept_and_missed(tmp_path: Path) -> None:
    house = filled(tmp_path)
    expected = held(house.projection)
    house.close()
    file = apsw.Connection(str(tmp_path / "journal.sqlite"))
    file.execute("delete from deliveries where seq > 4")
    file.close()
    for _ in range(2):  # and again, when it is opened once more
        house = opened(tmp_path)
        assert held(house.projection) == expected
        assert wrong(house)["journal"] == "delivery 5: missing; delivery 6: missing"
        assert aside(tmp_path) == []
        house.close()
    house = opened(tmp_path)
    assert house.journal.append([batch([signup(9)])]) == [7]
    assert house.caught_up(30)
    assert sum(n for n, _ in house.projection.sums.days["mail", "signup", ""].values()) == 6
    house.close()


@pytest.mark.parametrize("what", ["database", "log"])
def test_a_projection_that_cannot_be_read_is_put_aside_and_made_again(
    tmp_path: Path, what: str
) -> None:
    house = filled(tmp_path / "live")
    expected = held(house.projection)
    data = shutil.copytree(tmp_path / "live", tmp_path / "killed")  # its log is not empty
    house.close()
    path = data / ("projection.duckdb" if what != "log" else "projection.duckdb.wal")
    path.write_bytes(b"not what it was" * 1000 if what != "log" else b"\xff" * 5000)
    house = opened(data)
    assert held(house.projection) == expected
    assert wrong(house) == {}
    house.close()
    # A log that does not begin like one is passed over: the position lags, and the loop catches up.
    database = ["projection.damaged-1", "projection.damaged-1.wal"]
    assert aside(data) == (database if what == "database" else [])


def test_a_block_that_turns_out_damaged_later_is_mended_by_a_rebuild(tmp_path: Path) -> None:
    house = filled(tmp_path)
    expected = held(house.projection)

    def cannot_be_read() -> None:
        raise duckdb.Error("Corrupt database file: computed checksum 1 does not match stored 2")

    with pytest.raises(duckdb.Error, match="Corrupt"):
        house.flow.perform(cannot_be_read)
    house.flow.perform(lambda: house.projection.renew("as damage would have it"))
    assert house.caught_up(30)
    assert held(house.projection) == expected
    house.close()
    assert "projection.damaged-1" in aside(tmp_path)


def test_a_directory_whose_path_has_a_lock_in_it_is_no_directory_in_use(tmp_path: Path) -> None:
    data = tmp_path / "blocks"
    filled(data).close()
    (data / "projection.duckdb").write_bytes(b"torn")
    house = opened(data)
    assert wrong(house) == {}
    house.close()


@pytest.mark.parametrize("name", ["journal.sqlite", "state.sqlite"])
def test_where_one_part_cannot_be_opened_the_others_are_closed(tmp_path: Path, name: str) -> None:
    filled(tmp_path).close()
    kept = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(b"no database " * 1000)
    before = threading.active_count()
    with pytest.raises(Exception, match=r"damaged|cannot be opened") as refused:
        House(tmp_path, SETTINGS, clock)
    assert refused.type.__module__ == "upwell.errors"
    assert threading.active_count() == before
    assert (tmp_path / name).read_bytes() == b"no database " * 1000
    (tmp_path / name).write_bytes(kept)
    house = opened(tmp_path)
    assert wrong(house) == {}
    house.close()


def test_a_newer_projection_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    filled(tmp_path).close()
    with duckdb.connect(str(tmp_path / "projection.duckdb")) as db:
        db.execute("update meta set value = '99' where key = 'format'")
    with pytest.raises(Rejected, match="newer Upwell"):
        House(tmp_path, SETTINGS, clock)
    assert aside(tmp_path) == []
