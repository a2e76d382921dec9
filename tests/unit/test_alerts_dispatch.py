"""From a commit to a message: a company in a list, a clock that the test moves, real state."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.unit.alerts_company import (
    BERLIN,
    DAILY,
    NOON,
    Company,
    Event,
    alerts,
    live,
    opened,
    sent,
    usual,
)
from upwell.access import SYSTEM, Viewer
from upwell.alerts import inbox
from upwell.alerts.incident import Rule
from upwell.event import Position
from upwell.query import Answer, Question
from upwell.state import incidents
from upwell.state.db import State


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    found = opened(tmp_path)
    yield found
    found.close()


@pytest.fixture
def company() -> Company:
    return usual()


def test_a_burst_is_told_with_its_reason_and_customers(state: State, company: Company) -> None:
    rules = (Rule(metric="cancellations", people=True),)
    dispatch = company.dispatch(state, rules)
    live(company, dispatch)
    assert sent(state) == []
    dispatch.consider(company.burst("mail", 20))
    dispatch.step()
    (message,) = sent(state)
    assert message["type"] == "alert.opened"
    assert message["title"] == "Cancellations in Mail"
    text = message["text"]
    assert text.startswith("Cancellations in Mail: 21 today by 12:00, expected 0–")
    assert "20 on plan Starter, 21 in Germany, " in text
    assert " since 11:59; reason payment_failed." in text
    assert "Customers: cus_mail_" in text
    assert text.endswith(" more.")
    (alert,) = alerts(state, company)
    assert message["alert"]["id"] == alert.id
    assert message["url"] == f"https://upwell.acme.example/alerts/{alert.id}"
    assert (alert.state, alert.severity, alert.product) == ("open", "high", "mail")
    assert alert.value == 21
    assert len(alert.customers) == 21
    assert alert.high is not None
    assert alert.value > alert.high


def test_the_split_adds_exactly_to_the_difference(state: State, company: Company) -> None:
    dispatch = company.dispatch(state)
    company.passes(minutes=17)  # the hour in progress counts in part: no round numbers
    dispatch.consider(company.burst("mail", 20))
    dispatch.consider(company.burst("mail", 3, plan="Team", country="FR", reason="other reason"))
    dispatch.step()
    (alert,) = alerts(state, company)
    assert alert.value is not None
    assert alert.expected is not None
    for by in ("plan", "country", "channel", "reason"):
        parts = [part for part in alert.why if part.by == by]
        assert sum(round(part.delta * 100) for part in parts) == round(
            (alert.value - alert.expected) * 100
        )
        assert sum(part.share for part in parts) == pytest.approx(1, abs=1e-3)
    by_country = {part.key: part.delta for part in alert.why if part.by == "country"}
    assert by_country == {"DE": 20.0, "FR": 3.0, "US": -alert.expected}


def test_names_of_customers_stay_in_the_house_unless_the_rule_says_otherwise(
    state: State, company: Company
) -> None:
    dispatch = company.dispatch(state)
    dispatch.consider(company.burst("mail", 20))
    dispatch.step()
    (message,) = sent(state)
    assert "cus_" not in msgspec.json.encode(message).decode()
    assert "20 customers are named in Upwell." in message["text"]
    assert len(alerts(state, company)[0].customers) == 20


def test_it_is_told_once_however_often_it_is_looked_at(state: State, company: Company) -> None:
    dispatch = company.dispatch(state)
    dispatch.consider(company.burst("mail", 30))
    for _ in range(20):
        dispatch.step()
        company.passes(seconds=31)
        dispatch.consider(company.burst("mail", 1))
    assert len(sent(state)) == 1
    assert alerts(state, company)[0].value == 49.0


def test_a_product_and_the_company_are_one_alert(state: State, company: Company) -> None:
    dispatch = company.dispatch(state)
    dispatch.consider(company.burst("mail", 40))
    dispatch.step()
    company.passes(minutes=5)
    dispatch.step()
    assert [alert.product for alert in alerts(state, company)] == ["mail"]
    assert len(sent(state)) == 1


def test_an_outage_of_all_products_is_one_alert(state: State, company: Company) -> None:
    dispatch = company.dispatch(state)
    for product in ("mail", "drive"):
        dispatch.consider(company.burst(product, 20))
    dispatch.step()
    company.passes(seconds=61)
    dispatch.step()
    (alert,) = alerts(state, company)
    assert alert.title == "Cancellations in Drive and 1 more"
    assert "Also in Mail (20 today by 12:01, expected 0–" in alert.sentence
    assert [message["type"] for message in sent(state)] == ["alert.opened", "alert.changed"]


def test_too_young_a_product_is_silent(state: State) -> None:
    acme = Company()
    acme.history("mail", DAILY, days=20)
    dispatch = acme.dispatch(state)
    dispatch.consider(acme.burst("mail", 50))
    dispatch.step()
    assert sent(state) == []


def test_a_metric_that_never_moved_alarms(state: State) -> None:
    acme = Company()
    acme.history("mail", (9,), days=60, type="signup")  # the product lives, nobody ever left
    dispatch = acme.dispatch(state)
    dispatch.consider(acme.burst("mail", 10))
    dispatch.step()
    (message,) = sent(state)
    assert message["text"].startswith("Cancellations in Mail: 10 today by 12:00, expected 0–")


def test_silence_is_news_too(state: State) -> None:
    acme = Company(now=NOON.replace(hour=9, minute=0))
    for _ in range(4):
        acme.history("mail", tuple(range(24)), type="revenue")
    dispatch = acme.dispatch(state, (Rule(metric="revenue"),))
    for hour in range(9):  # sold as ever until nine
        at = acme.now.replace(hour=hour, minute=30)
        dispatch.consider(acme.happen(*(Event(at, "mail", "revenue") for _ in range(4))))
    dispatch.step()
    assert sent(state) == []
    for _ in range(12 * 2):  # then nothing: no event, no commit, only the timer
        acme.passes(minutes=30)
        dispatch.step()
    first = sent(state)[0]
    assert first["title"] == "Net revenue in Mail"
    assert "expected $" in first["text"]
    assert first["alert"]["z"] < -2.5


def test_a_usual_day_is_silent_at_every_minute(state: State, company: Company) -> None:
    company.now = NOON.replace(hour=0, minute=0)
    dispatch = company.dispatch(state)
    for hour in range(24):
        for minute in (5, 31, 50):
            company.now = NOON.replace(hour=hour, minute=minute)
            if minute == 31 and hour in DAILY:
                dispatch.consider(company.burst("mail", 1))
                dispatch.consider(company.burst("drive", 1))
            dispatch.step()
    assert sent(state) == []


def test_it_is_over_the_next_day_and_said_so(state: State, company: Company) -> None:
    dispatch = company.dispatch(state)
    dispatch.consider(company.burst("mail", 30))
    dispatch.step()
    start = company.now
    for hour in range(1, 26):
        company.now = start + dt.timedelta(hours=hour)
        if company.now.hour in DAILY:
            dispatch.consider(company.burst("mail", 1))
        for _ in range(3):
            dispatch.step()
            company.passes(minutes=19)
    (alert,) = alerts(state, company)
    assert alert.state == "resolved"
    texts = [message["text"] for message in sent(state)]
    assert texts[-1].startswith("Over: Cancellations in Mail: ")
    assert [message["type"] for message in sent(state)] == ["alert.opened", "alert.resolved"]
    assert [moment.text.split(":")[0] for moment in alert.timeline] == ["Opened", "Over"]


def test_a_day_that_was_only_a_little_too_high_is_told_when_it_is_over(
    state: State, company: Company
) -> None:
    dispatch = company.dispatch(state)
    company.now = NOON.replace(hour=23, minute=55)
    dispatch.consider(company.burst("mail", 14))
    for _ in range(2):
        dispatch.step()
        company.passes(minutes=2)
    assert sent(state) == []  # not yet surprising enough for a number that is looked at all day
    company.passes(minutes=3)
    dispatch.step()
    (message,) = sent(state)
    assert message["text"].startswith("Cancellations in Mail: 14 on 20 Nov, expected ")
    parts = [part["delta"] for part in message["alert"]["why"] if part["by"] == "plan"]
    assert sum(parts) == pytest.approx(14 - 6)
    again = company.dispatch(state)  # a restart does not judge that day again
    company.passes(minutes=1)
    again.step()
    assert len(sent(state)) == 1


def test_numbers_of_different_people_are_judged_when_their_day_is_over(state: State) -> None:
    acme = Company()
    acme.history("mail", tuple(range(24)), type="session")
    dispatch = acme.dispatch(state, (Rule(metric="dau"),))
    dispatch.consider(acme.happen(Event(acme.now, "mail", "session")))
    dispatch.step()
    assert sent(state) == []  # one user by noon says nothing yet
    acme.passes(days=1)  # ... but one on a whole day does
    dispatch.step()
    (message,) = sent(state)
    assert message["text"] == "Daily active users in Mail: 1 on 20 Nov, expected 12–36."


def test_one_product_that_cannot_be_read_hurts_no_other(state: State, company: Company) -> None:
    company.broken = "drive"
    dispatch = company.dispatch(state)
    dispatch.consider(company.burst("drive", 30))
    dispatch.consider(company.burst("mail", 30))
    dispatch.step()
    assert [message["alert"]["product"] for message in sent(state)] == ["mail"]
    company.broken = "nothing"
    company.passes(minutes=11)
    dispatch.step()
    assert {message["alert"]["product"] for message in sent(state)} == {"mail", "drive"}


def test_a_series_that_keeps_moving_is_looked_at_five_times_a_second(
    state: State, company: Company
) -> None:
    dispatch = company.dispatch(state)
    live(company, dispatch)
    company.asked = 0
    for _ in range(100):  # ten seconds of ten commits a second
        dispatch.consider(company.happen(Event(company.now, "mail")))
        dispatch.step()
        company.passes(milliseconds=10)
    assert company.asked <= 2 * 6 + 10 * 20  # six looks at two series, and one explanation


def test_an_alert_that_was_told_is_looked_at_every_two_seconds(
    state: State, company: Company
) -> None:
    dispatch = company.dispatch(state)
    live(company, dispatch)
    dispatch.consider(company.burst("mail", 30))
    for _ in range(10):  # the alert is opened and explained, and the company's series joins it
        dispatch.step()
        company.passes(milliseconds=210)
    changes: list[int] = []
    dispatch.subscribe(lambda: changes.append(1))
    for _ in range(100):  # ten seconds of ten commits a second
        dispatch.consider(company.burst("mail", 1))
        dispatch.step()
        company.passes(milliseconds=100)
    assert 4 <= len(changes) <= 2 * 6  # of two series
    assert (alerts(state, company)[0].value or 0) >= 31 + 80


def test_what_happens_during_a_look_is_looked_at_next(state: State, company: Company) -> None:
    dispatch = company.dispatch(state)
    live(company, dispatch)
    company.passes(minutes=1)
    ask = company.ask

    def slow(question: Question, viewer: Viewer) -> Answer:
        answer = ask(question, viewer)
        next(during, lambda: None)()  # the numbers were read; then the burst comes
        return answer

    company.ask = slow  # type: ignore[method-assign]
    again = company.dispatch(state)
    during = iter([lambda: again.consider(company.burst("mail", 30))])
    again.step()
    began = time.monotonic()
    assert again._due.wait(dt.timedelta(seconds=20))
    assert time.monotonic() - began < 5
    company.passes(seconds=1)
    again.step()
    assert alerts(state, company)[0].value == 31


def test_many_quiet_series_do_not_hold_up_an_event(state: State) -> None:
    acme = Company()
    for n in range(40):
        acme.history(f"p{n:02d}", (9,), days=40)
    acme.history("mail", DAILY)
    dispatch = acme.dispatch(state)
    dispatch.consider(acme.burst("mail", 30))
    assert dispatch.step() == dt.timedelta(0)  # more to do at once
    assert len(sent(state)) == 1
    assert acme.asked < 41  # ... and mail did not wait for the other forty
    rounds = 0
    while dispatch.step() == dt.timedelta(0):
        rounds += 1
    assert 3 <= rounds < 16


def test_a_person_may_do_something_while_it_is_looked_at(state: State, company: Company) -> None:
    dispatch = company.dispatch(state)
    dispatch.consider(company.burst("mail", 30))
    dispatch.step()
    (alert,) = alerts(state, company)
    inbox.act(state, alert.id, "ack", SYSTEM, str.capitalize, company.now)
    dispatch.consider(company.burst("mail", 1))
    company.passes(seconds=30)
    dispatch.step()
    (alert,) = alerts(state, company)
    assert (alert.state, alert.value) == ("acknowledged", 31)


def test_local_days_are_the_workspace_s(state: State) -> None:
    # 23:30 in Berlin is still the 20th there, and its clock is what people read.
    acme = Company(BERLIN, dt.datetime(2026, 11, 20, 22, 30, tzinfo=dt.UTC))
    acme.history("mail", (9, 10))
    dispatch = acme.dispatch(state)
    dispatch.consider(acme.burst("mail", 20))
    dispatch.step()
    (message,) = sent(state)
    assert "today by 23:30" in message["text"]
    assert message["alert"]["day"] == "2026-11-20"


def test_the_thread_tells_within_a_second_and_stops(state: State, company: Company) -> None:
    began = dt.datetime.now(dt.UTC)

    def clock() -> dt.datetime:
        return NOON + (dt.datetime.now(dt.UTC) - began)

    dispatch = company.dispatch(state)
    dispatch._parts = msgspec.structs.replace(dispatch._parts, clock=clock)
    told = threading.Event()
    dispatch.subscribe(told.set)
    dispatch.consider(company.burst("mail", 30))
    dispatch.start()
    assert told.wait(5)
    dispatch.stop()
    assert len(sent(state)) == 1
    with state.read() as connection:
        at = incidents.position(connection)
    assert at is not None
    assert at[0] == Position(0, 1)
