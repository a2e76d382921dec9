"""Questions to Google's Data API, by Google's own client, and what its errors mean.

The client makes its own session of `requests`, whose requests are sent by `send`: judged, bounded,
without redirects and proxies from the environment. With a key it signs each request itself, so that
no second host is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from google.analytics import data_v1beta as api
from google.analytics.data_v1beta.services.beta_analytics_data.transports.rest import (
    BetaAnalyticsDataRestTransport,
)
from google.api_core import exceptions as answered
from google.auth import exceptions as refused
from google.protobuf.json_format import ParseError  # type: ignore[import-untyped]
from requests import PreparedRequest, Response
from requests import exceptions as lost
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from upwell.errors import Rejected, Unavailable, UpwellError
from upwell.metrics.reported import OTHER_ROW, SAMPLED, THRESHOLDED, WITHHELD
from upwell.sources.contract import BadQuery, NotAllowed, QuotaGone, SignIn, Truncated
from upwell.sources.ga4.cursor import Quota, until_hour, until_midnight
from upwell.sources.ga4.reports import METRICS, Row, dimensions_of
from upwell.sources.google import nobody, signer

LIMIT = 10_000  # rows of one report in one answer
BATCH = 5  # reports in one request: Google's most
_TIMEOUT = 120.0
_HOST = "analyticsdata.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/analytics.readonly"
_KEY = 'Make a key of type JSON for the service account, and give credentials = "file:PATH" of it.'
_SOON = 10.0  # seconds to wait where too much was asked at once


class Asked(NamedTuple):
    """Days of one report, from a row on."""

    report: str
    start: str
    end: str
    offset: int


class Got(NamedTuple):
    """A piece of a report: `total` rows are in all of it; `flags` as in `metrics.reported`."""

    rows: list[Row]
    total: int
    zone: str
    currency: str
    flags: int


Send = Callable[[str, str, Mapping[str, str], bytes], tuple[int, Mapping[str, str], bytes]]
"""Sends method, URL, headers and body; -> status, headers and body. Raises as sources do."""


class _Sent(BaseAdapter):
    """Lets what Google's client asks be sent by ours."""

    def __init__(self, send: Send) -> None:
        super().__init__()
        self._send = send

    def send(self, request: PreparedRequest, *_: Any, **__: Any) -> Response:
        body = request.body or b""
        status, headers, said = self._send(
            request.method or "POST",
            request.url or "",
            {str(name): str(value) for name, value in request.headers.items()},
            body if isinstance(body, bytes) else str(body).encode(),
        )
        found = Response()
        found.request, found.url = request, request.url or ""
        found.status_code, found.headers = status, CaseInsensitiveDict(headers)
        found._content = said
        return found

    def close(self) -> None:
        """Nothing is held: the client is closed by who made it."""


class Google:
    """One property; `quota` is what the last answer said is left, `spent` what it took."""

    def __init__(
        self,
        owner: str,
        base: str,
        key: Callable[[], str],
        reach: Callable[[str, int], Any],
        send: Send,
    ) -> None:
        parts = urlsplit(base or f"https://{_HOST}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Rejected(
                "bad_address",
                f"'{base}' is no address of the Data API.",
                fix="Leave api_base out, or write it as https://host.",
                where="api_base",
            )
        self._name = f"properties/{owner.removeprefix('properties/')}"
        self._host = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        self._reach = reach
        made = signer(key(), _SCOPE, _KEY) if parts.scheme == "https" else nobody()
        transport = BetaAnalyticsDataRestTransport(
            host=parts.netloc,
            url_scheme=parts.scheme,
            credentials=made,
            always_use_jwt_access=True,
        )
        transport._session.trust_env = False
        transport._session.max_redirects = 0
        for scheme in ("https://", "http://"):
            transport._session.mount(scheme, _Sent(send))
        self._client = api.BetaAnalyticsDataClient(transport=transport)
        self._transport = transport
        self.quota: Quota | None = None
        self.spent = 0

    def batch(self, asked: Sequence[Asked], now: int) -> list[Got]:
        """What Google answers to at most five questions; `now` in epoch seconds.

        Raises SignIn, NotAllowed, BadQuery, QuotaGone, Truncated, Rejected or Unavailable.
        """
        requests = [_request(self._name, one) for one in asked]
        with self._asking(now):
            found = self._client.batch_run_reports(
                api.BatchRunReportsRequest(property=self._name, requests=requests),
                retry=None,
                timeout=_TIMEOUT,
            )
        reports = type(found).pb(found).reports
        if len(reports) != len(asked):
            raise Truncated("truncated", f"Google answered {len(reports)} of {len(asked)} reports.")
        self._heed(reports, now)
        return [_got(report) for report in reports]

    def zone(self, now: int) -> tuple[str, str]:
        """The property's time zone and currency."""
        today = Asked("day", "today", "today", 0)
        with self._asking(now):
            found = self._client.run_report(
                _request(self._name, today), retry=None, timeout=_TIMEOUT
            )
        report = type(found).pb(found)
        self._heed([report], now)
        return report.metadata.time_zone or "UTC", report.metadata.currency_code

    def close(self) -> None:
        """Close its connections."""
        self._transport.close()  # type: ignore[no-untyped-call]

    @contextmanager
    def _asking(self, now: int) -> Iterator[None]:
        self._reach(*self._host)
        try:
            yield
        except (answered.GoogleAPIError, refused.GoogleAuthError) as error:
            raise _told(error, now, self._name) from error
        except ParseError as error:
            raise Truncated("truncated", "Google's answer ended in the middle.") from error
        except lost.RequestException as error:
            raise Unavailable(
                "unreachable", f"Google Analytics does not answer: {type(error).__name__}."
            ) from error

    def _heed(self, reports: Sequence[Any], now: int) -> None:
        """Remember what is left of the property's tokens, and what these reports took."""
        quotas = [report.property_quota for report in reports]
        quotas = [quota for quota in quotas if quota.HasField("tokens_per_hour")]
        self.spent = sum(quota.tokens_per_hour.consumed for quota in quotas)
        if not quotas:
            return
        hours = [quota.tokens_per_hour.remaining for quota in quotas]
        hours += [
            quota.tokens_per_project_per_hour.remaining
            for quota in quotas
            if quota.HasField("tokens_per_project_per_hour")
        ]
        day = min(quota.tokens_per_day.remaining for quota in quotas)
        self.quota = Quota(at=now, hour=min(hours), day=day)


