"""What is used, as it goes through the door: batches of history, and live events."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np

from upwell.demo.cast import Company
from upwell.demo.columns import Ints
from upwell.demo.lives import ALWAYS_ON
from upwell.demo.rhythm import Calendar, calendar, outage_index, today_of, tuesday
from upwell.demo.story import Elsewhere, Part, Story, tell
from upwell.event import GrowthEvent
from upwell.period import to_date, to_instant, to_micros

BATCH = 5_000
RECENT_DAYS = 60
MINUTE = 60

LINGERS = 3 * 3600  # seconds after a session's start in which its user still does things
EVERY = 34.0  # seconds between two actions of such a user
HUMANS, MACHINES = 4.2, 1.6  # actions a second: at most, and at least
FLOOR = 3.2  # actions a second that machines fill up to when people sleep

_decode = msgspec.json.Decoder(GrowthEvent).decode


@dataclass(frozen=True, slots=True)
class Mark:
    """Something dated that explains a bend in a curve; `product` None: of the whole company."""

    date: dt.date
    product: str | None
    title: str


NOWHERE: Elsewhere = {}


def history(
    company: Company, now: dt.datetime, scale: float = 1.0, without: Elsewhere = NOWHERE
) -> Iterator[bytes]:
    """Bodies of NDJSON with the 24 months before `now`, at most 5,000 events each.

    The newest week comes first, then week by week the rest of the last 60 days, all products
    together, then calendar months backwards: the pages that are opened first fill first. Within
    such a span events are in order of time. Every event has its idempotency key, so a body may
    be sent twice; the same company, `now` and scale give the same bytes. The first body takes
    about a second, in which the whole story is drawn. What is `without` is heard of elsewhere.
    """
    story = tell(company, today_of(company, now), scale).without(without)
    for since, until in _spans(story, _seconds(now)):
        rows = story.lines(since, until)
        for low in range(0, len(rows), BATCH):
            yield "\n".join([line for _, line in rows[low : low + BATCH]]).encode()


def total_events(
    company: Company, now: dt.datetime, scale: float = 1.0, without: Elsewhere = NOWHERE
) -> int:
    """How many events `history` will deliver, known before the first."""
    story = tell(company, today_of(company, now), scale).without(without)
    return story.count(story.begins, _seconds(now))


def live(
    company: Company,
    since: dt.datetime,
    until: dt.datetime,
    *,
    told: dt.datetime,
    scale: float = 1.0,
) -> list[tuple[dt.datetime, GrowthEvent]]:
    """What happens at [since, until), in order, with the instant at which it does.

    `told` is the `now` that the history was made for: live events go on where it stopped, from
    the same story, so that nobody signs up twice and the running day ends like other days. Spans
    that meet give together what one span over both would give. The story ends 45 days after
    `told`; later spans are empty.
    """
    story = tell(company, today_of(company, told), scale)
    low, high = _seconds(since), _seconds(until)
    found = [(to_instant(at * 1_000_000), _decode(line)) for at, line in story.lines(low, high)]
    first, last = max(to_micros(since), story.begins * 1_000_000), to_micros(until)
    minutes = range(first // (MINUTE * 1_000_000), -(-last // (MINUTE * 1_000_000)))
    for minute in minutes:
        found.extend(
            (at, event)
            for at, event in _actions(company, story, minute, scale)
            if since <= at < until
        )
    return sorted(found, key=lambda pair: pair[0])


def marks(company: Company, told: dt.datetime) -> list[Mark]:
    """Launches, the outage, and the days since which page views and actions are reported."""
    days = calendar(company, today_of(company, told))
    found = [
        Mark(_date(days, tuesday(days, launch.days_ago)), launch.product, launch.title)
        for launch in company.launches
    ]
    found.append(Mark(_date(days, outage_index(company, days)), None, company.outage.title))
    found += [
        Mark(_date(days, days.index(product.tracked)), product.id, "Page views tracked from here")
        for product in company.products
    ]
    return sorted(found, key=lambda mark: (mark.date, mark.title, mark.product or ""))


def _spans(story: Story, now: int) -> Iterator[tuple[int, int]]:
    """UTC seconds [since, until) to deliver one after the other; together the whole history."""
    days = story.days
    until = now
    for ago in (*range(6, RECENT_DAYS, 7), RECENT_DAYS):
        since = int(days.home[days.index(ago)])
        yield since, until
        until = since
    index = days.index(RECENT_DAYS)
    while index > days.started:
        month = to_date(int(days.days[index - 1])).replace(day=1)
        index = max(days.started, (month - to_date(days.first)).days)
        since = int(days.home[index])
        yield since, until
        until = since


def _actions(
    company: Company, story: Story, minute: int, scale: float
) -> list[tuple[dt.datetime, GrowthEvent]]:
    """What the users present in one minute do, beyond the one action a visit that history keeps."""
    opens = minute * MINUTE
    if opens >= int(story.days.home[-2]):
        return []
    rng = np.random.default_rng([company.seed, 3, minute])
    present = [(part, *_present(company, story, part, opens)) for part in story.parts]
    people = sum(len(actor) for _, actor, _ in present)
    humans = min(people / EVERY, HUMANS * max(scale, 1.0))
    found = []
    for part, actor, plan in present:
        if len(actor):
            rate = humans * len(actor) / people
            found += _some(part, actor, plan, int(rng.poisson(rate * MINUTE)), minute, rng)
        if part.product.id == company.always_on:
            machine, plan = _machines(story, part, opens)
            rate = max(MACHINES, FLOOR - humans) if len(machine) else 0.0
            found += _some(part, machine, plan, int(rng.poisson(rate * MINUTE)), minute, rng, "m")
    return found


def _present(company: Company, story: Story, part: Part, opens: int) -> tuple[Ints, Ints]:
    """Actors and plans of the visits that began in the hours before, on the same local day.

    Only people who were already counted as active that day act, so daily active users stay what
    the story says.
    """
    midnight = _midnight(story, opens)
    sessions = part.table("session")
    low, high = np.searchsorted(sessions.at, [max(opens - LINGERS, midnight), opens])
    actor, plan = sessions.actor[low:high], sessions.plan[low:high]
    if part.product.id == company.always_on:
        person = actor >= ALWAYS_ON
        return actor[person], plan[person]
    return actor, plan


def _machines(story: Story, part: Part, opens: int) -> tuple[Ints, Ints]:
    """The customers whose systems send all day; they are counted just after midnight."""
    sessions = part.table("session")
    low, high = np.searchsorted(sessions.at, [_midnight(story, opens), opens])
    machine = np.flatnonzero(sessions.actor[low:high] < ALWAYS_ON) + low
    return sessions.actor[machine], sessions.plan[machine]


def _midnight(story: Story, at: int) -> int:
    home = story.days.home
    return int(home[np.searchsorted(home, at, side="right") - 1])


def _some(
    part: Part,
    actor: Ints,
    plan: Ints,
    count: int,
    minute: int,
    rng: np.random.Generator,
    mark: str = "p",
) -> list[tuple[dt.datetime, GrowthEvent]]:
    say, product = part.say, part.product
    who = rng.integers(0, len(actor), count)
    shares = np.array([share for _, share in product.actions])
    action = rng.choice(len(shares), count, p=shares / shares.sum())
    offset = np.sort(rng.integers(0, MINUTE * 1000, count))
    found = []
    for i, (row, name, ms) in enumerate(
        zip(who.tolist(), action.tolist(), offset.tolist(), strict=True)
    ):
        person = int(actor[row])
        at = to_instant(minute * MINUTE * 1_000_000 + ms * 1000)
        event = GrowthEvent(
            product_id=product.id,
            event_type="engagement",
            timestamp=at,
            actor_id=f"{product.id}_u_{person:05d}",
            idempotency_key=f"lv-{minute}-{mark}{i}",
            metadata={
                "name": say.actions[name],
                "plan": say.plans[int(plan[row])],
                "country": say.countries[person],
            },
        )
        found.append((at, event))
    return found


def _date(days: Calendar, index: int) -> dt.date:
    return to_date(int(days.days[index]))


def _seconds(instant: dt.datetime) -> int:
    """UTC seconds, rounded up: an event of that second is not before the instant."""
    return -(-to_micros(instant) // 1_000_000)
