"""Boards: tiles that a person arranges on a grid, each a question of its own, to be shared.

A board holds questions and never answers: whoever opens it asks them anew, and sees what they may.
"""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec
import xxhash

from upwell.access import Viewer, mint_id
from upwell.errors import Forbidden, NotFound, Rejected, nearest
from upwell.metrics.catalog import Metric, metric_named
from upwell.period import Grain, to_instant, to_micros
from upwell.projection import Projection
from upwell.query.plan import may_read, scope
from upwell.query.usage.asked import OneAsked
from upwell.query.usage.keeping import mentioned
from upwell.query.usage.segments import checked_name, room
from upwell.state import kept
from upwell.state.db import State

Kind = Literal[
    "number", "series", "bars", "bridge", "retention", "funnel", "lifecycle", "text", "hidden"
]
Look = Literal["lines", "areas", "shares"]

COLUMNS = 12
TALLEST, LOWEST = 12, 500  # rows of a tile, and of a board
TILES = 60
LONGEST = {"id": 40, "title": 100, "text": 2_000}  # characters
_RANGE = re.compile(r"|[a-z0-9-]{2,12}|\d{4}-\d\d-\d\d\.\.\d{4}-\d\d-\d\d")
OF_METRIC = ("number", "series", "bars")
OF_USE = ("retention", "funnel", "lifecycle")


class Tile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question and its place: `x` and `w` in twelfths of the width, `y` and `h` in rows.

    `number`, `series` and `bars` are of a `metric`, the last two may be split `by` a dimension;
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