def _request(owner: str, asked: Asked) -> api.RunReportRequest:
    dimensions = dimensions_of(asked.report)
    return api.RunReportRequest(
        property=owner,
        dimensions=[api.Dimension(name=name) for name in dimensions],
        metrics=[api.Metric(name=name) for name in METRICS.values()],
        date_ranges=[api.DateRange(start_date=asked.start, end_date=asked.end)],
        # The same order each time, so that pages meet.
        order_bys=[
            api.OrderBy(dimension=api.OrderBy.DimensionOrderBy(dimension_name=name))
            for name in dimensions
        ],
        offset=asked.offset,
        limit=LIMIT,
        return_property_quota=True,
    )


def _got(report: Any) -> Got:
    said = report.metadata
    flags = OTHER_ROW if said.data_loss_from_other_row else 0
    flags |= THRESHOLDED if said.subject_to_thresholding else 0
    flags |= SAMPLED if len(said.sampling_metadatas) else 0
    hidden = said.schema_restriction_response.active_metric_restrictions
    flags |= WITHHELD if any(one.metric_name == METRICS["revenue"] for one in hidden) else 0
    rows = [
        [cell.value for cell in row.dimension_values] + [cell.value for cell in row.metric_values]
        for row in report.rows
    ]
    return Got(rows, report.row_count, said.time_zone or "UTC", said.currency_code, flags)


def _told(error: Exception, now: int, owner: str) -> UpwellError:
    """What an answer that is none means, and what to do."""
    said = str(getattr(error, "message", "") or error)[:300]
    match error:
        case answered.TooManyRequests():
            return _gone(said, now)
        case answered.Unauthorized() | refused.RefreshError() | refused.InvalidOperation():
            return SignIn(
                "sign_in_failed",
                f"Google does not take the credentials: {said}",
                fix="Make a new key of the service account, and let credentials name its file.",
            )
        case answered.Forbidden():
            return NotAllowed(
                "not_allowed",
                f"Google refuses to show {owner}: {said}",
                fix="Add the service account's e-mail as a viewer of the property, and turn on "
                "the Google Analytics Data API in its project.",
            )
        case answered.BadRequest():
            return BadQuery("bad_query", f"Google cannot answer a report: {said}")
        case answered.NotFound():
            return Rejected(
                "no_property",
                f"There is no {owner}.",
                fix="Give the property's number, as Admin, Property details says it.",
                where="property",
            )
        case _:
            return Unavailable("unreachable", f"Google Analytics does not answer: {said}")


def _gone(said: str, now: int) -> QuotaGone:
    """Which quota is gone, by Google's words, and how long until it is back."""
    words = said.lower()
    if "per day" in words:
        after: float = until_midnight(now)
    elif "concurrent" in words:
        after = _SOON
    else:
        after = until_hour(now)
    return QuotaGone(
        f"Google answers no more for now: {said}",
        after,
        fix="Nothing is to be done: reading goes on when the property's quota is back.",
    )
