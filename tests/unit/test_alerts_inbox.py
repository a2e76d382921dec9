from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.unit.alerts_company import DAILY, Company, opened
from upwell.access import SYSTEM, Viewer
from upwell.alerts import inbox
from upwell.alerts.inbox import AlertShown
from upwell.errors import NotFound, Rejected
from upwell.state.db import State

MAIL = Viewer(id="anna", name="Anna", products=frozenset({"mail"}))
DRIVE = Viewer(id="ben", name="Ben", products=frozenset({"drive"}))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    found = opened(tmp_path)
    yield found
    found.close()


@pytest.fixture
def company(state: State) -> Company:
    """An alert in Mail that Drive joined, with one message waiting."""
    acme = Company()
    for product in ("mail", "drive", "notes"):
        acme.history(product, DAILY)
    dispatch = acme.dispatch(state)
    dispatch.consider(acme.burst("mail", 30))
    dispatch.step()
    acme.passes(seconds=61)
    dispatch.consider(acme.burst("drive", 30))
    dispatch.step()
    return acme


def listed(state: State, company: Company, viewer: Viewer = SYSTEM) -> list[AlertShown]:
    return inbox.listed(state, viewer, str.capitalize, company.now)


def act(state: State, company: Company, what: str, viewer: Viewer = SYSTEM) -> AlertShown:
    (alert,) = listed(state, company)
    return inbox.act(
        state,
        alert.id,
        what,  # type: ignore[arg-type]
        viewer,
        str.capitalize,
        company.now,
    )


def test_the_json_is_what_pages_expect(state: State, company: Company) -> None:
    (alert,) = msgspec.json.decode(msgspec.json.encode(listed(state, company)))
    assert set(alert) == {
        "id", "state", "severity", "metric", "product", "title", "sentence", "opened_at",
        "resolved_at", "muted_until", "value", "expected", "low", "high", "z", "why", "customers",
        "timeline", "delivered", "day", "waiting",
    }  # fmt: skip
    assert alert["title"] == "Cancellations in Mail and 1 more"
    assert alert["delivered"] == [{"channel": "ops", "state": "waiting", "at": None, "error": ""}]
    assert alert["day"] == "2026-11-20"
    assert set(alert["why"][0]) == {"by", "key", "share", "delta"}


def test_a_viewer_sees_their_products_and_nothing_of_the_others(
    state: State, company: Company
) -> None:
    assert listed(state, company, DRIVE) == []
    (alert,) = listed(state, company, MAIL)
    text = msgspec.json.encode(alert).decode()
    assert "Mail" in text
    assert "drive" not in text.lower()
    with pytest.raises(NotFound):
        act(state, company, "ack", DRIVE)


def test_an_alert_of_the_whole_company_is_for_those_who_see_it(state: State) -> None:
    acme = Company()
    products = [f"p{n:02d}" for n in range(12)]
    for product in products:
        acme.history(product, DAILY)
    dispatch = acme.dispatch(state)
    for product in products:  # a little more everywhere
        dispatch.consider(acme.burst(product, 6))
    dispatch.step()
    (alert,) = listed(state, acme)
    assert alert.product == ""
    assert alert.title == "Cancellations in all products"
    by_product = [part for part in alert.why if part.by == "product"]
    assert round(sum(part.delta for part in by_product), 2) == pytest.approx(
        (alert.value or 0) - (alert.expected or 0)
    )
    one = Viewer(id="one", products=frozenset(products))
    assert listed(state, acme, one) == []


def test_acknowledged_muted_and_resolved_are_kept_with_who_and_when(
    state: State, company: Company
) -> None:
    assert act(state, company, "ack", MAIL).state == "acknowledged"
    assert act(state, company, "ack", MAIL).timeline[-1].text == "Acknowledged by Anna"
    muted = act(state, company, "mute")
    assert muted.state == "muted"
    assert muted.muted_until == company.now + dt.timedelta(days=1)
    over = act(state, company, "resolve")
    assert (over.state, over.resolved_at) == ("resolved", company.now)
    assert act(state, company, "resolve") == over  # twice changes nothing
    assert [moment.text.split(" ")[0] for moment in over.timeline[-3:]] == [
        "Acknowledged",
        "Muted",
        "Resolved",
    ]


def test_what_makes_no_sense_is_refused(state: State, company: Company) -> None:
    (alert,) = listed(state, company)
    with pytest.raises(Rejected, match="in the past"):
        inbox.act(state, alert.id, "mute", SYSTEM, str.capitalize, company.now, until=company.now)
    act(state, company, "resolve")
    for what in ("ack", "mute"):
        with pytest.raises(Rejected, match="is over"):
            act(state, company, what)
    with pytest.raises(NotFound):
        inbox.act(state, "al_none", "ack", SYSTEM, str.capitalize, company.now)


def test_what_is_not_over_comes_first(state: State, company: Company) -> None:
    act(state, company, "resolve")
    dispatch = company.dispatch(state)
    company.passes(minutes=40)
    dispatch.consider(company.burst("notes", 30))
    dispatch.step()
    company.passes(minutes=1)
    assert [alert.state for alert in listed(state, company)] == ["open", "resolved"]
