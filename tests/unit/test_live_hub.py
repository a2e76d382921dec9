"""The hub: first pictures, moved points, resuming, readers who do not read, sight."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from upwell.access import SYSTEM, Viewer
from upwell.errors import Unavailable
from upwell.event import Change, Position, Touched
from upwell.live import Backfill, Connection, Hub, Pace, Status, Watch
from upwell.query import Answer, Point, Question, Series

DAY = 20_479
FAST = Pace(frame=0.01, dear_least=0.02, feed=0.02, status=60, retry=0.05)
TOLD = msgspec.structs.replace(FAST, status=0.02)
SCOPED = Viewer(id="p", scopes=frozenset({"read"}), products=frozenset({"mail"}))
START = dt.date(2026, 1, 26)


class Shop:
    """Signups by product and day, and every question that was asked."""

    def __init__(self) -> None:
        self.signups: dict[tuple[str, dt.date], int] = {}
        self.asked: list[Question] = []
        self.failing = False
        self.stuck: dict[str, threading.Event] = {}  # metrics whose answers have to wait

    def ask(self, question: Question, viewer: Viewer) -> Answer:
        self.asked.append(question)
        if question.metric in self.stuck:
            self.stuck[question.metric].wait(5)
        if self.failing:
            raise Unavailable("busy", "Busy.", fix="Wait.")
        assert question.start is not None
        assert question.end is not None
        days = [
            question.start + dt.timedelta(n) for n in range((question.end - question.start).days)
        ]
        counts = {
            day: sum(
                number
                for (product, at), number in self.signups.items()
                if at == day and viewer.sees(product)
            )
            for day in days
        }
        points = tuple(
            Point(start=day.isoformat(), value=count, complete=False)
            for day, count in counts.items()
        )
        return Answer(
            question=question,
            series=(Series(key="", points=points, total=sum(counts.values())),),
            as_of={},
            policy="upwell",
            position=f"0-{sum(self.signups.values())}",
            unit="count",
        )

    def sell(self, product: str = "mail", day: int = 0, number: int = 1) -> Change:
        date = START + dt.timedelta(day)
        self.signups[product, date] = self.signups.get((product, date), 0) + number
        touched = Touched(product, "signup", (date - dt.date(1970, 1, 1)).days)
        return Change(Position(0, 1), 0, frozenset({touched}), events=number)


def question(metric: str = "signups", days: int = 7) -> Question:
    return Question(metric=metric, start=START, end=START + dt.timedelta(days))


def run(story: Callable[[Hub, Shop], Awaitable[None]], pace: Pace = FAST, **parts: Any) -> None:
    async def whole() -> None:
        shop = Shop()
        hub = Hub(shop.ask, pace=pace, **parts)
        await hub.start()
        try:
            async with asyncio.timeout(10):
                await story(hub, shop)
        finally:
            await hub.stop()

    asyncio.run(whole())


class Reader:
    """A page: what it was sent, frame by frame."""

    def __init__(self, hub: Hub, viewer: Viewer = SYSTEM) -> None:
        self.hub = hub
        self.connection: Connection = hub.join(viewer)
        self.messages = self.connection.messages()
        self.taken: list[str] = []

    def watch(self, *names: str, since: str | None = None, **options: bool) -> None:
        watches = [Watch(name, question(name.split()[0])) for name in names]
        self.hub.watch(self.connection, watches, since=since, **options)

    async def next(self) -> Any:
        if not self.taken:
            self.taken += await anext(self.messages)
        return msgspec.json.decode(self.taken.pop(0))

    async def quiet(self, seconds: float = 0.1) -> bool:
        await asyncio.sleep(seconds)
        return self.connection.waiting + len(self.taken) == 0


def test_first_the_picture_then_only_what_moved() -> None:
    async def story(hub: Hub, shop: Shop) -> None:
        page = Reader(hub)
        page.watch("signups")
        first = await page.next()
        assert first["id"] == "signups"
        assert first["answer"]["series"][0]["total"] == 0
        hub.publish(shop.sell(day=2, number=3))
        moved = await page.next()
        assert moved["points"] == [
            {"key": "", "start": "2026-01-28", "value": 3, "complete": False}
        ]
        assert moved["totals"] == {"": 3}
        assert shop.asked[-1].start == dt.date(2026, 1, 28)
        assert shop.asked[-1].end == dt.date(2026, 1, 29)

    run(story)


def test_the_ledger_in_memory_is_asked_again_as_soon_as_sums_are() -> None:
    """A webhook soon after another does not wait for a count of people's rest to be over."""

    async def story(hub: Hub, shop: Shop) -> None:
        page = Reader(hub)
        page.watch("mrr")
        await page.next()
        for day in (1, 2, 3):
            change = shop.sell(day=day)
            hub.publish(
                msgspec.structs.replace(
                    change,
                    touched=frozenset({Touched("mail", "@mrr", next(iter(change.touched)).day)}),
                )
            )
            moved = await page.next()
            assert moved["totals"] == {"": day}

    run(story, msgspec.structs.replace(FAST, dear_least=60, dear_most=60))


