"""What the fake emits looks like Stripe's own published fixtures, key by key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from upwell.demo.stripe.company import company
from upwell.demo.stripe.world import Json

NOW = 1_795_000_000

# Stripe's published shapes leave these out although its API reference and its SDK have them.
_ALSO = {
    "invoice.parent.subscription_details.metadata",
    "invoice_payment.payment.payment_intent",
    "invoiceitem.parent.subscription_details.subscription_item",
    "invoiceitem.pricing.price_details",
    "line_item.parent.subscription_item_details.proration_details",
    "line_item.pricing.price_details",
    "balance_transaction.fee_details",
    "payment_intent.last_payment_error.code",
    "payment_intent.last_payment_error.decline_code",
    "payment_intent.last_payment_error.message",
}
# Whatever the company writes there, or what another fixture describes.
_OPEN = {"metadata", "fraud_details"}


@pytest.fixture(scope="module")
def published() -> dict[str, Json]:
    for up in Path(__file__).parents:
        path = up / "shared/data/stripe-fixtures.json"
        if path.exists():
            found: dict[str, Json] = json.loads(path.read_bytes())["resources"]
            return found
    pytest.skip("Stripe's published fixtures are not here")


@pytest.fixture(scope="module")
def emitted() -> dict[str, list[Json]]:
    """One of every shape that came about in the demo company: by object, without repeats."""
    found: dict[str, dict[str, Json]] = {}
    for account in company(NOW, customers=150, months=14).accounts:
        for table in account.world.tables.values():
            for row in table.rows.values():
                found.setdefault(row["object"], {})[_sketch(row)] = row
        for event in {event.type: event for event in account.events}.values():
            shape = json.loads(account.payload(event))
            found.setdefault("event", {})[_sketch(shape)] = shape
    return {kind: list(rows.values()) for kind, rows in found.items()}


def _sketch(value: Any) -> str:
    """The keys and types of a value, as a text that equal shapes share."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_sketch(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(sorted({_sketch(one) for one in value})) + "]"
    return type(value).__name__


def differences(ours: Any, theirs: Any, shapes: dict[str, Json], path: str) -> list[str]:
    """Keys that Stripe's shape has not, and values of another type; null fits anything."""
    if ours is None or theirs is None or path in _ALSO:
        return []
    if isinstance(ours, dict):
        if not isinstance(theirs, dict):
            return [f"{path}: a hash, not {theirs!r}"]
        kind = ours.get("object")
        if kind in shapes and kind != theirs.get("object"):
            return [f"{path}: {kind}, not {theirs.get('object')}"]
        if kind in shapes:
            theirs, path = shapes[kind], kind
        found = []
        for key, value in ours.items():
            if key in _OPEN:
                continue
            if key not in theirs and f"{path}.{key}" not in _ALSO:
                found.append(f"{path}.{key}: unknown")
            found += differences(value, theirs.get(key), shapes, f"{path}.{key}")
        return found
    if isinstance(ours, list):
        if not isinstance(theirs, list):
            return [f"{path}: a list, not {theirs!r}"]
        return [
            one
            for value in ours
            for one in differences(value, theirs[0] if theirs else None, shapes, path)
        ]
    number = (int, float)
    if isinstance(ours, bool) or isinstance(theirs, bool):
        same = isinstance(ours, bool) and isinstance(theirs, bool)
    elif isinstance(ours, number) and isinstance(theirs, number):
        same = True
    else:
        same = type(ours) is type(theirs)
    return [] if same else [f"{path}: {ours!r} is not like {theirs!r}"]


def test_every_object_has_a_published_shape(
    emitted: dict[str, list[Json]], published: dict[str, Json]
) -> None:
    assert len(emitted) >= 18
    wrong = {
        one
        for kind, rows in emitted.items()
        if kind != "event"
        for row in rows
        for one in differences(row, published[kind], published, kind)
    }
    assert wrong == set()


def test_every_event_has_the_published_envelope(
    emitted: dict[str, list[Json]], published: dict[str, Json]
) -> None:
    for event in emitted["event"]:
        inner = event["data"]["object"]
        assert set(event) == set(published["event"])
        assert set(event["data"]) <= {"object", "previous_attributes"}
        assert inner["object"] in published
        assert set(event["data"].get("previous_attributes", ())) <= set(inner)


def test_what_stripe_always_says_is_said(
    emitted: dict[str, list[Json]], published: dict[str, Json]
) -> None:
    """Keys of the published shape that ours lacks; each is left out for a reason."""
    missing = {
        kind: sorted(set(published[kind]) - set().union(*map(set, rows)))
        for kind, rows in emitted.items()
        if kind != "event"
    }
    assert {kind: keys for kind, keys in missing.items() if keys} == {
        # shown only when expanded, or only with features that the fake does not have
        "charge": ["refunds", "source"],
        "invoice": ["subscription"],
        "payment_intent": [
            "amount_details",
            "excluded_payment_method_types",
            "managed_payments",
            "payment_method_configuration_details",
            "payment_method_options",
            "source",
        ],
        "refund": ["customer", "customer_account", "payment_method"],
        "subscription": ["managed_payments"],
    }
