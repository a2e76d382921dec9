"""The official clients, from their packages, with nothing changed but host and key."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from ga4mp import GtagMP
from mixpanel import Consumer, Mixpanel, MixpanelException
from mixpanel_utils import MixpanelUtils
from segment.analytics.client import Client
from segment.analytics.request import APIError

from tests.served import UPWELL, Served

SDK = Path(__file__).parents[1] / "sdk"
PRODUCTS = ("mixpanel", "utils", "segment", "ga4", "node-mixpanel", "node-segment", "broken")
SHARES = """
[[metrics]]
name = "shares"
title = "Shares"
unit = "count"
aggregate = "count"
event = "engagement"
named = "Shared"
"""


def config() -> str:
    """A product for each client, whose names mean the same everywhere."""
    products = [
        f'[[products]]\nid = "{one}"\nsignup_event = "Signed Up"\n'
        'events = { "Order Completed" = "revenue" }\n'
        for one in PRODUCTS
    ]
    return "\n".join(['[workspace]\nname = "Acme"\ncurrency = "EUR"\n', *products, SHARES])


class Company:
    """A server, and what it answers."""

    def __init__(self, served: Served) -> None:
        self.served = served
        made = served.run("key", "create", "--name", "reader", "--scope", "read")
        self.reader = {"Authorization": f"Bearer {made['key']}"}

    def key(self, product: str, *words: str) -> str:
        """A key that sends for a product."""
        asked = ("--name", product, "--scope", "ingest", "--product", product, *words)
        made = self.served.run("key", "create", *asked)
        return str(made["key"])

    def ask(self, path: str, **fields: str) -> Any:
        """What the API says."""
        status, _, body = self.served.get(f"{path}?{urlencode(fields)}", **self.reader)
        assert status == 200, body
        return json.loads(body)

    def total(self, metric: str, product: str) -> float:
        """A number of the last week."""
        now = datetime.now(UTC).date()
        span = {"from": str(now - timedelta(days=6)), "to": str(now + timedelta(days=2))}
        (line,) = self.ask("/v1/query", metric=metric, product=product, **span)["series"]
        return float(line["total"])

    def counts(self, product: str, **expected: float) -> None:
        """Until the numbers are those, or ten seconds have passed."""
        until = time.monotonic() + 10
        while True:
            found = {metric: self.total(metric, product) for metric in expected}
            if found == expected or time.monotonic() > until:
                assert found == expected
                return
            time.sleep(0.1)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    folder = tmp_path_factory.mktemp("sdk")
    (folder / "upwell.toml").write_text(config())
    with Served(folder / "data", config=folder / "upwell.toml") as served:
        yield Company(served)


def test_mixpanels_python_client(company: Company) -> None:
    key, base = company.key("mixpanel"), f"{company.served.address}/sdk/mixpanel"
    consumer = Consumer(
        events_url=f"{base}/track",
        people_url=f"{base}/engage",
        import_url=f"{base}/import",
        groups_url=f"{base}/groups",
    )
    client = Mixpanel(key, consumer)
    client.track("u1", "Signed Up", {"$insert_id": "1", "mp_country_code": "DE"})
    client.track("u1", "Signed Up", {"$insert_id": "1", "mp_country_code": "DE"})
    client.track("u1", "Shared", {"plan": "team", "list": [1, 2]})
    client.track("u2", "Shared", {"plan": "team"})
    client.track("u2", "Order Completed", {"revenue": 19.9, "currency": "EUR"})
    yesterday = int(time.time()) - 86_400
    client.import_data(None, "u3", "Shared", yesterday, {"$insert_id": "7"}, api_secret=key)
    client.people_set("u1", {"$email": "ada@acme.example"})
    client.group_set("company", "acme", {"seats": 4})
    client.merge(None, "u2", "u3", api_secret=key)
    company.counts("mixpanel", signups=1, shares=3, revenue=19.9, actors=2)
    by_plan = company.ask("/v1/query", metric="shares", product="mixpanel", by="plan")["series"]
    assert {"team"} <= {line["key"] for line in by_plan}


def test_mixpanels_client_hears_what_is_wrong(company: Company) -> None:
    base = f"{company.served.address}/sdk/mixpanel"
    consumer = Consumer(events_url=f"{base}/track", retry_limit=0)
    with pytest.raises(MixpanelException, match="key is not known"):
        Mixpanel("uw_00000000_wrong", consumer).track("u1", "Shared")
    with pytest.raises(MixpanelException, match="no key"):
        Mixpanel("", consumer).track("u1", "Shared")
    with pytest.raises(MixpanelException, match="no name"):
        Mixpanel(company.key("broken"), consumer).track("u1", "")
    both = company.served.run("key", "create", "--name", "all", "--scope", "ingest")["key"]
    with pytest.raises(MixpanelException, match="--product"):
        Mixpanel(both, consumer).track("u1", "Shared")


def test_mixpanels_bulk_import(company: Company) -> None:
    key = company.key("utils")
    client = MixpanelUtils(key, token="token", pool_size=2)
    client.import_api = f"{company.served.address}/sdk/mixpanel"
    now = int(time.time())
    events = [
        {
            "event": "Shared",
            "properties": {"distinct_id": f"u{n % 100}", "time": now - n, "$insert_id": f"i{n}"},
        }
        for n in range(5000)
    ]
    client.import_events(events, 0)
    client.import_events(events[:2500], 0)
    people = [{"$distinct_id": "u1", "$properties": {"$email": "u1@acme.example"}}]
    client.import_people(people)
    company.counts("utils", shares=5000, actors=100)


def test_segments_python_client(company: Company) -> None:
    key = company.key("segment")
    for gzip in (False, True):
        client = Client(
            key, host=f"{company.served.address}/sdk/segment", gzip=gzip, sync_mode=True
        )
        client.track("u1", "Signed Up", message_id="m1")
        client.track("u2", "Shared", {"plan": "team"}, message_id="m2")
        client.page("u1", None, "Pricing", message_id="m3")
        client.identify("u1", {"email": "ada@acme.example"}, message_id="m4")
        client.alias("u1", "u9", message_id="m5")
        paid = {"total": 49, "currency": "EUR"}
        client.track("u1", "Order Completed", paid, message_id="m6")
    company.counts("segment", signups=1, shares=1, page_views=1, revenue=49, actors=2)
    with pytest.raises(APIError, match="bad_key"):
        Client(
            "uw_00000000_wrong",
            host=f"{company.served.address}/sdk/segment",
            sync_mode=True,
            max_retries=0,
        ).track("u1", "Shared")


def test_googles_measurement_protocol(company: Company) -> None:
    client = GtagMP(company.key("ga4"), measurement_id="G-1", client_id="1.2")
    client._base_domain = f"{company.served.address}/sdk/ga4/mp/collect"
    client._validation_domain = f"{company.served.address}/sdk/ga4/debug/mp/collect"
    paid = {"transaction_id": "T1", "value": 12.5, "currency": "EUR", "items": [{"id": 1}]}
    events: list[dict[str, Any]] = [
        {"name": "session_start", "params": {}},
        {"name": "page_view", "params": {"page_location": "https://acme.example/"}},
        {"name": "sign_up", "params": {"method": "mail"}},
        {"name": "purchase", "params": paid},
        {"name": "Shared", "params": {}},
    ]
    stamp = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=5)
    client.send(events, date=stamp)
    client.send(events, date=stamp)
    client.send([{"name": "purchase", "params": paid}])
    client.send([{"name": "Shared", "params": {}}], validation_hit=True)
    client.send([{"name": "Shared", "params": {}}], postpone=True)
    client.postponed_send()
    numbers = {"sessions": 1, "page_views": 1, "signups": 1, "revenue": 12.5, "shares": 2}
    company.counts("ga4", **numbers)


@pytest.mark.parametrize("client", ["mixpanel", "segment"])
def test_the_clients_of_node(company: Company, client: str) -> None:
    product = f"node-{client}"
    line = ("node", "send.js", client, "127.0.0.1", str(company.served.port), company.key(product))
    done = subprocess.run(line, cwd=SDK, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    if client == "mixpanel":
        company.counts(product, signups=1, shares=3, actors=2)
    else:
        company.counts(product, signups=1, page_views=1, revenue=12.5, actors=1)


def test_a_batch_with_faults_is_counted_but_for_them(company: Company) -> None:
    key = company.key("broken")
    records: list[Any] = [
        {"event": "Shared", "properties": {"distinct_id": "u1", "$insert_id": "b1"}},
        {"event": "Shared", "properties": {"distinct_id": "u1", "time": "soon"}},
        {"event": 7},
        "no record",
        {"event": "Order Completed", "properties": {"distinct_id": "u1", "revenue": "lots"}},
        {"event": "Shared", "properties": {"distinct_id": "u2", "$insert_id": "b2"}},
    ]
    basic = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
    sent = {"Authorization": basic, "Content-Type": "application/json"}
    body = json.dumps(records).encode()
    status, _, said = company.served.call("POST", "/sdk/mixpanel/import?strict=1", body, **sent)
    answer = json.loads(said)
    assert (status, answer["num_records_imported"]) == (400, 2)
    assert [one["index"] for one in answer["failed_records"]] == [1, 2, 3, 4]
    company.counts("broken", shares=2, actors=2)
    letters = company.ask("/v1/dead-letters")["dead_letters"]
    mine = {one["idx"]: one["code"] for one in letters if one["source"] == "broken"}
    assert {1: "bad_time", 2: "bad_record", 3: "bad_record", 4: "bad_value"}.items() <= mine.items()
    seq = next(one["seq"] for one in letters if one["idx"] == 4)
    assert key not in company.ask(f"/v1/deliveries/{seq}")["text"]
    assert company.served.run("verify")["ok"] is True


def test_a_public_key_is_made_in_the_terminal(company: Company) -> None:
    site = "https://www.acme.example"
    made = company.served.run(
        "key", "create", "--name", "site", "--scope", "ingest", "--product", "segment",
        "--public", "--origin", site,
    )  # fmt: skip
    listed = {one["id"]: one for one in company.served.run("key", "list")["keys"]}
    assert listed[made["id"]]["origins"] == [site]
    data = ("--data", str(company.served.data))
    for words, said in (
        (("--public", "--product", "segment"), "--origin"),
        (("--origin", site, "--product", "segment"), "--public"),
        (("--public", "--origin", site), "one product"),
        (("--public", "--origin", "acme", "--product", "segment"), "https://"),
    ):
        line = (*UPWELL, "key", "create", "--name", "no", "--scope", "ingest", *words, *data)
        done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode in (1, 2)
        assert said in done.stderr
