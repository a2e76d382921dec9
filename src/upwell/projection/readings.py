"""Which sources were read before the same bytes said as much as they do today."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from upwell.event import Delivery

# Another one where old bytes say more than before. 2: doubts, all metadata of customers.
READING = "reading 2"


def begin(db: duckdb.DuckDBPyConnection) -> None:
    """Note up to which delivery earlier ones read, when a file is first opened by this one."""
    if not db.execute("select 1 from meta where key = ?", [READING]).fetchall():
        db.execute("insert into meta select ?, value from meta where key = 'applied'", [READING])


def outdated(db: duckdb.DuckDBPyConnection, orders: Iterable[Delivery]) -> list[str]:
    """The billing sources of which something was read earlier and not again since.

    `orders` are the deliveries that let sources be read again.
    """
    ((until,),) = db.execute("select value::bigint from meta where key = ?", [READING]).fetchall()
    found = db.execute("select distinct source from billing where seq <= ?", [until]).fetchall()
    again = {
        order.about.get("source")
        for order in orders
        if order.seq > until and not order.about.get("since")
    }
    return sorted({source for (source,) in found} - again)
