"""The founding claims, each with the command that shows it and its figure: `python -m bench.prove`.

The README claims nothing else. What is measured here is written to docs/reference/proof.md.
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from pypdf import PdfReader

from bench import ingest, screen
from bench.figures import REFERENCE, Machine, Table, ms, percentile
from bench.house import Server, upwell, write_config
from bench.load import post_all
from bench.overview import METRICS
from bench.reach import alerts, post_past, receiver, rules
from bench.rows import PRODUCTS
from bench.run import parser

CANCELLATIONS = 47  # so many went unnoticed for three days in the founding story
LOADS, ROUNDS = 10, 2
HEADLINES = {
    "Net revenue": "revenue",
    "Refunds": "refunds",
    "Signups": "signups",
    "Activation rate": "activation_rate",
    "Users with any event": "actors",
    "Daily active users": "dau",
    "Visitors": "visitors",
    "Cancellations": "cancellations",
}
OF_A_PRODUCT = ("revenue", "signups", "dau", "cancellations")
NONE = "–"  # printed where there is no value
_NUMBER = re.compile(rf"(?<![+−\d.,%])\$?(\d[\d,]*(?:\.\d+)?)(?![\d.,]*%)|(?<!\S)({NONE})(?!\S)")
_SHARE = re.compile(rf"(?<![+−\d.,])(\d+\.\d)%|(?<!\S)({NONE})(?!\S)")


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What is promised, what was measured, the command that does it, and whether it holds."""

    promise: str
    figure: str
    command: str
    holds: bool
    more: tuple[str, ...] = ()


Prove = Callable[[Path, bool], Claim]


def in_one_place(work: Path, quick: bool) -> Claim:
    """Ten products and more in one place."""
    del quick
    with screen.demo(work) as server:
        products = [p for p in server.json("GET", "/v1/products")["products"] if p["events"]]
        now = dt.datetime.now(dt.UTC).date()
        asked = [
            {"metric": name, "by": "product", "from": str(now - dt.timedelta(364)),
             "to": str(now + dt.timedelta(1))}
            for name in METRICS
        ]  # fmt: skip
        server.json("POST", "/v1/query", {"questions": asked})
        began = time.perf_counter()
        answers = server.json("POST", "/v1/query", {"questions": asked})["answers"]
        seconds = time.perf_counter() - began
    series = sum(len(one["series"]) for one in answers)
    events = sum(one["events"] for one in products)
    return Claim(
        promise="10 products and more in one place",
        figure=f"{len(products)} products, {events:,} events; {series} series of a year by day in "
        f"one request, {ms(seconds)}",
        command="upwell demo",
        holds=len(products) >= 10 and series == len(products) * len(METRICS),
    )


def two_million_a_day(work: Path, quick: bool) -> Claim:
    """The design day, through the door."""
    bodies = ingest.day(work, quick)
    data = work / "prove-day"
    shutil.rmtree(data, ignore_errors=True)
    with Server(data, write_config(work / "config")) as server:
        sent = post_all(bodies, server.port, server.key, connections=ingest.CONNECTIONS)
        server.caught_up()
        seconds = time.time() - sent.began
        checked, twice = ingest.check(server, bodies)
    shutil.rmtree(data)
    needed = seconds / sent.events * 2_000_000
    return Claim(
        promise="2 million events a day",
        figure=f"{sent.events:,} events over {len(PRODUCTS)} products posted, on disk and in every "
        f"number in {seconds:.1f} s"
        + ("" if sent.events == 2_000_000 else f" (2 million: {needed:.0f} s)"),
        command="POST /v1/events, 1,000 events a body; upwell query",
        holds=twice == 0 and needed < 86_400,
        more=(f"Counted again by asking: {checked}.",),
    )


