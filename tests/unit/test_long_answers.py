"""A house that closes while a long answer is read: the answer ends, the process can."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import duckdb

from upwell.projection import Projection

# Hours of work, if nobody ends it.
LONG = """select count(*) from range(3_000_000) a, range(3_000_000) b
  where hash(a.range * b.range) % 7 = 1"""


def test_closing_ends_what_is_being_read(tmp_path: Path) -> None:
    projection = Projection(tmp_path)
    began, ended = threading.Event(), list[str]()

    def read() -> None:
        reader = projection.reader()
        began.set()
        try:
            reader.execute(LONG)
        except duckdb.InterruptException as error:
            ended.append(str(error))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    began.wait()
    time.sleep(0.2)  # until the statement runs
    projection.close()
    thread.join(10)
    assert not thread.is_alive()
    assert "Interrupted" in ended[0]
