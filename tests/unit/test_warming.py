"""What the first page asks is asked after a start, and a house that closes does not wait for it."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

from tests.laws.world import batch
from tests.unit.test_closes import at, opened, pays
from upwell.access import SYSTEM
from upwell.app.warming import Warming
from upwell.period import to_micros
from upwell.query import Question

FEBRUARY = dt.date(2026, 2, 1)


def test_the_ledger_is_ready_before_anybody_asks(tmp_path: Path) -> None:
    house = opened(tmp_path, {"at": "02-03"})
    warming = Warming(house)
    try:
        house.journal.append([batch([pays("ann", 100, "01-05")], at("01-05"))])
        assert house.caught_up(30)
        warming.start()
        until = time.monotonic() + 60
        while not warming.done:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert house.desk.ledgers.told(None).prepare(to_micros(house.clock()))
        asked = Question(metric="mrr", start=FEBRUARY, end=dt.date(2026, 2, 4))
        assert house.answer(asked, SYSTEM).series[0].total == "100.00"
    finally:
        warming.stop()
        house.close()


def test_a_house_that_closes_at_once_is_not_held_up(tmp_path: Path) -> None:
    house = opened(tmp_path, {"at": "02-03"})
    house.journal.append([batch([pays("ann", 100, "01-05")], at("01-05"))])
    warming = Warming(house)
    began = time.monotonic()
    warming.start()
    warming.stop()
    house.close()
    assert warming.done
    assert time.monotonic() - began < 10
