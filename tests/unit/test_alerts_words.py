from __future__ import annotations

import datetime as dt

import pytest

from upwell.alerts import words
from upwell.alerts.incident import Incident, Part, Reading, Rule, Why
from upwell.alerts.rules import limits, rules
from upwell.detect import USUAL, Expected
from upwell.errors import Rejected
from upwell.metrics.catalog import metric_named
from upwell.settings import Alert

NOW = dt.datetime(2026, 11, 20, 14, 5, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("metric", "value", "currency", "text"),
    [
        ("cancellations", 21.0, None, "21"),
        ("cancellations", 12_345.0, None, "12,345"),
        ("cancellations", None, None, "–"),
        ("revenue", 1134.2, "USD", "$1,134"),
        ("revenue", -12.5, "EUR", "−€12.50"),
        ("revenue", 1_000_000.0, "JPY", "¥1,000,000"),
        ("activation_rate", 0.1234, None, "12.3%"),
    ],
)
def test_numbers_are_written_as_people_do(
    metric: str, value: float | None, currency: str | None, text: str
) -> None:
    assert words.amount(metric_named(metric), value, currency) == text


def incident(metric: str, reading: Reading, why: Why) -> Incident:
    return Incident(
        id="al_1",
        rule=f"{metric}:*",
        metric=metric,
        product=reading.product,
        day=reading.day,
        state="open",
        opened_at=NOW,
        readings=(reading,),
        why=why,
    )


def test_the_founding_sentence() -> None:
    metric = metric_named("cancellations")
    expected = Expected(mean=4.2, low=1.2, high=7.9, z=6, reason="")
    seen = Reading(
        product="mail",
        day=NOW.date(),
        value=21,
        expected=expected,
        text=words.reading(metric, 21, expected, NOW, None),
    )
    why = Why(
        parts=(
            Part("plan", "Starter", 0.95, 16, 18),
            Part("plan", "Team", 0.05, 0.8, 3),
            Part("country", "DE", 0.8, 13, 15),
            Part("channel", "", 1.0, 16.8, 21),
            Part("reason", "payment_failed", 0.9, 15, 17),
        ),
        since="11:20",
        since_value=19,
        customers=("cus_1", "cus_2"),
        customer_count=19,
    )
    said = words.sentence(
        metric, incident("cancellations", seen, why), str.capitalize, None, people=True
    )
    assert said == (
        "Cancellations in Mail: 21 today by 14:05, expected 2–7. 18 on plan Starter, 15 in "
        "Germany, 19 since 11:20; reason payment_failed. Customers: cus_1, cus_2 and 17 more."
    )


def test_what_is_missing_is_said_as_missing() -> None:
    metric = metric_named("revenue")
    expected = Expected(mean=5000, low=3500, high=6500, z=-8, reason="")
    seen = Reading(
        product="",
        day=dt.date(2026, 11, 19),
        value=1200.5,
        expected=expected,
        text=words.reading(metric, 1200.5, expected, dt.date(2026, 11, 19), "USD"),
    )
    why = Why(parts=(Part("product", "mail", 0.9, -3400.0, 100.0),))
    said = words.sentence(metric, incident("revenue", seen, why), str.upper, "USD", people=False)
    assert said == (
        "Net revenue in all products: $1,200 on 19 Nov, expected $3,500–$6,500. −$3,400 in MAIL."
    )


@pytest.mark.parametrize("word", ["incident", "actor", "cell", "position", "grain", "policy"])
def test_no_inside_word_reaches_people(word: str) -> None:
    from upwell.alerts import decide, look

    for module in (words, decide, look):
        texts = [
            const
            for function in vars(module).values()
            if hasattr(function, "__code__") and function.__module__ == module.__name__
            for const in function.__code__.co_consts
            if isinstance(const, str) and const != function.__doc__
        ]
        assert not [text for text in texts if word in text.lower().split()]


def test_without_a_rule_cancellations_are_watched_everywhere() -> None:
    found = rules((), 12)
    assert [rule.metric for rule in found][:1] == ["cancellations"]
    assert found[0].products == ()
    assert found[0].to is None


def test_a_rule_follows_its_configuration() -> None:
    alert = Alert(metric="signups", products=("mail", "drive"), to=("ops",), hold="5m", people=True)
    (rule,) = rules((alert,), 12)
    assert rule == Rule(
        metric="signups",
        products=("drive", "mail"),
        to=("ops",),
        hold=dt.timedelta(minutes=5),
        people=True,
        limits=rule.limits,
    )


def test_the_budget_is_shared_out_over_the_series() -> None:
    assert limits("2 a month", 1) == USUAL  # the founding rule is the least
    few, many = limits("2 a month", 13), limits("2 a month", 1000)
    assert USUAL.medium < few.medium < many.medium < 4
    assert limits("1 a year", 13).medium > limits("1 a week", 13).medium


@pytest.mark.parametrize(
    "alert",
    [
        Alert(metric="signups", kind="goal"),
        Alert(metric="signups", quiet_hours="22:00-07:00"),
        Alert(metric="signups", escalate_after="30m"),
        Alert(metric="sign_ups"),
    ],
)
def test_what_is_not_followed_yet_is_refused(alert: Alert) -> None:
    with pytest.raises(Rejected) as caught:
        rules((alert,), 3)
    assert caught.value.problem.fix
