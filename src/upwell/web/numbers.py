"""Questions and what stands behind their answers: rows, originals, products, metrics, sources."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from litestar import Response, get, post
from litestar.openapi.spec import OpenAPIType, Operation, Schema
from litestar.openapi.spec import Parameter as OpenAPIParameter
from litestar.params import FromPath, JSONBody, QueryParameter

from upwell.access import Viewer
from upwell.errors import NotFound, Rejected, UpwellError
from upwell.period import to_instant
from upwell.query import Answer, Ask
from upwell.query.overlaps import Overlaps
from upwell.query.rows import Row
from upwell.web import asking, shapes
from upwell.web.routes import PARAMETERS, Call, needs, whole_company
from upwell.web.tabled import Form, shown

MAX_ROWS = 1000
TEXT_BYTES = 64 * 1024

_TAGS = ["Numbers"]


def said(name: str, text: str) -> Any:
    """A query parameter with what it means."""
    return QueryParameter(name=name, description=text)


@dataclass
class TakesQuestion(Operation):
    """A question's parameters, described for OpenAPI; `asking` reads them."""

    names: ClassVar[Mapping[str, str]] = asking.NAMES

    def __post_init__(self) -> None:
        texts = Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.STRING))
        one = Schema(type=OpenAPIType.STRING)
        mine = [
            OpenAPIParameter(
                name=name,
                param_in="query",
                description=text,
                required=name == "metric",
                schema=texts if name in ("product", "where") else one,
            )
            for name, text in self.names.items()
        ]
        self.parameters = [*mine, *(self.parameters or [])]


@get(
    "/v1/query",
    guards=needs("read"),
    opt={PARAMETERS: asking.NAMES},
    operation_class=TakesQuestion,
    tags=_TAGS,
    summary="Ask one question",
)
async def ask_one(request: Call, form: Form = None) -> Response[Answer]:
    """Series of one metric over local days: `from` inclusive, `to` exclusive.

    Money is a decimal string in major units, counts and ratios are numbers.
    """
    params = request.query_params.dict()
    params.pop("format", None)
    question = asking.from_params(params)
    return await shown(request, form, question.metric, request.parts.ask, question, request.viewer)


@post(
    "/v1/query",
    status_code=200,
    guards=needs("read", changes=False),
    tags=_TAGS,
    summary="Ask many questions",
)
async def ask_many(
    request: Call,
    data: JSONBody[shapes.Questions],
) -> shapes.Answers:
    """Answers in the order of the questions; one that cannot be answered is an error in its place.

    `product` may be one id or a list, `where` is `{"plan": ["team"]}`.
    """
    if len(data.questions) > asking.MAX_QUESTIONS:
        raise Rejected(
            "too_many_questions",
            f"{len(data.questions)} questions in one request.",
            fix=f"Send at most {asking.MAX_QUESTIONS}.",
            where="questions",
        )
    return await request.run(_answers, request.parts.ask, data.questions, request.viewer)


@get(
    "/v1/rows",
    guards=needs("read"),
    opt={PARAMETERS: asking.NAMES},
    operation_class=TakesQuestion,
    tags=_TAGS,
    summary="Events behind a number",
)
async def see_rows(
    request: Call,
    key: Annotated[str | None, said("key", "With `by`: whose events are meant.")] = None,
    limit: Annotated[str | None, said("limit", f"At most {MAX_ROWS}; 100 when left out.")] = None,
    cursor: Annotated[str | None, said("cursor", "`cursor` of the page before.")] = None,
) -> shapes.Rows:
    """The events that make a number, each with the delivery that brought it."""
    params = request.query_params.dict()
    for name in ("key", "limit", "cursor"):
        params.pop(name, None)
    asked = shapes.RowsAsked(
        question=asking.from_params(params),
        key=key,
        limit=limit_of(limit, MAX_ROWS),
        cursor=cursor,
    )
    page = await request.run(request.parts.rows, asked, request.viewer)
    return shapes.Rows(rows=tuple(map(_row, page.rows)), cursor=page.cursor)


