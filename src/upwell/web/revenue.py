"""Revenue beyond series: bridges, customers, cohorts, counting rules, differences."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, cast

from litestar import Response, get, post
from litestar.params import FromPath, JSONBody

from upwell.errors import Rejected
from upwell.metrics.policy import policy_named
from upwell.period import add_months
from upwell.query.question import Question
from upwell.query.revenue.changes import METRICS
from upwell.query.revenue.directory import Filters, Sort
from upwell.query.revenue.people import MOST, Page
from upwell.query.revenue.proofs import Changes, Reconciliation, Why
from upwell.query.revenue.shapes import (
    BridgeAnswer,
    Cohorts,
    Customers,
    MovedCustomers,
    Policies,
    Profile,
)
from upwell.web import asking, shapes
from upwell.web.numbers import TakesQuestion, limit_of, said
from upwell.web.routes import PARAMETERS, Call, needs, whole_company
from upwell.web.tabled import Form, shown

_TAGS = ["Revenue"]
_SPAN = (
    "product",
    "from",
    "to",
    "grain",
    "by",
    "where",
    "known_at",
    "policy",
    "currency",
    "segment",
)
_NAMES = {name: asking.NAMES[name] for name in _SPAN}
_DAYS = {name: asking.NAMES[name] for name in ("from", "to", "currency")}

_Limit = Annotated[str | None, said("limit", f"At most {MOST}; 50 when left out.")]
_Cursor = Annotated[str | None, said("cursor", "`cursor` of the page before.")]


class _TakesSpan(TakesQuestion):
    names: ClassVar[Mapping[str, str]] = _NAMES


class _TakesDays(TakesQuestion):
    names: ClassVar[Mapping[str, str]] = _DAYS


def _asked(request: Call, *others: str) -> Question:
    """The question of the parameters, about MRR; by month where no grain is named."""
    params = {k: v for k, v in request.query_params.dict().items() if k not in others}
    return asking.from_params({"metric": ["mrr"], "grain": ["month"], **params})


def _asks(path: str, summary: str, takes: type[TakesQuestion] = _TakesSpan) -> get:
    """A route that reads a question's parameters."""
    return get(
        path,
        guards=needs("read"),
        opt={PARAMETERS: takes.names},
        operation_class=takes,
        tags=_TAGS,
        summary=summary,
    )


@_asks("/v1/bridge", "The MRR bridge")
async def see_bridge(request: Call, form: Form = None) -> Response[BridgeAnswer]:
    """From the MRR before `from` to that at the end, movement by movement, and by `by`."""
    asked = _asked(request, "format")
    bridge = request.parts.revenue.bridge
    return await shown(request, form, "bridge", bridge, asked, request.viewer)


@_asks("/v1/bridge/customers", "Customers behind a bar")
async def see_moved(
    request: Call,
    movement: Annotated[
        str, said("movement", "new, expansion, reactivation, contraction, churn or restatement.")
    ] = "",
    key: Annotated[str | None, said("key", "With `by`: whose bar is meant.")] = None,
    limit: _Limit = None,
    cursor: _Cursor = None,
) -> MovedCustomers:
    """Whose MRR made a bar of the bridge, the largest first."""
    asked = _asked(request, "movement", "key", "limit", "cursor")
    page = Page(limit_of(limit, MOST, 50), cursor)
    return await request.run(
        request.parts.revenue.moved, asked, request.viewer, movement, key, page
    )


@get("/v1/customers", guards=needs("read"), tags=_TAGS, summary="Customers")
async def see_customers(
    request: Call,
    q: Annotated[str, said("q", "Part of a name, an e-mail address or an id.")] = "",
    product: Annotated[str, said("product", "Who ever paid for this product.")] = "",
    plan: Annotated[str, said("plan", "Who ever paid for this plan.")] = "",
    country: Annotated[str, said("country", "A country's code.")] = "",
    status: Annotated[str, said("status", "active, past_due, trialing, paused or canceled.")] = "",
    sort: Annotated[str, said("sort", "mrr, -mrr (when left out), name or created.")] = "-mrr",
    segment: Annotated[str, said("segment", asking.NAMES["segment"])] = "",
    limit: _Limit = None,
    cursor: _Cursor = None,
) -> Customers:
    """The customers as they stand now."""
    filters = Filters(q, product, plan, country, status, cast(Sort, sort), segment)
    page = Page(limit_of(limit, MOST, 50), cursor)
    return await request.run(request.parts.revenue.customers, request.viewer, filters, page)


@get("/v1/customers/{id:str}", guards=needs("read"), tags=_TAGS, summary="One customer")
async def see_customer(request: Call, id: FromPath[str]) -> Profile:
    """Subscriptions, movements, payments and MRR of one customer, by `source:id` or the id."""
    return await request.run(request.parts.revenue.customer, id, request.viewer)


@post(
    "/v1/customers/{id:str}/merge",
    status_code=200,
    guards=needs("admin"),
    tags=_TAGS,
    summary="Several accounts, one customer",
)
async def merge(request: Call, id: FromPath[str], data: JSONBody[shapes.Linking]) -> shapes.Linked:
    """From now on these are one customer of the company, whatever the rules say."""
    whole_company(request.visitor)
    names = [id, *data.customers]
    done = await request.run(request.parts.linking.merge, names)
    await request.note("customers_merged", " ".join(names))
    return done


