"""The alert inbox of pages, programs and commands: list, acknowledge, mute, resolve.

A viewer sees the alerts of their products and nothing of the others, also within an alert.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection

from upwell.access import Viewer
from upwell.alerts import words
from upwell.alerts.channels import standing
from upwell.alerts.incident import WHOLE, Incident, Moment
from upwell.alerts.words import NameOf
from upwell.errors import NotFound, Rejected
from upwell.metrics.catalog import CATALOG, Metric
from upwell.metrics.own import gone
from upwell.period import to_instant, to_micros
from upwell.state import incidents, outbox
from upwell.state.db import State
from upwell.state.outbox import Message

MUTE = dt.timedelta(days=1)

Act = Literal["ack", "mute", "resolve"]


class WhyShown(msgspec.Struct, frozen=True):
    """One part of the difference from expected."""

    by: str
    key: str
    share: float
    delta: float


class DeliveredShown(msgspec.Struct, frozen=True):
    """Where a message went, and whether it arrived; `at` None: not yet."""

    channel: str
    state: str
    at: dt.datetime | None
    error: str = ""


class AlertShown(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as `GET /v1/alerts` gives it."""

    id: str
    state: Literal["open", "acknowledged", "muted", "resolved"]
    severity: Literal["high", "medium"]
    metric: str
    product: str  # empty: the whole company
    title: str
    sentence: str
    opened_at: dt.datetime
    resolved_at: dt.datetime | None
    muted_until: dt.datetime | None
    value: float | None
    expected: float | None
    low: float | None
    high: float | None
    z: float
    why: tuple[WhyShown, ...]
    customers: tuple[str, ...]
    timeline: tuple[Moment, ...]
    delivered: tuple[DeliveredShown, ...]
    day: dt.date
    waiting: str = ""  # for which source, before a drop can be judged again


def listed(
    state: State,
    viewer: Viewer,
    name_of: NameOf,
    now: dt.datetime,
    *,
    currency: str | None = None,
    limit: int = 100,
    catalogue: Mapping[str, Metric] = CATALOG,
) -> list[AlertShown]:
    """The alerts that the viewer may see: what is not over first, then the newest."""
    with state.read() as connection:
        bodies = incidents.newest(connection, limit)
        found = [incident for body in bodies if seen_by(incident := decoded(body), viewer)]
        messages = outbox.of_incidents(connection, [incident.id for incident in found])
    return [
        shown(
            incident,
            viewer,
            name_of,
            currency,
            now,
            [message for message in messages if message.incident == incident.id],
            catalogue=catalogue,
        )
        for incident in found
    ]


def act(
    state: State,
    id: str,
    what: Act,
    viewer: Viewer,
    name_of: NameOf,
    now: dt.datetime,
    *,
    until: dt.datetime | None = None,
    currency: str | None = None,
    catalogue: Mapping[str, Metric] = CATALOG,
) -> AlertShown:
    """Acknowledges, mutes (a day unless `until` says otherwise) or resolves an alert.

    Raises NotFound for an alert that is not there or not for this viewer, Rejected for one that is
    over or a mute that ends in the past. Doing the same twice changes nothing.
    """
    if until is not None and until <= now:
        raise Rejected(
            "bad_time", "The mute would end in the past.", fix="Give a later time.", where="until"
        )
    with state.write() as connection:
        body = incidents.body(connection, id)
        incident = None if body is None else decoded(body)
        if incident is None or incident.state == "pending" or not seen_by(incident, viewer):
            raise NotFound(
                "unknown_alert", f"There is no alert '{id[:60]}'.", fix="/v1/alerts lists them."
            )
        changed = acted(incident, what, viewer.name or viewer.id, now, until or now + MUTE)
        if changed != incident:
            save(connection, changed)
        messages = outbox.of_incidents(connection, [id])
    return shown(changed, viewer, name_of, currency, now, messages, catalogue=catalogue)


def acted(
    incident: Incident, what: Act, who: str, now: dt.datetime, until: dt.datetime
) -> Incident:
    """The alert after a person did something about it; raises Rejected where it is over."""
    if incident.state == "resolved":
        if what == "resolve":
            return incident
        raise Rejected(
            "alert_over",
            "This alert is over.",
            fix="Only alerts that are not over can be acknowledged or muted.",
        )
    match what:
        case "ack" if incident.state == "acknowledged":
            return incident
        case "ack":
            text = f"Acknowledged by {who}"
            changed = replace(incident, state="acknowledged", muted_until=None)
        case "mute":
            text = f"Muted by {who}"
            changed = replace(incident, state="muted", muted_until=until)
        case "resolve":
            text = f"Resolved by {who}"
            lasts = incident.severity is not None
            changed = replace(
                incident, state="resolved", resolved_at=now, muted_until=None, dismissed=lasts
            )
    return replace(changed, timeline=(*incident.timeline, Moment(now, text)))


def seen_by(incident: Incident, viewer: Viewer) -> bool:
    """Whether the viewer may see it: its product, or every product for one of the company."""
    return viewer.products is None or (incident.product != WHOLE and viewer.sees(incident.product))


def shown(
    incident: Incident,
    viewer: Viewer,
    name_of: NameOf,
    currency: str | None,
    now: dt.datetime,
    messages: Iterable[Message] = (),
    *,
    people: bool = True,
    catalogue: Mapping[str, Metric] = CATALOG,
) -> AlertShown:
    """The alert as this viewer may see it; without `people` no customer is named."""
    metric = catalogue.get(incident.metric) or gone(incident.metric)
    reading = incident.reading
    expected = reading.expected
    whole = viewer.products is None
    products = tuple(p for p in incident.products if p == WHOLE or viewer.sees(p))
    latest: dict[str, Message] = {message.channel: message for message in messages}
    return AlertShown(
        id=incident.id,
        state="open" if incident.state == "pending" else incident.state,
        severity=incident.severity or incident.worst,
        metric=incident.metric,
        product=incident.product,
        title=words.title(metric, products, name_of),
        sentence=words.sentence(
            metric, incident, name_of, currency, people=people, sees=viewer.sees
        ),
        opened_at=incident.opened_at,
        resolved_at=incident.resolved_at,
        muted_until=incident.muted_until,
        value=reading.value,
        expected=_rounded(expected.mean),
        low=_rounded(expected.low),
        high=_rounded(expected.high),
        z=round(expected.z, 2),
        why=tuple(WhyShown(p.by, p.key, round(p.share, 4), p.delta) for p in incident.why.parts),
        customers=incident.why.customers if people else (),
        timeline=tuple(m for m in incident.timeline if whole or m.of in (None, *products)),
        delivered=tuple(
            DeliveredShown(
                message.channel,
                standing(message, now),
                None if message.sent_at is None else to_instant(message.sent_at),
                message.error if whole else "",
            )
            for message in latest.values()
        ),
        day=incident.day,
    )


def decoded(body: bytes) -> Incident:
    """The incident that was written as JSON."""
    return msgspec.json.decode(body, type=Incident)


def save(connection: Connection, incident: Incident) -> None:
    """Writes the incident, new or changed."""
    over = incident.resolved_at
    incidents.save(
        connection,
        incidents.Kept(
            id=incident.id,
            rule=incident.rule,
            state=incident.state,
            opened_at=to_micros(incident.opened_at),
            resolved_at=None if over is None else to_micros(over),
            body=msgspec.json.encode(incident),
        ),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