def sub_second(work: Path, quick: bool) -> Claim:
    """The first screen."""
    with screen.demo(work) as server:
        found = screen.measure(server, 3 if quick else LOADS, 1 if quick else ROUNDS)
    load = found["load"]
    routes = [taken for times in found["routes"].values() for taken in times]
    return Claim(
        promise="Pages in less than a second",
        figure=f"first screen of {found['events']:,} events, nothing cached: p50 "
        f"{ms(percentile(load, 0.5))}, worst of {len(load)} {ms(max(load))}; then from page to "
        f"page p50 {ms(percentile(routes, 0.5))}",
        command="upwell demo",
        holds=max(load) < 1,
    )


def alert_in_time(work: Path, quick: bool) -> Claim:
    """A burst of cancellations, to the receiver."""
    data = work / "prove-alert"
    shutil.rmtree(data, ignore_errors=True)
    products = list(PRODUCTS[:3] if quick else PRODUCTS)
    with receiver() as (url, arrived):
        config = write_config(work / "prove-config", products, rules(products, url))
        with Server(data, config) as server:
            post_past(server, products)
            server.caught_up()
            time.sleep(12)  # history must rest before anything is judged by it
            delays = alerts(server, products, arrived, CANCELLATIONS)
    shutil.rmtree(data)
    return Claim(
        promise="An alert within 30 seconds",
        figure=f"{CANCELLATIONS} cancellations posted, alert at the team's webhook: p50 "
        f"{ms(percentile(delays, 0.5))}, worst of {len(delays)} products {ms(max(delays))}",
        command='POST /v1/events; [[alerts]] metric = "cancellations", a webhook channel',
        holds=max(delays) < 30,
    )


def report_without_hands(work: Path, quick: bool) -> Claim:
    """The board report of last month, and whether its numbers are those of the API."""
    del quick
    out = work / "report"
    shutil.rmtree(out, ignore_errors=True)
    with screen.demo(work) as server:
        here = dt.date.fromisoformat(server.json("GET", "/v1/session")["workspace"]["today"])
        month = (here.replace(day=1) - dt.timedelta(days=1)).replace(day=1)
        began = time.perf_counter()
        made = upwell("report", "--month", f"{month:%Y-%m}", "--out", out, "--data", server.data)[
            "files"
        ]
        seconds = time.perf_counter() - began
        pages = PdfReader(made[0]).pages
        text = "\n".join(page.extract_text() for page in pages)
        same, wrong = _compare(server, month, text)
    sheets = "1 page" if len(pages) == 1 else f"{len(pages)} pages"
    return Claim(
        promise="The board report without hands",
        figure=f"{month:%B %Y} as PDF, {sheets}, in {seconds:.1f} s by one command; "
        f"{same} of {same + len(wrong)} numbers on it equal the API's",
        command=f"upwell report --month {month:%Y-%m}",
        holds=same > 0 and not wrong,
        more=tuple(wrong[:5]),
    )


def _compare(server: Server, month: dt.date, text: str) -> tuple[int, list[str]]:
    """How many printed numbers equal the API's answers, and a sentence for each that does not."""
    after = (month + dt.timedelta(days=32)).replace(day=1)
    span = {"from": str(month.replace(year=month.year - 1)), "to": str(after), "grain": "month"}
    totals = [{"metric": name, **span} for name in HEADLINES.values()]
    split = [{"metric": name, "by": "product", **span} for name in OF_A_PRODUCT]
    answers = server.json("POST", "/v1/query", {"questions": totals + split})["answers"]
    lines = [line.strip() for line in text.splitlines()]
    pairs: list[tuple[str, str, Sequence[Any]]] = []  # title, what is printed, its months so far
    for title, answer in zip(HEADLINES, answers, strict=False):
        values = [point["value"] for point in answer["series"][0]["points"]]
        number = _SHARE if answer["unit"] == "ratio" else _NUMBER
        printed = _numbers(lines, title, number)
        if answer["unit"] == "ratio":
            values = [None if value is None else Decimal(str(value)) * 100 for value in values]
        expected = [values, values[:-1], values[:1]]
        pairs += [(title, *pair) for pair in zip(printed, expected, strict=False)]
        if len(printed) != len(expected):
            pairs.append((title, f"{len(printed)} numbers", [None]))
    for product in server.json("GET", "/v1/products")["products"]:
        printed = _numbers(lines, product["name"], _NUMBER)
        for place, answer in enumerate(answers[len(totals) :]):
            series = next(s for s in answer["series"] if s["key"] == product["id"])
            shown = printed[place] if place < len(printed) else "nothing"
            pairs.append((product["name"], shown, [point["value"] for point in series["points"]]))
    wrong = [
        f"{what}: {shown} is printed, {values[-1]} answered"
        for what, shown, values in pairs
        if not _equal(shown, values)
    ]
    return len(pairs) - len(wrong), wrong


