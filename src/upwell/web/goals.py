"""Goals: what a metric is to be by a day."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody

from upwell.query.goals import NewGoal
from upwell.query.progress import Goal, GoalList
from upwell.web.numbers import said
from upwell.web.routes import Call, needs

_OF: dict[str, Any] = {"guards": needs("read"), "tags": ["Goals"]}


@get("/v1/goals", summary="Goals", **_OF)
async def see_goals(
    request: Call,
    product: Annotated[
        str, said("product", "Product ids, by commas; all goals when left out.")
    ] = "",
    metric: Annotated[str, said("metric", "Only goals of this metric.")] = "",
) -> GoalList:
    """How far each goal is, and whether it is on pace; those of the file cannot be changed here."""
    products = tuple(filter(None, product.split(",")))
    return await request.run(request.parts.goals.listed, request.viewer, products, metric)


@post("/v1/goals", status_code=201, summary="Set a goal", **_OF)
async def add_goal(request: Call, data: JSONBody[NewGoal]) -> Goal:
    """Sets a target for a metric of a product, or of the company."""
    made = await request.run(request.parts.goals.add, data, request.viewer)
    await request.note("goal.add", made.id)
    return made


@put("/v1/goals/{id:str}", summary="Change a goal", **_OF)
async def put_goal(request: Call, id: FromPath[str], data: JSONBody[NewGoal]) -> Goal:
    """Another value or day under the same id; when it was set stays where it is not given."""
    made = await request.run(request.parts.goals.put, id, data, request.viewer)
    await request.note("goal.put", id)
    return made


@delete("/v1/goals/{id:str}", summary="Delete a goal", **_OF)
async def drop_goal(request: Call, id: FromPath[str]) -> None:
    """Forgets it; no number changes."""
    await request.run(request.parts.goals.drop, id, request.viewer)
    await request.note("goal.drop", id)


ROUTES: tuple[Any, ...] = (see_goals, add_goal, put_goal, drop_goal)
