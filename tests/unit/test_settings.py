"""Each mistake in upwell.toml is met with its line and what to change."""

from __future__ import annotations

import datetime as dt
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from upwell.errors import Problem
from upwell.settings import (
    ConfigError,
    Names,
    Settings,
    SqlSource,
    StripeSource,
    duration,
    export,
    load,
    reference,
    secret,
)
from upwell.settings.lines import line_of, lines_of

ACME = """\
[workspace]
name = "Acme"
timezone = "America/New_York"
currency = "USD"
week_start = "sunday"
gross_margin = 0.8
exclude = ["*@acme.example"]

[server]
public_url = "https://upwell.acme.example"

[smtp]
url = "env:SMTP_URL"

[[products]]
id = "mail"
name = "Acme Mail"
countries = ["US", "DE"]
authority = {revenue = "mail-stripe"}

[[products]]
id = "docs"

[[sources]]
id = "mail-stripe"
kind = "stripe"
product = "mail"
api_key = "env:STRIPE_KEY"
webhook_secret = "sk_written_inline"

[[sources]]
id = "mail-db"
kind = "sql"
product = "mail"
url = "env:MAIL_DB_URL"
[[sources.queries]]
name = "projects"
sql = '''
select id, owner_id
timezone = "this is no key"
'''
event_type = "activation"
key = "id"
timestamp = "created_at"

[[channels]]
id = "ops"
kind = "slack"
url = "env:SLACK_URL"

[[alerts]]
metric = "cancellations"
to = ["ops"]

[[goals]]
metric = "mrr"
product = "mail"
by = "2026-12-31"
value = 120000.50

[[reports]]
to = ["board@acme.example", "ops"]
"""


def read(tmp_path: Path, text: str, env: dict[str, str] | None = None) -> Settings:
    path = tmp_path / "upwell.toml"
    path.write_text(text)
    return load(path, env or {}, Names(metrics=frozenset({"cancellations", "mrr"})))


def problem(tmp_path: Path, text: str, env: dict[str, str] | None = None) -> Problem:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, env)
    return caught.value.problem


def test_no_file_is_an_empty_workspace() -> None:
    settings = load(None, {})
    assert settings.products == ()
    assert settings.workspace.timezone == "UTC"
    assert settings.workspace.currency == "USD"


def test_the_whole_file_is_read(tmp_path: Path) -> None:
    settings = read(tmp_path, ACME)
    assert settings.workspace.gross_margin == Decimal("0.8")
    assert settings.workspace.week_start_index == 6
    assert [product.id for product in settings.products] == ["mail", "docs"]
    assert [product.title for product in settings.products] == ["Acme Mail", "docs"]
    stripe, database = settings.sources
    assert isinstance(stripe, StripeSource)
    assert stripe.kind == "stripe"
    assert isinstance(database, SqlSource)
    assert database.queries[0].event_type == "activation"
    assert settings.goals[0].by == dt.date(2026, 12, 31)
    assert settings.goals[0].value == Decimal("120000.50")
    assert settings.alerts[0].products == ("*",)


def test_the_environment_is_over_the_file(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        ACME,
        {
            "UPWELL_WORKSPACE_TIMEZONE": "Asia/Tokyo",
            "UPWELL_WORKSPACE_EXCLUDE": "*@a.example, bot=yes",
            "UPWELL_WORKSPACE_FISCAL_YEAR_START": "4",
            "UPWELL_DATA": "elsewhere",
        },
    )
    assert settings.workspace.timezone == "Asia/Tokyo"
    assert settings.workspace.name == "Acme"
    assert settings.workspace.exclude == ("*@a.example", "bot=yes")
    assert settings.workspace.fiscal_year_start == 4


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    wrong = problem(tmp_path, ACME, {"UPWELL_WORKSPACE_TIMEZONE": "Mars/Olympus"})
    assert wrong.where == "environment variable UPWELL_WORKSPACE_TIMEZONE"
    wrong = problem(tmp_path, ACME, {"UPWELL_WORKSPACE_TIMEZON": "UTC"})
    assert wrong.where == "environment variable UPWELL_WORKSPACE_TIMEZON"
    assert "'timezone'" in wrong.fix
    wrong = problem(tmp_path, ACME, {"UPWELL_WORKSPACE_FISCAL_YEAR_START": "april"})
    assert wrong.where == "environment variable UPWELL_WORKSPACE_FISCAL_YEAR_START"


