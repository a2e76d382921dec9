"""Products and the workspace as pages change them: judged, journaled, kept beside the file."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from upwell.access import SYSTEM
from upwell.app import made
from upwell.app.house import House, ground_of
from upwell.app.joined import Joined
from upwell.errors import Rejected
from upwell.metrics.catalog import CATALOG
from upwell.projection.ground import Ground
from upwell.settings import Product, Settings, Workspace
from upwell.state import tables
from upwell.web import shapes
from upwell.web.site import site

pytestmark = pytest.mark.anyio

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
FILE = Settings(workspace=Workspace(name="Acme"), products=(Product(id="mail", name="Mail"),))
BERLIN = {"name": "Acme", "timezone": "Europe/Berlin", "currency": "EUR"}


class Server:
    """A joined house without a socket, and what an admin's key asks of it."""

    def __init__(self, folder: Path, settings: Settings | None = None) -> None:
        self.house = House(folder, settings, lambda: NOW)
        self.joined = Joined(self.house, "127.0.0.1")
        self.site = site(self.joined.parts)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.site), base_url="http://localhost:8000"
        )

    async def ask(self, verb: str, path: str, body: Any = None) -> tuple[int, Any]:
        answer = await self.client.request(verb, path, json=body, headers=self.key("admin"))
        return answer.status_code, answer.json() if answer.content else None

    def key(self, scope: str, products: tuple[str, ...] | None = None) -> dict[str, str]:
        made = self.joined.gate.create_key(
            name="k", scopes=(scope,), products=products, by=SYSTEM, now=NOW
        )
        return {"Authorization": f"Bearer {made.key}"}

    async def send(self, product: str) -> dict[str, Any]:
        event = {"product_id": product, "event_type": "signup", "actor_id": "u1"}
        event |= {"timestamp": "2026-11-22T11:00:00Z"}
        answer = await self.client.post(
            "/v1/events?wait=applied",
            content=json.dumps([event]),
            headers={**self.key("ingest"), "Content-Type": "application/json"},
        )
        told: dict[str, Any] = answer.json()
        return told

    def products(self) -> dict[str, shapes.Product]:
        return {one.id: one for one in self.joined.parts.products(SYSTEM)}

    def close(self) -> None:
        self.site.api.state.threads.close()
        self.house.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    one = Server(tmp_path)
    yield one
    one.close()


async def test_an_empty_workspace_is_named_and_takes_events_of_a_product_just_added(
    server: Server,
) -> None:
    assert (await server.send("mail"))["rejected"][0]["code"] == "unknown_product"
    assert not (await server.ask("GET", "/v1/session"))[1]["workspace"]["named"]
    assert (await server.ask("PUT", "/v1/workspace", BERLIN))[0] == 204
    status, product = await server.ask(
        "POST", "/v1/products", {"id": "mail", "name": " Acme  Mail"}
    )
    assert (status, product["name"], product["in_file"]) == (201, "Acme Mail", False)
    assert (await server.send("mail"))["accepted"] == 1
    assert server.products()["mail"].events == 1
    told = (await server.ask("GET", "/v1/session"))[1]["workspace"]
    assert (told["name"], told["timezone"], told["currency"]) == ("Acme", "Europe/Berlin", "EUR")
    assert (told["in_file"], told["named"]) == (False, True)
    assert server.joined.dispatch._parts.zone.key == "Europe/Berlin"
    done = {entry.action for entry in audit(server)}
    assert {"workspace_named", "product_added"} <= done


async def test_who_keeps_the_name_it_begins_with_has_named_it_too(server: Server) -> None:
    session = (await server.ask("GET", "/v1/session"))[1]["workspace"]
    same = {name: session[name] for name in BERLIN}
    assert (await server.ask("PUT", "/v1/workspace", same))[0] == 204
    told = (await server.ask("GET", "/v1/session"))[1]["workspace"]
    assert told["named"]
    assert {name: told[name] for name in BERLIN} == same


async def test_every_metric_is_answered_where_there_is_nothing_yet(server: Server) -> None:
    for grain in ("day", "month"):
        asked = [
            {"metric": name, "from": "2026-11-01", "to": "2026-11-23", "grain": grain}
            for name in CATALOG
        ]
        status, told = await server.ask("POST", "/v1/query", {"questions": asked})
        assert status == 200
        failed = {
            question["metric"]: answer["error"]["code"]
            for question, answer in zip(asked, told["answers"], strict=True)
            if "error" in answer
        }
        assert failed == {}


def audit(server: Server) -> list[Any]:
    with server.house.state.read() as at:
        return list(at.execute(select(tables.audit)))


@pytest.mark.parametrize(
    ("body", "code", "fix"),
    [
        ({"id": "Acme Mail"}, "bad_id", "acme-mail"),
        ({"id": ""}, "bad_id", "mail"),
        ({"id": "-x"}, "bad_id", "x"),
        ({"id": "x" * 64}, "bad_id", "x" * 63),
        ({"id": "unassigned"}, "reserved_id", "another"),
        ({"id": "mail", "name": "Other"}, "product_exists", "another id"),
        ({"id": "mail-2", "name": "MAIL"}, "name_taken", "another name"),
        ({"id": "docs", "name": "   "}, "bad_name", "Acme Mail"),
        ({"id": "docs", "name": "a\u0007b"}, "bad_name", "Acme Mail"),
        ({"id": "docs", "name": "n" * 81}, "bad_name", "Acme Mail"),
    ],
)
async def test_a_product_that_cannot_be_says_what_to_write(
    server: Server, body: dict[str, str], code: str, fix: str
) -> None:
    assert (await server.ask("POST", "/v1/products", {"id": "mail", "name": "Mail"}))[0] == 201
    before = server.house.journal.newest
    status, answer = await server.ask("POST", "/v1/products", body)
    assert status in (400, 409)
    assert answer["error"]["code"] == code
    assert fix in answer["error"]["fix"]
    assert server.house.journal.newest == before


