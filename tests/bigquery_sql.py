"""BigQuery's SQL over tables of DuckDB: turned by `sqlglot`, and as strict as BigQuery is."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Mapping, Sequence
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
        try:
            tree = sqlglot.parse_one(sql, dialect="bigquery")
        except SqlglotError as error:
            raise Refused(400, "invalidQuery", f"Syntax error: {str(error)[:80]}") from None
        _strict(tree)
        for parameter in tree.find_all(exp.Parameter):
            parameter.this.set("quoted", False)
        read = sum(self._resolve(table, given) for table in list(tree.find_all(exp.Table)))
        # All times are UTC here, so that none needs a zone.
        text = tree.sql(dialect="duckdb").replace("AS TIMESTAMPTZ", "AS TIMESTAMP")
        if dry:
            text = f"select * from ({text}) limit 0"
        used = {name: value for name, value in given.items() if f"${name}" in text}
        try:
            found = self._database.execute(text, used)
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

    def _resolve(self, table: exp.Table, given: Mapping[str, Any]) -> int:
        """Put the tables that are read in the place of a name; how many bytes that is."""
        if not table.db:
            return 0  # of the query itself: with a as (…)
        name = f"{table.catalog or PROJECT}:{table.db}.{table.name}"
        held = self._database.execute(
            "select table_name, estimated_size from duckdb_tables() where schema_name = ?",
            [table.db],
        ).fetchall()
        start = table.name.removesuffix("*")
        if table.name == start:
            sizes = [(one, size) for one, size in held if one == start]
            if not sizes:
                said = f"Not found: Table {name} was not found in location US"
                raise Refused(404, "notFound", said)
            table.set("catalog", None)
            return int(sizes[0][1]) * _ROW
        sizes = [(one, size) for one, size in sorted(held) if one.startswith(start)]
        if not sizes:
            raise Refused(404, "notFound", f"Not found: {name} does not match any table.")
        kept = [(one, size) for one, size in sizes if self._wanted(table, one[len(start) :], given)]
        # Where no table is left, the newest says which columns there are.
        parts = [
            f'select *, \'{one[len(start) :]}\' as _table_suffix from "{table.db}"."{one}"'
            + ("" if kept else " limit 0")
            for one, _ in (kept or sizes[-1:])
        ]
        whole = sqlglot.parse_one(" union all by name ".join(parts), dialect="duckdb")
        assert isinstance(whole, exp.Query)
        table.replace(whole.subquery(table.alias or "events"))
        return sum(int(size) for _, size in kept) * _ROW

    def _wanted(self, table: exp.Table, suffix: str, given: Mapping[str, Any]) -> bool:
        """Whether the conditions on the suffix alone take a table, as BigQuery bills it."""
        select = table.find_ancestor(exp.Select)
        where = select.args.get("where") if select is not None else None
        if where is None:
            return True
        for part in where.this.flatten() if isinstance(where.this, exp.And) else [where.this]:
            names = {column.name.lower() for column in part.find_all(exp.Column)}
            if names != {"_table_suffix"}:
                continue
            text = part.sql(dialect="duckdb")
            used = {name: value for name, value in given.items() if f"${name}" in text}
            asked = f"select {text} from (select '{suffix}' as _table_suffix)"
            ((wanted,),) = self._database.execute(asked, used).fetchall()
            if not wanted:
                return False
        return True


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