BROKEN = [
    ("[workspace\nname = 1", 1, "brackets"),
    ("[workspace]\nname = Acme", 2, "double quotes"),
    ('[workspace]\nname = "Acme\ncurrency = "USD"', 2, "quotes on the same line"),
    ('[workspace]\nname "Acme"', 2, "key = value"),
    ('[workspace]\nname = "a"\nname = "b"', 3, "once"),
    ("[workspace]\nexclude = [\n'a',\n", 3, "Close what was opened"),
    ('[workspace]\nname = "a" "b"', 2, "One key on a line"),
    ('[workspace]\nname = "C:\\data"', 2, "backslash"),
]


@pytest.mark.parametrize(("text", "line", "fix"), BROKEN)
def test_broken_toml_has_line_and_fix(tmp_path: Path, text: str, line: int, fix: str) -> None:
    wrong = problem(tmp_path, text)
    assert wrong.code == "broken_toml"
    assert wrong.where.endswith(f"upwell.toml, line {line}")
    assert fix in wrong.fix


WRONG = [
    ("[workspce]", 1, "unknown_key", "'workspace'"),
    ('[workspace]\n\ntimezon = "UTC"', 3, "unknown_key", "'timezone'"),
    ('[workspace]\ntimezone = "Berlin"', 2, "unknown_timezone", "'Europe/Berlin'"),
    ('[workspace]\ntimezone = "Europe/Berln"', 2, "unknown_timezone", "'Europe/Berlin'"),
    ('[workspace]\ncurrency = "USDD"', 2, "unknown_currency", "USD"),
    ('[workspace]\nweek_start = "munday"', 2, "bad_value", "'monday'"),
    ("[workspace]\nfiscal_year_start = 13", 2, "bad_value", "fiscal_year_start"),
    ("[workspace]\ngross_margin = 80", 2, "bad_value", "0.8 is 80 %"),
    ("[workspace]\nname = 3", 2, "bad_type", "text in quotes"),
    ('[workspace]\nexclude = ["*"]', 2, "bad_pattern", "acme.example"),
    ('[server]\npublic_url = "acme"', 2, "bad_url", "https://"),
    ('[warehouse]\nurl = "mysql"', 2, "bad_warehouse", "duckdb"),
    ('[[products]]\nid = "Acme Mail"', 2, "bad_id", 'id = "acme-mail"'),
    ('[[products]]\nid = "unassigned"', 2, "reserved_id", "another id"),
    ('[[products]]\nid = "a"\n[[products]]\nid = "a"', 4, "duplicate_id", "own id"),
    ('[[products]]\nname = "A"', 1, "missing_key", 'id = "…"'),
    ('[[products]]\nid = "a"\ncountries = ["UK"]', 3, "unknown_country", "US or DE"),
    ('[[products]]\nid = "a"\nretired = "yes"', 3, "bad_type", "true or false"),
    (
        '[[products]]\nid = "a"\n[[products]]\nid = "b"\nrenamed_from = "a"',
        5,
        "still_there",
        "Remo",
    ),
    ('[[sources]]\nid = "s"\nkind = "strip"', 3, "bad_value", "'stripe'"),
    ('[[sources]]\nid = "s"\nkind = "stripe"', 1, "missing_key", "api_key"),
    (
        '[[sources]]\nid = "s"\nkind = "stripe"\napi_key = "k"\nproduct = "mial"',
        5,
        "unknown_product",
        "None is known",
    ),
    ('[[channels]]\nid = "c"\nkind = "slak"', 3, "bad_value", "'slack'"),
    ('[[channels]]\nid = "c"\nkind = "slack"', 1, "missing_key", "url"),
    ('[[channels]]\nid = "c"\nkind = "webhook"\nurl = "x"', 4, "bad_url", "https://"),
    ('[[alerts]]\nmetric = "cancelations"', 2, "unknown_metric", "'cancellations'"),
    ('[[alerts]]\nmetric = "mrr"\nbudget = "two"', 3, "bad_value", "2 a month"),
    ('[[alerts]]\nmetric = "mrr"\nto = ["ops"]', 3, "unknown_channel", "None is known"),
    ('[[alerts]]\nmetric = "mrr"\nkind = "threshold"', 1, "missing_key", "above"),
    ('[[alerts]]\nmetric = "mrr"\nkind = "change"', 1, "missing_key", "by = 0.2"),
    ('[[alerts]]\nmetric = "mrr"\nhold = "soon"', 3, "bad_span", "5m"),
    ('[[alerts]]\nmetric = "mrr"\nquiet_hours = "night"', 3, "bad_hours", "22:00"),
    ('[[goals]]\nmetric = "mrr"\nby = "2026-13-01"\nvalue = 1', 3, "bad_value", "2026-12-31"),
    ('[[goals]]\nmetric = "mmr"\nby = "2026-12-31"\nvalue = 1', 2, "unknown_metric", "'mrr'"),
    (
        '[[goals]]\nmetric = "mrr"\nby = 2026-12-31\nvalue = 1\nproduct = "x"',
        5,
        "unknown_product",
        "None is known",
    ),
    ('[[goals]]\nmetric = "mrr"\nby = 2026-12-31\nvalue = 1\nuntil = 2', 5, "unknown_key", ""),
    (
        '[[goals]]\nmetric = "mrr"\nby = 2026-12-31\nvalue = 1\nsinse = 2',
        5,
        "unknown_key",
        "'since'",
    ),
    (
        '[[goals]]\nmetric = "mrr"\nby = 2026-12-31\nvalue = 1\nsince = 2027-01-01',
        5,
        "bad_day",
        "before 'by'",
    ),
    (
        '[[goals]]\nmetric = "mrr"\nby = 2026-12-31\nvalue = 1\n[[goals]]\nmetric = "mrr"\n'
        "by = 2026-12-31\nvalue = 2",
        5,
        "duplicate_id",
        "id of its own",
    ),
    ('[[reports]]\nschedule = "monthly"', 2, "bad_schedule", "five fields"),
    ('[[metrics]]\nname = "mrr"\ntitle = "M"', 2, "duplicate_id", "another name"),
    ('[[metrics]]\nname = "x"\ntitle = "M"\naggregate = "ratio"', 1, "missing_key", "numerator"),
]


