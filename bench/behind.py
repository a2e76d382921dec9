"""The pages of `screen` and `pages` once more, with a hundred million events behind the company.

The demo company's own data stay as they are; events of other users are written beside them into
the projection's tables, spread over its products and its two years, and summed by its own rebuild.
The journal does not hold them: nothing that is asked here reads it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from bench import pages, screen
from bench.figures import Section, Table, mb
from bench.house import Server
from bench.used import EACH, NAMES, SLICE
from upwell.period import DAY_MICROS
from upwell.projection import Projection, store
from upwell.projection.keys import IDX_BITS
from upwell.projection.refold import refold

EVENTS, QUICK_EVENTS = 100_000_000, 1_000_000
DAYS = 730
_FIRST = 1 << (IDX_BITS - 1)  # places in a delivery that no event of its own has

_ROWS = """
select i, $others + (hash(i * 11) % $users)::bigint + 1 as actor,
  $products[1 + actor % len($products)] as product,
  $since + (i * $span // $events)::bigint * 1000 as ts, (hash(i * 13) % 1000)::integer as draw,
  case when draw < 500 then 'engagement' when draw < 800 then 'page_view'
    when draw < 900 then 'session' when draw < 950 then 'signup' else 'activation' end as type,
  case when draw < 500 then 'e' || (hash(i * 3) % $names) end as name
from range($low, $high) as rows(i)
"""
# Days and hours are those of UTC, as the demo company's zone has them within a page's tolerance:
# what is measured is how long an answer takes, not what it says.
_EVENTS = f"""
insert into events by name select 1 + i % $applied as seq,
  ({_FIRST} + i // $applied)::integer as idx, product, 'bench' as source, type, ts,
  (ts // {DAY_MICROS})::integer as day, ts // 3600000000 * 3600000000 as hour, actor, 1 as value,
  hash(i) as key_high, hash(i + 1) as key_low,
  (['US', 'DE', 'GB', 'FR', 'JP'])[1 + actor % 5] as country, name, false as excluded,
  false as late, false as corrected, ts as recorded_at, seq as version_seq
from ({_ROWS})
"""
_ACTORS = """
insert into actors by name select $others + no as no,
  $products[1 + (no + $others) % len($products)] as product, 'b' || no as actor,
  hash(product || chr(0) || 'b' || no) as high, hash(no) as low
from range(1, $users + 1) as rows(no)
"""


def run(work: Path, quick: bool) -> Section:
    """Open, come back, filter and go from page to page with so many events behind."""
    events = QUICK_EVENTS if quick else EVENTS
    folder = filled(work, events)
    with Server(folder, demo=True) as server:
        opened = server.started_in
        loads, rounds = (
            (screen.QUICK_LOADS, screen.QUICK_ROUNDS) if quick else (screen.LOADS, screen.ROUNDS)
        )
        shown = screen.measure(server, loads, rounds)
        moved = pages.measure(
            server,
            pages.QUICK_ROUNDS if quick else pages.ROUNDS,
            pages.QUICK_WATCHED if quick else pages.WATCHED,
        )
        _, memory = server.memory()
    routes = shown["routes"]
    return Section(
        name="behind",
        title="Pages with many events behind",
        tables=(
            Table(
                title=f"Chromium, {screen.WIDTH} x {screen.HEIGHT}, {shown['events']:,} events "
                "behind 12 products, live events arriving",
                columns=("", "p50", "p95", "worst", "target"),
                rows=(
                    pages.row("Home, cold", shown["load"], screen.LOAD_TARGET),
                    pages.row("Home, warm", moved["warm"], pages.WARM_TARGET),
                    pages.row("Home, figures after a filter", moved["filter"], pages.FILTER_TARGET),
                    *(
                        pages.row(f"To {path}", taken, screen.ROUTE_TARGET)
                        for path, taken in routes.items()
                    ),
                    pages.row(
                        f"Between frames, {moved['tiles']} tiles live",
                        moved["frames"],
                        pages.FRAME,
                    ),
                ),
            ),
        ),
        notes=(
            f"The server began to answer after {opened:.1f} s and held {mb(memory)} at the most.",
            "Beside the demo company's own events: others of 20 events a user, spread evenly over "
            "its products and two years.",
        ),
        figures={"screen": shown, "pages": moved, "opened": opened, "memory": memory},
    )


def filled(work: Path, events: int) -> Path:
    """The demo company's folder with so many events more, kept for the next time."""
    folder = work / f"demo-{events}"
    done = folder / "filled"
    if done.exists():
        return folder
    screen.demo(work).stop()
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(work / "demo", folder)
    made = Projection(folder)
    ground, zone, applied = made.ground, made.zone, made.applied
    made.close()
    if -(-events // applied) >= _FIRST:
        raise RuntimeError(f"{events:,} events are too many for {applied:,} deliveries")
    db = store.connect(folder / "projection.duckdb", memory="8GB")
    found = db.execute("select max(ts), (select max(no) from actors) from events").fetchall()
    until, others = found[0]
    given = {
        "users": max(events // EACH, 1), "others": others,
        "products": [product.id for product in ground.products if not product.retired],
    }  # fmt: skip
    spread = {
        "since": until - DAYS * DAY_MICROS, "span": DAYS * DAY_MICROS // 1000, "names": NAMES,
        "events": events, "applied": applied,
    }  # fmt: skip
    for low in range(0, events, SLICE):
        high = min(low + SLICE, events)
        db.execute(_EVENTS, given | spread | {"low": low, "high": high})
        print(f"  {high:,} of {events:,} events written", flush=True)
    db.execute("begin")
    db.execute(_ACTORS, given)
    refold(db, ground, zone)
    db.execute("commit")
    db.execute("checkpoint")
    db.close()
    shutil.rmtree(folder / "timelines", ignore_errors=True)
    print("  … and summed", flush=True)
    done.write_text(str(events))
    return folder
