"""The Data API (v1beta) of one property: reports, batches, quotas, and failures on demand.

Written from Google's published reference; Google's own client reads it.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from upwell.demo.ga4.table import Table
from upwell.period import MICROS, Zone, to_date, to_micros

FIELDS = {
    "sessionDefaultChannelGroup": "channel",
    "countryId": "country",
    "deviceCategory": "device",
    "landingPage": "page",
    "sessionSourceMedium": "source",
}
METRICS = ("sessions", "totalUsers", "newUsers", "screenPageViews", "keyEvents", "totalRevenue")
_PATH = re.compile(r"/v1beta/properties/(\d+)(:runReport|:batchRunReports|/metadata)")
_PACIFIC = Zone("America/Los_Angeles")
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
}
Failure = int | Literal["cut", "short"]
"""A status; `cut`: the connection ends within the body; `short`: only half a body is sent."""


class Answer(NamedTuple):
    """An HTTP answer; `sent` is how much of the body goes out before the connection ends."""

    status: int
    body: bytes
    sent: int


class Refusal(Exception):
    """An answer that is none."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class FakeGa4:
    """One property and what is left of its quotas; `clock` says what time it is.

    `most` rows a day are kept apart in a report, the others are its `(other)` row; rows of fewer
    users than `threshold` are left out; an answer has at most `page` rows of a report. `fail` is
    what the next requests are answered with. A `blind` caller sees no money: it is 0.
    """

    def __init__(
        self,
        clock: Callable[[], dt.datetime],
        table: Table | None = None,
        *,
        property_: str = "1234",
        zone: str = "Europe/Berlin",
        currency: str = "EUR",
        most: int = 10_000,
        threshold: int = 0,
        sampled: bool = False,
        blind: bool = False,
        hour: int = 40_000,
        day: int = 200_000,
        project: int = 14_000,
        page: int = 100_000,
    ) -> None:
        self.clock, self.table = clock, table or Table()
        self.property, self.currency, self.zone = property_, currency, Zone(zone)
        self.most, self.threshold, self.sampled = most, threshold, sampled
        self.page, self.blind = page, blind
        self.limits = {"Hour": hour, "Day": day, "Project": project}
        self.used = dict.fromkeys(self.limits, 0)
        self._at = (0, 0)
        self.fail: deque[Failure] = deque()
        self.hidden: set[str] = set()  # values of which no row is shown any more
        self.requests: list[str] = []
        self.reports = 0
        self.tokens = 0
        self.lock = threading.Lock()

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """What a request is answered with."""
        with self.lock:
            self.requests.append(path)
            failure = self.fail.popleft() if self.fail else None
            if isinstance(failure, int):
                return _error(failure, "It was told to fail.")
            try:
                found = json.dumps(self._called(method, path, body)).encode()
            except Refusal as refusal:
                return _error(refusal.status, str(refusal))
        half = found[: len(found) // 2]
        if failure == "short":
            return Answer(200, half, len(half))
        return Answer(200, found, len(half) if failure == "cut" else len(found))

    def rows(self, by: tuple[str, ...], date: dt.date) -> dict[tuple[str, ...], tuple[float, ...]]:
        """A day of a report by Google's names of dimensions, as the property knows it now."""
        age = (to_micros(self.clock()) - self.zone.opens((date - _EPOCH).days)) / 86_400e6
        fields = [FIELDS[name] for name in by]
        found = self.table.rows(date, fields, age)
        kept = {
            key: row
            for key, row in found.items()
            if row[1] >= self.threshold and self.hidden.isdisjoint(key)
        }
        if not by or len(kept) <= self.most:
            return kept
        named = sorted(kept, key=lambda key: (-kept[key][0], key))
        shown = {key: kept[key] for key in named[: self.most]}
        rest = [kept[key] for key in named[self.most :]]
        shown[("(other)",) * len(by)] = tuple(map(sum, zip(*rest, strict=True)))
        return dict(sorted(shown.items()))

    def _called(self, method: str, path: str, body: bytes) -> dict[str, Any]:
        found = re.fullmatch(
            r"/v1beta/properties/(\d+)(:runReport|:batchRunReports|/metadata)", path
        )
        if found is None:
            raise Refusal(404, f"There is nothing at {path}.")
        if found[1] != self.property:
            raise Refusal(403, "User does not have sufficient permissions for this property.")
        if found[2] == "/metadata":
            return self._metadata()
        if method != "POST":
            raise Refusal(404, "Reports are asked for with POST.")
        asked = json.loads(body)
        if found[2] == ":runReport":
            return self._report(asked)
        if len(asked.get("requests", ())) > 5:
            raise Refusal(400, "A batch may have at most 5 requests.")
        reports = [self._report(one) for one in asked.get("requests", ())]
        return {"reports": reports, "kind": "analyticsData#batchRunReports"}

    def _metadata(self) -> dict[str, Any]:
        def named(names: tuple[str, ...]) -> list[dict[str, str]]:
            return [{"apiName": name, "uiName": name} for name in names]

        return {
            "name": f"properties/{self.property}/metadata",
            "dimensions": named(("date", *FIELDS)),
            "metrics": named(METRICS),
        }

    def _report(self, asked: dict[str, Any]) -> dict[str, Any]:
        by = tuple(one["name"] for one in asked.get("dimensions", ()))
        measures = tuple(one["name"] for one in asked.get("metrics", ()))
        for name in (*by, *measures):
            if name not in (*FIELDS, *METRICS, "date"):
                raise Refusal(400, f"Field {name} is not a valid dimension or metric.")
        if by[:1] != ("date",):
            raise Refusal(400, "This property is only asked by date.")
        dates = self._dates(asked["dateRanges"][0])
        table = [
            ([f"{date:%Y%m%d}", *key], [row[METRICS.index(name)] for name in measures])
            for date in dates
            for key, row in self.rows(by[1:], date).items()
        ]
        offset, limit = int(asked.get("offset", 0)), min(self.page, int(asked.get("limit", 10_000)))
        piece = table[offset : offset + limit]
        quota = self._spend(1 + len(by) + len(dates) // 30 + len(piece) // 1000)
        self.reports += 1
        found: dict[str, Any] = {
            "dimensionHeaders": [{"name": name} for name in by],
            "metricHeaders": [{"name": name, "type": "TYPE_FLOAT"} for name in measures],
            "rows": [
                {
                    "dimensionValues": [{"value": value} for value in key],
                    "metricValues": [
                        {"value": "0" if self.blind and name == METRICS[-1] else f"{number:.12g}"}
                        for name, number in zip(measures, row, strict=True)
                    ],
                }
                for key, row in piece
            ],
            "rowCount": len(table),
            "metadata": self._about(by, table),
            "kind": "analyticsData#runReport",
        }
        if asked.get("returnPropertyQuota"):
            found["propertyQuota"] = quota
        return found

    def _about(self, by: tuple[str, ...], table: list[Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"currencyCode": self.currency, "timeZone": self.zone.name}
        if any("(other)" in key for key, _ in table):
            found["dataLossFromOtherRow"] = True
        if self.threshold and len(by) > 1:
            found["subjectToThresholding"] = True
        if self.blind:
            hidden = {"metricName": "totalRevenue", "restrictedMetricTypes": ["REVENUE_DATA"]}
            found["schemaRestrictionResponse"] = {"activeMetricRestrictions": [hidden]}
        if self.sampled:
            found["samplingMetadatas"] = [
                {"samplesReadCount": "500000", "samplingSpaceSize": "15000000"}
            ]
        return found

    def _dates(self, span: dict[str, str]) -> list[dt.date]:
        today = to_date(self.zone.today(self.clock()))

        def date(text: str) -> dt.date:
            if (ago := re.fullmatch(r"(\d+)daysAgo", text)) is not None:
                return today - dt.timedelta(days=int(ago[1]))
            if text in ("today", "yesterday"):
                return today - dt.timedelta(days=text == "yesterday")
            return dt.date.fromisoformat(text)

        first, last = date(span["startDate"]), date(span["endDate"])
        return [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]

    def _spend(self, cost: int) -> dict[str, Any]:
        now = to_micros(self.clock())
        hour, day = now // MICROS // 3600, _PACIFIC.day_of(now)
        if hour != self._at[0]:
            self.used["Hour"] = self.used["Project"] = 0
        if day != self._at[1]:
            self.used["Day"] = 0
        self._at = (hour, day)
        for name, words in (("Day", "per day"), ("Hour", "per hour"), ("Project", "per hour")):
            if self.used[name] + cost > self.limits[name]:
                raise Refusal(429, f"Exhausted property tokens {words}.")
        for name in self.used:
            self.used[name] += cost
        self.tokens += cost
        left = {name: self.limits[name] - used for name, used in self.used.items()}
        return {
            "tokensPerDay": {"consumed": cost, "remaining": left["Day"]},
            "tokensPerHour": {"consumed": cost, "remaining": left["Hour"]},
            "tokensPerProjectPerHour": {"consumed": cost, "remaining": left["Project"]},
            "concurrentRequests": {"consumed": 0, "remaining": 10},
            "serverErrorsPerProjectPerHour": {"consumed": 0, "remaining": 10},
            "potentiallyThresholdedRequestsPerHour": {"consumed": 0, "remaining": 120},
        }


_EPOCH = dt.date(1970, 1, 1)


def _error(status: int, message: str) -> Answer:
    name = _STATUS.get(status, "UNAVAILABLE")
    said = {"error": {"code": status, "message": message, "status": name}}
    body = json.dumps(said).encode()
    return Answer(status, body, len(body))
