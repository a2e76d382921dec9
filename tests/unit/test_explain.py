"""Why a number changed: by the movements of a ledger, by days of one's own, and over HTTP."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_ask_revenue import Desked, move
from tests.unit.web_house import Built
from upwell.access import SYSTEM, Viewer
from upwell.errors import Rejected
from upwell.projection import Projection
from upwell.projection.book import Book, Person
from upwell.projection.ground import Ground, GroundProduct
from upwell.query import Question
from upwell.query.explain import Explain, Explanation

DOCS = Viewer(id="k", scopes=frozenset({"read"}), products=frozenset({"docs"}))

MOVES = [
    *(move(f"g{n}", "01-05", 50, "new", product="mail", plan="Team")
      for n in range(3)),
    move("us", "01-06", 100, "new", product="mail", plan="Solo"),
    move("fr", "01-07", 80, "new", product="docs", plan="Team"),
    *(move(f"g{n}", "02-10", -50, "churn", product="mail", plan="Team")
      for n in range(3)),
    move("us", "02-11", -20, "contraction", product="mail", plan="Solo"),
    move("fr", "02-12", 40, "expansion", product="docs", plan="Team"),
]  # fmt: skip
PERSONS = [
    Person((("stripe", name),), name.upper(), f"{name}@x.example", country)
    for name, country in (("g0", "DE"), ("g1", "DE"), ("g2", "DE"), ("us", "US"), ("fr", "FR"))
]


@pytest.fixture
def desked(tmp_path: Path) -> Iterator[Desked]:
    projection = Projection(tmp_path, memory="128MB")
    products = (GroundProduct(id="mail", name="Mail"), GroundProduct(id="docs", name="Docs"))
    projection.set_ground(Ground(products=products), 1, 1)
    found = Desked(projection)
    found.hold(MOVES, persons=PERSONS)
    yield found
    projection.close()


def why(desked: Desked, metric: str = "mrr", viewer: Viewer = SYSTEM, **more: Any) -> Explanation:
    days = {"start": dt.date(2026, 2, 1), "end": dt.date(2026, 3, 1)}
    question = Question(metric=metric, grain="month", **(days | more))
    return Explain(desked.desk, lambda: desked.now).explain(question, viewer)


def parts(found: Explanation, by: str) -> dict[str, Any]:
    split = next(one for one in found.splits if one.by == by)
    return {part.key or part.kind: part.change for part in split.parts}


def test_mrr_fell_for_its_movements_products_plans_and_customers(desked: Desked) -> None:
    found = why(desked)
    assert (found.before, found.after, found.change) == ("330.00", "200.00", "-130.00")
    assert parts(found, "movement") == {
        "churn": "-150.00", "expansion": "40.00", "contraction": "-20.00",
    }  # fmt: skip
    assert parts(found, "product") == {"mail": "-170.00", "docs": "40.00"}
    assert parts(found, "plan") == {"Team": "-110.00", "Solo": "-20.00"}
    assert parts(found, "country") == {"DE": "-150.00", "FR": "40.00", "US": "-20.00"}
    moved = {one.id.split(":")[1]: one.change for one in found.customers}
    assert moved == {"g0": "-50.00", "g1": "-50.00", "g2": "-50.00", "fr": "40.00", "us": "-20.00"}
    lead = found.lead
    assert lead is not None
    assert (lead.product, lead.movement, lead.customers) == ("mail", "churn", 3)
    assert (lead.plan, lead.country) == ("Team", "DE")


def test_a_filter_a_product_and_days_of_ones_own(desked: Desked) -> None:
    found = why(desked, where={"plan": ("Team",)})
    assert found.change == "-110.00"
    assert "plan" not in {split.by for split in found.splits}
    found = why(desked, product=("mail",))
    assert found.change == "-170.00"
    assert "product" not in {split.by for split in found.splits}
    assert found.lead is not None
    assert found.lead.customers == 3
    found = why(desked, compare="2025-12-01..2026-01-06")
    assert (found.before, found.change) == ("150.00", "50.00")
    assert parts(found, "movement")["new"] == "180.00"
    with pytest.raises(Rejected, match="is no span that ends before 2026-03-01"):
        why(desked, compare="2026-02-01..2026-03-01")


def test_a_rate_is_its_parts_own_rates_and_their_shares(desked: Desked) -> None:
    """Revenue per customer: 330 / 5 = 66 becomes 200 / 2 = 100."""
    found = why(desked, "arpa")
    assert (found.before, found.after, found.change) == ("66.00", "100.00", "34.00")
    split = next(one for one in found.splits if one.by == "product")
    assert [(one.key, one.before, one.after) for one in split.parts] == [
        ("mail", "62.50", "80.00"),
        ("docs", "80.00", "120.00"),
    ]
    # By hand: R = 83, D = 3.5; mail (-170 + 3 x 83) / 3.5, of it 2.5 x 17.5 / 3.5 its own rate.
    assert [(one.change, one.rate, one.mix) for one in split.parts] == [
        ("22.57", "12.50", "10.07"),
        ("11.43", "11.43", "0.00"),
    ]


def test_what_has_no_parts_says_so(desked: Desked) -> None:
    desked.hold([move("a", "01-05", 50, "new", product="mail")])
    found = why(desked, "nrr")
    assert found.change is None
    assert found.note
    assert found.splits == ()


def test_nobody_hears_of_products_that_are_not_theirs(desked: Desked) -> None:
    desked.hold(
        [
            move("a", "01-05", 50, "new", product="mail"),
            move("b", "02-05", 20, "new", product="docs"),
        ]
    )
    found = why(desked, viewer=DOCS)
    assert (found.before, found.after) == ("0.00", "20.00")
    assert [one.product for one in found.customers] == ["docs"]
    with pytest.raises(Rejected, match="Unknown product 'mail'"):
        why(desked, viewer=DOCS, product=("mail",))


@pytest.mark.anyio
async def test_the_route_answers_and_says_what_to_change(tmp_path: Path) -> None:
    built = Built(tmp_path)
    built.book = Book.of(MOVES, persons=PERSONS)
    async with built.client(headers=built.key("read")) as client:
        said = await client.get(
            "/v1/explain?metric=mrr&from=2026-02-01&to=2026-03-01&where=plan:team&where=plan:Team"
        )
        found = said.json()
        assert (found["change"], found["unit"]) == ("-110.00", "money")
        assert found["against"] == {"from": "2026-01-01", "to": "2026-02-01", "until": None}
        assert found["question"]["compare"] == "previous"
        for compare, code in (
            ("2026-01-01..2026-02-01", None),
            ("2026-01-01..2026-13-01", "bad_comparison"),
            ("2026-02-01..2026-01-01", "bad_comparison"),
            ("last", "unknown_compare"),
        ):
            said = await client.get(
                f"/v1/explain?metric=mrr&from=2026-02-01&to=2026-03-01&compare={compare}"
            )
            assert said.json().get("error", {}).get("code") == code, said.text
        said = await client.get("/v1/explain?metric=mrr&by=plan")
        assert said.status_code == 400
    built.close()
