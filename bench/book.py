"""The ledger in the file and in memory: filled, changed by one webhook, counted again, opened."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from bench.figures import NONE, Section, Table, rate
from bench.ledger import BEGIN, DECODER, STATES, SUBSCRIPTIONS, YEARS, bodies
from upwell.billing import Record, SubscriptionState
from upwell.errors import Unavailable
from upwell.event import SCHEMA, Delivery, Translated
from upwell.period import DAY_MICROS
from upwell.projection import Projection, Staged

NOW = BEGIN + (YEARS * 365 + 1) * DAY_MICROS
PAGE = 1_000  # records of a delivery
WEBHOOKS = 300


def run(work: Path, quick: bool) -> Section:
    """A process of its own for each half, so that memory is that of the ledger alone."""
    count = SUBSCRIPTIONS // 20 if quick else SUBSCRIPTIONS
    data = work / "book"
    shutil.rmtree(data, ignore_errors=True)
    years = _apart(_years, data, count // 20)
    shutil.rmtree(data)
    filled = _apart(_fill, data, count)
    used = _apart(_use, data, count)
    size = sum(part.stat().st_size for part in data.glob("projection.duckdb*"))
    shutil.rmtree(data)
    states = count * STATES

    def target(text: str) -> str:
        return NONE if quick else text

    return Section(
        name="book",
        title="The ledger kept",
        tables=(
            Table(
                title=f"{states:,} states of {count:,} subscriptions, {used['rows']:,.0f} rows",
                columns=("", "measured", "target"),
                rows=(
                    ("back-fill, a page of 1,000 at a time", rate(states / filled["seconds"]), "–"),
                    *(
                        (
                            f"memory after {year}, a page at a time, {count // 20:,} subscriptions",
                            f"{megabytes:,.0f} MB",
                            "–",
                        )
                        for year, megabytes in years.items()
                    ),
                    ("memory after a quarter", f"{filled['quarter']:,.0f} MB", "–"),
                    ("memory at the end", f"{filled['end']:,.0f} MB", "–"),
                    ("one webhook, p50", f"{used['p50'] * 1e3:.0f} ms", target("50 ms")),
                    ("one webhook, p99", f"{used['p99'] * 1e3:.0f} ms", "–"),
                    ("start", f"{used['start']:.1f} s", "–"),
                    ("counted again from the states", f"{used['rebuild']:.1f} s", target("60 s")),
                    ("other rules, first asked for", f"{used['other']:.1f} s", "–"),
                    ("file", f"{size / 1e6:,.0f} MB", "–"),
                ),
            ),
        ),
        notes=(
            "A webhook is one new state of a subscription that has ten: stored, its customer "
            "counted again, the rows written, all in one durable commit.",
            "Counting again includes everything that `upwell rebuild` does for the ledger.",
        ),
        figures={**filled, **used, **years, "file": size},
    )


def _apart(
    measure: Callable[[str, int, Connection], None], data: Path, count: int
) -> dict[str, float]:
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=measure, args=(str(data), count, there)
    )
    process.start()
    there.close()
    try:
        found: dict[str, float] = here.recv()
    except EOFError:
        raise RuntimeError("the measurement ended in an error") from None
    finally:
        process.join()
    return found


def _fill(data: str, count: int, pipe: Connection) -> None:
    projection = Projection(Path(data))
    seconds = quarter = 0.0
    for seq, page in enumerate(_pages(count), 1):
        began = time.perf_counter()
        projection.apply([staged(seq, page)])
        seconds += time.perf_counter() - began
        if not quarter and seq * PAGE >= count * STATES // 4:
            quarter = memory()
    end = memory()
    projection.close()
    pipe.send({"seconds": seconds, "quarter": quarter, "end": end})


def _years(data: str, count: int, pipe: Connection) -> None:
    """Memory as history comes in the order of its time, year after year."""
    year = 365 * DAY_MICROS
    parts: list[list[SubscriptionState]] = [[] for _ in range(YEARS)]
    for page in _pages(count):
        for state in page:
            parts[min(YEARS - 1, (state.at - BEGIN) // year)].append(state)
    projection, seq = Projection(Path(data)), 0
    found = {"nothing": memory()}
    for number, part in enumerate(parts, 1):
        for place in range(0, len(part), PAGE):
            seq += 1
            projection.apply([staged(seq, part[place : place + PAGE])])
        found["1 year" if number == 1 else f"{number} years"] = memory()
    projection.close()
    pipe.send(found)


def _use(data: str, count: int, pipe: Connection) -> None:
    began = time.perf_counter()
    projection = Projection(Path(data))
    start = time.perf_counter() - began
    seq, times = projection.applied, []
    (_, first), *_ = bodies(min(count, 5_000))
    states = DECODER.decode(first)
    dice = random.Random(5)
    for number in range(WEBHOOKS):
        seq += 1
        one = staged(seq, [_next(dice.choice(states), number)])
        began = time.perf_counter()
        projection.apply([one])
        times.append(time.perf_counter() - began)
    began = time.perf_counter()
    projection.rebuild()
    rebuild = time.perf_counter() - began
    began = time.perf_counter()
    while not _counted(projection, "chartmogul"):
        time.sleep(0.1)
    other = time.perf_counter() - began
    cuts = statistics.quantiles(times, n=100)
    figures = {"p50": cuts[49], "p99": cuts[98], "rows": len(projection.book().rows.line)}
    projection.close()
    pipe.send({"start": start, "rebuild": rebuild, "other": other, **figures})


def _counted(projection: Projection, policy: str) -> bool:
    try:
        projection.book(policy)
    except Unavailable:
        return False
    return True


def _next(state: SubscriptionState, number: int) -> SubscriptionState:
    """One more state of the subscription, after all it had."""
    item = msgspec.structs.replace(state.items[0], quantity=Decimal(number + 30))
    at = NOW + number * 1_000_000
    return msgspec.structs.replace(state, at=at, order="x", status="active", items=(item,))


def _pages(count: int) -> Iterator[list[SubscriptionState]]:
    for _, body in bodies(count):
        states = DECODER.decode(body)
        for place in range(0, len(states), PAGE):
            yield states[place : place + PAGE]


def staged(seq: int, records: list[SubscriptionState]) -> Staged:
    """A delivery that says these states."""
    delivery = Delivery(seq=seq, kind="stripe", source="acct", received_at=NOW + seq * 1_000_000)
    told: tuple[Record, ...] = tuple(records)
    return Staged(delivery, Translated(SCHEMA.empty_table(), records=told))


def memory() -> float:
    """Megabytes that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6
