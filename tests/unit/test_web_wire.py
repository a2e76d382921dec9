"""`ui/src/wire.ts` is what the server's types say."""

from __future__ import annotations

from pathlib import Path

import msgspec

from upwell.query import Answer
from upwell.web import shapes, wire

WRITTEN = Path(__file__).parents[2] / "ui" / "src" / "wire.ts"


def test_the_pages_types_are_the_servers() -> None:
    assert WRITTEN.read_text() == wire.typescript(), (
        "run: python -m upwell.web.wire > ui/src/wire.ts"
    )


def test_every_shape_inside_a_written_one_is_written_too() -> None:
    written = {struct.__name__ for struct in wire.STRUCTS}
    _, schemas = msgspec.json.schema_components([*wire.STRUCTS, shapes.Session, Answer])
    assert set(schemas) - set(wire.ALIASES) <= written
