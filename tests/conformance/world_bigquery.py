"""Google Analytics' export in BigQuery: a day comes the next day, and is added to for some more."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter

from tests.bigquery import BigQuery
from tests.bigquery_sql import DATASET, PROJECT
from tests.conformance.vendors import BEGINS, Fact
from tests.ga4_export import Event, export
from upwell.period import Zone, to_micros
from upwell.settings import SqlQuery, SqlSource

_BEGAN = BEGINS - dt.timedelta(days=15)
_ZONE = Zone("America/Los_Angeles").info
_COMES = dt.timedelta(hours=10)  # after the end of its day
_LATE = 60  # hours after that, at the most

SELECT = f"""
select * from (
  select timestamp_micros(event_timestamp) as happened,
    to_hex(md5(to_json_string(struct(user_pseudo_id, event_name, event_timestamp,
      batch_page_id, batch_ordering_id, batch_event_index)))) as id,
    user_pseudo_id as who, batch_event_index as n
  from `{PROJECT}.{DATASET}.events_*`
  where _table_suffix between
    format_timestamp('%Y%m%d', timestamp_sub(:cursor_time, interval 1 day)) and '99999999'
)
where happened > :cursor_time or (happened = :cursor_time and id > :cursor_id)
"""


class Export:
    """An event or two an hour, many at one moment, a quarter of them late."""

    facts = "e.type, e.ts, e.actor_name, json_extract_string(e.metadata, '$.n')"
    only = "e.type = 'engagement'"
    settles = dt.timedelta(days=6)

    def __init__(self) -> None:
        self._google = BigQuery()
        self.port = self._google.port
        self._chance = random.Random(9)
        self._now = _BEGAN
        self._waiting: list[tuple[dt.datetime, Event]] = []
        self._events: list[Event] = []
        self._happen()

    def settings(self, port: int) -> SqlSource:
        """The source's table."""
        return SqlSource(
            id="export",
            product="mail",
            url=self._google.url_at(port),
            queries=(
                SqlQuery(
                    name="events",
                    sql=SELECT,
                    event_type="engagement",
                    timestamp="happened",
                    key="id",
                    actor_id="who",
                    metadata=("n",),
                    look_back="72h",
                ),
            ),
        )

    def go_on(self, until: dt.datetime) -> None:
        """Things happen, and Google writes the days that are due."""
        while self._now + dt.timedelta(hours=1) <= until:
            self._now += dt.timedelta(hours=1)
            for _ in range(self._chance.choice((0, 1, 2))):
                self._happen()
        due = [event for at, event in self._waiting if at <= until]
        self._waiting = [(at, event) for at, event in self._waiting if at > until]
        for day in sorted({_day(event.at) for event in due}):
            export(self._google, day, [event for event in due if _day(event.at) == day])

    def _happen(self) -> None:
        number = len(self._events)
        event = Event(self._now, "scroll", f"p{self._chance.randrange(20)}", n=number)
        self._events.append(event)
        ends = dt.datetime.combine(_day(event.at) + dt.timedelta(days=1), dt.time(), _ZONE)
        late = self._chance.randrange(_LATE) if number % 4 == 0 else 0
        self._waiting.append((ends + _COMES + dt.timedelta(hours=late), event))

    def truth(self, until: dt.datetime) -> Counter[Fact]:
        """Every event."""
        return Counter(
            ("engagement", to_micros(one.at), one.pseudo, str(one.n))
            for one in self._events
            if one.at < until
        )

    def close(self) -> None:
        """End it."""
        self._google.close()


def _day(at: dt.datetime) -> dt.date:
    """The day of the property."""
    return at.astimezone(_ZONE).date()
