"""Sources from the terminal: connected, given a new key, read again; with a server and without."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.journeys.test_stripe_connect import NOW, Company
from upwell.app.commands import Commands
from upwell.cli import main
from upwell.control import handlers, own, serve_control
from upwell.demo.stripe import FakeStripe, serve
from upwell.period import to_instant
from upwell.state import sources


class Terminal:
    """Runs commands on the company's own house, and keeps what they print."""

    def __init__(self, company: Company, capsys: pytest.CaptureFixture[str]) -> None:
        self.company, self._capsys = company, capsys
        self.out = self.err = ""

    @contextlib.contextmanager
    def house(self, data: Path, config: Path | None) -> Iterator[Commands]:  # noqa: ARG002
        yield Commands(self.company.house)

    def __call__(self, *argv: str) -> int:
        code = main([*argv, "--data", str(self.company.folder)], parts=lambda: self)  # type: ignore[arg-type, return-value]
        self.out, self.err = self._capsys.readouterr()
        return code


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    fake = FakeStripe(now=NOW, seed=5)
    for name in ("Mail", "Docs"):
        price = fake.create_price(fake.create_product(name), 4_900)
        for number in range(5):
            fake.subscribe(fake.create_customer(f"{name}{number}", country="DE"), price)
    fake.advance(40 * 86_400)
    with serve(fake) as url:
        made = Company(tmp_path, fake, url)
        yield made
        made.pulls.stop()
        made.house.close()


