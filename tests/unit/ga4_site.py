"""A fake property with a clock of its own, read by Google's client, and what was told of it."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec

from upwell.billing import Origin
from upwell.demo.ga4.fake import FakeGa4
from upwell.demo.ga4.served import serve
from upwell.demo.ga4.table import Table
from upwell.event import Delivery, Translated
from upwell.metrics.reported import MEASURES, REPORTS
from upwell.period import Zone, to_micros
from upwell.settings import Ga4Source
from upwell.sources.contract import Cursor, Opening, Page, Reader
from upwell.sources.ga4 import KIND
from upwell.sources.ga4.cursor import begun, epoch
from upwell.sources.ga4.reports import DIMENSIONS

START = dt.datetime(2026, 11, 2, 9, 30, tzinfo=dt.UTC)
SMALL = Table(pages=4, atoms=6, sessions=60)
PRODUCTS = frozenset({"mail"})
ORIGIN = Origin(id="site", kind="ga4", product="mail")

Told = dict[tuple[str, ...], Decimal]
"""By report, measure, day (2026-11-22), and value of the dimension if there is one."""


def client(timeout: float) -> httpx.Client:
    """One that calls this machine too."""
    limits = httpx.Limits(max_keepalive_connections=0)  # as the guard's
    return httpx.Client(timeout=timeout, trust_env=False, limits=limits)


class Site:
    """A property at an address, its clock, and the pages that were read of it."""

    def __init__(self, fake: FakeGa4, base: str, folder: Path) -> None:
        self.fake, self.base, self.folder = fake, base, folder
        self.pages: list[Page] = []
        self.reached: list[tuple[str, int]] = []
        self._folders = itertools.count()

    @property
    def cursor(self) -> Cursor | None:
        """Where the pages that were kept have come to."""
        return self.pages[-1].cursor if self.pages else None

    def open(
        self,
        base: str | None = None,
        reach: Callable[[str, int], Any] | None = None,
        key: str = "",
        every: str = "1h",
    ) -> Reader:
        """A reader of the property, as a process that starts has one."""
        settings = Ga4Source(
            id="site",
            product="mail",
            property=self.fake.property,
            credentials="env:KEY",
            api_base=self.base if base is None else base,
            every=every,
        )
        return KIND.open(
            Opening(
                id="site",
                settings=settings,
                secret=lambda _: key,
                client=client,
                reach=reach or (lambda host, port: self.reached.append((host, port))),
                folder=self.folder,
                sleep=lambda _: None,
            )
        )

    def lose_folder(self) -> None:
        """Let what can be thrown away be gone."""
        self.folder = self.folder / f"fresh{next(self._folders)}"
        self.folder.mkdir()

    def read(self, reader: Reader, most: int | None = None) -> list[Page]:
        """Everything that is due, or so many pages; those taken."""
        before = len(self.pages)
        reading = reader.read(self.cursor, self.fake.clock)
        while most is None or len(self.pages) - before < most:
            page = next(reading, None)
            if page is None:
                break
            self.pages.append(page)
        return self.pages[before:]

    def told(self) -> Told:
        """What all pages say together, later ones over earlier ones where they restate."""
        return told(self.pages)

    def truth(self, days: Iterable[dt.date]) -> Told:
        """What the property shows of these days now, but for numbers that are 0."""
        found: Told = {}
        for date, (report, by) in itertools.product(days, REPORTS.items()):
            dimensions = () if by is None else (DIMENSIONS[by],)
            for key, row in self.fake.rows(dimensions, date).items():
                for measure, number in zip(MEASURES, row, strict=True):
                    if number:
                        found[report, measure, str(date), *key] = Decimal(f"{number:.12g}")
        return found

    def days(self, ago: int) -> list[dt.date]:
        """So many days before today, and today, of the property."""
        today = self.fake.zone.local(to_micros(self.fake.clock())).date()
        return [today - dt.timedelta(days=n) for n in range(ago, -1, -1)]


def translated(page: Page) -> Translated:
    """What a page means."""
    about = {"of": "ga4", **({"restates": True} if page.restates else {})}
    delivery = Delivery(kind="pull", source="site", received_at=0, about=about, body=page.body)
    return KIND.translate(delivery, ORIGIN, PRODUCTS)


def told(pages: Iterable[Page]) -> Told:
    """What pages say together, without numbers that are 0 and days that were read."""
    values: dict[str, tuple[tuple[str, ...], Decimal]] = {}
    for page in pages:
        found = translated(page)
        assert not found.dead
        columns = (found.events[name].to_pylist() for name in ("key", "metadata", "value"))
        for key, metadata, value in zip(*columns, strict=True):
            if key in values and not page.restates:
                assert values[key][1] == value, "read twice, and another number"
            values[key] = (_place(msgspec.json.decode(metadata)), value)
    return {place: value for place, value in values.values() if value and place[1] != "read"}


def _place(said: dict[str, str]) -> tuple[str, ...]:
    measure, _, report = said["name"].partition(" by ")
    by = REPORTS[report]
    of = () if by is None or measure == "read" else (said[by],)
    return (report, measure, said["day"], *of)


class Clock:
    """A time that is moved by hand."""

    def __init__(self, now: dt.datetime = START) -> None:
        self.now = now

    def __call__(self) -> dt.datetime:
        return self.now

    def on(self, **span: float) -> None:
        """Let time pass."""
        self.now += dt.timedelta(**span)


@contextmanager
def site(folder: Path, clock: Clock, table: Table = SMALL, **more: Any) -> Iterator[Site]:
    """A property with this clock, served until the end of the block."""
    fake = FakeGa4(clock, table, **more)
    folder.mkdir(exist_ok=True)
    with serve(fake) as base:
        yield Site(fake, base, folder)


def near(site: Site, days: int = 20) -> Cursor:
    """A cursor that stops so many days back: a short past, for quick tests."""
    zone: Zone = site.fake.zone
    state = begun(zone.name, epoch(site.fake.clock()), None)
    state.floor = str(site.days(days)[0])
    return state.cursor()
