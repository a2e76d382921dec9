"""Charts for paper: the components of the pages, run without a browser.

The script is built from `ui/` (`npm run build:ssr`) and shipped inside the package.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import quickjs

from upwell.errors import Unavailable, UpwellError

BUNDLE = Path(__file__).parent / "bundle"
_encode = msgspec.json.Encoder(decimal_format="string").encode
SECONDS = 5.0  # a chart takes a few milliseconds
MEMORY = 256 * 1024 * 1024


class Charts:
    """Draws charts by name; safe to use from several threads, each has an engine of its own."""

    def __init__(self, script: str, seconds: float = SECONDS) -> None:
        self._script = script
        self._seconds = seconds
        self._own = threading.local()

    def draw(self, name: str, props: Mapping[str, Any]) -> str:
        """The chart as SVG; raises UpwellError where the script fails or takes too long."""
        try:
            return str(self._engine()(name, _encode(props).decode()))
        except quickjs.JSException as error:
            text = str(error).partition("\n")[0]
            raise UpwellError("chart_failed", f"The chart '{name}' failed: {text}") from error

    def _engine(self) -> Any:
        if not hasattr(self._own, "render"):
            context = quickjs.Context()
            context.set_memory_limit(MEMORY)
            context.set_time_limit(self._seconds)
            context.eval(self._script)
            self._own.context = context  # lives as long as its function
            self._own.render = context.eval("(name, props) => UpwellCharts.render(name, props)")
        return self._own.render


@cache
def shipped() -> Charts:
    """The charts of this package; raises Unavailable where it was built without them."""
    path = BUNDLE / "charts.js"
    if not path.exists():
        raise Unavailable(
            "charts_missing",
            "The charts of reports are not built.",
            fix="Run `npm ci && npm run build` in ui/, or install a released package.",
        )
    return Charts(path.read_text(encoding="utf-8"))