def test_what_is_not_watched_moves_nothing() -> None:
    async def story(hub: Hub, shop: Shop) -> None:
        page = Reader(hub)
        page.watch("signups")
        await page.next()
        asked = len(shop.asked)
        hub.publish(shop.sell(day=30))
        hub.publish(Change(Position(0, 2), 0, frozenset({Touched("mail", "churn", DAY)})))
        assert await page.quiet()
        assert len(shop.asked) == asked

    run(story)


def test_where_any_number_may_be_another_everything_watched_is_asked_again() -> None:
    async def story(hub: Hub, shop: Shop) -> None:
        page = Reader(hub)
        page.watch("signups")
        await page.next()
        shop.sell(day=2)  # nobody says that it was touched
        hub.publish(Change(Position(0, 2), 0, frozenset(), refolded=True, quiet=True))
        assert (await asyncio.wait_for(page.next(), 5))["totals"] == {"": 1}

    run(story)


def test_a_commit_that_moves_nothing_does_not_hold_up_the_next() -> None:
    async def story(hub: Hub, shop: Shop) -> None:
        page = Reader(hub)
        page.watch("signups")
        await page.next()
        hub.publish(Change(Position(0, 2), 0, frozenset({Touched("mail", "churn", DAY)})))
        await asyncio.sleep(0.05)
        hub.publish(shop.sell(day=2))
        moved = await asyncio.wait_for(page.next(), 5)
        assert moved["totals"] == {"": 1}

    run(story, msgspec.structs.replace(FAST, frame=10))


def test_one_question_is_asked_once_for_all_who_may_see_the_same() -> None:
    async def story(hub: Hub, shop: Shop) -> None:
        pages = [Reader(hub) for _ in range(5)] + [Reader(hub, SCOPED) for _ in range(5)]
        for page in pages:
            page.watch("signups", "signups again")
            await page.next()
            await page.next()
        assert len(shop.asked) == 2
        hub.publish(shop.sell("docs", number=2))
        everyone = [await page.next() for page in pages[:5]]
        assert {frame["totals"][""] for frame in everyone} == {2}
        assert all([await page.quiet(0.02) for page in pages[5:]])
        assert len(shop.asked) == 3

    run(story)


def test_a_reader_who_does_not_read_has_at_most_one_frame_a_watch_waiting() -> None:
    async def story(hub: Hub, shop: Shop) -> None:
        slow, quick = Reader(hub), Reader(hub)
        for page in (slow, quick):
            page.watch("signups")
            await page.next()
        for number in range(5):
            hub.publish(shop.sell(day=number))
            await quick.next()
        assert slow.connection.waiting == 1
        frame = await slow.next()
        assert [point["value"] for point in frame["points"]] == [1] * 5
        assert frame["totals"] == {"": 5}

    run(story)


def test_a_reconnect_is_sent_only_what_moved_meanwhile() -> None:
    async def story(hub: Hub, shop: Shop) -> None:
        other, page = Reader(hub), Reader(hub)
        for reader in (other, page):
            reader.watch("signups", "churned_customers")
            await reader.next()
            last = await reader.next()
        hub.leave(page.connection)

        still = Reader(hub)
        still.watch("signups", "churned_customers", since=last["position"])
        assert await still.quiet()
        hub.leave(still.connection)

        hub.publish(shop.sell())
        await other.next()
        back = Reader(hub)
        back.watch("signups", "churned_customers", since=last["position"])
        frame = await back.next()
        assert frame["id"] == "signups"
        assert frame["answer"]["series"][0]["total"] == 1
        assert await back.quiet()

    run(story)


