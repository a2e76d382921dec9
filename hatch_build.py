"""Packages carry the built pages; without them nothing is packed, and it is said what to run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILT = (
    "web/pages/index.html",
    "web/pages/upwell.js",
    "reports/bundle/charts.js",
    "reports/bundle/fonts/Inter-Regular.ttf",
    "reports/bundle/fonts/LICENSE",
)


class Pages(BuildHookInterface[Any]):
    """Looks whether what Node builds is there."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Raises SystemExit with what to run, unless a checkout is only linked to (editable)."""
        if version == "editable":
            return
        missing = [name for name in BUILT if not (Path(self.root) / "src/upwell" / name).exists()]
        if missing:
            raise SystemExit(
                f"The pages are not built: src/upwell/{missing[0]} is missing.\n"
                "Run `make build`, or: cd ui && npm ci && npm run build"
            )
