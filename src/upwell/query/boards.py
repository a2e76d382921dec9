"""Boards: tiles that a person arranges on a grid, each a question of its own, to be shared.

A board holds questions and never answers: whoever opens it asks them anew, and sees what they may.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Mapping

import msgspec
import xxhash

from upwell.access import Viewer, mint_id
from upwell.errors import Forbidden, NotFound, Rejected
from upwell.period import to_instant, to_micros
from upwell.projection import Projection
from upwell.query.plan import may_read
from upwell.query.tiles import Tile, checked, placed, products_of
from upwell.query.usage.segments import checked_name, room
from upwell.state import kept
from upwell.state.db import State

TILES = 60


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
        ground, known = self._projection.ground, self._projection.known_products()
        tiles: list[Tile] = []
        for index, tile in enumerate(asked.tiles):
            where = f"tiles[{index}]"
            if tile.kind == "hidden" and tile.id in had:  # only its place is known to the viewer
                place = {name: getattr(tile, name) for name in ("x", "y", "w", "h")}
                tile = msgspec.structs.replace(had[tile.id], **place)
            else:
                checked(tile, where, ground.catalogue, known, viewer)
            placed(tile, tiles, where)
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
            if all(map(viewer.sees, products_of(tile)))
            else Tile(id=tile.id, kind="hidden", x=tile.x, y=tile.y, w=tile.w, h=tile.h)
            for tile in _tiles(one)
        ),
        shared=one.shared,
        mine=_changes(one, viewer),
        owner=one.owner,
        created_at=to_instant(one.created_at),
        version=_version(one),
    )
