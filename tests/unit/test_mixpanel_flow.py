"""A Mixpanel project from its export to the numbers, read again and again."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tests.unit.mixpanel_project import DAY, NOON, Reading
from upwell.app.pulled import Pulled
from upwell.billing import Origin
from upwell.demo.mixpanel import Recorded
from upwell.event import Delivery
from upwell.flow import Flow
from upwell.journal import Journal
from upwell.period import to_micros
from upwell.projection import Projection
from upwell.projection.ground import Ground, GroundProduct
from upwell.sources.mixpanel import KIND


def test_people_known_later_are_one_and_nothing_is_set_aside(tmp_path: Path) -> None:
    project = Recorded()
    at = NOON.timestamp()
    for number in range(60):
        device = number % 3
        who = f"ada-{device}" if number % 2 else f"$device:{device}"
        given = {"distinct_id": who, "$device_id": str(device), "$insert_id": f"i{number}"}
        if number % 2:
            given["$user_id"] = who
        project.send("Report Viewed", given, at - number * DAY / 6)
    known = tmp_path / "known"
    known.mkdir()
    reading = Reading(known, project)
    journal, projection = Journal.open(tmp_path), Projection(tmp_path, memory="256MB")
    try:
        origin = Origin(id="mp", kind="mixpanel", product="mail")
        ground = Ground(products=(GroundProduct(id="mail"),), sources=(origin,))
        body = msgspec.json.encode(ground)
        began = to_micros(NOON) - 1
        journal.append([Delivery(kind="config", source="upwell", received_at=began, body=body)])
        flow = Flow(journal, projection)
        reader = KIND.open(reading.opening())
        pulled = Pulled("mp", KIND, 300.0, reader, journal, lambda: reading.now, lambda: None)
        for look in range(4):
            for _ in pulled.read():
                pass
            while flow.follow():
                pass
            project.identify(f"$device:{look % 3}", f"ada-{look % 3}")
            reading.later(DAY)
        pulled.close()
        counted = sum(seen.events for seen in projection.seen().values())
        with projection.reader() as db:
            dead = db.execute("select count(*) from dead_letters").fetchall()
            kinds = db.execute("select type, count(*) from events group by 1 order by 1").fetchall()
            people = db.execute("select count(distinct person) from persons").fetchall()
        assert dead == [(0,)]
        assert dict(kinds)["engagement"] == 60
        assert counted == sum(count for _, count in kinds)
        assert people == [(3,)]
    finally:
        projection.close()
        journal.close()