async def test_a_product_is_renamed_retired_and_taken_back(server: Server) -> None:
    await server.ask("POST", "/v1/products", {"id": "mail", "name": "Mail"})
    await server.ask("POST", "/v1/products", {"id": "docs"})
    changed = (await server.ask("PUT", "/v1/products/mail", {"name": "Post"}))[1]
    assert (changed["name"], changed["retired"]) == ("Post", False)
    assert (await server.ask("PUT", "/v1/products/mail", {"retired": True}))[1]["retired"]
    again = (await server.ask("PUT", "/v1/products/mail", {"retired": False}))[1]
    assert (again["name"], again["retired"]) == ("Post", False)
    status, answer = await server.ask("PUT", "/v1/products/docs", {"name": "post"})
    assert (status, answer["error"]["code"]) == (409, "name_taken")
    status, answer = await server.ask("PUT", "/v1/products/mial", {"name": "Post"})
    assert (status, answer["error"]["fix"]) == (404, "Did you mean 'mail'?")


@pytest.mark.parametrize(
    ("body", "code", "where"),
    [
        ({"timezone": "Berlin"}, "unknown_timezone", "timezone"),
        ({"currency": "euro"}, "unknown_currency", "currency"),
        ({"name": ""}, "bad_name", "name"),
        ({"week_start": "mon"}, "bad_week_start", "week_start"),
    ],
)
async def test_a_workspace_that_cannot_be_says_why(
    server: Server, body: dict[str, str], code: str, where: str
) -> None:
    status, answer = await server.ask("PUT", "/v1/workspace", BERLIN | body)
    assert (status, answer["error"]["code"], answer["error"]["where"]) == (400, code, where)


async def test_what_is_counted_keeps_its_days_and_its_currency(server: Server) -> None:
    await server.ask("PUT", "/v1/workspace", BERLIN)
    await server.ask("POST", "/v1/products", {"id": "mail"})
    await server.send("mail")
    status, answer = await server.ask("PUT", "/v1/workspace", BERLIN | {"timezone": "UTC"})
    assert (status, answer["error"]["code"]) == (409, "already_counted")
    renamed = BERLIN | {"name": "Acme Ltd", "week_start": "sunday"}
    assert (await server.ask("PUT", "/v1/workspace", renamed))[0] == 204
    told = (await server.ask("GET", "/v1/session"))[1]["workspace"]
    assert (told["name"], told["week_start"]) == ("Acme Ltd", "sunday")


async def test_who_sees_some_products_or_only_reads_changes_nothing(server: Server) -> None:
    await server.ask("POST", "/v1/products", {"id": "mail"})
    some, reader = server.key("admin", ("mail",)), server.key("read")
    for verb, path, body in (
        ("PUT", "/v1/workspace", BERLIN),
        ("POST", "/v1/products", {"id": "docs"}),
        ("PUT", "/v1/products/mail", {"name": "Post"}),
    ):
        for headers in (some, reader):
            answer = await server.client.request(verb, path, json=body, headers=headers)
            assert answer.status_code == 403
    assert [*server.products()] == ["mail"]


async def test_what_is_made_on_pages_outlives_a_restart_and_stands_beside_a_file(
    tmp_path: Path,
) -> None:
    first = Server(tmp_path)
    await first.ask("PUT", "/v1/workspace", BERLIN)
    await first.ask("POST", "/v1/products", {"id": "docs", "name": "Docs"})
    first.close()
    again = Server(tmp_path)
    assert again.joined.parts.settings().workspace.timezone == "Europe/Berlin"
    assert [*again.products()] == ["docs"]
    again.close()
    silent = Server(tmp_path, Settings(products=FILE.products))
    assert silent.joined.parts.settings().workspace.currency == "EUR"
    silent.close()
    filed = Server(tmp_path, FILE)
    assert filed.house.caught_up(30)
    assert {one.id: one.in_file for one in filed.products().values()} == {
        "mail": True,
        "docs": False,
    }
    assert filed.joined.parts.settings().workspace.timezone == "UTC"  # as the file says
    for verb, path, body in (
        ("PUT", "/v1/workspace", BERLIN),
        ("PUT", "/v1/products/mail", {"name": "Post"}),
    ):
        status, answer = await filed.ask(verb, path, body)
        assert (status, answer["error"]["code"]) == (409, "kept_in_the_file")
    filed.close()


def test_the_same_product_in_the_file_and_of_a_page_is_an_error(tmp_path: Path) -> None:
    asked = shapes.NewProduct(id="mail", name="Post")
    house = House(tmp_path, None, lambda: NOW)
    house.stand_otherwise(lambda ground: made.with_product(ground, asked))
    house.close()
    with pytest.raises(Rejected, match="'mail' stands in the configuration") as refusal:
        House(tmp_path, FILE, lambda: NOW)
    assert "Leave it out of the file" in refusal.value.problem.fix


@given(st.lists(st.text("abc", min_size=1, max_size=2), unique=True, max_size=6))
def test_products_of_pages_are_kept_in_their_order_whatever_else_the_file_says(
    ids: list[str],
) -> None:
    ground = Ground()
    for one in ids:
        ground = made.with_product(ground, shapes.NewProduct(id=one))
    stood = made.kept(ground_of(FILE), ground)
    assert [product.id for product in stood.products] == ["mail", *ids]
    assert made.kept(ground_of(FILE), stood) == stood
    decoded = msgspec.json.decode(msgspec.json.encode(stood), type=Ground)
    assert decoded == stood
