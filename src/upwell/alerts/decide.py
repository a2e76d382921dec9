"""Whether people hear of a reading: the rule, what is known, the reading and the time decide."""

from __future__ import annotations

import datetime as dt

from msgspec.structs import replace

from upwell.alerts.incident import WHOLE, Incident, Moment, Reading, Reason, Rule, Told, name

CALM = 1.5  # z below which a series counts as back to normal, well inside its range
CALM_FOR = dt.timedelta(minutes=30)
CALM_SHARE = 0.25  # of a new day that must be over before it can end what the day before began
PAUSE = dt.timedelta(minutes=1)  # between two messages about an incident that grows


def decide(
    rule: Rule, incident: Incident | None, reading: Reading, now: dt.datetime
) -> tuple[Reason, Incident | None]:
    """The named decision and the incident as it stands after it; None where there is none.

    `incident` is what the reading belongs to (`incident.belongs`). Deciding again with the answer
    changes nothing but what time changes.
    """
    bad = reading.expected.severity is not None
    if reading.quiet and (incident is None or bad):
        return Reason.SILENT_HISTORY, incident
    if not reading.expected.enough:
        return Reason.TOO_SHORT_HISTORY, incident
    if incident is None and not bad:
        return Reason.NORMAL, None
    if incident is None:
        fresh = _begun(rule, reading, now)
        if rule.hold:
            return Reason.PENDING, fresh
        return Reason.OPENED, _told(fresh, "Opened", reading, now)
    if reading.day < incident.day:
        return Reason.EARLIER_DAY, incident

    seen = _seen(incident, reading, now)
    bad = seen.severity is not None
    match incident.state:
        case "pending" if not bad:
            return Reason.PASSED, None
        case "pending" if now - incident.opened_at < rule.hold:
            return Reason.PENDING, seen
        case "pending":
            return Reason.OPENED, _told(replace(seen, state="open"), "Opened", reading, now)
        case "resolved" if not bad:
            still = incident.dismissed and not _calm(seen)
            return Reason.NORMAL, replace(incident, readings=seen.readings, dismissed=still)
        case "resolved" if incident.dismissed and reading.day == incident.day:
            return Reason.DISMISSED, incident
        case "resolved":
            again = replace(seen, state="open", resolved_at=None, dismissed=False)
            return Reason.REOPENED, _told(again, "Came back", reading, now)

    muted = incident.muted_until is not None and now < incident.muted_until
    if _over(seen, reading, now):
        done = replace(seen, state="resolved", resolved_at=now, muted_until=None)
        if muted or seen.told is None:
            return Reason.MUTED, _noted(done, "Over", done.reading, now)
        return Reason.RESOLVED, _told(done, "Over", reading, now)
    if muted:
        return Reason.MUTED, seen
    if not bad:
        return Reason.CALMING, seen
    if incident.state == "muted":
        awake = replace(seen, state="open", muted_until=None)
        return Reason.MUTE_ENDED, _told(awake, "The mute ended", reading, now)
    if seen.told is not None and now - seen.told.at >= PAUSE:
        if seen.severity == "high" and seen.told.severity == "medium":
            return Reason.WORSENED, _told(seen, "Worse", reading, now)
        if set(seen.products) - set(seen.told.products):
            return Reason.SPREAD, _told(seen, "More products", reading, now)
    return Reason.STILL_OPEN, seen


def _begun(rule: Rule, reading: Reading, now: dt.datetime) -> Incident:
    return Incident(
        id=name(rule, reading, now),
        rule=rule.id,
        metric=rule.metric,
        product=reading.product,
        day=reading.day,
        state="pending" if rule.hold else "open",
        opened_at=now,
        readings=(reading,),
        worst=reading.expected.severity or "medium",
    )


def _seen(incident: Incident, reading: Reading, now: dt.datetime) -> Incident:
    """The incident with the newest reading of its series, before any decision."""
    others = tuple(r for r in incident.readings if r.product != reading.product)
    joined = len(others) == len(incident.readings)
    # An incident is named after a part where one is known: "in Mail" says more than "in all".
    lead = reading.product if joined and incident.product == WHOLE else incident.product
    seen = replace(incident, readings=(*others, reading), product=lead)
    if reading.expected.severity is not None:
        worst = "high" if "high" in (reading.expected.severity, incident.worst) else "medium"
        seen = replace(seen, day=reading.day, worst=worst)
    calm_since = (incident.calm_since or now) if _calm(seen) and _conclusive(seen) else None
    seen = replace(seen, calm_since=calm_since)
    if joined and reading.product != WHOLE:
        seen = _noted(seen, f"Also in {reading.name}", reading, now)
    return seen


def _calm(incident: Incident) -> bool:
    return all(reading.expected.excess < CALM for reading in incident.readings)


def _conclusive(incident: Incident) -> bool:
    newest = max(reading.day for reading in incident.readings)
    return newest == incident.day or all(
        reading.day == newest and reading.share >= CALM_SHARE for reading in incident.readings
    )


def _over(seen: Incident, reading: Reading, now: dt.datetime) -> bool:
    if seen.calm_since is None:
        return False
    whole_day = reading.share >= 1.0 and reading.day == seen.day
    return whole_day or now - seen.calm_since >= CALM_FOR


def _noted(incident: Incident, what: str, reading: Reading, now: dt.datetime) -> Incident:
    moment = Moment(now, f"{what}: {reading.text}", reading.product)
    return replace(incident, timeline=(*incident.timeline, moment)[-200:])


def _told(incident: Incident, what: str, reading: Reading, now: dt.datetime) -> Incident:
    times = 1 if incident.told is None else incident.told.times + 1
    severity = incident.severity or incident.worst
    told = Told(now, severity, incident.products, times)
    # The company's reading is but the sum: the timeline tells of the product.
    about = incident.reading if reading.product == WHOLE or what == "Over" else reading
    return replace(_noted(incident, what, about, now), told=told)
