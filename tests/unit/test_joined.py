"""The parts of a server stand on the configuration in force, also where the loop is behind it."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from tests.unit.test_closes import opened
from upwell.app.joined import Joined


def test_alerts_keep_the_workspace_s_days_before_the_loop_has_read_its_zone(tmp_path: Path) -> None:
    house = opened(tmp_path, {"at": "02-03"})
    try:
        house.flow.stop()
        house.stand_on(msgspec.structs.replace(house.ground, timezone="Asia/Tokyo"))
        assert house.projection.zone.name != "Asia/Tokyo"
        joined = Joined(house, "127.0.0.1")
        assert joined.dispatch._parts.zone == ZoneInfo("Asia/Tokyo")
    finally:
        house.close()
