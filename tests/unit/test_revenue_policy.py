"""Counting rules: every field has a title and a sentence, and the presets are what they say."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from upwell.errors import Rejected
from upwell.metrics.choices import CHOICES
from upwell.metrics.policy import PRESETS, MetricPolicy, policy_named
from upwell.metrics.reference import PAGES


def test_every_choice_is_explained_once() -> None:
    fields = [field.name for field in msgspec.structs.fields(MetricPolicy)]
    assert [choice.name for choice in CHOICES] == [
        name for name in fields if name not in ("name", "title", "version")
    ]
    assert all(choice.title and choice.definition.endswith(".") for choice in CHOICES)


def test_every_value_that_a_choice_can_have_is_said_in_words() -> None:
    policy = msgspec.inspect.type_info(MetricPolicy)
    assert isinstance(policy, msgspec.inspect.StructType)
    kinds = {field.name: field.type for field in policy.fields}
    for choice in CHOICES:
        parts = getattr(kinds[choice.name], "types", (kinds[choice.name],))
        for part in parts:
            match part:
                case msgspec.inspect.LiteralType(values=values):
                    assert set(choice.ways) == set(values)
                    assert all(choice.said(value) for value in values)
                case msgspec.inspect.VarTupleType(item_type=msgspec.inspect.LiteralType() as item):
                    assert set(choice.ways) == set(item.values)
                    assert choice.said(()) == "never"
                    assert choice.said(tuple(item.values)).count(",") == len(item.values) - 1
                case msgspec.inspect.IntType():
                    assert (choice.said(1), choice.said(2)) == (
                        f"1 {choice.unit}",
                        f"2 {choice.unit}s",
                    )
                    assert choice.unit
                case msgspec.inspect.NoneType():
                    assert choice.said(None)
                case msgspec.inspect.BoolType():
                    assert (choice.said(True), choice.said(False)) == ("yes", "no")
                case _:
                    pytest.fail(f"{choice.name} is of a kind that has no words: {part}")


@pytest.mark.parametrize("page", PAGES)
def test_the_reference_pages_are_current(page: str) -> None:
    stored = Path(__file__).parents[2] / "docs" / "reference" / f"{page}.md"
    made = f"python -m upwell.metrics {page} > docs/reference/{page}.md"
    assert stored.read_text(encoding="utf-8") == PAGES[page](), f"run: {made}"


def test_the_presets() -> None:
    assert list(PRESETS) == ["upwell", "stripe", "chartmogul"]
    assert PRESETS["upwell"] == MetricPolicy()


@pytest.mark.parametrize(
    ("preset", "choices"),
    [
        (
            "upwell",
            {
                "factors": "exact",
                "discounts": "recurring",
                "granularity": "day",
                "reactivation_days": None,
                "churn_recognition": "ended",
                "past_due_days": None,
                "metered": "excluded",
                "zero_price": "churn",
                "fx": "constant",
                "customer_churn": "standard",
                "closed_months": "restate",
            },
        ),
        (
            "stripe",
            {
                "past_due_days": None,
                "discounts": "recurring",
                "churn_recognition": "ended",
                "customer_churn": "stripe",
                "metered": "excluded",
                "fx": "period_end",
            },
        ),
        (
            "chartmogul",
            {
                "granularity": "event_window",
                "event_window_minutes": 60,
                "reactivation_days": None,
                "customer_churn": "standard",
                "ltv_churn_months": 6,
                "fx": "tx_date",
                "zero_price": "active",
            },
        ),
    ],
)
def test_what_a_preset_chooses(preset: str, choices: dict[str, object]) -> None:
    policy = policy_named(preset)
    assert {name: getattr(policy, name) for name in choices} == choices


def test_an_unknown_name_is_refused_with_the_near_ones() -> None:
    with pytest.raises(Rejected) as refused:
        policy_named("chartmogle")
    assert refused.value.problem.code == "unknown_policy"
    assert "'chartmogul'" in refused.value.problem.fix
