"""A Google Analytics property: days are corrected for three days after they ended."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from contextlib import ExitStack

from tests.conformance.vendors import BEGINS, Fact
from upwell.demo.ga4.fake import FakeGa4
from upwell.demo.ga4.served import serve
from upwell.demo.ga4.table import Table
from upwell.metrics.reported import MEASURES, REPORTS
from upwell.period import Zone, to_day, to_micros
from upwell.settings import Ga4Source
from upwell.sources.ga4.reports import DIMENSIONS

DAYS = 400


class Site:
    """A small site with 400 days of history."""

    facts = """e.name, json_extract_string(e.metadata, '$.day'),
      case when e.name like '% by day' then '' else json_extract_string(e.metadata,
        '$.' || json_extract_string(e.metadata, '$.report')) end, cast(e.value as double)"""
    only = "e.value <> 0 and e.name not like 'read by %'"
    settles = dt.timedelta(days=6)

    def __init__(self) -> None:
        self._now = BEGINS
        self._fake = FakeGa4(lambda: self._now, Table(pages=3, atoms=3, sessions=30))
        self._ended = ExitStack()
        address = self._ended.enter_context(serve(self._fake))
        self.port = int(address.rpartition(":")[2])

    def settings(self, port: int) -> Ga4Source:
        """The source's table."""
        return Ga4Source(
            id="site",
            product="mail",
            property="1234",
            credentials="env:NONE",
            api_base=f"http://127.0.0.1:{port}",
        )

    def go_on(self, until: dt.datetime) -> None:
        """Days pass."""
        self._now = until

    def truth(self, until: dt.datetime) -> Counter[Fact]:
        """What the property shows now of all days that had begun by then, but for zeros."""
        found: Counter[Fact] = Counter()
        day, zone = (BEGINS - dt.timedelta(days=DAYS)).date(), Zone("Europe/Berlin")
        while zone.opens(to_day(day)) < to_micros(until):
            for report, by in REPORTS.items():
                for key, row in self._fake.rows((DIMENSIONS[by],) if by else (), day).items():
                    for measure, number in zip(MEASURES, row, strict=True):
                        if number:
                            of = key[0] if key else ""
                            found[f"{measure} by {report}", str(day), of, round(number, 6)] += 1
            day += dt.timedelta(days=1)
        return found

    def close(self) -> None:
        """End the property."""
        self._ended.close()
