"""Opening the control state: SQLite in the data directory, or PostgreSQL where several share it."""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from upwell.errors import Rejected, Unavailable
from upwell.state.tables import metadata

HEAD = "0012"  # the newest of the migrations
_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION = (  # where the migrations keep how far they came
    "create table alembic_version (version_num varchar(32) not null,"
    " constraint alembic_version_pkc primary key (version_num))"
)


class State:
    """The open control state; `read` and `write` hand out one connection in one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = engine.execution_options(upwell_write=True)

    @classmethod
    def open(cls, place: str | Path) -> State:
        """Opens a file or an SQLAlchemy URL and brings its tables up to date.

        Raises Rejected("newer_data") where a newer Upwell wrote it, Unavailable where it cannot
        be reached.
        """
        text = str(place)
        state = cls(_server(text) if "://" in text else _file(Path(text)))
        try:
            state._upgrade()
        except DBAPIError as error:
            raise Unavailable(
                "state_unreachable", f"The control state cannot be opened: {error.orig}"
            ) from error
        return state

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view."""
        with _told(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, durable when the block ends; undone when it raises."""
        with _told(), self._writer.begin() as connection:
            yield connection

    def damage(self) -> list[str]:
        """What the database's own check finds wrong in its file; nothing where it is a server."""
        if self._engine.dialect.name != "sqlite":
            return []
        try:
            with self.read() as connection:
                rows = connection.exec_driver_sql("pragma integrity_check").scalars().all()
        except (DBAPIError, Unavailable) as error:
            return [f"cannot be read: {error}"]
        return [str(row) for row in rows if row != "ok"]

    def close(self) -> None:
        """Closes every connection."""
        self._engine.dispose()

    def _upgrade(self) -> None:
        with self._engine.begin() as connection:
            if inspect(connection).has_table("alembic_version"):
                known = connection.exec_driver_sql("select version_num from alembic_version")
                if list(known.scalars()) == [HEAD]:
                    return
        with self._writer.begin() as connection:
            if inspect(connection).get_table_names():
                migrate(connection)
            else:
                make(connection)


def make(connection: Connection) -> None:
    """Makes all tables where there is none: what the migrations make, in a tenth of the time."""
    for module in pkgutil.iter_modules([str(_MIGRATIONS.parent)]):
        importlib.import_module(f"upwell.state.{module.name}")  # each noun may define tables
    metadata.create_all(connection, checkfirst=False)
    connection.exec_driver_sql(_VERSION)
    connection.exec_driver_sql(f"insert into alembic_version values ('{HEAD}')")


def migrate(connection: Connection) -> None:
    """Runs the migrations that are missing; Rejected("newer_data") where they are not known."""
    # Loaded only where something is to be done: it takes longer than opening the file.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    script = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    if current == script.get_current_head():
        return
    if current is not None and current not in {r.revision for r in script.walk_revisions()}:
        raise Rejected(
            "newer_data",
            f"The data directory was written by a newer Upwell (control state {current}).",
            fix="Install that version or a newer one, or restore an older back-up.",
        )

    def steps(revision: Any, _: MigrationContext) -> Any:
        return script._upgrade_revs("head", revision)

    with EnvironmentContext(config, script, fn=steps, destination_rev="head") as context:
        context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
        context.run_migrations()


@contextmanager
def _told() -> Iterator[None]:
    """Says which failures are worth a retry: a busy, full or unreachable database."""
    try:
        yield
    except OperationalError as error:
        raise Unavailable(
            "state_unavailable", "The control state cannot be reached just now."
        ) from error


# `hide_parameters`: what a failed statement was given would stand in the log, hashes included.


def _file(path: Path) -> Engine:
    # The file holds password hashes: created for its owner only, before SQLite sees it.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    engine = create_engine(f"sqlite:///{path}", hide_parameters=True)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _server(url: str) -> Engine:
    return create_engine(make_url(url), pool_pre_ping=True, hide_parameters=True)


def _prepare(connection: Any, _: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's `begin` below opens transactions, not sqlite3
    # No write-ahead log: SQLite drops a log's damaged tail without a word, and with it perhaps that
    # a key was revoked. Waiting comes first: whoever opens an older file leaves its log behind.
    for pragma in (
        "busy_timeout=10000",
        "journal_mode=TRUNCATE",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # A writer takes its lock at once: upgrading a reader's lock later cannot wait, it fails.
    writes = connection.get_execution_options().get("upwell_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
