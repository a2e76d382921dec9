"""Apache Superset, twelve tiles over the same rows: `python -m bench.peers.superset --venv DIR`.

It is installed apart, because it holds many packages at versions of its own:

    python -m venv DIR
    DIR/bin/pip install apache-superset==6.1.0 duckdb-engine rich \\
        "cachelib<0.14" "flask-caching<2.4" cachetools

What it reads is a DuckDB file with the events of the demo company that `bench` keeps. Its caches
of results are off, as is the delay of tiles that are out of sight; the rest is as it comes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import duckdb
from playwright.sync_api import Browser, Page, sync_playwright

from bench.figures import Table, ms, percentile
from bench.house import TICKS, free_port, until
from bench.pages import busy_of
from bench.screen import CHROMIUM, FLAGS, HEIGHT, WATCH, WIDTH, demo

NAME = "Apache Superset"
LOADS = 6
CONFIG = """\
SECRET_KEY = "only for a measurement on this machine"
SQLALCHEMY_DATABASE_URI = "sqlite:///{folder}/superset.db?check_same_thread=false"
WTF_CSRF_ENABLED = False
TALISMAN_ENABLED = False
PREVENT_UNSAFE_DB_CONNECTIONS = False
FEATURE_FLAGS = {{"DASHBOARD_VIRTUALIZATION": False}}
"""
ROWS = """create table events as select product, type, make_timestamp(ts) as ts, actor,
  value::double as value, currency from house.events where superseded_at is null and not excluded"""
FIGURES = {
    "Net revenue": "sum(case when type = 'revenue' then value else 0 end)",
    "Signups": "sum(case when type = 'signup' then 1 else 0 end)",
    "Cancellations": "sum(case when type = 'churn' then 1 else 0 end)",
    "Activations": "sum(case when type = 'activation' then 1 else 0 end)",
    "Page views": "sum(case when type = 'page_view' then 1 else 0 end)",
    "Active users": "count(distinct actor)",
}
# Milliseconds since the page began to be asked for, when every tile is drawn.
_DRAWN = """() => new Promise((resolve) => {
  const look = () => {
    const tiles = [...document.querySelectorAll('[class*="dashboard-chart-id-"]')];
    const done = tiles.filter((tile) =>
      !tile.querySelector('.loading, [data-test="loading-indicator"]')
      && tile.querySelector('canvas, svg, .header-line'));
    if (done.length >= %d) resolve(performance.now());
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""


class Superset:
    """A server of its own folder; a context manager that ends it."""

    def __init__(self, venv: Path, folder: Path) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._venv = venv
        self._folder = folder
        self._token = ""
        (folder / "superset_config.py").write_text(CONFIG.format(folder=folder))
        self._env = {
            **os.environ,
            "FLASK_APP": "superset",
            "SUPERSET_CONFIG_PATH": str(folder / "superset_config.py"),
        }
        for words in (
            ("db", "upgrade"),
            ("fab", "create-admin", "--username", "bench", "--firstname", "b", "--lastname", "b",
             "--email", "b@example.com", "--password", "bench"),
            ("init",),
        ):  # fmt: skip
            self._run(*words)
        log = (folder / "superset.log").open("ab")
        self._process = subprocess.Popen(
            [str(venv / "bin/gunicorn"), "--bind", f"127.0.0.1:{self.port}", "--workers", "2",
             "--worker-class", "gthread", "--threads", "8", "superset.app:create_app()"],
            env=self._env, stdout=log, stderr=log, cwd=folder,
        )  # fmt: skip
        log.close()

    def __enter__(self) -> Self:
        until(self._answers, 180, "Superset to answer", every=0.25)
        said = self._post(
            "security/login",
            {"username": "bench", "password": "bench", "provider": "db", "refresh": True},
        )
        self._token = said["access_token"]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _run(self, *words: str) -> None:
        command = [str(self._venv / "bin/superset"), *words]
        done = subprocess.run(
            command, env=self._env, capture_output=True, text=True, timeout=600, check=False
        )
        if done.returncode:
            raise RuntimeError(f"superset {' '.join(words)}: {done.stderr[-2000:]}")

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=5):
                return True
        except OSError:
            return False

    def _post(self, path: str, body: Any) -> Any:
        return self._send("POST", path, body)

    def _send(self, method: str, path: str, body: Any) -> Any:
        asked = urllib.request.Request(
            f"{self.address}/api/v1/{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"},
            method=method,
        )
        try:
            with urllib.request.urlopen(asked, timeout=120) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            said = refused.read()[:1000]
            raise RuntimeError(f"Superset, {method} {path}: {refused.code} {said!r}") from None

    def dashboard(self, rows: Path) -> str:
        """A dashboard of twelve tiles over a DuckDB file of events; its path."""
        uri = f"duckdb:///{rows}?access_mode=read_only"
        base = self._post("database/", {"database_name": "rows", "sqlalchemy_uri": uri})["id"]
        data = self._post("dataset/", {"database": base, "schema": "main", "table_name": "events"})[
            "id"
        ]
        board = self._post("dashboard/", {"dashboard_title": "Home", "published": True})["id"]
        tiles = [
            self._post(
                "chart/",
                {
                    "slice_name": f"{title}{' by product' if split else ''}",
                    "viz_type": "echarts_timeseries_line" if split else "big_number",
                    "datasource_id": data,
                    "datasource_type": "table",
                    "dashboards": [board],
                    "params": json.dumps(_asked(data, title, sql, split)),
                },
            )["id"]
            for split in (False, True)
            for title, sql in FIGURES.items()
        ]
        self._lay(board, tiles)
        return f"/superset/dashboard/{board}/"

    def _lay(self, board: int, tiles: list[int]) -> None:
        rows = [tiles[n : n + 6] for n in range(0, len(tiles), 6)]
        place: dict[str, Any] = {
            "DASHBOARD_VERSION_KEY": "v2",
            "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
            "GRID_ID": {
                "type": "GRID", "id": "GRID_ID", "parents": ["ROOT_ID"],
                "children": [f"ROW-{n}" for n in range(len(rows))],
            },
        }  # fmt: skip
        for n, row in enumerate(rows):
            place[f"ROW-{n}"] = {
                "type": "ROW", "id": f"ROW-{n}", "parents": ["ROOT_ID", "GRID_ID"],
                "children": [f"CHART-{one}" for one in row],
                "meta": {"background": "BACKGROUND_TRANSPARENT"},
            }  # fmt: skip
            for one in row:
                place[f"CHART-{one}"] = {
                    "type": "CHART", "id": f"CHART-{one}", "children": [],
                    "parents": ["ROOT_ID", "GRID_ID", f"ROW-{n}"],
                    "meta": {"chartId": one, "width": 2, "height": 40},
                }  # fmt: skip
        self._send("PUT", f"dashboard/{board}", {"position_json": json.dumps(place)})

    def cpu(self) -> float:
        """CPU seconds of the server and its workers so far."""
        mine = {self._process.pid}
        found = 0.0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            if mine & {int(stat.parent.name), int(fields[1])}:
                found += (int(fields[11]) + int(fields[12])) / TICKS
        return found

    def load(self, browser: Browser, path: str) -> Load:
        """Until all twelve are drawn, in a browser that has nothing of it."""
        with _page(browser) as page:
            page.context.request.post(
                f"{self.address}/login/", form={"username": "bench", "password": "bench"}
            )
            return _loaded(page, self.address + path, _DRAWN % (2 * len(FIGURES)), self.cpu)


class Load(NamedTuple):
    """Seconds from the address to the last tile; CPU seconds of the page and of the server."""

    shown: float
    page: float
    server: float


@contextmanager
def _page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
    try:
        page = context.new_page()
        page.set_default_timeout(120_000)
        yield page
    finally:
        context.close()


def _loaded(page: Page, address: str, drawn: str, cpu: Callable[[], float]) -> Load:
    page_cpu = busy_of(page)
    began = cpu()
    page.goto(address, wait_until="commit")
    shown = float(page.evaluate(drawn)) / 1000
    return Load(shown, page_cpu(), cpu() - began)


def _asked(data: int, title: str, sql: str, split: bool) -> dict[str, Any]:
    metric = {"expressionType": "SQL", "sqlExpression": sql, "label": title}
    return {
        "datasource": f"{data}__table",
        "viz_type": "echarts_timeseries_line" if split else "big_number",
        "granularity_sqla": "ts",
        "x_axis": "ts",
        "time_grain_sqla": "P1D",
        "time_range": "Last 28 days",
        "adhoc_filters": [
            {"expressionType": "SIMPLE", "subject": "ts", "operator": "TEMPORAL_RANGE",
             "comparator": "Last 28 days", "clause": "WHERE"},
        ],
        "row_limit": 10_000,
        **({"metrics": [metric], "groupby": ["product"]} if split else {"metric": metric}),
    }  # fmt: skip


def measure(venv: Path, work: Path) -> Table:
    """Both in the same browser, in turns, on the same machine."""
    ours: list[Load] = []
    theirs: list[Load] = []
    with demo(work):
        pass  # its history is there afterwards
    rows = work / "superset-rows.duckdb"
    count = _rows(work / "demo" / "projection.duckdb", rows)
    folder = Path(tempfile.mkdtemp(dir=work, prefix="superset-"))
    with (
        Superset(venv, folder) as superset,
        demo(work) as server,
        sync_playwright() as player,
    ):
        browser = player.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        path = superset.dashboard(rows)
        for _ in range(LOADS + 1):
            with _page(browser) as page:
                page.add_init_script(WATCH)
                ours.append(
                    _loaded(page, server.address, "() => window.drawn",
                            lambda: sum(server.cpu().values()))
                )  # fmt: skip
            theirs.append(superset.load(browser, path))
        browser.close()
    return Table(
        title=f"From the address to the last tile, {count:,} events, nothing cached in the browser",
        columns=("", "p50", "worst", "CPU of the page, p50", "CPU of the server, p50"),
        rows=(_row("Upwell, Home: 6 figures, 12 products by 5 metrics", ours), _row(NAME, theirs)),
    )


def _row(name: str, loads: list[Load]) -> tuple[str, ...]:
    shown, page, server = zip(*loads[1:], strict=True)  # not the browser's own first time
    middle = (ms(percentile(list(one), 0.5)) for one in (page, server))
    return (name, ms(percentile(list(shown), 0.5)), ms(max(shown)), *middle)


def _rows(house: Path, rows: Path) -> int:
    """The events of a house that has stopped, as a table on their own; how many."""
    rows.unlink(missing_ok=True)
    with duckdb.connect(str(rows)) as db:
        db.execute(f"attach '{house}' as house (read_only)")
        db.execute(ROWS)
        ((count,),) = db.execute("select count(*) from events").fetchall()
    return int(count)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--venv", type=Path, required=True, help="where Superset is installed")
    usual = Path(tempfile.gettempdir()) / "upwell-bench"
    arguments.add_argument("--work", type=Path, default=usual, help="[%(default)s]")
    chosen = arguments.parse_args()
    if shutil.which(str(chosen.venv / "bin/superset")) is None:
        arguments.error(f"there is no Superset in {chosen.venv}: see above how it is installed")
    chosen.work.mkdir(parents=True, exist_ok=True)
    table = measure(chosen.venv.resolve(), chosen.work.resolve())
    print(f"{table.title}\n\n{table.text()}")


if __name__ == "__main__":
    main()
