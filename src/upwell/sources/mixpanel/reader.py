"""Reading the export: what happened now, first; then the past, with the calls that are left."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import httpx

from upwell.errors import Rejected, UpwellError
from upwell.period import MICROS, Zone, to_day
from upwell.settings.check import duration
from upwell.settings.schema import MixpanelSource
from upwell.sources.answers import blocks, silent, stays
from upwell.sources.contract import BadQuery, Clock, Cursor, Opening, Page, Truncated
from upwell.sources.mixpanel import zones
from upwell.sources.mixpanel.known import Known
from upwell.sources.mixpanel.lines import Lines, broken_off
from upwell.sources.mixpanel.pages import HEAD, TRIED, Gathered, counted, is_export
from upwell.sources.mixpanel.plan import FLOOR, HOUR, SPAN, Plan, Slice
from upwell.sources.mixpanel.refusals import date_of, refusal

HOSTS = {"us": "data", "eu": "data-eu", "in": "data-in"}
TIMEOUT = 300.0  # seconds until the first byte: a large day is gathered before it is sent
SAMPLE = 2_000  # lines by which times are judged
SUFFIX = ".known"


class MixpanelReader:
    """One project, read by one thread."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._settings: MixpanelSource = opening.settings
        self._zone = Zone(self._settings.timezone)
        self._every = duration(self._settings.every).total_seconds()
        self._client = opening.client(TIMEOUT)
        self._calls: list[float] = []  # also those that led to no page
        self._most = SPAN  # days at once; fewer once so many broke off
        self._told_at: dt.datetime | None = None  # when the vendor last answered, by its clock

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def read(self, cursor: Cursor | None, clock: Clock) -> Iterator[Page]:
        """Pages of open days that are due, then of the past while calls are left."""
        plan = self._begun(cursor, clock)
        while not self._opening.stopping():
            now, today = clock().timestamp(), self._zone.today(clock())
            day = plan.due(today, now, self._every, self._ends)
            part = plan.next_past() if day is None else None
            if day is not None:
                yield from self._open_day(plan, day, clock)
            elif part is None:
                return
            elif (wait := plan.wait(now, self._spare())) <= 0:
                yield from self._of_the_past(plan, part, clock)
            else:
                look = plan.next_look(today, today, self._every, self._ends)
                self._opening.sleep(min(wait, max(1.0, look - now)))

    def check(self) -> Sequence[str]:
        """Sign in, and ask for a few events of yesterday and today; what came, a line each."""
        with closing(self._export(Slice(FLOOR, FLOOR), {"limit": "1"}, Lines())) as answer:
            list(answer)
        if self._told_at is None:
            return ("The export answers.",)
        self._calls += [self._told_at.timestamp()] * 2
        today = self._zone.today(self._told_at)
        days = Slice(today - 1, today)
        with closing(self._export(days, {"limit": str(TRIED)}, Lines())) as answer:
            lines = [line for block in answer for line in block]
        self._judge_times(lines)
        return (f"The export answers; {counted(lines)}",)

    def _begun(self, cursor: Cursor | None, clock: Clock) -> Plan:
        if cursor is None:
            since = self._settings.since
            plan = Plan.begin(self._zone.today(clock()), None if since is None else to_day(since))
        else:
            plan = Plan.of(cursor)
        plan.calls = sorted((Counter(plan.calls) | Counter(self._calls)).elements())
        plan.span = min(plan.span, self._most)
        self._tidy(plan)
        return plan

    def _spare(self) -> int:
        """Calls an hour that the past leaves to what happens now."""
        return int(HOUR // self._every) + 3

    def _ends(self, day: int) -> float:
        return self._zone.opens(day + 1) / MICROS

    def _open_day(self, plan: Plan, day: int, clock: Clock) -> Iterator[Page]:
        def read(at: float, _: int) -> float | None:
            today = self._zone.today(dt.datetime.fromtimestamp(at, dt.UTC))
            plan.looked(day, at, today, self._ends)
            return plan.complete_to(today, self._ends)

        today = self._zone.today(clock())
        history = not plan.news(day, today)
        yield from self._pages(plan, Slice(day, day), clock, history, read, day == today)

    def _of_the_past(self, plan: Plan, part: Slice, clock: Clock) -> Iterator[Page]:
        def read(_: float, events: int) -> None:
            plan.passed(part, events)
            plan.span = min(plan.span, self._most)

        try:
            yield from self._pages(plan, part, clock, True, read)
        except Truncated:
            self._most = max(1, (part.last - part.first + 1) // 2)
            raise

    def _pages(
        self,
        plan: Plan,
        part: Slice,
        clock: Clock,
        history: bool,
        finish: Callable[[float, int], float | None],
        judge: bool = False,
    ) -> Iterator[Page]:
        """One call: pages of lines that are not known, and after the last the plan moves."""
        if not self._may_call(plan, clock):
            return
        at = clock().timestamp()
        plan.called(at)
        self._calls = list(plan.calls)
        known = Known(self._file(part.name), plan.known.get(part.name, 0))
        page = Gathered(part.label, history)
        events, answered = 0, False
        with closing(self._export(part, {}, Lines(known.unsure))) as answer:
            for lines in answer:
                if not answered:
                    answered = True
                    plan.answered(clock().timestamp())
                    self._calls = list(plan.calls)
                if judge and not events:
                    self._judge_times(lines[:SAMPLE])
                events += len(lines)
                page.add(len(lines), known.fresh(lines))
                if page.full:
                    plan.known[part.name] = known.count
                    yield page.taken(plan)
                    known.save()
        plan.known[part.name] = known.count
        complete_to = finish(at, events)
        yield page.taken(plan, complete_to)
        known.save()
        self._tidy(plan)

    def _may_call(self, plan: Plan, clock: Clock) -> bool:
        """Wait for a call of the budget; False where it is to end before."""
        while (wait := plan.wait(clock().timestamp())) > 0 and not self._opening.stopping():
            self._opening.sleep(wait)
        return not self._opening.stopping()

    def _file(self, name: str) -> Path:
        return self._opening.folder / f"{name}{SUFFIX}"

    def _tidy(self, plan: Plan) -> None:
        """Files of days that are read to the end."""
        for path in self._opening.folder.glob(f"*{SUFFIX}"):
            if path.stem not in plan.known:
                path.unlink(missing_ok=True)

    def _judge_times(self, lines: Sequence[bytes]) -> None:
        """Raises Rejected where times are plainly not those of the zone in the settings."""
        name = self._settings.timezone
        if zones.already_utc(lines, self._zone):
            message = f"The project's times are UTC, not those of {name}."
            fix = 'Set timezone = "UTC", as for all projects since 2023.'
        elif early := zones.ahead(lines, self._zone):
            message = f"Events are dated {early / HOUR:g} h ahead of when Mixpanel received them."
            fix = "Set `timezone` to the project's time zone, as its settings at Mixpanel have it."
        else:
            return
        raise Rejected("wrong_zone", message, fix=fix, where="timezone")

    # -- the call --------------------------------------------------------------------------------

    def _export(self, part: Slice, more: Mapping[str, str], lines: Lines) -> Generator[list[bytes]]:
        """The lines of some days, as they come; raises where the answer is none, or breaks off."""
        given = self._settings
        base = (given.api_base or f"https://{HOSTS[given.region]}.mixpanel.com").rstrip("/")
        first, _, last = part.label.partition(" to ")
        asked = {"from_date": first, "to_date": last or first, "time_in_ms": "true", **more}
        if given.project_id:
            asked["project_id"] = given.project_id
        head, answered = b"", False
        try:
            with self._client.stream(
                "GET",
                f"{base}/api/2.0/export",
                params=asked,
                auth=self._credentials(),
                headers={"Accept-Encoding": "gzip", "Accept": "text/plain"},
            ) as answer:
                stays(answer, "Mixpanel")
                if answer.status_code != 200:
                    raise refusal(
                        answer.status_code,
                        _head(answer),
                        answer.headers,
                        bool(given.username),
                    )
                answered, self._told_at = True, date_of(answer.headers)
                for block in blocks(answer, broken_off):
                    if len(head) < HEAD:
                        head = (head + block).lstrip()[:HEAD]
                        is_export(head, whole=False)
                    yield lines.feed(block)
                is_export(head, whole=True)
        except httpx.TransportError as error:
            if answered:
                raise broken_off() from error
            raise silent("Mixpanel", error) from error
        yield lines.finish()

    def _credentials(self) -> tuple[str, str]:
        """User name and password of the call; a project's secret stands alone."""
        given, secret = self._settings, self._opening.secret
        if not given.username:
            return secret(given.secret), ""
        if not given.project_id:
            raise BadQuery(
                "no_project",
                "A service account needs the project's number.",
                fix='Add project_id = "…", as Project settings have it.',
                where="project_id",
            )
        return secret(given.username), secret(given.secret)


def _head(answer: httpx.Response) -> bytes:
    """The beginning of a refusal's body."""
    found = b""
    try:
        for block in blocks(answer, broken_off):
            found += block
            if len(found) > 4_096:
                break
    except (httpx.TransportError, UpwellError):
        pass  # the status alone says enough
    return found[:4_096]
