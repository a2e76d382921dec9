"""The owner, sessions, cookies, CSRF, hosts, origins, the demo, and how often one may try."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.unit.web_house import NOON, PASSWORD, Built
from upwell import access
from upwell.access import SYSTEM
from upwell.errors import Forbidden, Rejected, SignedOut
from upwell.settings.schema import Server
from upwell.state import people
from upwell.web import attempts
from upwell.web.attempts import WINDOW

pytestmark = pytest.mark.anyio
ADA = {"email": "ada@acme.example", "password": PASSWORD}


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Built]:
    house = Built(tmp_path)
    yield house
    house.close()


async def signed_in(client: httpx.AsyncClient) -> str:
    """Signs in and returns the CSRF token."""
    answer = await client.post("/v1/session", json=ADA)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["csrf"])


async def test_the_first_visit_makes_the_owner_once(built: Built) -> None:
    token = built.gate.owner_token(NOON)
    async with built.client() as client:
        assert (await client.get("/v1/session")).json()["setup"] is True
        owner = {**ADA, "token": token, "name": "Ada"}
        made = await client.post("/v1/owner", json=owner)
        assert made.status_code == 200
        assert made.json()["viewer"]["name"] == "Ada"
        assert (await client.get("/v1/products")).status_code == 200
        again = await client.post("/v1/owner", json={**owner, "email": "eve@acme.example"})
        assert again.status_code == 403
        assert (await client.get("/v1/session")).json()["setup"] is False
    assert built.gate.owner_token(NOON) is None


@pytest.mark.parametrize("token", ["", "guess", "0" * 43])
async def test_a_guessed_link_makes_nobody(built: Built, token: str) -> None:
    built.gate.owner_token(NOON)
    async with built.client() as client:
        answer = await client.post("/v1/owner", json={**ADA, "token": token})
    assert answer.status_code == 403
    assert built.gate.needs_owner()


def test_a_newer_link_ends_the_older_and_time_ends_both(built: Built) -> None:
    older, newer = built.gate.owner_token(NOON), built.gate.owner_token(NOON)
    assert older
    assert newer
    for token, now in ((older, NOON), (newer, NOON + access.INVITATION_LIFE)):
        with pytest.raises(Forbidden):
            built.gate.make_owner(token, "a@b.example", PASSWORD, "", "here", now)
    built.gate.make_owner(newer, "a@b.example", PASSWORD, "", "here", NOON)


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "x" * 300,
        "Elevenchars",
        "password12345",
        "Passw0rd!!!!!!",
        "123456789012",
        "aaaaaaaaaaaa",
        "abcdefghijkl",
        "qwertyuiopqwertyuiop",
        "ada.lovelace1",
    ],
)
def test_a_weak_password_is_refused_with_what_to_do(password: str) -> None:
    with pytest.raises(Rejected) as refused:
        access.judge_password(password, "ada.lovelace@acme.example")
    assert refused.value.problem.code == "weak_password"
    assert refused.value.problem.fix


def test_passwords_are_argon2id_and_fit_only_themselves() -> None:
    stored = access.hash_password(PASSWORD)
    assert stored.startswith("$argon2id$")
    assert access.check_password(PASSWORD, stored)
    assert not access.check_password(PASSWORD + " ", stored)
    assert not access.check_password(PASSWORD, None)
    assert not access.check_password("!", "!")
    access.judge_password(PASSWORD, "ada@acme.example")


async def test_the_cookie_is_hidden_from_scripts_and_from_other_sites(built: Built) -> None:
    built.owner()
    async with built.client() as client:
        answer = await client.post("/v1/session", json=ADA)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("upwell_8000=")
    for part in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="):
        assert part in cookie
    assert "Secure" not in cookie
    assert "Domain" not in cookie


async def test_on_https_the_cookie_is_bound_to_the_host(tmp_path: Path) -> None:
    built = Built(tmp_path, server=Server(public_url="https://up.acme.example"))
    built.owner()
    async with built.client(host="up.acme.example") as client:
        answer = await client.post("/v1/session", json=ADA)
        assert answer.headers["set-cookie"].startswith("__Host-upwell=")
        assert "; Secure" in answer.headers["set-cookie"]
        assert "max-age" in answer.headers["strict-transport-security"]
    built.close()


async def test_a_signed_out_session_stays_out(built: Built) -> None:
    built.owner()
    async with built.client() as client:
        csrf = await signed_in(client)
        stolen = dict(client.cookies)
        out = await client.delete("/v1/session", headers={"X-CSRF-Token": csrf})
        assert out.status_code == 204
        assert "Max-Age=0" in out.headers["set-cookie"]
    async with built.client() as thief:
        thief.cookies.update(stolen)
        replay = await thief.get("/v1/products")
        assert replay.status_code == 401
        assert (await thief.get("/v1/session")).json()["viewer"] is None


def test_a_session_ends_by_age_and_by_idleness(built: Built) -> None:
    secret, _ = built.owner()
    built.gate.by_session(secret, NOON)
    with pytest.raises(SignedOut):
        built.gate.by_session(secret, NOON + access.SESSION_IDLE)
    day = NOON
    while day < NOON + access.SESSION_LIFE:
        built.gate.by_session(secret, day)
        day += access.SESSION_IDLE / 2
    with pytest.raises(SignedOut):
        built.gate.by_session(secret, NOON + access.SESSION_LIFE)


def test_nothing_that_opens_a_door_is_stored(built: Built, tmp_path: Path) -> None:
    secret, csrf = built.owner()
    token = access.mint_key().secret
    key = built.key("read")["Authorization"].removeprefix("Bearer ")
    built.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("state.db*"))
    assert b"ada@acme.example" in stored
    for canary in (secret, csrf, key, PASSWORD, token):
        assert canary.encode() not in stored


def test_the_state_is_for_its_owner_only(built: Built, tmp_path: Path) -> None:
    assert built.parts.state
    assert (tmp_path / "state.db").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("wrong", [{"password": "not it at all"}, {"email": "eve@acme.example"}])
async def test_a_wrong_name_and_a_wrong_password_look_alike(
    built: Built, wrong: dict[str, str]
) -> None:
    built.owner()
    async with built.client() as client:
        answer = await client.post("/v1/session", json={**ADA, **wrong})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "wrong_password"
    assert "set-cookie" not in answer.headers


async def test_after_five_failures_the_sixth_try_waits(built: Built) -> None:
    built.owner()
    wrong = {**ADA, "password": "not it at all"}
    async with built.client() as client, built.client(peer="127.0.0.2") as elsewhere:
        for _ in range(5):
            assert (await client.post("/v1/session", json=wrong)).status_code == 401
        refused = await client.post("/v1/session", json=ADA)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        # The owner on another address is not locked out by it.
        assert (await elsewhere.post("/v1/session", json=ADA)).status_code == 200
        built.clock.now += WINDOW
        assert (await client.post("/v1/session", json=ADA)).status_code == 200


async def test_an_address_that_claims_to_be_another_is_still_one(built: Built) -> None:
    wrong = {**ADA, "password": "not it at all"}
    async with built.client() as client:
        codes = []
        for n in range(7):
            header = {"X-Forwarded-For": f"10.0.0.{n}"}
            codes.append((await client.post("/v1/session", json=wrong, headers=header)).status_code)
    assert codes[-1] == 429


async def test_a_trusted_proxy_names_the_visitor(tmp_path: Path) -> None:
    built = Built(tmp_path, server=Server(trusted_proxies=("127.0.0.0/8",)))
    wrong = {**ADA, "password": "not it at all"}
    async with built.client() as client:
        for n in range(7):
            header = {"X-Forwarded-For": f"6.6.6.6, 10.0.0.{n}"}
            answer = await client.post("/v1/session", json=wrong, headers=header)
            assert answer.status_code == 401
    addresses = {entry.address for entry in people.trail(built.state)}
    assert addresses == {f"10.0.0.{n}" for n in range(7)}
    built.close()


async def test_a_change_by_cookie_needs_the_token_and_our_own_origin(built: Built) -> None:
    built.owner()
    body = {"name": "site", "scopes": ["ingest"]}
    async with built.client() as client:
        csrf = await signed_in(client)
        token = {"X-CSRF-Token": csrf}
        for headers, code in (
            ({}, "bad_csrf"),
            ({"X-CSRF-Token": "0" * 64}, "bad_csrf"),
            ({**token, "Origin": "https://evil.example"}, "foreign_origin"),
            ({**token, "Origin": "null"}, "foreign_origin"),
            ({**token, "Origin": "http://localhost:8001"}, "foreign_origin"),
            ({**token, "Sec-Fetch-Site": "cross-site"}, "foreign_origin"),
            ({**token, "Sec-Fetch-Site": "same-site"}, "foreign_origin"),
        ):
            answer = await client.post("/v1/keys", json=body, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, code)
        own = {**token, "Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"}
        assert (await client.post("/v1/keys", json=body, headers=own)).status_code == 201


async def test_strange_cookies_of_neighbours_do_not_sign_us_out(built: Built) -> None:
    secret, _ = built.owner()
    for cookies in (
        f'a={{"json": [1, 2]}}; upwell_8000={secret}',
        f"broken; =x; b@d=1;upwell_8000={secret}; z",
        f"upwell_9000=other; upwell_8000={secret}",
    ):
        async with built.client(headers={"Cookie": cookies}) as client:
            assert (await client.get("/v1/products")).status_code == 200, cookies
    async with built.client(headers={"Cookie": f"upwell_9000={secret}"}) as client:
        assert (await client.get("/v1/products")).status_code == 401


async def test_the_token_of_one_session_does_not_fit_another(built: Built) -> None:
    built.owner()
    async with built.client() as one, built.client() as other:
        await signed_in(one)
        csrf = await signed_in(other)
        answer = await one.delete("/v1/session", headers={"X-CSRF-Token": csrf})
    assert answer.status_code == 403


async def test_another_site_cannot_sign_us_in(built: Built) -> None:
    built.owner()
    async with built.client(headers={"Origin": "https://evil.example"}) as client:
        answer = await client.post("/v1/session", json=ADA)
    assert answer.json()["error"]["code"] == "foreign_origin"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("up.acme.example", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("2130706433", 421),
        ("", 421),
    ],
)
async def test_a_loopback_server_answers_to_its_own_names_only(
    tmp_path: Path, host: str, status: int
) -> None:
    built = Built(tmp_path, server=Server(public_url="http://up.acme.example"))
    async with built.client() as client:
        for path in ("/healthz", "/v1/session", "/"):
            answer = await client.get(path, headers={"Host": host})
            assert (answer.status_code == 421) == (status == 421), (path, answer.text)
    built.close()


async def test_the_demo_signs_in_by_itself_here(tmp_path: Path) -> None:
    built = Built(tmp_path, demo=True)
    async with built.client() as client:
        here = (await client.get("/v1/session")).json()
        assert here["viewer"]["name"] == "Demo"
        assert here["demo"] is True
        assert here["setup"] is False
        assert (await client.get("/v1/products")).status_code == 200
    built.close()


async def test_a_page_starts_with_all_that_pages_share(built: Built) -> None:
    parts = {
        "products": "/v1/products",
        "metrics": "/v1/metrics",
        "alerts": "/v1/alerts",
        "annotations": "/v1/annotations",
        "goals": "/v1/goals",
    }
    built.owner()
    async with built.client() as client:
        nobody = (await client.get("/v1/start")).json()
        assert nobody["session"]["viewer"] is None
        assert nobody["shared"] is None
        await signed_in(client)
        told = (await client.get("/v1/start")).json()
        assert told["session"] == (await client.get("/v1/session")).json()
        shared = told["shared"]
        assert shared["sources"] == (await client.get("/v1/sources")).json()
        for name, path in parts.items():
            assert shared[name] == (await client.get(path)).json()[name], name


async def test_a_key_that_may_not_read_starts_with_nothing(built: Built) -> None:
    async with built.client() as client:
        told = (await client.get("/v1/start", headers=built.key("ingest"))).json()
    assert told["shared"] is None


@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        ("192.168.1.9", {}),
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}),
        ("127.0.0.1", {"Forwarded": "for=203.0.113.9"}),
        ("127.0.0.1", {"Via": "1.1 tunnel"}),
    ],
)
async def test_the_demo_signs_in_nobody_from_elsewhere(
    tmp_path: Path, peer: str, headers: dict[str, str]
) -> None:
    built = Built(tmp_path, demo=True)
    async with built.client(peer=peer, headers=headers) as client:
        answer = await client.get("/v1/session")
    assert answer.json()["viewer"] is None
    assert "set-cookie" not in answer.headers
    built.close()


async def test_the_demo_visitor_has_no_password(tmp_path: Path) -> None:
    built = Built(tmp_path, demo=True)
    async with built.client() as client:
        await client.get("/v1/session")
    async with built.client() as client:
        for password in ("!", ""):
            body = {"email": "demo@localhost", "password": password}
            assert (await client.post("/v1/session", json=body)).status_code == 401
    built.close()


async def test_a_revoked_key_stops_at_once(built: Built) -> None:
    headers = built.key("read")
    async with built.client(headers=headers) as client:
        assert (await client.get("/v1/products")).status_code == 200
        (key,) = built.gate.keys()
        built.gate.revoke_key(key.id, by=SYSTEM, now=NOON)
        answer = await client.get("/v1/products")
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "key_ended"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_revocation_elsewhere_is_seen_within_five_seconds(built: Built) -> None:
    from upwell.state import keys

    secret = built.key("read")["Authorization"].removeprefix("Bearer ")
    visitor = built.gate.by_key(secret, NOON)
    keys.revoke(built.state, visitor.viewer.id, 1)
    built.clock.pass_(seconds=5)
    assert not built.gate.still(visitor, built.clock.now)
    with pytest.raises(SignedOut):
        built.gate.by_key(secret, built.clock.now)


def test_an_expired_key_is_out(built: Built) -> None:
    soon = NOON.replace(hour=13)
    made = built.gate.create_key(
        name="k", scopes=("read",), products=None, by=SYSTEM, now=NOON, expires_at=soon
    )
    visitor = built.gate.by_key(made.key, NOON)
    assert built.gate.still(visitor, NOON)
    assert not built.gate.still(visitor, soon)
    with pytest.raises(SignedOut):
        built.gate.by_key(made.key, soon)


def test_a_session_is_no_key_and_a_key_no_session(built: Built) -> None:
    secret, _ = built.owner()
    key = built.key("admin")["Authorization"].removeprefix("Bearer ")
    for _ in range(2):  # the second time both are remembered
        with pytest.raises(SignedOut):
            built.gate.by_key(secret, NOON)
        with pytest.raises(SignedOut):
            built.gate.by_session(key, NOON)
        built.gate.by_key(key, NOON)
        built.gate.by_session(secret, NOON)


def test_a_ticket_opens_once_and_not_for_long(built: Built) -> None:
    visitor = built.gate.by_session(built.owner()[0], NOON)
    ticket = built.gate.ticket(visitor, NOON)
    assert built.gate.by_ticket(ticket, NOON) == visitor
    with pytest.raises(SignedOut):
        built.gate.by_ticket(ticket, NOON)
    late = built.gate.ticket(visitor, NOON)
    with pytest.raises(SignedOut):
        built.gate.by_ticket(late, NOON + access.TICKET_LIFE)


async def test_what_people_did_is_in_the_audit(built: Built) -> None:
    built.owner()
    async with built.client() as client:
        await client.post("/v1/session", json={**ADA, "password": "not it at all"})
        token = {"X-CSRF-Token": await signed_in(client)}
        body = {"name": "site", "scopes": ["ingest"]}
        made = (await client.post("/v1/keys", json=body, headers=token)).json()
        await client.delete(f"/v1/keys/{made['id']}", headers=token)
        month = {"month": "2026-10"}
        report = (await client.post("/v1/reports", json=month, headers=token)).json()
        await client.get(f"/v1/reports/{report['id']}.pdf")
        await client.post("/v1/alerts/alr_1/ack", headers=token)
        await client.delete("/v1/session", headers=token)
    trail = [entry.action for entry in reversed(people.trail(built.state))]
    assert trail == [
        "owner_made",
        "sign_in_failed",
        "sign_in",
        "key_created",
        "key_revoked",
        "report_made",
        "report_read",
        "alert_ack",
        "sign_out",
    ]


async def test_nobody_gives_a_key_for_more_than_they_see(built: Built) -> None:
    async with built.client(headers=built.key("admin", products=("mail",))) as client:
        body = {"name": "k", "scopes": ["read"]}
        refused = await client.post("/v1/keys", json={**body, "products": ["docs"]})
        assert refused.json()["error"]["code"] == "unknown_product"
        made = (await client.post("/v1/keys", json=body)).json()
    assert built.gate.by_key(made["key"], NOON).viewer.products == frozenset({"mail"})


async def test_a_key_for_a_misspelt_product_is_refused(built: Built) -> None:
    async with built.client(headers=built.key("admin")) as client:
        body = {"name": "k", "scopes": ["read"], "products": ["mial"]}
        refused = await client.post("/v1/keys", json=body)
    assert (refused.status_code, refused.json()["error"]["where"]) == (400, "products")
    assert "mail" in refused.json()["error"]["fix"]


def test_a_time_without_a_zone_does_not_end_a_key(built: Built) -> None:
    with pytest.raises(Rejected):
        built.gate.create_key(
            name="k",
            scopes=("read",),
            products=None,
            by=SYSTEM,
            now=NOON,
            expires_at=NOON.replace(tzinfo=None),
        )


def test_a_flood_of_names_does_not_fill_the_memory() -> None:
    tries = attempts.Attempts(most=100)
    for n in range(1000):
        tries.take(NOON, (f"name {n}", 5), ("one address", 2000))
    assert len(tries._tries) <= 100


def test_tries_are_counted_before_their_outcome() -> None:
    tries = attempts.Attempts()
    for _ in range(5):
        tries.take(NOON, ("ada", 5))
    with pytest.raises(attempts.TooMany) as refused:
        tries.take(NOON, ("ada", 5))
    assert refused.value.retry_after == WINDOW.total_seconds() + 1
    tries.forget("ada")
    tries.take(NOON, ("ada", 5))
    tries.take(NOON + WINDOW, ("ada", 1))  # the window has passed
