"""The revenue routes over HTTP, on a ledger made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_ask_revenue import move
from tests.unit.web_house import Built
from upwell.projection.book import Book, Person
from upwell.state import people

pytestmark = pytest.mark.anyio


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Built]:
    found = Built(tmp_path)
    found.book = Book.of(
        [
            move("cus_a", "01-05", 100, "new", subscription="sub_1"),
            move("cus_b", "01-20", 50, "new", subscription="sub_2", plan="solo"),
            move("cus_a", "02-10", 30, "expansion", subscription="sub_1", cause="quantity"),
            move("cus_b", "02-20", -50, "churn", subscription="sub_2", plan="solo", cause="cancel"),
            move("cus_a", "03-01", 20, "new", "expansion", product="docs", subscription="sub_3"),
        ],
        persons=[
            Person((("stripe", "cus_a"),), "Ada", "ada@a.example", "GB"),
            Person((("stripe", "cus_b"),), "Bob", "bob@b.example", "US"),
        ],
    )
    yield found
    found.close()


async def get(built: Built, path: str, **scope: Any) -> Any:
    async with built.client(headers=built.key("read", **scope)) as client:
        answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def post(built: Built, path: str, body: Any) -> Any:
    async with built.client(headers=built.key("read")) as client:
        answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_bridge_with_its_buckets_and_parts(built: Built) -> None:
    found = await get(built, "/v1/bridge?from=2026-01-01&to=2026-04-01&by=plan")
    assert found["bridge"] == {
        "opening": "0.00",
        "new": "150.00",
        "expansion": "50.00",
        "reactivation": "0.00",
        "contraction": "0.00",
        "churn": "50.00",
        "fx": "0.00",
        "restatement": "0.00",
        "closing": "150.00",
    }
    assert [bucket["bridge"]["closing"] for bucket in found["buckets"]] == [
        "150.00",
        "130.00",
        "150.00",
    ]
    assert {part["key"]: part["bridge"]["closing"] for part in found["parts"]} == {
        "solo": "0.00",
        "team": "150.00",
    }
    assert found["cross"] == {"cross_sell": "20.00", "product_drop": "0.00"}
    assert {"movement": "churn", "cause": "cancel", "amount": "50.00", "customers": 1} in found[
        "causes"
    ]


async def test_the_customers_of_a_bar(built: Built) -> None:
    path = "/v1/bridge/customers?from=2026-01-01&to=2026-03-01&movement=new"
    found = await get(built, f"{path}&limit=1")
    assert [(one["id"], one["amount"]) for one in found["customers"]] == [
        ("stripe:cus_a", "100.00")
    ]
    rest = await get(built, f"{path}&limit=1&cursor={found['cursor']}")
    assert [one["name"] for one in rest["customers"]] == ["Bob"]
    assert rest["cursor"] is None
    solo = await get(built, f"{path}&by=plan&key=solo")
    assert [one["name"] for one in solo["customers"]] == ["Bob"]


async def test_customers_are_listed_filtered_and_sorted(built: Built) -> None:
    found = await get(built, "/v1/customers")
    assert [(one["name"], one["mrr"], one["status"]) for one in found["customers"]] == [
        ("Ada", "150.00", "active"),
        ("Bob", "0.00", "canceled"),
    ]
    assert found["customers"][0]["products"] == ["docs", "mail"]
    assert found["total"] == 2
    for query, names in (
        ("q=bob@", ["Bob"]),
        ("status=active", ["Ada"]),
        ("country=US", ["Bob"]),
        ("product=docs", ["Ada"]),
        ("plan=solo", ["Bob"]),
        ("sort=mrr", ["Bob", "Ada"]),
        ("sort=name&limit=1&cursor=1", ["Bob"]),
    ):
        found = await get(built, f"/v1/customers?{query}")
        assert [one["name"] for one in found["customers"]] == names, query
    only = await get(built, "/v1/customers", products=("docs",))
    assert [(one["name"], one["mrr"]) for one in only["customers"]] == [("Ada", "20.00")]


async def test_one_customer(built: Built) -> None:
    found = await get(built, "/v1/customers/cus_a")
    assert found["customer"]["mrr"] == "150.00"
    assert found["customer"]["since"] == "2026-01-05"
    assert [(one["id"], one["mrr"]) for one in found["subscriptions"]] == [
        ("sub_3", "20.00"),
        ("sub_1", "130.00"),
    ]
    assert [(one["kind"], one["amount"], one["mrr_after"]) for one in found["movements"]] == [
        ("expansion", "20.00", "150.00"),
        ("expansion", "30.00", "130.00"),
        ("new", "100.00", "100.00"),
    ]
    assert found["mrr"][-1]["value"] == "150.00"
    async with built.client(headers=built.key("read", products=("docs",))) as client:
        assert (await client.get("/v1/customers/cus_b")).status_code == 404


async def test_cohorts_of_customers_and_of_money(built: Built) -> None:
    days = {"from": "2026-01-01", "to": "2026-04-01"}
    found = await post(built, "/v1/cohorts", {"measure": "customers", **days})
    assert found["cohorts"][0] == {"start": "2026-01-01", "size": 2, "values": [1.0, 0.5, 0.5]}
    money = await post(built, "/v1/cohorts", {"measure": "mrr", **days})
    assert money["cohorts"][0]["size"] == "150.00"
    assert money["cohorts"][0]["values"] == [1.0, 130 / 150, 1.0]


async def test_counting_rules_and_what_they_change(built: Built) -> None:
    found = await get(built, "/v1/policies")
    assert found["workspace"] == "upwell"
    assert [policy["name"] for policy in found["policies"]] == ["upwell", "stripe", "chartmogul"]
    why = await get(built, "/v1/why?month=2026-02&policy=stripe")
    assert [said.split(".")[0] for said in why.pop("same")] == [
        "Currencies",
        "Customer churn rate",
        "Trial conversion",
    ]
    assert why == {
        "currency": "USD",
        "ours": "130.00",
        "theirs": "130.00",
        "difference": "0.00",
        "causes": [],
        "apart": [],
    }


async def test_what_became_known_later(built: Built) -> None:
    path = "/v1/changes?from_known_at=2026-02-01T00:00:00Z&to_known_at=2026-02-15T00:00:00Z"
    found = await get(built, f"{path}&day=2026-02-20")
    assert (found["before"], found["after"]) == ("150.00", "180.00")
    assert [(one["amount"], one["customer"]) for one in found["changes"]] == [("30.00", "Ada")]


async def test_nothing_to_reconcile(built: Built) -> None:
    assert await get(built, "/v1/reconciliation?from=2026-01-01&to=2026-04-01") == {"rows": []}


async def test_customers_are_joined_and_parted_by_who_may_and_it_is_noted(built: Built) -> None:
    merge, body = "/v1/customers/stripe:cus_a/merge", {"customers": ["app:u1"]}
    async with built.client(headers=built.key("read")) as client:
        assert (await client.post(merge, json=body)).status_code == 403
    async with built.client(headers=built.key("admin", products=("mail",))) as client:
        assert (await client.post(merge, json=body)).status_code == 403
    async with built.client(headers=built.key("admin")) as client:
        done = await client.post(merge, json=body)
        assert done.json() == {
            "accounts": ["stripe:cus_a", "app:u1"],
            "changed": True,
            "position": "0-1",
        }
        assert (await client.post("/v1/customers/app:u1/unmerge")).status_code == 200
        assert (await client.post(merge, json={"customers": ["nobody"]})).status_code == 404
        assert (await client.post(merge, json={"customers": "x"})).status_code == 400
    noted = [(entry.action, entry.about) for entry in people.trail(built.state)]
    assert ("customers_merged", "stripe:cus_a app:u1") in noted
    assert ("customer_unmerged", "app:u1") in noted


async def test_months_are_closed_and_opened_by_who_may_and_it_is_noted(built: Built) -> None:
    async with built.client(headers=built.key("read")) as client:
        assert (await client.get("/v1/closes")).json()["next"] == "2026-10"
        assert (await client.post("/v1/closes", json={"month": "2026-10"})).status_code == 403
    async with built.client(headers=built.key("admin", products=("mail",))) as client:
        assert (await client.post("/v1/closes", json={"month": "2026-10"})).status_code == 403
    async with built.client(headers=built.key("admin")) as client:
        done = (await client.post("/v1/closes", json={"month": "2026-10"})).json()
        assert [(one["month"], one["by"] != "") for one in done["closes"]] == [("2026-10", True)]
        again = await client.post("/v1/closes", json={"month": "2026-10", "reopen": True})
        assert again.json()["closes"] == []
        wrong = await client.post("/v1/closes", json={"months": 3})
        assert wrong.status_code == 400
    noted = [(entry.action, entry.about) for entry in people.trail(built.state)]
    assert noted.count(("month_closed", "2026-10")) == 1
    assert ("month_reopened", "2026-10") in noted
