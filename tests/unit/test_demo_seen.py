"""What other vendors know of the demo's story is the story: nothing is added, nothing is lost."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from upwell import settings as config
from upwell.app.commands import Commands
from upwell.app.house import House
from upwell.billing import Origin
from upwell.demo import company, live, tables
from upwell.demo.clients import SEGMENT, TOKENED, TRACKED, message, record
from upwell.demo.rhythm import DAY, today_of
from upwell.demo.seen import ANALYTICS, LETS_IT, MIXPANEL, NAMES, Measured, Sent
from upwell.demo.story import Story, tell
from upwell.event import Delivery, GrowthEvent, Translated
from upwell.period import to_micros
from upwell.settings import Settings
from upwell.sources import sdk
from upwell.sources.mixpanel import KIND

TOLD = dt.datetime(2026, 7, 14, 15, 20, tzinfo=dt.UTC)
SCALE = 0.1
COMPANY = company()
PRODUCTS = frozenset(product.id for product in COMPANY.products)

Seen = Counter[tuple[object, ...]]


def _of(events: list[GrowthEvent]) -> Seen:
    return Counter(
        (
            event.event_type,
            event.actor_id,
            to_micros(event.timestamp),
            event.metadata.get("country"),
            event.metadata.get("name") if event.event_type == "engagement" else None,
        )
        for event in events
    )


def _columns(found: Translated) -> Seen:
    table = found.events
    names = ("type", "actor", "ts", "country", "name")
    rows = zip(*(table[name].to_pylist() for name in names), strict=True)
    return Counter(
        (kind, actor, ts, country, name if kind == "engagement" else None)
        for kind, actor, ts, country, name in rows
    )


def _story(product: str, since: int, until: int) -> list[GrowthEvent]:
    story = tell(COMPANY, today_of(COMPANY, TOLD), SCALE).only(product)
    return [msgspec.json.decode(line, type=GrowthEvent) for _, line in story.lines(since, until)]


@pytest.mark.parametrize("ago", [0, 1, 40, 300])
def test_mixpanel_has_every_event_of_its_product(ago: int) -> None:
    now = TOLD.timestamp()
    day = int(now) // DAY - ago
    lines = list(Sent(COMPANY, TOLD, SCALE).lines(day, now))
    origin = Origin(
        id="mixpanel",
        kind="mixpanel",
        product=MIXPANEL,
        given={"signup_event": NAMES["signup"], "activation_event": NAMES["activation"]},
    )
    delivery = Delivery(
        kind="pull", source="mixpanel", received_at=to_micros(TOLD), body=b"\n".join(lines)
    )
    found = KIND.translate(delivery, origin, PRODUCTS)
    assert found.dead == ()
    assert _columns(found) == _of(_story(MIXPANEL, day * DAY, min((day + 1) * DAY, int(now) + 1)))


def test_what_happens_later_is_in_the_export_once() -> None:
    sent, later = Sent(COMPANY, TOLD, SCALE), TOLD + dt.timedelta(minutes=50)
    day = int(TOLD.timestamp()) // DAY
    for minute in range(0, 51, 7):
        list(sent.lines(day, TOLD.timestamp() + 60 * minute))
    ids = [
        msgspec.json.decode(line)["properties"]["$insert_id"]
        for line in sent.lines(day, later.timestamp())
    ]
    happened = live(COMPANY, TOLD, later, told=TOLD, scale=SCALE)
    assert len(ids) == len(set(ids))
    mine = {event.idempotency_key for _, event in happened if event.product_id == MIXPANEL}
    assert mine
    assert mine <= set(ids)


@pytest.mark.parametrize("product", [SEGMENT, TOKENED])
def test_clients_say_what_happened(product: str) -> None:
    since = int(TOLD.timestamp()) - 2 * DAY
    events = _story(product, since, since + DAY)
    if product == SEGMENT:
        body: Any = {"batch": [message(event) for event in events]}
        door = "segment.batch"
        types = {TRACKED["session"]: "session"}
    else:
        body, door = [record(event, "uw_key") for event in events], "mixpanel.track"
        types = {}
    named = TRACKED if product == SEGMENT else NAMES
    types |= {named["signup"]: "signup", named["activation"]: "activation"}
    origin = Origin(id=product, kind="sdk", product=product, given={"events": types})
    delivery = Delivery(
        kind="sdk",
        source=product,
        received_at=to_micros(TOLD),
        about={"door": door, "product": product},
        body=msgspec.json.encode(body),
    )
    found = sdk.translate(delivery, origin)
    assert found.dead == ()
    assert _columns(found) == _of(events)


def test_google_sees_those_who_let_it() -> None:
    table = Measured(COMPANY, TOLD, 1.0)
    story = tell(COMPANY, today_of(COMPANY, TOLD), 1.0)
    for ago in (1, 30, 200):
        index = story.days.index(ago)
        date = dt.date.fromordinal(dt.date(1970, 1, 1).toordinal() + int(story.days.days[index]))
        since, until = int(story.days.home[index]), int(story.days.home[index + 1])
        sessions = sum(e.event_type == "session" for e in _all(story, since, until))
        seen = sum(atom.sessions for atom in table.day(date))
        assert 0.5 * LETS_IT < seen / sessions < min(1.0, 1.5 * LETS_IT)
    assert table.day(dt.date(2020, 1, 1)) == ()


def _all(story: Story, since: int, until: int) -> list[GrowthEvent]:
    lines = story.only(ANALYTICS).lines(since, until)
    return [msgspec.json.decode(line, type=GrowthEvent) for _, line in lines]


def test_the_database_holds_who_came_and_who_got_going(tmp_path: Path) -> None:
    until = TOLD + dt.timedelta(minutes=30)
    tables.fill(tmp_path, COMPANY, TOLD, TOLD, SCALE)
    happened = live(COMPANY, TOLD, until, told=TOLD, scale=SCALE)
    tables.write(tmp_path, (e for _, e in happened if e.product_id == tables.DATABASE))
    settings = Settings(
        products=(config.Product(id=tables.DATABASE),), sources=(tables.source(tmp_path),)
    )
    house = House(tmp_path / "data", settings, lambda: until)
    try:
        list(Commands(house).sync())
        house.caught_up()
        rows = house.projection.reader().execute(
            "select e.type, a.actor, e.ts, e.country from events e join actors a on a.no = e.actor"
        )
        story = tell(COMPANY, today_of(COMPANY, TOLD), SCALE)
        told = _story(tables.DATABASE, story.begins, int(until.timestamp()))
        held = [event for event in told if event.event_type in tables.HELD]
        assert Counter(rows.fetchall()) == Counter(
            (e.event_type, e.actor_id, to_micros(e.timestamp), e.metadata["country"]) for e in held
        )
    finally:
        house.close()
