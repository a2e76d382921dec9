"""Torn, flipped and zeroed bytes: `python -m tests.faults.damage 300` prints what was found.

A data directory as a killed server leaves it is copied, one of its files is damaged, and the house
is opened on it. Then the damage is told (at start, or by `verify`), or every number and every
delivery is what it was. Of the control state only the structure can be checked: SQLite keeps no
checksums of contents there, so that a changed letter in a name stays unnoticed; those are counted.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tests.laws.world import NOW, PRODUCTS, batch, held
from tests.oracle.plain import Event
from upwell.app.checks import verify
from upwell.app.house import House
from upwell.errors import UpwellError
from upwell.journal import Journal
from upwell.period import to_instant
from upwell.settings import Product, Settings

SETTINGS = Settings(products=tuple(Product(id=name) for name in PRODUCTS))
FILES = (
    "projection.duckdb",
    "projection.duckdb.wal",
    "journal.sqlite",
    "journal.sqlite-wal",
    "state.sqlite",
)
WAYS = ("flip", "zero", "tear", "start")


class Found(NamedTuple):
    """What became of one case: how it came out, and what was said."""

    file: str
    way: str
    outcome: str  # harmless, rebuilt, told at start, told by verify, or SILENT
    said: str


def clock() -> dt.datetime:
    """The moment at which all of this happens."""
    return to_instant(NOW)


def prepare(place: Path) -> dict[str, Any]:
    """Fill a directory, copy it while it is open, as a kill would leave it; what it holds."""
    dice = random.Random(1)
    live, image = place / "live", place / "image"
    house = House(live, SETTINGS, clock)
    for number in range(60):
        events = [_event(dice, number * 100 + n) for n in range(dice.choice((1, 30, 200)))]
        house.journal.append([batch(events)])
        if number in (20, 40):
            house.caught_up()
        if number == 40:  # some of it is in the file, and some still in its log
            house.flow.perform(lambda: house.projection.reader().execute("checkpoint"))
            house.journal._write.execute("pragma wal_checkpoint(truncate)")
    house.caught_up()
    with house.state.write() as connection:
        connection.exec_driver_sql("create table filler(text)")
    for _ in range(50):
        with house.state.write() as connection:
            text = dice.randbytes(1000).hex()
            connection.exec_driver_sql("insert into filler values (?)", (text,))
    shutil.copytree(live, image, ignore=shutil.ignore_patterns("exchange", "*-shm"))
    kept = everything(house) | {"state": _filler(house)}
    house.close()
    return kept


def _event(dice: random.Random, number: int) -> Event:
    kind = dice.choice(("revenue", "signup", "page_view", "churn"))
    money = kind == "revenue"
    return Event(
        dice.choice(PRODUCTS),
        kind,
        NOW - dice.randrange(40 * 86_400) * 1_000_000,
        actor=f"user-{dice.randrange(300)}",
        key=f"key-{number}-{dice.random()}",
        value=Decimal(dice.randrange(10_000)) / 100 if money else None,
        currency="USD" if money else None,
        metadata={"plan": dice.choice(("free", "team")), "id": f"{dice.random()}"},
    )


def everything(house: House) -> dict[str, Any]:
    """All sums, stored events and deliveries."""
    rows = house.projection.reader().execute(
        "select e.* exclude (actor), a.actor from events e left join actors a on a.no = e.actor"
        " order by seq, idx"
    )
    found = held(house.projection)
    return found | {
        "events": rows.fetchall(),
        "deliveries": [delivery for delivery, _ in _all(house.journal)],
    }


def _all(journal: Journal) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    while part := journal.read(found[-1][0].seq if found else 0):
        found += part
    return found


def damage(path: Path, way: str, dice: random.Random) -> None:
    """One bit flipped, a page of zeros, the end cut off, or a bit of the first pages flipped."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        at = dice.randrange(min(size, 12_288) if way == "start" else size)
        if way == "tear":
            file.truncate(at)
        elif way == "zero":
            file.seek(at)
            file.write(bytes(min(4096, size - at)))
        else:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 1 << dice.randrange(8)]))


def case(place: Path, number: int, kept: dict[str, Any]) -> Found:
    """Damage a copy of the image, open it, and compare."""
    dice = random.Random(number)
    file, way = FILES[number % len(FILES)], WAYS[number // len(FILES) % len(WAYS)]
    data = place / f"case-{number}"
    shutil.copytree(place / "image", data)
    damage(data / file, way, dice)
    before = {path.name: path.stat().st_ino for path in data.iterdir()}
    outcome, said = _open(data, kept, file)
    after = {path.stat().st_ino for path in data.iterdir()}
    if file.startswith("projection") and outcome != "SILENT":
        assert before[file] in after or not file.endswith("duckdb"), "a damaged file was deleted"
    shutil.rmtree(data)
    return Found(file, way, outcome, said)


def _open(data: Path, kept: dict[str, Any], file: str) -> tuple[str, str]:
    try:
        house = House(data, SETTINGS, clock)
    except UpwellError as error:
        return "told at start", f"{error.problem.code}: {error.problem.message}"
    try:
        caught_up = house.caught_up(30)
        rebuilt = any(path.suffix.startswith(".damaged") for path in data.iterdir())
        wrong = [f"{c['name']}: {c['detail']}" for c in verify(house) if not c["ok"]]
        if wrong:
            return "told by verify", "; ".join(wrong)
        now = everything(house) | {
            "state": kept["state"] if file[:5] != "state" else _filler(house)
        }
        same = caught_up and now == kept
        return ("rebuilt" if rebuilt else "harmless") if same else "SILENT", ""
    except UpwellError as error:
        return "told when read", f"{error.problem.code}: {error.problem.message}"
    finally:
        house.close()


def _filler(house: House) -> list[str]:
    try:
        with house.state.read() as connection:
            found = connection.exec_driver_sql("select text from filler").scalars().all()
    except UpwellError:
        return []
    return [str(text) for text in found]


def run(count: int, first: int = 0) -> tuple[str, list[Found]]:
    """So many cases; a sentence with the figures, and the cases."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="upwell-damage-") as name:
        place = Path(name)
        kept = prepare(place)
        found = [case(place, first + number, kept) for number in range(count)]
    seconds = time.monotonic() - began
    outcomes = Counter(one.outcome for one in found)
    by_file = Counter((one.file, one.outcome) for one in found)
    lines = "\n".join(f"  {file}: {what} {n}" for (file, what), n in sorted(by_file.items()))
    figures = ", ".join(f"{n} {what}" for what, n in sorted(outcomes.items()))
    return f"{count} damaged files in {seconds:.0f} s: {figures}\n{lines}", found


def silent(found: list[Found]) -> list[Found]:
    """The cases in which numbers or deliveries changed and nobody was told."""
    return [one for one in found if one.outcome == "SILENT" and not one.file.startswith("state")]


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", type=int, nargs="?", default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--each", action="store_true")
    asked = parser.parse_args()
    said, found = run(asked.cases, asked.first)
    if asked.each:
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    print(said)
    return 1 if silent(found) else 0


if __name__ == "__main__":
    sys.exit(main())
