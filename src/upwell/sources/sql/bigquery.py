"""BigQuery, by Google's own client: what a query may cost, who asks, and what its errors mean.

Each query is billed by what it reads, so it has a bound of bytes beside that of time, and is asked
for its columns by a dry run, which costs nothing. The client makes its own session of `requests`:
it is asked only after the host was judged, follows no redirects, uses no proxies from the
environment, and signs each request itself, so that no second host is called.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from google.api_core import exceptions as answered
from google.auth import exceptions as refused
from google.cloud import bigquery
from google.cloud.bigquery import dbapi
from requests import Response
from requests import exceptions as lost
from sqlalchemy.engine import URL

from upwell.errors import Rejected, UpwellError
from upwell.sources.contract import QuotaGone, Truncated
from upwell.sources.google import nobody, signer
from upwell.sources.sql.refusals import refusal
from upwell.sources.sql.vendors import CONNECT, Vendor

MOST_BYTES = 10 * 10**9  # that one query may be billed for
PAGE = 10_000  # rows of an answer

_HOST = "https://bigquery.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/bigquery"
_KEY = (
    'Make a key of type JSON for the service account, and give credentials = "file:PATH" of it '
    "beside `url`."
)
_FIRST = dt.datetime(1900, 1, 1)
_BROKEN = (lost.ChunkedEncodingError, lost.ContentDecodingError, lost.JSONDecodeError)
_SOON, _LATER = 60.0, 3_600.0  # seconds to wait: too much at once, a quota of the day


class BigQuery(Vendor):
    """A project that pays for queries; the data may lie in another one."""

    title = "BigQuery"
    driver = "bigquery"
    allowed = frozenset(("api_endpoint", "location", "maximum_bytes_billed"))
    stretch = 1_000_000  # each statement is billed for whole tables, however few rows it gives
    raises = (answered.GoogleAPIError, refused.GoogleAuthError)

    def __init__(self) -> None:
        self._client: _Client | None = None

    def reached(self, url: URL) -> tuple[str, int]:
        """Google's address, or that of `api_endpoint`; the host of the URL is a project."""
        parts = urlsplit(_endpoint(url))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Rejected(
                "bad_address",
                "`api_endpoint` is no address of BigQuery.",
                fix="Leave it out, or write it as https://host.",
                where="url",
            )
        return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)

    def addressed(self, url: URL) -> URL:
        """The dialect is handed a client and makes none of its own."""
        return url.set(query={"user_supplied_client": "true", "arraysize": str(PAGE)})

    def arguments(
        self, url: URL, key: str, seconds: float, addresses: tuple[str, ...]
    ) -> dict[str, Any]:
        """A client that is bound in time and bytes."""
        del addresses
        bounds = bigquery.QueryJobConfig(
            maximum_bytes_billed=_bytes(url), job_timeout_ms=int(seconds * 1000)
        )
        if url.database:
            bounds.default_dataset = f"{url.host}.{url.database}"
        location = url.query.get("location")
        endpoint = _endpoint(url)
        self.close()
        self._client = _Client(
            project=url.host,
            credentials=signer(key, _SCOPE, _KEY, "BigQuery needs the key of a service account.")
            if endpoint.startswith("https:")
            else nobody(),
            location=str(location) if location else None,
            default_query_job_config=bounds,
            client_options={"api_endpoint": endpoint},
        )
        self._client.seconds = seconds
        self._client._http.trust_env = False
        self._client._http.max_redirects = 0
        self._client._http.hooks["response"].append(_whole)
        return {"client": self._client, "prefer_bqstorage_client": False}

    def close(self) -> None:
        """Close the client's connections."""
        client, self._client = self._client, None
        if client is not None:
            client.close()  # type: ignore[no-untyped-call]

    def probing(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """A dry run; a parameter needs a type, and so a value: a TIMESTAMP and a STRING."""
        first = {"cursor_time": _FIRST.replace(tzinfo=dt.UTC), "cursor_id": ""}
        options = {"job_config": bigquery.QueryJobConfig(dry_run=True)}
        return {name: first.get(name) for name in given}, options

    def lowest(self, type_: str) -> Any:
        """BigQuery compares values of one type only."""
        return {"DATETIME": _FIRST, "BYTES": b""}.get(type_, super().lowest(type_))

    def told(self, error: BaseException, where: str, seconds: float) -> UpwellError | None:
        """What Google's client says, by the reason in Google's answer."""
        # What happens while a query is asked for comes inside an error of the DB-API.
        inner = error.args[0] if isinstance(error, dbapi.DatabaseError) else error
        if isinstance(inner, refused.GoogleAuthError):
            return refusal(self.title, ("authError",), str(inner), where, seconds, asked=True)
        if isinstance(inner, _BROKEN):
            return Truncated("truncated", "BigQuery's answer ended in the middle.")
        if isinstance(inner, TimeoutError):
            return refusal(self.title, ("stopped",), "", where, seconds, asked=True)
        if isinstance(inner, lost.RequestException):
            return refusal(self.title, (), type(inner).__name__, where, seconds, asked=False)
        if not isinstance(inner, answered.GoogleAPICallError):
            return None
        first = inner.errors[0] if inner.errors else {}
        first = first if isinstance(first, Mapping) else {}
        reason, said = str(first.get("reason", "")), str(first.get("message") or inner.message)
        if inner.code == 401:
            reason = "authError"
        if reason in ("rateLimitExceeded", "jobRateLimitExceeded") or inner.code == 429:
            return _gone(said, _SOON)
        if reason == "quotaExceeded":
            return _gone(said, _LATER)
        asked = inner.code in (400, 404)
        return refusal(self.title, (reason,), said, where, seconds, asked=asked)


class _Client(bigquery.Client):
    """It waits no longer than a query may take, and leaves trying again to who reads."""

    seconds = 0.0

    def query_and_wait(self, query: str, **given: Any) -> Any:
        """As Google's, with a bound."""
        bound = self.seconds + CONNECT
        given |= {"api_timeout": bound, "wait_timeout": bound, "retry": None, "job_retry": None}
        return super().query_and_wait(query, **given)


def _whole(answer: Response, **_: Any) -> None:
    """A line that breaks among the headers leaves an answer that says neither size nor anything."""
    if answer.ok and not answer.content:
        raise lost.ChunkedEncodingError("no body")


def _endpoint(url: URL) -> str:
    return str(url.query.get("api_endpoint") or _HOST).rstrip("/")


def _bytes(url: URL) -> int:
    given = str(url.query.get("maximum_bytes_billed", MOST_BYTES))
    if not given.isdecimal() or not int(given):
        raise Rejected(
            "bad_url",
            f"`maximum_bytes_billed` of `url` is '{given[:40]}'.",
            fix=f"Write bytes as a whole number: maximum_bytes_billed={MOST_BYTES}.",
            where="url",
        )
    return int(given)


def _gone(said: str, after: float) -> QuotaGone:
    return QuotaGone(
        f"BigQuery answers no more for now: {said[:300]}",
        after,
        fix="Nothing is to be done: reading goes on when the project's quota is back.",
    )