def _numbers(lines: Sequence[str], title: str, number: re.Pattern[str]) -> list[str]:
    """The numbers of the first line that is a row of figures under this title."""
    for line in lines:
        rest = line.removeprefix(title)
        if rest != line and re.match(rf"[ \u00a0]+[$\d{NONE}]", rest):
            return ["".join(one) for one in number.findall(rest)]
    return []


def _equal(printed: str, values: Sequence[Any]) -> bool:
    """Whether the last value, at as many places as are printed, is what is printed.

    A dash is no value; the API answers 0 of months in which nothing was ever counted yet.
    """
    value = values[-1]
    if printed == NONE:
        return value is None or not any(Decimal(str(one)) for one in values if one is not None)
    try:
        shown = Decimal(printed.replace(",", ""))
    except ArithmeticError:
        return False
    places = -int(shown.as_tuple().exponent)
    return value is not None and abs(Decimal(str(value)) - shown) <= Decimal(5).scaleb(-places - 1)


CLAIMS: dict[str, Prove] = {
    "products": in_one_place,
    "day": two_million_a_day,
    "loads": sub_second,
    "alert": alert_in_time,
    "report": report_without_hands,
}


def page(claims: Sequence[Claim], machine: Machine, command: str, when: dt.datetime) -> str:
    """The claims as Markdown: a table, what else was checked, and where it ran."""
    table = Table(
        title="Proof",
        columns=("Promise", "Measured", "By", "Holds"),
        rows=tuple(
            (one.promise, one.figure, f"`{one.command}`", "yes" if one.holds else "no")
            for one in claims
        ),
    )
    notes = "\n".join(f"- {note}" for one in claims for note in one.more)
    return (
        f"{table.text(numbers=False)}\n\n{notes}\n\n"
        f"`{command}`, {when:%Y-%m-%d}, commit {machine.commit}: {machine}.\n"
    )


def main(words: Sequence[str] | None = None) -> None:
    """Prove the claims that were named, or all of them and write the page."""
    arguments = parser(__doc__)
    arguments.add_argument("claims", nargs="*", metavar="CLAIM", help=", ".join(CLAIMS))
    chosen = arguments.parse_args(words)
    if unknown := set(chosen.claims) - set(CLAIMS):
        arguments.error(f"unknown claim {', '.join(sorted(unknown))}: {', '.join(CLAIMS)}")
    chosen.work.mkdir(parents=True, exist_ok=True)
    machine, when = Machine.here(), dt.datetime.now(dt.UTC)
    found = []
    for name in chosen.claims or CLAIMS:
        claim = CLAIMS[name](chosen.work, chosen.quick)
        found.append(claim)
        print(f"{claim.promise}\n    {claim.figure}\n    {claim.command}", flush=True)
        for note in claim.more:
            print(f"    {note}")
        print(f"    {'holds' if claim.holds else 'DOES NOT HOLD'}\n", flush=True)
    command = f"python -m bench.prove{' --quick' if chosen.quick else ''}"
    text = page(found, machine, command, when)
    print(text)
    if not chosen.claims:
        REFERENCE.mkdir(parents=True, exist_ok=True)
        (REFERENCE / "proof.md").write_text(f"# Proof\n\n{text}")
    if not all(one.holds for one in found):
        sys.exit(1)


if __name__ == "__main__":
    main()
