"""BigQuery for tests: the REST contract that Google publishes (v2), over tables of DuckDB.

Queries are BigQuery's own SQL, turned into DuckDB's by `sqlglot`; what BigQuery refuses and DuckDB
would take is refused here. It is asked by Google's own client, and proves the way of a query, its
pages, bounds and errors. That a text means in BigQuery what it means here, it cannot prove.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import threading
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tests.bigquery_sql import PROJECT, Refused, Tables

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LEAST = 10 * 2**20  # bytes that a query is billed for at least


class Job(NamedTuple):
    """A query that was run."""

    id: str
    query: str
    schema: Sequence[dict[str, str]]
    rows: Sequence[Sequence[Any]]
    bytes: int
    ready: float  # when it is done, as `time.monotonic` counts


class BigQuery:
    """A project with one dataset; `run` fills it, `url` is where it is read."""

    def __init__(self) -> None:
        self._tables = Tables()
        self.run = self._tables.run
        self._numbers = itertools.count()
        self._jobs: dict[str, Job] = {}
        self.asked: list[dict[str, Any]] = []  # bodies of the queries
        self.billed = 0
        self.refusing: Refused | None = None
        self.takes = 0.0  # seconds of a query
        self.patience = 10.0  # seconds that a call waits for one, at the most
        world = self

        class Handler(_Handler):
            bigquery = world

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        """Of a source, with the address of this server."""
        return self.url_at(self.port)

    def url_at(self, port: int) -> str:
        """Reached through a port of this machine."""
        return f"bigquery://{PROJECT}?api_endpoint=http://127.0.0.1:{port}"

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._tables.close()

    # -- what it is asked ------------------------------------------------------------------------

    def query(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """jobs.query."""
        self.asked.append(dict(asked))
        if self.refusing is not None:
            raise self.refusing
        names, rows, read = self._tables.answer(asked)
        most = asked.get("maximumBytesBilled")
        charged = max(LEAST, read)
        if asked.get("dryRun"):
            return _found(names, complete=True) | {"totalBytesProcessed": str(read)}
        if most is not None and charged > int(most):
            said = f"Query exceeded limit for bytes billed: {most}. {charged} or higher required."
            raise Refused(400, "bytesBilledLimitExceeded", said)
        self.billed += charged
        self._wait(float(asked.get("jobTimeoutMs", 2**40)) / 1000)
        id_ = f"job_{next(self._numbers)}"
        wait = min(self.patience, float(asked.get("timeoutMs", 10_000)) / 1000)
        job = Job(id_, asked["query"], names, rows, read, time.monotonic() + self.takes)
        self._jobs[id_] = job
        time.sleep(min(wait, self.takes))
        return self.results(id_, {"maxResults": asked.get("maxResults"), "timeoutMs": 0})

    def _wait(self, most: float) -> None:
        if self.takes > most:
            time.sleep(most)
            said = f"Job execution was cancelled: Job timed out after {most:g}s"
            raise Refused(400, "stopped", said)

    def results(self, id_: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """jobs.getQueryResults."""
        job = self._job(id_)
        left = job.ready - time.monotonic()
        if left > 0:
            time.sleep(min(left, float(given.get("timeoutMs") or 0) / 1000))
        if job.ready > time.monotonic():
            return _found((), complete=False, id_=id_)
        first, most = int(given.get("pageToken") or 0), given.get("maxResults")
        last = len(job.rows) if most is None else first + int(most)
        rows = [{"f": [{"v": _cell(cell)} for cell in row]} for row in job.rows[first:last]]
        body = _found(job.schema, complete=True, id_=id_)
        body |= {"totalRows": str(len(job.rows)), "totalBytesProcessed": str(job.bytes)}
        body |= {"rows": rows} if rows else {}
        return body | ({"pageToken": str(last)} if last < len(job.rows) else {})

    def job(self, id_: str) -> dict[str, Any]:
        """jobs.get."""
        job = self._job(id_)
        done = job.ready <= time.monotonic()
        return {
            "kind": "bigquery#job",
            "id": f"{PROJECT}:US.{id_}",
            "jobReference": _reference(id_),
            "configuration": {"jobType": "QUERY", "query": {"query": job.query}},
            "status": {"state": "DONE" if done else "RUNNING"},
            "statistics": {"query": {"statementType": "SELECT"}},
        }

    def _job(self, id_: str) -> Job:
        if id_ not in self._jobs:
            raise Refused(404, "notFound", f"Not found: Job {PROJECT}:{id_}")
        return self._jobs[id_]


def _cell(cell: Any) -> str | None:
    if isinstance(cell, dt.datetime):
        return str((cell.replace(tzinfo=dt.UTC) - EPOCH) // dt.timedelta(microseconds=1))
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, Decimal):
        return format(cell, "f")
    return None if cell is None else str(cell)


def _reference(id_: str) -> dict[str, str]:
    return {"projectId": PROJECT, "jobId": id_, "location": "US"}


def _found(schema: Sequence[dict[str, str]], *, complete: bool, id_: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"kind": "bigquery#queryResponse", "jobComplete": complete}
    if id_:
        found["jobReference"] = _reference(id_)
    return found | ({"schema": {"fields": list(schema)}, "totalRows": "0"} if complete else {})


class _Handler(BaseHTTPRequestHandler):
    """Paths of the contract."""

    bigquery: BigQuery
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """jobs.query, jobs.cancel."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(json.loads(body or b"{}"))

    def do_GET(self) -> None:
        """jobs.get, jobs.getQueryResults."""
        self._answer(None)

    def _answer(self, body: Any) -> None:
        parts = urlsplit(self.path)
        given = {name: values[0] for name, values in parse_qs(parts.query).items()}
        try:
            status, found = 200, self._found(parts.path, given, body)
        except Refused as error:
            status, found = error.status, error.body()
        text = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _found(self, path: str, given: Mapping[str, str], body: Any) -> dict[str, Any]:
        match path.removeprefix(f"/bigquery/v2/projects/{PROJECT}/").split("/"):
            case ["queries"] if body is not None:
                return self.bigquery.query(body)
            case ["queries", id_]:
                assert given.get("formatOptions.useInt64Timestamp") == "True"
                return self.bigquery.results(id_, given)
            case ["jobs", id_]:
                return self.bigquery.job(id_)
            case ["jobs", id_, "cancel"]:
                return {"kind": "bigquery#jobCancelResponse", "job": self.bigquery.job(id_)}
        raise Refused(404, "notFound", f"Not found: {path}")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