class NewBoard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/boards`: a name, tiles that do not cover each other, and who may see it.

    `version`: of the board that is changed, as it was read; one that was changed since is refused.
    """

    name: str
    tiles: tuple[Tile, ...] = ()
    shared: bool = True
    version: str = ""


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """A board; `mine` where the viewer may change it, `version` another with each change."""

    id: str
    name: str
    tiles: tuple[Tile, ...]
    shared: bool
    mine: bool
    owner: str
    created_at: dt.datetime
    version: str


class BoardList(msgspec.Struct, frozen=True, kw_only=True):
    """The boards that the viewer may open, by name."""

    boards: tuple[Board, ...]


class Boards:
    """The boards of a workspace: shared ones, and everybody's own."""

    def __init__(
        self, projection: Projection, state: State, clock: Callable[[], dt.datetime]
    ) -> None:
        self._projection, self._state, self._clock = projection, state, clock
        self._one_at_a_time = threading.Lock()  # from what a change was made of to its being kept

    def listed(self, viewer: Viewer) -> BoardList:
        """Those that are shared, and the viewer's own."""
        may_read(viewer)
        found = (one for one in kept.BOARDS.every(self._state) if _opens(one, viewer))
        return BoardList(boards=tuple(_shown(one, viewer) for one in found))

    def find(self, id_: str, viewer: Viewer) -> Board:
        """One of them; NotFound where the viewer may open none of that id."""
        may_read(viewer)
        return _shown(self._kept(id_, viewer), viewer)

    def add(self, asked: NewBoard, viewer: Viewer) -> Board:
        """Keeps a new one; Rejected where a tile cannot be asked, or lies on another."""
        may_read(viewer)
        room(len(kept.BOARDS.every(self._state)), "boards")
        now = to_micros(self._clock())
        made = self._made(asked, viewer, {}, mint_id("brd"), now, viewer.id)
        kept.BOARDS.add(self._state, made)
        return _shown(made, viewer)

    def put(self, id_: str, asked: NewBoard, viewer: Viewer) -> Board:
        """Keeps it in place of an earlier one; hidden tiles stay what they were.

        Rejected where somebody changed the board since it was read.
        """
        with self._one_at_a_time:
            had = self._own(id_, viewer)
            if asked.version not in ("", _version(had)):
                raise Rejected(
                    "changed_meanwhile",
                    "Somebody changed this board since you opened it.",
                    fix="Read it again, and make your change on the newer one.",
                    where="version",
                    status=409,
                )
            tiles = {tile.id: tile for tile in _tiles(had)}
            made = self._made(asked, viewer, tiles, id_, had.created_at, had.created_by)
            made = msgspec.structs.replace(made, owner=had.owner)
            kept.BOARDS.put(self._state, made)
        return _shown(made, viewer)

    def drop(self, id_: str, viewer: Viewer) -> None:
        """Forgets one; no number changes."""
        self._own(id_, viewer)
        kept.BOARDS.drop(self._state, id_)

    def _kept(self, id_: str, viewer: Viewer) -> kept.Board:
        for one in kept.BOARDS.every(self._state):
            if one.id == id_ and _opens(one, viewer):
                return one
        raise NotFound(
            "unknown_board",
            f"There is no board '{id_[:40]}', or it is somebody's own.",
            fix="Ask who made it to share it.",
            where="id",
        )

    def _own(self, id_: str, viewer: Viewer) -> kept.Board:
        may_read(viewer)
        found = self._kept(id_, viewer)
        if not _changes(found, viewer):
            raise Forbidden(
                "not_yours",
                f"The board '{found.name}' is {found.owner}'s.",
                fix="Make a copy of it and change that.",
            )
        return found

    def _made(
        self,
        asked: NewBoard,
        viewer: Viewer,
        had: Mapping[str, Tile],
        id_: str,
        at: int,
        by: str,
    ) -> kept.Board:
        if len(asked.tiles) > TILES:
            raise Rejected(
                "too_many_tiles",
                f"A board of {len(asked.tiles)} tiles is too large.",
                fix=f"At most {TILES} stand on one; make a second board.",
                where="tiles",
            )
        tiles: list[Tile] = []
        for index, tile in enumerate(asked.tiles):
            where = f"tiles[{index}]"
            if tile.kind == "hidden" and tile.id in had:  # only its place is known to the viewer
                place = {name: getattr(tile, name) for name in ("x", "y", "w", "h")}
                tile = msgspec.structs.replace(had[tile.id], **place)
            else:
                self._check(tile, viewer, where)
            _placed(tile, tiles, where)
            tiles.append(tile)
        return kept.Board(
            id=id_,
            name=checked_name(asked.name, "board"),
            of={"tiles": msgspec.to_builtins(tiles)},
            owner=(viewer.name or viewer.id)[:320],
            shared=asked.shared,
            created_at=at,
            created_by=by[:40],
        )

    def _check(self, tile: Tile, viewer: Viewer, where: str) -> None:
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
            _measured(tile, self._projection.ground.catalogue, where)
        elif tile.kind in OF_USE and (tile.of is None or tile.of.asks != tile.kind):
            raise _lacks(where, "of", f'Send the question as {{"{tile.kind}": {{…}}}}.')
        elif tile.kind == "text" and not tile.text.strip():
            raise _lacks(where, "text", "Write what it says.")
        elif tile.kind == "hidden":
            raise _lacks(where, "kind", "A new tile needs a question: number, series, bars, …")
        try:
            scope(tuple(sorted(_named(tile))), self._projection.known_products(), viewer)
        except Rejected as error:
            raise Rejected(
                error.problem.code,
                error.problem.message,
                fix=error.problem.fix,
                where=f"{where}.products",
            ) from None


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


def _placed(tile: Tile, before: list[Tile], where: str) -> None:
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


def _named(tile: Tile) -> set[str]:
    """The products that a tile is about by name."""
    return {*tile.products, *(mentioned(tile.of.question) if tile.of is not None else ())}


def _tiles(one: kept.Board) -> tuple[Tile, ...]:
    return msgspec.convert(one.of["tiles"], tuple[Tile, ...])


def _opens(one: kept.Board, viewer: Viewer) -> bool:
    return one.shared or one.created_by == viewer.id


def _changes(one: kept.Board, viewer: Viewer) -> bool:
    return one.created_by == viewer.id or viewer.may("admin")


def _version(one: kept.Board) -> str:
    """The same for the same name, tiles and openness, whoever asks."""
    said = msgspec.json.encode([one.name, one.shared, one.of], order="deterministic")
    return xxhash.xxh3_64_hexdigest(said)


def _shown(one: kept.Board, viewer: Viewer) -> Board:
    return Board(
        id=one.id,
        name=one.name,
        tiles=tuple(
            tile
            if all(map(viewer.sees, _named(tile)))
            else Tile(id=tile.id, kind="hidden", x=tile.x, y=tile.y, w=tile.w, h=tile.h)
            for tile in _tiles(one)
        ),
        shared=one.shared,
        mine=_changes(one, viewer),
        owner=one.owner,
        created_at=to_instant(one.created_at),
        version=_version(one),
    )
