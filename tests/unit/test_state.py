"""The control state: its migrations agree with its tables, newer data are left alone."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.exc import IntegrityError

from upwell.errors import Rejected
from upwell.state import db, keys, people, reports
from upwell.state.db import State
from upwell.state.tables import metadata


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State.open(tmp_path / "state.db")


def told(at: Connection) -> dict[str, Any]:
    """All that the database says of its tables, and whatever else it holds."""
    look = inspect(at)
    tables = {
        name: {
            "columns": sorted(
                (one["name"], str(one["type"]), one["nullable"], one["default"])
                for one in look.get_columns(name)
            ),
            "key": look.get_pk_constraint(name),
            "foreign": look.get_foreign_keys(name),
            "unique": look.get_unique_constraints(name),
            "checks": look.get_check_constraints(name),
            "indexes": look.get_indexes(name),
        }
        for name in look.get_table_names()
    }
    kept = at.exec_driver_sql("select type, name, tbl_name from sqlite_master order by name")
    return {"tables": tables, "kept": kept.fetchall()}


def test_an_empty_file_gets_exactly_what_the_migrations_make(state: State, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with engine.begin() as at:
        db.migrate(at)
        assert compare_metadata(MigrationContext.configure(at), metadata) == []
        migrated, version = told(at), at.execute(text("select * from alembic_version")).all()
    engine.dispose()
    assert len(migrated["tables"]) > 15
    with state.read() as at:
        assert told(at) == migrated
        assert at.execute(text("select * from alembic_version")).all() == version


def test_opening_again_changes_nothing(state: State, tmp_path: Path) -> None:
    people.record(state, people.Entry(at=1, who="a", action="b"))
    state.close()
    again = State.open(tmp_path / "state.db")
    assert [entry.who for entry in people.trail(again)] == ["a"]


def test_data_of_a_newer_version_are_not_touched(state: State, tmp_path: Path) -> None:
    with state.write() as at:
        at.execute(text("update alembic_version set version_num = '9999'"))
    state.close()
    with pytest.raises(Rejected) as refused:
        State.open(tmp_path / "state.db")
    assert refused.value.problem.code == "newer_data"
    assert refused.value.problem.fix


def test_a_block_that_raises_leaves_nothing(state: State) -> None:
    entry = "insert into audit (at, who, action, about, address) values (1, 'a', 'b', '', '')"

    def fail() -> None:
        with state.write() as at:
            at.execute(text(entry))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert people.trail(state) == []


def test_writers_at_once_wait_for_each_other(state: State) -> None:
    def write(who: str) -> None:
        for _ in range(20):
            people.record(state, people.Entry(at=1, who=who, action="b"))

    threads = [threading.Thread(target=write, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(people.trail(state)) == 80


def test_two_visitors_with_one_link_make_one_owner(state: State) -> None:
    people.invite(state, "d", role="owner", now=1, expires_at=100)
    outcomes = []

    def take(n: int) -> None:
        person = people.Person(
            id=f"p{n}", email=f"{n}@x", name="", password="h", role="owner", created_at=1
        )
        outcomes.append(people.accept(state, "d", person, 2))

    threads = [threading.Thread(target=take, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made", "taken", "taken", "taken"]


def test_keys_and_reports_come_back_as_they_were(state: State) -> None:
    key = keys.Key(
        id="key_1",
        prefix="1",
        digest="d",
        name="k",
        scopes=("read",),
        products=("mail",),
        created_at=5,
        created_by="system",
    )
    keys.add(state, key)
    assert keys.by_prefix(state, "1") == key
    assert keys.every(state) == [key]
    assert keys.revoke(state, "key_1", 9)
    assert not keys.revoke(state, "key_1", 10)
    made = reports.add(
        state,
        id_="rep_1",
        month="2026-10",
        created_at=5,
        created_by="p",
        answers=b"[]",
        files={"pdf": b"%PDF", "html": b"<p>"},
    )
    assert reports.every(state) == [made]
    assert made.formats == ("html", "pdf")
    assert reports.file(state, "rep_1", "pdf") == b"%PDF"
    assert reports.file(state, "rep_1", "xlsx") is None
    assert reports.answers(state, "rep_1") == b"[]"


def test_a_failed_statement_does_not_tell_what_it_was_given(state: State) -> None:
    person = people.Person(
        id="p", email="a@x", name="", password="canary", role="owner", created_at=1
    )
    people.add(state, person)
    with pytest.raises(IntegrityError) as failed:
        people.add(state, msgspec.structs.replace(person, id="q"))
    assert "canary" not in str(failed.value)


def test_the_newest_migration_is_the_one_that_start_looks_for() -> None:
    """Where the head is not what the file is compared with, start would migrate each time."""
    config = Config()
    config.set_main_option("script_location", str(Path(db.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == db.HEAD