def test_a_frame_that_was_never_taken_is_sent_again_after_a_reconnect() -> None:
    async def story(hub: Hub, shop: Shop) -> None:
        other, page = Reader(hub), Reader(hub)
        for reader in (other, page):
            reader.watch("signups", "churned_customers")
            await reader.next()
            last = await reader.next()
        hub.publish(shop.sell())
        await other.next()
        assert page.connection.waiting == 1  # made, and lost with the connection
        hub.leave(page.connection)
        back = Reader(hub)
        back.watch("signups", "churned_customers", since=last["position"])
        assert (await back.next())["id"] == "signups"
        assert await back.quiet()

    run(story)


@pytest.mark.parametrize("since", [None, "0-0", "0-0@00000000.1.5", "@", "0-0@x.y.z"])
def test_a_mark_of_nowhere_brings_every_picture(since: str | None) -> None:
    async def story(hub: Hub, _: Shop) -> None:
        other, page = Reader(hub), Reader(hub)
        other.watch("signups")
        await other.next()
        page.watch("signups", since=since)
        assert "answer" in await page.next()

    run(story)


def test_a_watch_that_the_lost_connection_did_not_hold_gets_its_picture() -> None:
    async def story(hub: Hub, _: Shop) -> None:
        other, page = Reader(hub), Reader(hub)
        other.watch("signups", "churned_customers")
        await other.next()
        await other.next()
        page.watch("signups")
        last = await page.next()
        hub.leave(page.connection)
        back = Reader(hub)
        back.watch("signups", "churned_customers", since=last["position"])
        assert (await back.next())["id"] == "churned_customers"
        assert await back.quiet()

    run(story)


def test_a_picture_that_was_lost_on_the_way_comes_after_the_reconnect() -> None:
    async def story(hub: Hub, _: Shop) -> None:
        other, page = Reader(hub), Reader(hub)
        other.watch("signups", "churned_customers")
        await other.next()
        await other.next()
        page.watch("signups")
        last = await page.next()
        page.watch("signups", "churned_customers", since=last["position"])
        assert page.connection.waiting == 1  # and never taken
        back = Reader(hub)  # before the server has noticed that the old connection is gone
        back.watch("signups", "churned_customers", since=last["position"])
        assert (await back.next())["id"] == "churned_customers"
        assert await back.quiet()

    run(story)


def test_asking_for_the_list_again_without_a_mark_brings_the_pictures_again() -> None:
    async def story(hub: Hub, shop: Shop) -> None:
        page = Reader(hub)
        page.watch("signups")
        await page.next()
        page.watch("signups")
        assert "answer" in await page.next()
        page.watch()
        hub.publish(shop.sell())
        assert await page.quiet()

    run(story)


def test_a_mistake_and_a_failure_belong_to_their_watch() -> None:
    async def story(hub: Hub, shop: Shop) -> None:
        page = Reader(hub)
        page.watch("signups", "sinups")
        frames = {("error" in frame): frame for frame in [await page.next(), await page.next()]}
        assert frames[True]["error"]["id"] == "sinups"
        assert "signups" in frames[True]["error"]["fix"]
        shop.failing = True
        hub.publish(shop.sell())
        failed = await page.next()
        assert failed["error"]["id"] == "signups"
        assert failed["error"]["code"] == "busy"
        assert await page.quiet()  # told once, however often it is tried
        shop.failing = False
        mended = await page.next()
        assert mended["answer"]["series"][0]["total"] == 1

    run(story)


def test_pages_hear_of_the_next_commit_whatever_became_of_one() -> None:
    async def story(hub: Hub, shop: Shop) -> None:
        page = Reader(hub)
        page.watch("signups")
        await page.next()
        broken: Any = None  # no set of what was touched
        hub.publish(msgspec.structs.replace(shop.sell(), touched=broken))
        lost = await page.next()
        assert lost["points"][0]["value"] == 1  # asked for without knowing what was touched
        hub.publish(shop.sell())
        assert (await page.next())["points"][0]["value"] == 2

    run(story)


