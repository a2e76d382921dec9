"""Tiles of boards: what kinds there are, what each needs, and where it may stand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from upwell.access import Viewer
from upwell.errors import Rejected, nearest
from upwell.metrics.catalog import Metric, metric_named
from upwell.period import Grain
from upwell.query.plan import scope
from upwell.query.usage.asked import OneAsked
from upwell.query.usage.keeping import mentioned

Kind = Literal[
    "number",
    "series",
    "bars",
    "products",
    "bridge",
    "retention",
    "funnel",
    "lifecycle",
    "text",
    "hidden",
]
Look = Literal["lines", "areas", "shares"]

COLUMNS = 12
TALLEST, LOWEST = 12, 500  # rows of a tile, and of a board
LONGEST = {"id": 40, "title": 100, "text": 2_000}  # characters
_RANGE = re.compile(r"|[a-z0-9-]{2,12}|\d{4}-\d\d-\d\d\.\.\d{4}-\d\d-\d\d")
OF_METRIC = ("number", "series", "bars", "products")
OF_USE = ("retention", "funnel", "lifecycle")


class Tile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question and its place: `x` and `w` in twelfths of the width, `y` and `h` in rows.

    `number`, `series` and `bars` are of a `metric`, the last two may be split `by` a dimension;
    `products` has a row for each product, with the line of its `metric`;
    `retention`, `funnel` and `lifecycle` are `of` a question about use; a `text` says something.
    Without `products` those of the page, without a `range` (as in addresses: 90d, mtd, or days as
    2026-01-01..2026-02-01) its dates. `hidden`: about products that the viewer may not see.
    """

    id: str
    kind: Kind
    x: int
    y: int
    w: int
    h: int
    title: str = ""
    metric: str = ""
    by: str = ""
    look: Look = "lines"
    products: tuple[str, ...] = ()
    range: str = ""
    grain: Grain | None = None
    of: OneAsked | None = None
    text: str = ""


def checked(
    tile: Tile,
    where: str,
    catalogue: Mapping[str, Metric],
    known: tuple[str, ...],
    viewer: Viewer,
) -> None:
    """Nothing, or Rejected where a tile does not say what its kind needs."""
    for name, most in LONGEST.items():
        if len(getattr(tile, name)) > most:
            raise Rejected(
                "long_text",
                f"The {name} has {len(getattr(tile, name)):,} characters.",
                fix=f"Shorten it to {most:,}.",
                where=f"{where}.{name}",
            )
    if not _RANGE.fullmatch(tile.range):
        raise Rejected(
            "bad_range",
            f"'{tile.range[:40]}' is no range of dates.",
            fix="Write it as in addresses: 90d, mtd, or 2026-01-01..2026-02-01.",
            where=f"{where}.range",
        )
    if tile.kind in OF_METRIC:
        _measured(tile, catalogue, where)
    elif tile.kind in OF_USE and (tile.of is None or tile.of.asks != tile.kind):
        raise _lacks(where, "of", f'Send the question as {{"{tile.kind}": {{…}}}}.')
    elif tile.kind == "text" and not tile.text.strip():
        raise _lacks(where, "text", "Write what it says.")
    elif tile.kind == "hidden":
        raise _lacks(where, "kind", "A new tile needs a question: number, series, bars, …")
    try:
        scope(tuple(sorted(products_of(tile))), known, viewer)
    except Rejected as error:
        raise Rejected(
            error.problem.code,
            error.problem.message,
            fix=error.problem.fix,
            where=f"{where}.products",
        ) from None


def placed(tile: Tile, before: list[Tile], where: str) -> None:
    """Nothing, or Rejected where a tile reaches over the grid or covers one before it."""
    inside = 0 <= tile.x <= tile.x + tile.w <= COLUMNS and 0 <= tile.y <= LOWEST
    if not inside or not tile.w >= 1 or not 1 <= tile.h <= TALLEST:
        raise Rejected(
            "bad_place",
            f"A tile of {tile.w} by {tile.h} does not fit at {tile.x}, {tile.y}.",
            fix=f"A board is {COLUMNS} wide and {LOWEST} long, a tile at most {TALLEST} high.",
            where=where,
        )
    for other in before:
        if other.id == tile.id:
            raise Rejected(
                "repeated_id",
                f"Two tiles are called '{tile.id[:40]}'.",
                fix="Give each an id of its own.",
                where=f"{where}.id",
            )
        if (
            other.x < tile.x + tile.w
            and tile.x < other.x + other.w
            and other.y < tile.y + tile.h
            and tile.y < other.y + other.h
        ):
            raise Rejected(
                "covered_tile",
                f"It lies on the tile '{other.id[:40]}'.",
                fix="Move one of them down or aside.",
                where=where,
            )


def products_of(tile: Tile) -> set[str]:
    """The products that a tile is about by name."""
    return {*tile.products, *(mentioned(tile.of.question) if tile.of is not None else ())}


def _measured(tile: Tile, catalogue: Mapping[str, Metric], where: str) -> None:
    if not tile.metric:
        raise _lacks(where, "metric", "Name one of GET /v1/metrics.")
    metric = metric_named(tile.metric, catalogue)
    splits = ("product", *metric.dimensions)
    if tile.by and tile.by not in splits:
        raise Rejected(
            "unknown_dimension",
            f"{metric.title} is not kept by '{tile.by}'.",
            fix=nearest(tile.by, splits) or f"Split by one of {', '.join(splits)}.",
            where=f"{where}.by",
        )
    if tile.kind == "bars" and not tile.by:
        raise _lacks(where, "by", f"Bars are split: by one of {', '.join(splits)}.")


def _lacks(where: str, what: str, fix: str) -> Rejected:
    return Rejected("bad_tile", f"The tile has no {what}.", fix=fix, where=f"{where}.{what}")
