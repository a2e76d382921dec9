"""The door of webhooks: signed bytes are kept, others are not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.web_house import NOON, WEBHOOK_SECRET, Built
from upwell.demo.stripe import FakeStripe
from upwell.errors import Rejected
from upwell.sources.stripe import verify

NOW = int(NOON.timestamp())
BODY = json.dumps({"id": "evt_1", "object": "event", "type": "invoice.paid"}).encode()


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Built]:
    house = Built(tmp_path)
    yield house
    house.close()


def post(built: Built, body: bytes, signature: str, source: str = "mail-stripe") -> tuple[int, str]:
    async def send() -> tuple[int, str]:
        async with built.client() as client:
            answer = await client.post(
                f"/hooks/stripe/{source}",
                content=body,
                headers={b"Stripe-Signature": signature.encode("latin-1")},
            )
            return answer.status_code, answer.text

    return asyncio.run(send())


def test_a_signed_webhook_is_on_disk_before_it_is_answered(built: Built) -> None:
    status, _ = post(built, BODY, FakeStripe.sign(BODY, WEBHOOK_SECRET, NOW))
    assert status == 200
    kept = built.journal.get(built.journal.newest)
    assert kept is not None
    assert (kept.kind, kept.source, kept.body) == ("stripe", "mail-stripe", BODY)
    assert [one.seq for one in built.heard] == [kept.seq]


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "t=1,v1=00",
        "v1=" + "0" * 64,
        f"t={NOW},v1={'0' * 64}",
        FakeStripe.sign(BODY, "whsec_other", NOW),
        FakeStripe.sign(BODY + b" ", WEBHOOK_SECRET, NOW),
        FakeStripe.sign(BODY, WEBHOOK_SECRET, NOW - 301),
        FakeStripe.sign(BODY, WEBHOOK_SECRET, NOW + 301),
        "t=é,v1=é",
    ],
)
def test_a_wrong_signature_is_400_and_nothing_is_kept(built: Built, signature: str) -> None:
    before = built.journal.newest
    status, text = post(built, BODY, signature)
    assert status == 400
    assert json.loads(text)["error"]["code"] == "bad_signature"
    assert built.journal.newest == before
    assert not built.heard


def test_one_of_two_signatures_is_enough_while_a_secret_is_rolled() -> None:
    good = FakeStripe.sign(BODY, WEBHOOK_SECRET, NOW)
    verify(BODY, f"{good},v1={'0' * 64},v0=abc", WEBHOOK_SECRET, NOW + 299)
    with pytest.raises(Rejected):
        verify(BODY, good, "", NOW)


def test_an_unknown_source_is_404(built: Built) -> None:
    signature = FakeStripe.sign(BODY, WEBHOOK_SECRET, NOW)
    assert post(built, BODY, signature, "other")[0] == 404
