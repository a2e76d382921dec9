"""What databases say when they do not answer, as errors that say what to change. Pure."""

from __future__ import annotations

import re

from upwell.errors import Unavailable, UpwellError
from upwell.sources.contract import BadQuery, NotAllowed, SignIn

_CODES: dict[str, str] = {
    # PostgreSQL, by SQLSTATE
    "28P01": "sign-in", "28000": "sign-in", "3D000": "database", "42501": "rights",
    "42P01": "table", "42703": "column", "42702": "twice", "42601": "syntax", 
    "22P02": "types", "42804": "types", "22003": "types", "57014": "slow", "25006": "writes",
    "42701": "twice",
    # MySQL and MariaDB, by number
    "1045": "sign-in", "1698": "sign-in", "1049": "database", "1044": "rights", "1142": "rights",
    "1143": "rights", "1370": "rights", "1146": "table", "1054": "column", "1060": "twice",
    "1052": "twice", "1064": "syntax", "1969": "slow", "3024": "slow", "1317": "slow",
    "1792": "writes", "1290": "rights", "1305": "function",
    # BigQuery, by the reason of its answer
    "authError": "key", "accessDenied": "roles", "billingNotEnabled": "billing",
    "notFound": "not-found", "bytesBilledLimitExceeded": "bytes", "stopped": "stopped",
    "resourcesExceeded": "resources", "responseTooLarge": "resources",
}  # fmt: skip
_WORDS: tuple[tuple[str, str], ...] = (
    (r"password authentication failed|no password supplied|role \".*\" does not exist", "sign-in"),
    (r"no pg_hba\.conf entry", "pg_hba"),
    (r"database \".*\" does not exist", "database"),
    (r"no such function|function .* does not exist", "function"),
    (r"no such table", "table"),
    (r"no such column", "column"),
    (r"ambiguous column", "twice"),
    (r"interrupted", "slow"),
    (r"attempt to write|readonly database|not authorized", "writes"),
    (r"syntax error|incomplete input", "syntax"),
    (r"file is not a database|malformed", "no-file"),
    (r"operator does not exist|no matching signature", "types"),
    (r"not defined for arguments of type STRUCT", "pairs"),
    (r"unrecognized name", "column"),
    (r"function not found", "function"),
    (r"limit for bytes billed", "bytes"),
    (r"job timed out", "stopped"),
)
_FIXES: dict[str, str] = {
    "sign-in": "Look at the user and password in `url`; special characters in a password are "
    "written as %40 for @, %2F for /, %3A for :.",
    "pg_hba": "Let the server take connections of this machine: a line in its pg_hba.conf, or the "
    "provider's list of allowed addresses; `?sslmode=require` at the end of `url` where it wants "
    "TLS.",
    "database": "Look at the name after the last / of `url`.",
    "rights": "Grant the user of `url` select on that table; nothing else is needed.",
    "table": "Look at the table's name, and whether it needs its schema before it: billing.orders.",
    "column": "Look at the column's name in the query.",
    "twice": "Give each column of the query its own name: select o.id as order_id.",
    "syntax": "Run the query in a database tool first, with values instead of :cursor_time and "
    ":cursor_id.",
    "function": "This database has no such function: look at its name, and at what it is given.",
    "refused": "Run the query in a database tool first; it must only read.",
    "types": "If a column changed its type, read the source once more: `upwell source reset`. Else "
    "compare the timestamp with :cursor_time and the key with :cursor_id.",
    "slow": "Add an index on the timestamp and key columns, narrow the query, or set a longer "
    "`timeout`.",
    "writes": "Write a query that only reads.",
    "key": "Make a new key of the service account, and let `credentials` name its file.",
    "roles": "Give the service account the role BigQuery Job User on the project of `url`, and "
    "BigQuery Data Viewer on the dataset.",
    "billing": "Turn billing on for the project of `url`, or name another one.",
    "not-found": "Look at the name in the query: `project.dataset.table`, with `_*` behind it for "
    "one table a day; and at `?location=` of `url`, where the dataset is not in the US.",
    "pairs": "Write the comparison out: happened > :cursor_time or (happened = :cursor_time and "
    "id > :cursor_id).",
    "bytes": "Read fewer tables (by _table_suffix) or fewer columns, or raise "
    "`?maximum_bytes_billed=` of `url`.",
    "stopped": "Read fewer tables or columns at a time, or set a longer `timeout`.",
    "resources": "Read fewer tables or columns at a time.",
    "no-file": "Give the path of a SQLite file: sqlite:////var/lib/app/app.db.",
}
_CLASSES: dict[str, type[UpwellError]] = {
    "sign-in": SignIn,
    "pg_hba": NotAllowed,
    "rights": NotAllowed,
    "key": SignIn,
    "roles": NotAllowed,
    "billing": NotAllowed,
}


def refusal(
    title: str, codes: tuple[str, ...], said: str, where: str, seconds: float, *, asked: bool
) -> UpwellError:
    """The error of what a driver raised: its codes, and its words without a password.

    `asked`: the driver says that what it was asked is wrong, not that nobody answers.
    """
    told = _plain(said)
    what = next((_CODES[code] for code in codes if code in _CODES), None) or next(
        (what for pattern, what in _WORDS if re.search(pattern, told, re.IGNORECASE)), None
    )
    if what is None and asked:
        what = "refused"
    if what is None:
        return Unavailable(
            "unreachable",
            f"{title} does not answer: {told}" if told else f"{title} does not answer.",
            fix="It is tried again by itself; look at the host and port of `url`, and whether the "
            "database runs.",
            where="url",
        )
    kind = _CLASSES.get(what, BadQuery)
    if what in ("slow", "stopped"):
        told = f"a query took longer than {seconds:g} s and was stopped."
    if what == "key":
        where = "credentials"
    place = "url" if what in ("sign-in", "pg_hba", "database", "no-file") else where
    return kind(what.replace("-", "_"), f"{title}: {told}", fix=_FIXES[what], where=place)


def _plain(said: str) -> str:
    """One line of the vendor's own words."""
    text = re.sub(r"://[^@\s]*@", "://…@", said)
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("LINE ")]
    text = " ".join(" ".join(lines).replace("^", " ").split())
    return text[:300]
