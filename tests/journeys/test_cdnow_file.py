"""The CDNOW purchases, read as they are published, agree with a recount in plain Python."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from upwell.sources.files import Options, deliveries, plan, translate_file

OPTIONS = Options(
    source="cdnow-file",
    product="cdnow",
    type="revenue",
    currency="USD",
    date_format="%Y%m%d",
    delimiter="whitespace",
    map={"actor_id": "customer_id", "timestamp": "date", "value": "dollar_value"},
)
PRODUCTS = frozenset({"cdnow"})


def translated(path: Path) -> pa.Table:
    planned = plan(path, OPTIONS, PRODUCTS)
    parts = [delivery for delivery, _, _ in deliveries(planned, 1_800_000_000_000_000)]
    return pa.concat_tables([translate_file(part, PRODUCTS).events for part in parts])


def test_every_purchase_is_an_event_and_the_months_agree(cdnow: Path) -> None:
    months: dict[str, Decimal] = defaultdict(Decimal)
    people: dict[str, set[str]] = defaultdict(set)
    for line in cdnow.read_text().splitlines()[1:]:
        who, day, _, paid = line.split()
        months[day[:6]] += Decimal(paid)
        people[day[:6]].add(who)

    events = translated(cdnow)
    assert events.num_rows == 69_659
    assert len(set(events["actor"].to_pylist())) == 23_570
    assert len(set(events["key"].to_pylist())) == 69_659
    assert plan(cdnow, OPTIONS, PRODUCTS).preview.repeats == 255

    read: dict[str, Decimal] = defaultdict(Decimal)
    seen: dict[str, set[str]] = defaultdict(set)
    times = events["ts"].cast(pa.timestamp("us")).to_pylist()
    rows = zip(times, events["value"].to_pylist(), events["actor"].to_pylist(), strict=True)
    for when, paid, who in rows:
        read[f"{when:%Y%m}"] += paid
        seen[f"{when:%Y%m}"].add(who)
    assert len(months) == 18
    assert read == months
    assert seen == people
    assert sum(1 for value in events["value"].to_pylist() if value == 0) == 80


def test_shuffled_lines_are_the_same_events(cdnow: Path, tmp_path: Path) -> None:
    header, *lines = cdnow.read_bytes().splitlines()
    random.Random(7).shuffle(lines)
    shuffled = tmp_path / "shuffled.txt"
    shuffled.write_bytes(b"\n".join([header, *lines]))
    columns = ["key", "actor", "ts", "value", "type", "product"]

    def content(path: Path) -> Counter[tuple[object, ...]]:
        rows = translated(path).select(columns).to_pylist()
        return Counter(tuple(row.values()) for row in rows)

    assert content(shuffled) == content(cdnow)
