"""Boards: kept, changed and forgotten; opened by those they are shared with; nothing covered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell.access import SYSTEM, Viewer
from upwell.errors import Forbidden, NotFound, Rejected
from upwell.projection import Projection
from upwell.projection.ground import Ground, GroundProduct
from upwell.query.boards import Boards, NewBoard
from upwell.query.tiles import COLUMNS, Tile
from upwell.state.db import State

NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
READS = frozenset[Any]({"read"})
ADA = Viewer(id="ada", name="Ada", scopes=READS)
DOCS = Viewer(id="kim", name="Kim", scopes=READS, products=frozenset({"docs"}))
PLACE = {"x": 0, "y": 0, "w": 6, "h": 3}
MAIL = {"id": "a", "kind": "number", "metric": "mrr", "products": ["mail"], **PLACE}
FUNNEL = {"funnel": {"steps": [{"event": "signup"}, {"event": "activation", "product": "mail"}]}}


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boards]:
    folder: Path = tmp_path_factory.mktemp("boards")
    projection, state = Projection(folder), State.open(folder / "state.sqlite")
    products = tuple(GroundProduct(id=name) for name in ("mail", "docs"))
    projection.set_ground(Ground(products=products), 1, 1)
    yield Boards(projection, state, lambda: NOON)
    projection.close()
    state.close()


@pytest.fixture(autouse=True)
def none_yet(boards: Boards) -> None:
    for viewer in (ADA, SYSTEM):
        for one in boards.listed(viewer).boards:
            boards.drop(one.id, viewer)


def body(*tiles: dict[str, Any], **of: Any) -> NewBoard:
    return msgspec.convert({"name": "Morning", "tiles": tiles, **of}, NewBoard)


def test_it_is_found_again_as_it_was_made(boards: Boards) -> None:
    aside = {"id": "b", "kind": "funnel", "of": FUNNEL, **PLACE, "x": 6, "range": "last-quarter"}
    rows = {"id": "c", "kind": "products", "metric": "signups", **PLACE, "y": 3}
    made = boards.add(body(MAIL, aside, rows), ADA)
    assert (made.name, made.owner, made.shared, made.mine) == ("Morning", "Ada", True, True)
    assert boards.find(made.id, ADA) == made
    changed = boards.put(made.id, body(MAIL | {"y": 7}, name="Evening"), ADA)
    assert (changed.id, changed.created_at, changed.name) == (made.id, made.created_at, "Evening")
    assert [tile.y for tile in changed.tiles] == [7]
    boards.drop(made.id, ADA)
    with pytest.raises(NotFound):
        boards.find(made.id, ADA)


def test_whoever_changes_an_older_board_is_told_and_takes_nothing_away(boards: Boards) -> None:
    read = boards.add(body(MAIL), ADA)
    theirs = boards.put(read.id, body(MAIL | {"y": 7}, version=read.version), ADA)
    with pytest.raises(Rejected) as told:
        boards.put(read.id, body(MAIL | {"y": 3}, version=read.version), ADA)
    assert (told.value.problem.code, told.value.status) == ("changed_meanwhile", 409)
    assert boards.find(read.id, ADA) == theirs
    again = boards.put(read.id, body(MAIL | {"y": 3}, version=theirs.version), ADA)
    assert again.version not in (read.version, theirs.version)
    assert boards.put(read.id, body(MAIL), ADA).version == read.version  # of what it holds, alone


def test_one_s_own_are_nobody_else_s_and_shared_ones_are_copied(boards: Boards) -> None:
    own = boards.add(body(MAIL, shared=False), ADA)
    shared = boards.add(body(MAIL, name="All"), ADA)
    assert [one.name for one in boards.listed(ADA).boards] == ["All", "Morning"]
    assert [one.id for one in boards.listed(SYSTEM).boards] == [shared.id]
    with pytest.raises(NotFound):
        boards.find(own.id, SYSTEM)
    with pytest.raises(Forbidden):
        boards.put(shared.id, body(), DOCS)
    assert boards.find(shared.id, DOCS).mine is False
    by_admin = boards.put(shared.id, body(MAIL, name="Ours"), SYSTEM)
    assert (by_admin.owner, by_admin.name) == ("Ada", "Ours")
    with pytest.raises(Forbidden):
        boards.listed(Viewer(id="i", scopes=frozenset({"ingest"})))


def test_what_is_about_products_of_others_is_hidden_and_kept(boards: Boards) -> None:
    lower = {"id": "b", "kind": "funnel", "of": FUNNEL, **PLACE, "y": 3, "title": "Mail only"}
    made = boards.add(body(MAIL, lower, {"id": "c", "kind": "bridge", **PLACE, "y": 6}), ADA)
    seen = boards.find(made.id, DOCS)
    assert [tile.kind for tile in seen.tiles] == ["hidden", "hidden", "bridge"]
    assert b"mail" not in msgspec.json.encode(seen).lower()
    # Who may change it and sees less keeps what is hidden, and may move it.
    narrow = msgspec.structs.replace(ADA, products=frozenset({"docs"}))
    tiles = [msgspec.structs.replace(tile, y=tile.y + 2) for tile in seen.tiles]
    boards.put(made.id, NewBoard(name="Morning", tiles=tuple(tiles)), narrow)
    whole = boards.find(made.id, ADA)
    assert [(tile.kind, tile.y) for tile in whole.tiles] == [
        ("number", 2),
        ("funnel", 5),
        ("bridge", 8),
    ]
    with pytest.raises(Rejected) as caught:
        boards.add(body(MAIL), DOCS)
    assert caught.value.problem.where == "tiles[0].products"


@pytest.mark.parametrize(
    ("wrong", "where", "fix"),
    [
        ({"metric": ""}, "tiles[0].metric", "GET /v1/metrics"),
        ({"metric": "mmr"}, "metric", "mrr"),
        ({"products": ["mial"]}, "tiles[0].products", "mail"),
        ({"kind": "series", "by": "plna"}, "tiles[0].by", "plan"),
        ({"kind": "bars"}, "tiles[0].by", "plan"),
        ({"kind": "products", "metric": ""}, "tiles[0].metric", "GET /v1/metrics"),
        ({"kind": "funnel"}, "tiles[0].of", "funnel"),
        ({"kind": "retention", "of": FUNNEL}, "tiles[0].of", "retention"),
        ({"kind": "text"}, "tiles[0].text", "Write"),
        ({"kind": "hidden"}, "tiles[0].kind", "number"),
        ({"text": "x" * 2_001}, "tiles[0].text", "2,000"),
        ({"title": "x" * 101}, "tiles[0].title", "100"),
        ({"range": "last week"}, "tiles[0].range", "90d"),
        ({"x": 7}, "tiles[0]", "12 wide"),
        ({"w": 0}, "tiles[0]", "12 wide"),
        ({"h": 13}, "tiles[0]", "12 high"),
        ({"y": -1}, "tiles[0]", "12 wide"),
    ],
)
def test_what_cannot_stand_says_what_to_change(
    boards: Boards, wrong: dict[str, Any], where: str, fix: str
) -> None:
    with pytest.raises(Rejected) as caught:
        boards.add(body(MAIL | wrong), ADA)
    assert caught.value.problem.where == where
    assert fix in caught.value.problem.fix
    assert boards.listed(ADA).boards == ()


def test_a_board_has_a_name_and_an_end(boards: Boards) -> None:
    with pytest.raises(Rejected, match="cannot be called"):
        boards.add(body(MAIL, name=" "), ADA)
    with pytest.raises(Rejected, match="Two tiles"):
        boards.add(body(MAIL, MAIL | {"y": 3}), ADA)
    many = [MAIL | {"id": str(n), "y": 3 * n} for n in range(61)]
    with pytest.raises(Rejected, match="too large"):
        boards.add(body(*many), ADA)


places = st.builds(
    lambda x, y, w, h: {"x": x, "y": y, "w": min(w, COLUMNS - x), "h": h},
    st.integers(0, COLUMNS - 1),
    st.integers(0, 8),
    st.integers(1, COLUMNS),
    st.integers(1, 4),
)


@given(st.lists(places, max_size=5))
def test_tiles_that_cover_each_other_are_refused_and_others_are_not(
    boards: Boards, of: list[dict[str, int]]
) -> None:
    fields = [
        {(x, y) for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])}
        for p in of
    ]
    apart = sum(map(len, fields)) == len(set().union(*fields))
    tiles = [MAIL | place | {"id": str(n)} for n, place in enumerate(of)]
    if apart:
        made = boards.add(body(*tiles), ADA)
        assert made.tiles == tuple(msgspec.convert(tile, Tile) for tile in tiles)
        boards.drop(made.id, ADA)
    else:
        with pytest.raises(Rejected, match="lies on the tile"):
            boards.add(body(*tiles), ADA)
