"""Alerts and what to do about them; reports and their files."""

from __future__ import annotations

import re

from litestar import Response, get, post
from litestar.params import FromPath, JSONBody

from upwell.alerts.inbox import Act, AlertShown
from upwell.errors import NotFound, Rejected
from upwell.period import to_instant
from upwell.state import reports
from upwell.web import shapes
from upwell.web.routes import Call, needs, whole_company

_TYPES = {
    "pdf": "application/pdf",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "html": "text/html; charset=utf-8",
}

_ACTS: dict[str, Act] = {"ack": "ack", "mute": "mute", "resolve": "resolve"}


@get("/v1/alerts", guards=needs("read"), tags=["Alerts"], summary="The inbox")
async def see_alerts(request: Call) -> shapes.Alerts:
    """Alerts on the products you may see, newest first."""
    found = await request.run(request.parts.alerts, request.viewer)
    return shapes.Alerts(alerts=tuple(found))


@post(
    "/v1/alerts/{alert_id:str}/{act:str}",
    status_code=200,
    guards=needs("read"),
    tags=["Alerts"],
    summary="Acknowledge, mute or resolve",
)
async def act_on_alert(
    request: Call,
    alert_id: FromPath[str],
    act: FromPath[str],
    data: JSONBody[shapes.Acting | None] = None,
) -> AlertShown:
    """`ack`: somebody looks at it; `mute`: no messages for a while; `resolve`: it is over."""
    until = data.until if data else None
    if act not in _ACTS:
        raise NotFound(
            "unknown_act", f"An alert cannot be '{act[:40]}'.", fix="Post ack, mute or resolve."
        )
    if until is not None and (act != "mute" or until.tzinfo is None):
        raise Rejected(
            "bad_time",
            "'until' is a time with its zone, for mute only.",
            fix="Send RFC 3339 such as 2026-12-01T08:00:00Z.",
            where="until",
        )
    changed = await request.run(
        request.parts.act_on_alert, alert_id, _ACTS[act], request.viewer, until
    )
    await request.note(f"alert_{act}", alert_id)
    return changed


@get("/v1/reports", guards=needs("read"), tags=["Reports"], summary="Reports made")
async def see_reports(request: Call) -> shapes.Reports:
    """Every report, newest first."""
    whole_company(request.visitor)
    made = await request.run(reports.every, request.parts.state)
    return shapes.Reports(
        reports=tuple(
            shapes.Report(
                id=one.id,
                month=one.month,
                created_at=to_instant(one.created_at),
                formats=one.formats,
            )
            for one in made
        )
    )


@post(
    "/v1/reports",
    status_code=201,
    guards=needs("read"),
    tags=["Reports"],
    summary="Make a report",
)
async def make_report(
    request: Call,
    data: JSONBody[shapes.NewReport],
) -> shapes.Report:
    """Makes the board report of a month and keeps it with its answers."""
    whole_company(request.visitor)
    if not re.fullmatch(r"(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])", data.month):
        raise Rejected(
            "bad_month",
            f"'{data.month[:40]}' is not a month.",
            fix="Send it as 2026-10.",
            where="month",
        )
    now = request.now()
    made = await request.run(request.parts.make_report, data.month, request.viewer, now)
    await request.note("report_made", f"{made.id} {data.month}")
    return made


@get("/v1/reports/{name:str}", guards=needs("read"), tags=["Reports"], summary="A report's file")
async def get_report(
    request: Call,
    name: FromPath[str],
) -> Response[bytes]:
    """The file of a report in one of its formats: `/v1/reports/{id}.pdf`."""
    whole_company(request.visitor)
    id_, _, kind = name.rpartition(".")
    body = None
    if id_ and kind in _TYPES:
        body = await request.run(reports.file, request.parts.state, id_, kind)
    if body is None:
        raise NotFound(
            "unknown_report",
            f"There is no report '{name[:60]}'.",
            fix="/v1/reports lists them with their formats.",
        )
    await request.note("report_read", name)
    headers = {"Content-Disposition": f'inline; filename="upwell-{id_}.{kind}"'}
    return Response(body, media_type=_TYPES[kind], headers=headers)


ROUTES = (see_alerts, act_on_alert, see_reports, make_report, get_report)
