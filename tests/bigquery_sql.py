"""BigQuery's SQL over tables of DuckDB: turned by `sqlglot`, and as strict as BigQuery is."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.dialects.bigquery import BigQuery as Dialect
from sqlglot.errors import SqlglotError

PROJECT = "acme-web"
DATASET = "analytics_123456789"
_ROW = 200  # bytes of a row
_TYPES = {
    "BIGINT": "INTEGER", "INTEGER": "INTEGER", "HUGEINT": "INTEGER", "UBIGINT": "INTEGER",
    "VARCHAR": "STRING", "DOUBLE": "FLOAT", "FLOAT": "FLOAT", "BOOLEAN": "BOOLEAN",
    "TIMESTAMP": "TIMESTAMP", "DATE": "DATE",
}  # fmt: skip
_READ: dict[str, Callable[[str], Any]] = {"STRING": str, "INT64": int, "FLOAT64": float}
_LOCATED = "global"


class Refused(Exception):
    """An answer that is an error, as Google words it."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason

    def body(self) -> dict[str, Any]:
        """As Google sends it."""
        said = str(self)
        one = {"message": said, "domain": _LOCATED, "reason": self.reason}
        if self.status == 401:
            one |= {"location": "Authorization", "locationType": "header"}
        names = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED"}
        return {
            "error": {
                "code": self.status,
                "message": said,
                "errors": [one],
                "status": names.get(self.status, "NOT_FOUND"),
            }
        }


class Answer(NamedTuple):
    """Columns, rows, and the bytes that were read for them."""

    schema: Sequence[dict[str, Any]]
    rows: Sequence[Sequence[Any]]
    bytes: int


class Table(NamedTuple):
    """A table of a query: the view that stands for it, its names, and which of a day each."""

    view: str
    dataset: str
    name: str
    only: str


class Tables:
    """A dataset."""

    def __init__(self) -> None:
        self._database = duckdb.connect()
        self._database.execute(f'create schema "{DATASET}"')
        self._lock = threading.Lock()

    def run(self, sql: str, given: Sequence[Any] = ()) -> None:
        """Change tables, in DuckDB's own words."""
        with self._lock:
            self._database.execute(sql, list(given))

    def close(self) -> None:
        """Throw them away."""
        self._database.close()

    def answer(self, asked: Mapping[str, Any]) -> Answer:
        """Of a request of jobs.query; raises Refused."""
        given = {one["name"]: _value(one) for one in asked.get("queryParameters", ())}
        with self._lock:
            return self._answer(asked["query"], given, bool(asked.get("dryRun")))

    def _answer(self, sql: str, given: dict[str, Any], dry: bool) -> Answer:
        text, tables = _turned(sql)
        read = sum(self._resolve(table, given) for table in tables)
        if dry:
            text = f"select * from ({text}) limit 0"
        try:
            found = self._database.execute(text, _used(text, given))
            names = [
                {"name": column[0], "type": _type(str(column[1])), "mode": "NULLABLE"}
                for column in found.description or ()
            ]
            return Answer(names, found.fetchall(), read)
        except duckdb.BinderException as error:
            raise _bound(str(error)) from None
        except duckdb.Error as error:
            said = f"No matching signature for operator: {str(error)[:120]}"
            raise Refused(400, "invalidQuery", said) from None

    def _resolve(self, table: Table, given: Mapping[str, Any]) -> int:
        """Put the tables that are read behind the view of a name; how many bytes that is."""
        name, start = f"{PROJECT}:{table.dataset}.{table.name}", table.name.removesuffix("*")
        held = self._database.execute(
            "select table_name, estimated_size from duckdb_tables() where schema_name = ? "
            "and starts_with(table_name, ?) and (? or table_name = ?) order by 1",
            [table.dataset, start, table.name != start, start],
        ).fetchall()
        if not held and table.name == start:
            said = f"Not found: Table {name} was not found in location US"
            raise Refused(404, "notFound", said)
        if not held:
            raise Refused(404, "notFound", f"Not found: {name} does not match any table.")
        suffixes = ", ".join(f"('{one.removeprefix(start)}')" for one, _ in held)
        asked = f"select _table_suffix from (values {suffixes}) t(_table_suffix) where {table.only}"
        found = self._database.execute(asked, _used(asked, given)).fetchall()
        kept = {f"{start}{suffix}": size for (suffix,) in found for one, size in held
                if one == f"{start}{suffix}"}  # fmt: skip
        # Where no table is left, the newest says which columns there are.
        parts = [
            f"select *, '{one.removeprefix(start)}' as _table_suffix "
            f'from "{table.dataset}"."{one}" ' + ("" if kept else "limit 0")
            for one in (kept or [held[-1][0]])
        ]
        union = " union all by name ".join(parts)
        self._database.execute(f"create or replace temp view {table.view} as {union}")
        return sum(map(int, kept.values())) * _ROW