@get("/v1/deliveries/{seq:str}", guards=needs("read"), tags=_TAGS, summary="Show the original")
async def see_original(
    request: Call,
    seq: FromPath[str],
    around: Annotated[str, said("around", "What to show the surroundings of, such as an id.")] = "",
) -> shapes.Original:
    """A delivery as it came, 64 KiB of it as text: the first, or those around something in it.

    For viewers of the whole company.
    """
    whole_company(request.visitor)
    found = None
    if re.fullmatch(r"[0-9]{1,18}", seq):
        found = await request.run(request.parts.original, int(seq))
    if found is None:
        raise NotFound(
            "unknown_delivery",
            f"There is no delivery '{seq[:40]}'.",
            fix="Rows name the delivery that brought them.",
            where="seq",
        )
    place = found.body.find(around.encode()) if around else 0
    start = max(0, min(place - TEXT_BYTES // 2, len(found.body) - TEXT_BYTES))
    return shapes.Original(
        seq=found.seq,
        source=found.source,
        received_at=to_instant(found.received_at),
        kind=found.kind,
        bytes=len(found.body),
        start=start,
        text=found.body[start : start + TEXT_BYTES].decode("utf-8", "replace"),
    )


@get("/v1/products", guards=needs("read"), tags=["What there is"], summary="Products")
async def see_products(request: Call) -> shapes.Products:
    """The products you may see, with how many events came and when the last did."""
    found = await request.run(request.parts.products, request.viewer)
    return shapes.Products(products=tuple(found))


@get("/v1/events/names", guards=needs("read"), tags=["What there is"], summary="Event names")
async def see_event_names(request: Call) -> shapes.EventNames:
    """The event types and names there are, the most frequent first."""
    found = await request.run(request.parts.event_names, request.viewer)
    return shapes.EventNames(names=tuple(found))


@get("/v1/metrics", guards=needs("read"), tags=["What there is"], summary="Metrics")
async def see_metrics(request: Call) -> shapes.Metrics:
    """Every metric: what it means, its unit, direction, dimensions and counting rules."""
    return shapes.Metrics(metrics=tuple(request.parts.metrics()))


@get("/v1/sources", guards=needs("read"), tags=["What there is"], summary="Sources")
async def see_sources(request: Call) -> shapes.Sources:
    """How each source is doing, what waits, and the history that is being read."""
    return await request.run(request.parts.sources, request.viewer)


@get("/v1/overlaps", guards=needs("read"), tags=["What there is"], summary="Overlaps")
async def see_overlaps(request: Call) -> Overlaps:
    """Measures that several sources tell of, in the last 30 days: whose word counts."""
    return await request.run(request.parts.overlaps, request.viewer)


@get("/v1/dead-letters", guards=needs("read"), tags=["What there is"], summary="Not used")
async def see_dead_letters(
    request: Call,
    limit: Annotated[str | None, said("limit", "At most 1000; 100 when left out.")] = None,
) -> shapes.DeadLetters:
    """Records that were kept and could not be used, with the reason. For the whole company."""
    whole_company(request.visitor)
    letters = await request.run(request.parts.dead_letters, limit_of(limit, 1000))
    return shapes.DeadLetters(
        dead_letters=tuple(
            shapes.DeadLetter(
                seq=letter.seq,
                idx=letter.idx,
                source=letter.source,
                code=letter.code,
                reason=letter.reason,
                recorded_at=to_instant(letter.recorded_at),
            )
            for letter in letters
        )
    )


def _answers(ask: Ask, asked: list[dict[str, Any]], viewer: Viewer) -> shapes.Answers:
    answers: list[Answer | shapes.Failure] = []
    for index, fields in enumerate(asked):
        try:
            answers.append(ask(asking.from_json(fields, f"questions[{index}]"), viewer))
        except UpwellError as error:
            answers.append(shapes.Failure(error=error.problem))
    return shapes.Answers(answers=answers)


def _row(row: Row) -> shapes.Row:
    brought = row.delivery
    return shapes.Row(
        event=row.event,
        delivery=shapes.RowDelivery(
            seq=brought.seq, source=brought.source, received_at=to_instant(brought.received_at)
        ),
    )


def limit_of(text: str | None, most: int, usual: int = 100) -> int:
    """The size of a page as asked for; raises Rejected for another than 1 to `most`."""
    if text is None:
        return usual
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= most:
        raise Rejected(
            "bad_limit", f"'{text[:40]}' is not a limit.", fix=f"Send 1 to {most}.", where="limit"
        )
    return int(text)


ROUTES = (
    ask_one,
    ask_many,
    see_rows,
    see_original,
    see_products,
    see_event_names,
    see_metrics,
    see_sources,
    see_overlaps,
    see_dead_letters,
)
