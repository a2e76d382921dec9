"""Mixpanel's export over HTTP: what a check says, what comes packed, what its own program reads."""

from __future__ import annotations

import datetime as dt
import gzip
from dataclasses import replace
from pathlib import Path

import httpx
import mixpanel_utils
import msgspec

from tests.unit.mixpanel_project import AT, NOON, TODAY, Reading, Sender
from upwell.demo.mixpanel import FakeMixpanel, Generated, Packed, Recorded, serve
from upwell.sources.mixpanel import KIND
from upwell.sources.mixpanel.plan import HOUR


def test_a_check_says_what_there_is(tmp_path: Path) -> None:
    sender = Sender(Recorded())
    reading = Reading(tmp_path, sender.project)
    for _ in range(3):
        sender.send(AT - 60)
    with serve(reading.fake) as address:
        given = msgspec.structs.replace(reading.table, api_base=address)
        opening = reading.opening()
        reader = KIND.open(
            replace(opening, settings=given, client=lambda t: httpx.Client(timeout=t))
        )
        assert reader.check() == ("The export answers; 3 events since yesterday: A.",)
        reader.close()
    reading.close()


def test_over_http_all_events_come_packed_and_in_pages(tmp_path: Path) -> None:
    reading = Reading(
        tmp_path,
        Generated(TODAY - 3, TODAY, per_day=11_000, late=50, repeated=100),
        client=lambda _: httpx.Client(trust_env=False, timeout=30),
        since=NOON.date() - dt.timedelta(days=3),
    )
    with serve(reading.fake) as address:
        reading.table = msgspec.structs.replace(reading.table, api_base=address)
        pages = reading.look()
        reading.close()
    assert max(page.rows for page in pages) < 14_000
    truth = {
        line for day in range(TODAY - 3, TODAY + 1) for line in reading.fake.project.lines(day, AT)
    }
    assert sum(page.rows for page in pages) == len(truth)
    assert sum(page.read for page in pages) > len(truth)  # those that stand twice


def test_mixpanels_own_program_reads_the_fake(tmp_path: Path) -> None:
    sender = Sender(Recorded())
    for number in range(40):
        sender.send(AT - number * HOUR)
    reading = Reading(tmp_path, sender.project)
    with serve(reading.fake) as address:
        for user, secret in ((None, "project-secret"), reading.fake.account):
            theirs = mixpanel_utils.MixpanelUtils(
                secret, service_account_username=user, project_id=reading.fake.project_id
            )
            theirs.raw_api = f"{address}/api"
            asked = {"from_date": "2026-11-21", "to_date": "2026-11-23"}
            for packed in (True, False):
                events = theirs.query_export(dict(asked), add_gzip_header=packed)
                assert sorted(one["properties"]["n"] for one in events) == sender.all
                assert events[0]["properties"]["time"] < 10_000_000_000  # seconds
                reading.later(1)


def test_a_project_packed_in_files_says_what_the_same_project_says(tmp_path: Path) -> None:
    project = Generated(TODAY, TODAY, per_day=4_000, late=10)
    packed = Packed(project, tmp_path, every=300)
    packed.prepare()
    asked = {"from_date": "2026-11-23", "to_date": "2026-11-23", "time_in_ms": "true"}
    with serve(FakeMixpanel(packed, lambda: AT)) as address:
        url, secret = f"{address}/api/2.0/export", ("project-secret", "")
        with httpx.stream("GET", url, params=asked, auth=secret) as answer:
            told = gzip.decompress(b"".join(answer.iter_raw())).splitlines()
    assert sorted(told) == sorted(project.lines(TODAY, AT))
    assert packed.count(TODAY, AT) == len(told)
