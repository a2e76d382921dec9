"""Boards: tiles that people arrange, and share by their address."""

from __future__ import annotations

from typing import Any

from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody

from upwell.query.boards import Board, BoardList, NewBoard
from upwell.web.routes import Call, needs

_OF: dict[str, Any] = {"guards": needs("read"), "tags": ["Boards"]}


@get("/v1/boards", summary="Boards", **_OF)
async def see_boards(request: Call) -> BoardList:
    """Those that are shared and one's own; a tile about products of others is hidden."""
    return await request.run(request.parts.boards.listed, request.viewer)


@get("/v1/boards/{id:str}", summary="A board", **_OF)
async def see_board(request: Call, id: FromPath[str]) -> Board:
    """Its tiles as questions; who opens it asks them, and sees what they may."""
    return await request.run(request.parts.boards.find, id, request.viewer)


@post("/v1/boards", status_code=201, summary="Make a board", **_OF)
async def add_board(request: Call, data: JSONBody[NewBoard]) -> Board:
    """Tiles under a name, for everybody or for oneself."""
    made = await request.run(request.parts.boards.add, data, request.viewer)
    await request.note("board.add", made.id)
    return made


@put("/v1/boards/{id:str}", summary="Change a board", **_OF)
async def put_board(request: Call, id: FromPath[str], data: JSONBody[NewBoard]) -> Board:
    """Other tiles or another name under the same address; by who made it, or an admin."""
    made = await request.run(request.parts.boards.put, id, data, request.viewer)
    await request.note("board.put", id)
    return made


@delete("/v1/boards/{id:str}", summary="Delete a board", **_OF)
async def drop_board(request: Call, id: FromPath[str]) -> None:
    """Forgets it; no number changes."""
    await request.run(request.parts.boards.drop, id, request.viewer)
    await request.note("board.drop", id)


ROUTES: tuple[Any, ...] = (see_boards, see_board, add_board, put_board, drop_board)
