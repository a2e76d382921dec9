"""What is no news to alerting: imports, restarts, rebuilds, and days that are not all here yet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.alerts_company import (
    NOON,
    Company,
    Event,
    alerts,
    live,
    opened,
    sent,
    usual,
)
from upwell.alerts.dispatch import Dispatch
from upwell.alerts.incident import Rule
from upwell.event import Position
from upwell.period import to_micros
from upwell.query.complete import Through
from upwell.state import incidents, outbox
from upwell.state.db import State


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    found = opened(tmp_path)
    yield found
    found.close()


@pytest.fixture
def company() -> Company:
    return usual()


@pytest.mark.parametrize("quiet", [True, False])
def test_imports_of_the_past_are_never_told(state: State, company: Company, quiet: bool) -> None:
    dispatch = company.dispatch(state)
    live(company, dispatch)
    dispatch.consider(company.burst("mail", 50, quiet=quiet))
    for _ in range(10):
        dispatch.step()
        company.passes(seconds=31)
    assert bool(sent(state)) is not quiet


def test_what_history_brought_today_is_no_news_when_a_live_event_comes(
    state: State, company: Company
) -> None:
    dispatch = company.dispatch(state)
    dispatch.consider(company.burst("mail", 50, quiet=True))
    company.passes(seconds=11)
    dispatch.step()  # rested, and looked at: this is what was there
    dispatch.consider(company.burst("mail", 1))
    dispatch.step()
    assert sent(state) == []
    again = company.dispatch(state)  # also after a restart
    again.consider(company.burst("mail", 2))
    again.step()
    assert sent(state) == []
    again.consider(company.burst("mail", 20))
    company.passes(seconds=1)
    again.step()
    assert len(sent(state)) == 1


def test_history_rests_before_anything_is_judged_by_it(state: State) -> None:
    acme = Company()
    acme.history("mail", (9,), days=60)
    dispatch = acme.dispatch(state)
    live_change = acme.burst("mail", 12)
    past = [Event(acme.now - dt.timedelta(days=d, hours=3), "mail") for d in range(1, 57)]
    dispatch.consider(acme.happen(*past, quiet=True))
    dispatch.consider(live_change)
    dispatch.step()
    assert sent(state) == []  # half of the history is there
    acme.passes(seconds=5)
    more = [Event(e.at, "mail") for e in past for _ in range(9)]
    dispatch.consider(acme.happen(*more, quiet=True))
    acme.passes(seconds=11)
    dispatch.consider(acme.burst("mail", 1))
    dispatch.step()
    assert sent(state) == []  # 13 is usual now


def test_history_of_long_ago_holds_nothing_up(state: State, company: Company) -> None:
    dispatch = company.dispatch(state)
    long_ago = [Event(NOON - dt.timedelta(days=d), "mail") for d in range(70, 400)]
    dispatch.consider(company.happen(*long_ago, quiet=True))
    dispatch.consider(company.burst("mail", 30))
    dispatch.consider(company.happen(*long_ago, quiet=True))
    dispatch.step()
    assert len(sent(state)) == 1


def test_nothing_is_judged_while_a_back_fill_runs_and_nothing_is_lost(
    state: State, company: Company
) -> None:
    dispatch = company.dispatch(state)
    company.filling = frozenset({"mail"})
    dispatch.consider(company.burst("mail", 30))
    dispatch.consider(company.burst("drive", 30))
    dispatch.step()
    assert [message["alert"]["product"] for message in sent(state)] == ["drive"]
    company.filling = frozenset()
    company.passes(minutes=11)
    dispatch.step()
    assert {message["alert"]["product"] for message in sent(state)} == {"drive", "mail"}


def test_a_restart_tells_nothing_again(state: State, company: Company) -> None:
    first = company.dispatch(state)
    first.consider(company.burst("mail", 30))
    first.step()
    company.passes(minutes=2)
    second = company.dispatch(state)
    for _ in range(3):
        second.step()
        company.passes(seconds=31)
    assert len(sent(state)) == 1


def test_what_a_crash_left_out_is_told_after_it(state: State, company: Company) -> None:
    first = company.dispatch(state)
    live(company, first)
    company.passes(seconds=31)
    first.step()
    company.burst("mail", 30)  # committed by the loop, and then the power goes
    second = company.dispatch(state)
    second.step()
    assert len(sent(state)) == 1


def test_a_first_start_beside_old_data_tells_nothing(state: State, company: Company) -> None:
    company.burst("mail", 99)
    dispatch = company.dispatch(state)
    dispatch.step()
    company.passes(minutes=1)
    dispatch.step()
    assert sent(state) == []


def test_a_rebuild_tells_nothing(state: State, company: Company) -> None:
    dispatch = company.dispatch(state)
    live(company, dispatch)
    seen = company.seq
    for seq in range(1, seen + 1):  # the loop folds the journal again from its beginning
        dispatch.consider(company.happen(*company.events[-40:], seq=seq))
    dispatch.consider(company.happen(refolded=True, quiet=True))
    for _ in range(5):
        dispatch.step()
        company.passes(seconds=31)
    assert sent(state) == []


def test_alert_message_and_position_are_one_transaction(state: State, company: Company) -> None:
    dispatch = company.dispatch(state)
    dispatch.consider(company.burst("mail", 30))
    with pytest.raises(Interrupted):
        interrupted(state, dispatch)
    with state.read() as connection:
        assert incidents.newest(connection, 9) == []
        assert outbox.waiting(connection) == 0
        assert incidents.position(connection) is None
    again = company.dispatch(state)
    again.consider(company.burst("mail", 1))
    again.step()
    with state.read() as connection:
        at = incidents.position(connection)
    assert at is not None
    assert at[0] == Position(0, 2)
    assert len(sent(state)) == 1


class Interrupted(BaseException):
    """The process ends in the middle."""


def interrupted(state: State, dispatch: Dispatch) -> None:
    from sqlalchemy import event

    def cut(*args: Any) -> None:
        if "INSERT INTO alert_positions" in args[2]:
            raise Interrupted

    event.listen(state._engine, "before_cursor_execute", cut)
    try:
        dispatch.step()
    finally:
        event.remove(state._engine, "before_cursor_execute", cut)


def test_late_events_of_yesterday_are_news_of_yesterday(state: State, company: Company) -> None:
    dispatch = company.dispatch(state)
    live(company, dispatch)
    late = [Event(NOON - dt.timedelta(days=1, minutes=n), "mail") for n in range(30)]
    dispatch.consider(company.happen(*late))
    dispatch.step()
    (alert,) = alerts(state, company)
    assert alert.day == dt.date(2026, 11, 19)
    assert "36 on 19 Nov, expected" in alert.sentence
    older = [Event(NOON - dt.timedelta(days=9, minutes=n), "drive") for n in range(90)]
    company.passes(seconds=1)
    dispatch.consider(company.happen(*older))
    dispatch.step()
    assert len(alerts(state, company)) == 1


def test_a_drop_waits_for_the_source_behind_it(state: State) -> None:
    acme = Company()
    acme.history("mail", tuple(range(24)) * 4, type="signup")
    dispatch = acme.dispatch(state, (Rule(metric="signups"),))
    dispatch.consider(acme.happen(Event(acme.now, "mail", "signup")))
    reads = {"mail": acme.now - dt.timedelta(hours=12)}  # until midnight: nothing of today is here

    def behind(product: str, types: frozenset[str]) -> tuple[Through, ...]:
        return (Through("db", to_micros(reads[product]), "late"),) if "signup" in types else ()

    acme.behind = behind
    for _ in range(3):
        dispatch.step()
        acme.passes(seconds=31)
    assert sent(state) == []
    reads["mail"] = NOON - dt.timedelta(hours=9)  # three hours of today are, and as usual
    for number in range(12):
        at = NOON - dt.timedelta(hours=12 - number / 4)
        acme.events.append(Event(at, "mail", "signup"))
    acme.passes(seconds=31)
    dispatch.step()
    assert sent(state) == []
    reads["mail"] = acme.now + dt.timedelta(minutes=1)  # all is here, and nine hours hold nothing
    acme.passes(seconds=31)
    dispatch.step()
    (message,) = sent(state)
    assert message["title"] == "Signups in Mail"


def test_too_much_waits_for_nobody(state: State, company: Company) -> None:
    dispatch = company.dispatch(state)
    live(company, dispatch)
    company.behind = lambda *_: (Through("db", None, "failed"),)
    dispatch.consider(company.burst("mail", 20))
    dispatch.step()
    assert len(sent(state)) == 1


def test_a_day_that_is_over_is_judged_once_all_of_it_is_here(state: State) -> None:
    acme = Company(now=NOON.replace(hour=23, minute=59))
    acme.history("mail", tuple(range(24)) * 4, type="signup")
    dispatch = acme.dispatch(state, (Rule(metric="signups"),))
    dispatch.consider(acme.happen(Event(acme.now, "mail", "signup")))
    acme.behind = lambda *_: (Through("db", to_micros(NOON.replace(hour=0)), "late"),)
    dispatch.step()
    for _ in range(4):
        acme.passes(seconds=31)
        dispatch.step()
    assert sent(state) == []  # yesterday had one signup of 96
    acme.behind = lambda *_: (Through("db", to_micros(acme.now), ""),)
    acme.passes(seconds=31)
    dispatch.step()
    assert [message["title"] for message in sent(state)] == ["Signups in Mail"]