@cache
def _turned(sql: str) -> tuple[str, tuple[Table, ...]]:
    """DuckDB's text of a query, and what it reads; raises Refused."""
    try:
        tree = sqlglot.parse_one(sql, dialect="bigquery")
    except SqlglotError as error:
        raise Refused(400, "invalidQuery", f"Syntax error: {str(error)[:80]}") from None
    _strict(tree)
    for parameter in tree.find_all(exp.Parameter):
        parameter.this.set("quoted", False)
    tables: list[Table] = []
    for table in list(tree.find_all(exp.Table)):
        if table.db:  # else it is of the query itself: with a as (…)
            view = f"upwell_read_{len(tables)}"
            tables.append(Table(view, table.db, table.name, _only(table)))
            table.replace(exp.to_table(view, alias=table.alias or None))
    return _duckdb(tree), tuple(tables)


def _only(table: exp.Table) -> str:
    """The conditions on the suffix alone: by these BigQuery leaves tables out, and bills."""
    select = table.find_ancestor(exp.Select)
    where = select.args.get("where") if select is not None else None
    parts = [] if where is None else [where.this]
    if parts and isinstance(parts[0], exp.And):
        parts = list(parts[0].flatten())
    only = [
        _duckdb(part)
        for part in parts
        if {column.name.lower() for column in part.find_all(exp.Column)} == {"_table_suffix"}
    ]
    return " and ".join(only) or "true"


def _duckdb(tree: exp.Expr) -> str:
    # All times are UTC here, so that none needs a zone.
    return tree.sql(dialect="duckdb").replace("AS TIMESTAMPTZ", "AS TIMESTAMP")


def _used(text: str, given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if f"${name}" in text}


def _strict(tree: exp.Expr) -> None:
    """What DuckDB takes and BigQuery does not."""
    for compared in tree.find_all(exp.GT, exp.GTE, exp.LT, exp.LTE):
        if isinstance(compared.this, exp.Tuple):
            said = "Greater than is not defined for arguments of type STRUCT at [1:1]"
            raise Refused(400, "invalidQuery", said)
    reserved = Dialect.Generator.RESERVED_KEYWORDS
    for alias in tree.find_all(exp.Alias):
        name = alias.args["alias"]
        if not name.quoted and name.name.lower() in reserved:
            said = f"Syntax error: Unexpected keyword {name.name.upper()} at [1:1]"
            raise Refused(400, "invalidQuery", said)


def _bound(said: str) -> Refused:
    """DuckDB's words for what a query names, as BigQuery says them."""
    named = said.partition('column "')[2].partition('"')[0]
    if named:
        return Refused(400, "invalidQuery", f"Unrecognized name: {named} at [1:1]")
    return Refused(400, "invalidQuery", f"No matching signature for operator: {said[:120]}")


def _type(name: str) -> str:
    return "NUMERIC" if name.startswith("DECIMAL") else _TYPES[name]


def _value(given: Mapping[str, Any]) -> Any:
    type_, text = given["parameterType"]["type"], given["parameterValue"]["value"]
    if type_ == "TIMESTAMP":
        found = dt.datetime.fromisoformat(text)
        assert found.tzinfo is not None, "a timestamp is sent with its zone"
        return found.astimezone(dt.UTC).replace(tzinfo=None)
    return _READ[type_](text)