@pytest.fixture
def run(
    company: Company, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    monkeypatch.setenv("STRIPE_KEY", "sk_live_all")
    return Terminal(company, capsys)


def connected(run: Terminal) -> None:
    """The account connected and read whole, as one product."""
    base = run.company.url
    given = ("--id", "acme", "--product", "mail", "--api-key", "env:STRIPE_KEY")
    assert run("source", "add", "stripe", *given, "--api-base", base) == 0
    assert run("sync") == 0


def test_an_account_is_connected_and_says_what_comes_next(run: Terminal) -> None:
    given = ("--id", "acme", "--name", "Acme", "--api-key", "env:STRIPE_KEY")
    assert run("source", "add", "stripe", *given, "--api-base", run.company.url) == 0
    lines = run.out.splitlines()
    assert lines[0] == f"acme: connected, {run.company.fake.account}, live data"
    assert lines[1] == "the key may read everything that is needed"
    assert lines[2].split() == [
        *("product", "of", "Stripe's", "id", "prices", "subscriptions", "belongs", "to")
    ]
    sold = {line.split()[0]: line.split()[1] for line in lines[3:5]}
    assert set(sold) == {"Mail", "Docs"}
    assert any(line.startswith("next: upwell source assign acme prod_") for line in lines)
    assert run("sync") == 0
    assert run("source", "assign", "acme", f"{sold['Mail']}=mail", f"{sold['Docs']}=docs") == 0
    run.company.house.caught_up()
    assert run.company.revenue() == {"mail": "490.00", "docs": "490.00"}


@pytest.mark.parametrize("served", [False, True], ids=["alone", "beside a server"])
def test_what_is_read_again_adds_nothing(run: Terminal, served: bool) -> None:
    connected(run)
    house, fake = run.company.house, run.company.fake
    before = (run.company.revenue(), house.projection.reader().execute(EVENTS).fetchall())
    day = to_instant((NOW + 20 * 86_400) * 1_000_000).date().isoformat()
    requests = len(fake.api.requests)
    with _server(run.company) if served else contextlib.nullcontext():
        assert run("source", "reset", "acme", "--to", day) == 0
        assert f"invoices: from 90 days before {day}" in run.out
        assert f"balance transactions: from {day}" in run.out
        assert "subscriptions: whole" in run.out
        assert ("next: upwell sync acme" in run.out) is not served
        assert run("sync", "--json") == 0
    done = msgspec.json.decode(run.out)
    assert done["sources"] == [{"id": "acme", "ok": True, "error": ""}]
    assert done["stored"] == 0
    assert len(fake.api.requests) > requests
    house.caught_up()
    assert (run.company.revenue(), house.projection.reader().execute(EVENTS).fetchall()) == before
    assert not house.dead_letters(10)


EVENTS = "select type, count(*), sum(value) from events group by all order by all"


@contextlib.contextmanager
def _server(company: Company) -> Iterator[None]:
    with own(company.folder, "upwell serve"):
        company.pulls.start()
        with serve_control(company.folder, handlers(Commands(company.house, None, company.pulls))):
            yield
        company.pulls.stop()


def test_a_day_given_to_sync_limits_the_lists_that_can_be(run: Terminal) -> None:
    connected(run)
    day = to_instant((NOW + 20 * 86_400) * 1_000_000).date().isoformat()
    before = len(run.company.fake.api.requests)
    assert run("sync", "--since", day) == 0
    assert f"balance transactions: from {day}" in run.out
    asked = [str(one) for one in list(run.company.fake.api.requests)[before:]]
    first = str(NOW + 20 * 86_400)
    assert any("balance_transactions" in one and first in one for one in asked)
    assert not any("/v1/subscriptions" in one and first in one for one in asked)


def test_a_key_is_replaced_without_reading_all_again(
    run: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected(run)
    company = run.company
    cursor = company.house.journal.pulled("acme")
    assert cursor is not None
    monkeypatch.setenv("NEW_KEY", "rk_live_new")
    assert run("source", "renew", "acme", "--api-key", "env:NEW_KEY") == 0
    assert run.out.startswith("acme: api key replaced")
    company.fake.revoke("sk_live_all")
    company.fake.advance(86_400)
    before = len(company.fake.api.requests)
    assert run("sync") == 0
    asked = [str(one) for one in list(company.fake.api.requests)[before:]]
    assert not any("/v1/customers" in one for one in asked)
    secrets = list((company.folder / "secrets").iterdir())
    assert [path.read_text() for path in secrets] == ["rk_live_new"]
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}


def test_a_webhook_secret_is_added_later(run: Terminal, tmp_path: Path) -> None:
    connected(run)
    assert run.company.house.links.secret_of("acme") == ""
    (tmp_path / "hook").write_text("whsec_later\n")
    assert run("source", "renew", "acme", "--webhook-secret", f"file:{tmp_path / 'hook'}") == 0
    assert run.company.house.links.secret_of("acme") == "whsec_later"
    assert run("sync") == 0


WRONG = [
    (("source", "add", "stripe", "--id", "a"), "--api-key is missing: write --api-key env:NAME"),
    (("source", "add", "stripe", "--id", "a", "--api-key", "rk_live_x"), "shell's history"),
    (("source", "add", "stripe", "--id", "a", "--api-key", "env:NONE"), "NONE is not set"),
    (("source", "add", "stripe", "--id", "A B", "--api-key", "env:STRIPE_KEY"), "cannot name"),
    (("source", "reset", "nix", "--to", "2026-01-01"), "There is no source 'nix' that is read."),
    (("source", "reset", "acme", "--to", "yesterday"), "'yesterday' is not a day."),
    (("source", "reset", "acme", "--to", "2999-01-01"), "Nothing can be read again from 2999"),
    (("source", "renew", "nix", "--api-key", "env:STRIPE_KEY"), "There is no source 'nix'"),
    (("source", "renew", "acme", "--api-key", "env:OLD_KEY"), "Stripe does not take the key"),
    (("source", "renew", "acme", "--api-key", "env:TEST_KEY"), "The key is for test data"),
    (("source", "assign", "acme", "prod_1"), "write it as prod_…=PRODUCT"),
    (("source", "assign", "acme", "prod_1=male"), "Unknown product 'male'."),
]


def test_what_is_wrong_is_said_with_what_to_change(
    run: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected(run)
    monkeypatch.setenv("OLD_KEY", "sk_live_old")
    monkeypatch.setenv("TEST_KEY", "rk_test_other")
    run.company.fake.revoke("sk_live_old")
    kept = run.company.house.links.find("acme").api_key
    for argv, message in WRONG:
        assert run(*argv) == 2, argv
        assert message in run.err, (argv, run.err)
        assert "fix:" in run.err, argv
    assert run.company.house.links.find("acme").api_key == kept


def test_the_key_of_another_account_is_not_taken(
    run: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected(run)
    house = run.company.house
    sources.change(house.state, "acme", account="acct_before")
    house.links.pause("acme", False)
    monkeypatch.setenv("OTHER", "sk_live_other")
    assert run("source", "renew", "acme", "--api-key", "env:OTHER") == 2
    assert (
        f"The key is of account {run.company.fake.account}, and 'acme' reads acct_before."
        in run.err
    )


def test_sources_are_listed_and_one_is_shown(run: Terminal) -> None:
    connected(run)
    assert run("source", "list") == 0
    head, row = run.out.splitlines()
    assert head.split()[:4] == ["source", "kind", "products", "state"]
    assert row.split()[:4] == ["acme", "stripe", "mail", "live"]
    assert run("source", "list", "--json") == 0
    (found,) = msgspec.json.decode(run.out)["sources"]
    assert found["complete_to"] is not None
    assert len(found["days"]) == 30
    assert run("source", "show", "acme") == 0
    assert "state: live" in run.out
    assert "complete through: " in run.out
    assert "revenue" in run.out
    assert run("source", "show", "acm") == 2
    assert "acme" in run.err
    assert run("source", "pause", "acme") == 0
    assert run("source", "show", "acme") == 0
    assert "numbers stand still since: " in run.out
