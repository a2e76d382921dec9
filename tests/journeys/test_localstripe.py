"""Webhooks of a stranger: localstripe, an older Stripe in a process of its own.

It tells of nothing when a subscription is changed, neither by webhook nor in its list of events,
which Stripe always does: a quantity that moves there cannot be seen, and the test says so.
It is no dependency. UPWELL_LOCALSTRIPE names its command; without it the test is skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.journeys.test_stripe_bad import CONFIG, SECRET, Acme
from tests.served import Served, free_port
from upwell.demo.stripe import FakeStripe

COMMAND = os.environ.get("UPWELL_LOCALSTRIPE") or shutil.which("localstripe")
CARD = {
    "type": "card",
    "card[number]": "4242424242424242",
    "card[exp_month]": "12",
    "card[exp_year]": "2040",
    "card[cvc]": "123",
}


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[str]:
    """Its address."""
    if COMMAND is None:
        pytest.skip("localstripe is not installed (UPWELL_LOCALSTRIPE names its command)")
    port = free_port()
    line = [COMMAND, "--port", str(port), "--from-scratch"]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(line, cwd=tmp_path, stdout=quiet, stderr=quiet)
    address, until = f"http://127.0.0.1:{port}", time.monotonic() + 30
    while True:
        try:
            httpx.get(address)
            break
        except httpx.TransportError:
            assert time.monotonic() < until, "localstripe did not start"
            time.sleep(0.1)
    yield address
    process.terminate()
    process.wait(10)


@contextmanager
def heard(client: httpx.Client) -> Iterator[list[str]]:
    """The types of all events that the stranger sends from now on, at a second address."""
    kinds: list[str] = []

    class Ear(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kinds.append(msgspec.json.decode(body)["type"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Ear)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    client.post("/_config/webhooks/h2", data={"url": url, "secret": SECRET})
    yield kinds
    server.shutdown()
    server.server_close()


def test_signed_webhooks_of_an_older_stripe_are_understood(stranger: str, tmp_path: Path) -> None:
    config = tmp_path / "upwell.toml"
    config.write_text(CONFIG.format(host=stranger.removeprefix("http://")))
    env = {"ACME_KEY": "sk_test_12345", "ACME_SECRET": SECRET}
    with (
        Served(tmp_path / "data", config=config, env=env) as served,
        httpx.Client(base_url=stranger, auth=("sk_test_12345", ""), timeout=30) as client,
    ):

        def post(path: str, **data: str) -> Any:
            answer = client.post(path, data=data)
            assert answer.status_code < 300, answer.text
            return answer.json() if answer.content else None

        acme = Acme(FakeStripe(now=0), served)
        hook = f"{served.address}/hooks/stripe/mail-stripe"
        client.post("/_config/webhooks/h1", data={"url": hook, "secret": SECRET})
        product = post("/v1/products", name="Mail", type="service")
        plan = post(
            "/v1/plans", amount="4900", currency="usd", interval="month", product=product["id"]
        )
        customer = post("/v1/customers", email="ann@a.example", name="Ann")
        card = post("/v1/payment_methods", **CARD)
        post(f"/v1/payment_methods/{card['id']}/attach", customer=customer["id"])
        paying = {"invoice_settings[default_payment_method]": card["id"]}
        post(f"/v1/customers/{customer['id']}", **paying)
        wanted = {"items[0][plan]": plan["id"], "items[0][quantity]": "2"}
        sold = post("/v1/subscriptions", customer=customer["id"], **wanted)
        assert acme.until(lambda: acme.mrr() == "98.00")
        revenue = acme.ask("/v1/query?metric=revenue&grain=month")["series"][0]["points"]
        assert revenue[-1]["value"] == "98.00"
        with heard(client) as kinds:
            item = {"items[0][id]": sold["items"]["data"][0]["id"], "items[0][quantity]": "5"}
            changed = post(f"/v1/subscriptions/{sold['id']}", **item)
            assert changed["items"]["data"][0]["quantity"] == 5
            post("/v1/customers", email="bob@b.example")  # told after it, and arrives
            assert acme.until(lambda: "customer.created" in kinds)
            assert "customer.subscription.updated" not in kinds
        listed = {one["type"] for one in client.get("/v1/events").json()["data"]}
        assert "customer.created" in listed
        assert "customer.subscription.updated" not in listed
        assert client.delete(f"/v1/subscriptions/{sold['id']}").status_code == 200
        assert acme.until(lambda: acme.mrr() == "0.00")
        assert acme.dead() == {}