@post(
    "/v1/customers/{id:str}/unmerge",
    status_code=200,
    guards=needs("admin"),
    tags=_TAGS,
    summary="An account on its own",
)
async def unmerge(request: Call, id: FromPath[str]) -> shapes.Linked:
    """From now on this account is a customer of its own, and no rule joins it again."""
    whole_company(request.visitor)
    done = await request.run(request.parts.linking.unmerge, [id])
    await request.note("customer_unmerged", id)
    return done


@post(
    "/v1/cohorts",
    status_code=200,
    guards=needs("read", changes=False),
    tags=_TAGS,
    summary="Revenue cohorts",
)
async def see_cohorts(
    request: Call, data: JSONBody[shapes.CohortsAsked], form: Form = None
) -> Response[Cohorts]:
    """Of those who began to pay in a period, the customers or the MRR left after each later one."""
    given = {
        name: getattr(data, name) for name in ("product", "where", "policy", "currency", "segment")
    }
    days = {"from": data.from_, "to": data.to, "known_at": data.known_at}
    fields = {"metric": "mrr", "grain": data.grain, **given, **days}
    question = asking.from_json({k: v for k, v in fields.items() if v}, "body")
    cohorts = request.parts.revenue.cohorts
    return await shown(request, form, "cohorts", cohorts, question, request.viewer, data.measure)


@get("/v1/policies", guards=needs("read"), tags=_TAGS, summary="Counting rules")
async def see_policies(request: Call) -> Policies:
    """Every set of counting rules, choice by choice, and the workspace's own."""
    return request.parts.revenue.policies()


@get("/v1/why", guards=needs("read"), tags=_TAGS, summary="Why numbers differ")
async def see_why(
    request: Call,
    month: Annotated[str, said("month", "As 2026-10.")] = "",
    policy: Annotated[str, said("policy", "The other counting rules.")] = "",
) -> Why:
    """MRR at a month's end by the workspace's rules and by others, and what each choice does."""
    start = _month(month)
    policy_named(policy)
    question = Question(metric="mrr", start=start, end=add_months(start, 1), grain="month")
    return await request.run(request.parts.revenue.why, question, request.viewer, policy)


@get("/v1/changes", guards=needs("read"), tags=_TAGS, summary="Changes to past days")
async def see_changes(
    request: Call,
    from_known_at: Annotated[str, said("from_known_at", "The earlier moment, RFC 3339.")] = "",
    to_known_at: Annotated[str, said("to_known_at", "The later moment, RFC 3339.")] = "",
    day: Annotated[str, said("day", "The day that is compared, as 2026-01-31.")] = "",
    month: Annotated[str, said("month", "In its place the month, as 2026-01.")] = "",
    metric: Annotated[str, said("metric", f"{', '.join(METRICS)}; `mrr` when left out.")] = "mrr",
    product: Annotated[str, said("product", "Product ids, by commas.")] = "",
) -> Changes:
    """What became known of a past day or month between two moments, customer by customer."""
    start = _month(month) if month else asking.day(day, "day")
    question = Question(
        metric=metric,
        product=tuple(part for part in product.split(",") if part),
        start=start,
        end=add_months(start, 1) if month else start + dt.timedelta(days=1),
    )
    since = asking.instant(from_known_at, "from_known_at")
    until = asking.instant(to_known_at, "to_known_at")
    return await request.run(request.parts.revenue.changes, question, request.viewer, since, until)


@_asks("/v1/reconciliation", "Cash against balances", _TakesDays)
async def see_reconciliation(request: Call) -> Reconciliation:
    """Cash by account, currency and month as counted and as the balance says; and what differs."""
    return await request.run(request.parts.revenue.reconciliation, _asked(request), request.viewer)


@get("/v1/closes", guards=needs("read"), tags=_TAGS, summary="Closed months")
async def see_closes(request: Call) -> shapes.Closes:
    """Which months are closed, by whom and when, and which can be."""
    return await request.run(request.parts.months.closes)


@post("/v1/closes", status_code=200, guards=needs("admin"), tags=_TAGS, summary="Close a month")
async def close_month(request: Call, data: JSONBody[shapes.Closing]) -> shapes.Closes:
    """Close a month and all before it, or open it and all after it again."""
    whole_company(request.visitor)
    by = request.viewer.name or request.viewer.id
    done = await request.run(request.parts.months.close, data.month, data.reopen, by)
    await request.note("month_reopened" if data.reopen else "month_closed", data.month)
    return done


def _month(text: str) -> dt.date:
    if re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", text) and 1970 <= int(text[:4]) <= 2199:
        return dt.date(int(text[:4]), int(text[5:]), 1)
    raise Rejected(
        "bad_month", f"'{text[:40]}' is not a month.", fix="Send it as 2026-10.", where="month"
    )


ROUTES: tuple[Any, ...] = (
    see_bridge,
    see_moved,
    see_customers,
    see_customer,
    merge,
    unmerge,
    see_cohorts,
    see_policies,
    see_why,
    see_changes,
    see_reconciliation,
    see_closes,
    close_month,
)