def test_an_answer_that_does_not_come_holds_up_no_other() -> None:
    async def story(hub: Hub, shop: Shop) -> None:
        page = Reader(hub)
        page.watch("signups", "mrr")
        assert {(await page.next())["id"], (await page.next())["id"]} == {"signups", "mrr"}
        done = shop.stuck["mrr"] = threading.Event()
        ledger = Change(Position(0, 1), 0, frozenset({Touched("mail", "@mrr", DAY)}))
        hub.publish(ledger)
        await asyncio.sleep(0.05)
        for count in (1, 2):
            hub.publish(shop.sell())
            assert (await page.next())["points"][0]["value"] == count
        done.set()

    run(story, msgspec.structs.replace(FAST, patience=0.05))


def test_a_page_that_opens_does_not_hold_up_what_moves_on_another() -> None:
    async def story(hub: Hub, shop: Shop) -> None:
        page, other = Reader(hub), Reader(hub)
        page.watch("signups")
        await page.next()
        done = shop.stuck["page_views"] = threading.Event()
        other.watch("page_views")
        hub.publish(shop.sell())
        assert (await page.next())["points"][0]["value"] == 1
        done.set()
        assert (await other.next())["id"] == "page_views"

    run(story)


def test_batches_carry_every_frame_that_waits() -> None:
    async def story(hub: Hub, _: Shop) -> None:
        page = Reader(hub)
        page.watch("signups", "churned_customers", "page_views", batch=True)
        await asyncio.sleep(0.1)
        assert {frame["id"] for frame in await page.next()} == {
            "signups",
            "churned_customers",
            "page_views",
        }

    run(story)


def test_the_feed_shows_each_viewer_their_products_and_no_history() -> None:
    async def story(hub: Hub, shop: Shop) -> None:
        owner, scoped = Reader(hub), Reader(hub, SCOPED)
        for page in (owner, scoped):
            page.watch(feed=True)
        await asyncio.sleep(0.05)
        events = ({"product": "mail", "type": "signup"}, {"product": "docs", "type": "churn"})
        change = msgspec.structs.replace(shop.sell(), sample=events, events=10)
        hub.publish(msgspec.structs.replace(change, quiet=True))
        hub.publish(change)

        async def shown(page: Reader) -> Any:
            while not (feed := (await page.next())["feed"])["events"]:
                pass
            return feed

        told, part = await shown(owner), await shown(scoped)
        assert [event["product"] for event in told["events"]] == ["mail", "docs"]
        assert told["per_second"] == 2.0  # ten in the window of five seconds
        assert [event["product"] for event in part["events"]] == ["mail"]
        assert part["per_second"] is None

    run(story)


def test_status_and_alerts_are_told_when_they_change() -> None:
    state = {"backlog": 0, "open": 0}

    def status() -> Status:
        backfill = Backfill(label="docs-stripe", done=1, total=2) if state["backlog"] else None
        return Status(backlog=state["backlog"], backfill=backfill)

    async def story(hub: Hub, _: Shop) -> None:
        owner, scoped = Reader(hub), Reader(hub, SCOPED)
        for page in (owner, scoped):
            page.watch()
            kinds = {next(iter(await page.next())) for _ in range(2)}
            assert kinds == {"status", "alerts"}
        assert await owner.quiet()
        state["backlog"] = 3
        assert (await owner.next())["status"]["backfill"]["label"] == "docs-stripe"
        assert (await scoped.next())["status"]["backfill"]["label"] == ""
        state["open"] = 2
        hub.alerts_changed()
        assert (await owner.next())["alerts"] == {"open": 2}

    run(story, TOLD, status=status, alerts=lambda _: {"open": state["open"]})


def test_what_the_clock_alone_moves_is_asked_again_in_time() -> None:
    async def story() -> None:
        shop = Shop()
        hub = Hub(shop.ask, pace=Pace(frame=0.01, sweep=0.05, status=60))
        await hub.start()
        page = Reader(hub)
        page.watch("signups")
        await page.next()
        shop.sell(number=4)  # nobody says so
        async with asyncio.timeout(5):
            assert (await page.next())["totals"] == {"": 4}
        await hub.stop()

    asyncio.run(story())


def test_a_picture_nobody_watches_is_let_go_once_it_moves() -> None:
    async def story(hub: Hub, shop: Shop) -> None:
        page = Reader(hub)
        page.watch("signups")
        await page.next()
        hub.leave(page.connection)
        assert len(hub.subjects) == 1
        hub.publish(shop.sell())
        await asyncio.sleep(0.05)
        assert not hub.subjects

    run(story)
