"""One number, whoever asks: a program, a command beside the server, and the house afterwards."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import msgspec

from tests.served import Served
from upwell.access import SYSTEM
from upwell.app import House
from upwell.query import Question

DAY = dt.date(2026, 11, 20)


def test_the_server_the_command_and_the_house_agree(
    serve: Callable[..., Served], house: Callable[..., House]
) -> None:
    server = serve(name="data")
    key = server.run("key", "create", "--name", "till", "--scope", "ingest", "--scope", "read")
    bearer = f"Bearer {key['key']}"
    events = [
        {
            "product_id": "mail",
            "event_type": "revenue",
            "value": value,
            "currency": "USD",
            "actor_id": f"cus_{n}",
            "timestamp": f"{DAY}T08:00:00Z",
            "idempotency_key": f"in_{n}",
        }
        for n, value in enumerate(("49.00", "0.10", "0.20"))
    ]
    body = msgspec.json.encode(events)
    told = {"Authorization": bearer, "content-type": "application/json"}
    for _ in range(2):  # the second time adds nothing
        status, _, said = server.call("POST", "/v1/events?wait=applied", body, **told)
        assert status in (200, 202), said

    asked = f"/v1/query?metric=revenue&product=mail&from={DAY}&to={DAY + dt.timedelta(1)}"
    status, _, said = server.get(asked, Authorization=bearer)
    assert status == 200, said
    over_http = msgspec.json.decode(said)["series"][0]["total"]
    span = ("--from", str(DAY), "--to", str(DAY + dt.timedelta(1)))
    beside = server.run("query", "revenue", "--product", "mail", *span)["series"][0]["total"]
    assert server.stop() == 130
    alone = server.run("query", "revenue", "--product", "mail", *span)["series"][0]["total"]

    opened = house(None, name="data")
    question = Question(metric="revenue", product=("mail",), start=DAY, end=DAY + dt.timedelta(1))
    (series,) = opened.answer(question, SYSTEM).series
    totals = [Decimal(str(total)) for total in (over_http, beside, alone, series.total)]
    assert totals == [Decimal("49.30")] * 4