@pytest.mark.parametrize(("text", "line", "code", "fix"), WRONG)
def test_a_mistake_has_its_line_and_its_cure(
    tmp_path: Path, text: str, line: int, code: str, fix: str
) -> None:
    wrong = problem(tmp_path, text)
    assert (wrong.code, wrong.where.rpartition(", ")[2]) == (code, f"line {line}")
    assert fix in wrong.fix + wrong.message


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, '[workspace]\nnam = "x"\n[[products]]\nid = 1\n[smtp]\nurl = 2')
    assert [p.where.rpartition(" ")[2] for p in caught.value.problems] == ["2", "6", "4"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "nowhere.toml", {})
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'[workspace]\nname = "Caf\xe9"\n')
    with pytest.raises(ConfigError) as caught:
        load(latin, {})
    assert caught.value.problem.where.endswith("line 2")


def test_lines_of_strings_arrays_and_nested_tables() -> None:
    places = lines_of(ACME)
    assert line_of(places, ("sources", 1, "queries", 0, "timestamp")) == (
        ACME.splitlines().index('timestamp = "created_at"') + 1
    )
    assert line_of(places, ("workspace", "exclude", 0)) == 7
    assert line_of(places, ("products", 0, "authority", "revenue")) == 19
    assert line_of(places, ("products", 1, "id")) == 22
    assert line_of(places, ("nothing",)) == 0
    text = 'a = [\n  "x = 1", # ] \n  { b = "]" },\n]\n\n"c d".e = 2\n[[f]]\n[f.g]\nh = 1\n'
    places = lines_of(text)
    assert places[("c d", "e")] == 6
    assert places[("f", 0, "g", "h")] == 9


def test_secrets_are_read_where_they_are(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("hidden\n")
    assert secret("env:KEY", {"KEY": "hidden"}) == "hidden"
    assert secret(f"file:{file}", {}) == "hidden"
    assert secret("https://plain.example", {}) == "https://plain.example"
    with pytest.raises(ConfigError, match="STRIPE_KEY is not set"):
        secret("env:STRIPE_KEY", {})
    with pytest.raises(ConfigError, match="cannot be read"):
        secret(f"file:{tmp_path / 'none'}", {})


def test_export_gives_the_same_settings_and_no_inline_secret(tmp_path: Path) -> None:
    settings = read(tmp_path, ACME)
    text = export(settings)
    assert "sk_written_inline" not in text
    again = read(tmp_path, text.replace("(inline, hidden)", "sk_written_inline"))
    assert again == settings
    assert tomllib.loads(export(Settings())) == {}


def test_spans_of_time() -> None:
    assert duration("14d") == dt.timedelta(days=14)
    with pytest.raises(ValueError, match="soon"):
        duration("soon")


def test_the_reference_page_is_current() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"
    assert page.read_text() == reference(), "run: python -m upwell.settings > docs/reference/…"
