"""Every measurement, in sections: `python -m bench [SECTION …] [--quick] [--work DIR]`.

What a section measured replaces its part of docs/reference/figures.md; a run that was broken off
goes on with `--resume`. Nothing here passes or fails by its time.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import cast

from bench.figures import REFERENCE, Book, Kept, Machine, Section

Measure = Callable[[Path, bool], Section]

SECTIONS = {
    "ingest": "the design day over HTTP, with PostgreSQL and ClickHouse on the same rows",
    "overview": "12 products x 10 metrics x 365 days in one request, from sums and from raw events",
    "reach": "from a posted event to the pixel of an open page, and to an alert",
    "screen": "the first screen in Chromium, and going from page to page",
    "pages": "Home come back to and filtered, forty tiles live, the script of the first page",
    "behind": "the pages of both once more, with 100 M events behind the company",
    "weight": "bytes an event, memory, start after a stop and after a kill",
    "rebuild": "sums from stored events, everything from raw bytes",
    "ledger": "2 M states of 200,000 subscriptions folded into movements, under each preset",
    "revenue": "every metric of the ledger right after a webhook: 200,000 subscriptions",
    "book": "the same kept: back-fill, one webhook, counted again, opened",
    "use": "funnels, retention, active users, paths: from 1 M to 100 M events, with ClickHouse",
    "mixpanel": "the past of a project from a fake of the export, and a day looked at 288 times",
    "ga4": "400 days of six reports of a property within its quotas, then asked for",
    "sql": "1 M rows of a PostgreSQL table through to the sums, and the look after it",
    "webhook": "from a webhook to new MRR on the page, with 200,000 subscriptions behind it",
}


def book() -> Book:
    """The page of figures."""
    return Book(REFERENCE, "figures", "Figures", SECTIONS)


def measured(name: str, measure: Measure, work: Path, quick: bool, command: str) -> Kept:
    """Run one measurement and say where and when it ran."""
    machine, now, began = Machine.here(), dt.datetime.now(dt.UTC), time.perf_counter()
    section = measure(work, quick)
    assert section.name == name
    return Kept(
        section=section,
        made_at=now,
        command=command,
        machine=machine,
        seconds=time.perf_counter() - began,
        quick=quick,
    )


def parser(what: str | None) -> argparse.ArgumentParser:
    """The arguments that `bench` and `bench.prove` share."""
    found = argparse.ArgumentParser(
        description=what, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("--quick", action="store_true", help="small sizes: minutes, not figures")
    found.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        default=Path(tempfile.gettempdir()) / "upwell-bench",
        help="where data are made and kept for the next time [%(default)s]",
    )
    return found


def main(words: Sequence[str] | None = None) -> None:
    """Measure the sections that were named, or all."""
    arguments = parser(__doc__)
    listed = "; ".join(f"{name}: {what}" for name, what in SECTIONS.items())
    arguments.add_argument("sections", nargs="*", metavar="SECTION", help=listed)
    arguments.add_argument(
        "--resume", action="store_true", help="leave out what this commit has figures for"
    )
    chosen = arguments.parse_args(words)
    if unknown := set(chosen.sections) - set(SECTIONS):
        arguments.error(f"unknown section {', '.join(sorted(unknown))}: {', '.join(SECTIONS)}")
    chosen.work.mkdir(parents=True, exist_ok=True)
    page, commit = book(), Machine.here().commit
    print(f"{Machine.here()}\n", flush=True)
    failed = []
    for name in chosen.sections or SECTIONS:
        if chosen.resume and page.has(name, quick=chosen.quick, commit=commit):
            print(f"{name}: measured already\n", flush=True)
            continue
        print(f"{name}: {SECTIONS[name]} …", flush=True)
        command = f"python -m bench {name}{' --quick' if chosen.quick else ''}"
        measure = cast(Measure, import_module(f"bench.{name}").run)
        try:
            kept = measured(name, measure, chosen.work, chosen.quick, command)
        except (RuntimeError, TimeoutError) as error:
            print(f"{name}: {error}\n", file=sys.stderr, flush=True)
            failed.append(name)
            continue
        page.keep(kept)
        print(f"\n{kept.section.text()}\n\n{name} took {kept.seconds:.0f} s\n", flush=True)
    if failed:
        sys.exit(f"not measured: {', '.join(failed)}")


if __name__ == "__main__":
    main()
