"""The users of a segment and the customers they are linked to: what narrows other questions."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import pyarrow as pa

USERS, PAYERS = "segment_users", "segment_payers"  # the tables that statements find them in
BILLED = ("revenue", "refund", "trial", "payment_failed", "payment_recovered", "churn")
"""Events of customers, which billing sources send under the customer's own id."""


@dataclass(frozen=True, eq=False)
class Among:
    """Whom a question is about.

    `users`: the numbers of their ids (`no`). `payers`: the ids under which their customers pay, by
    `source` and `no`. `customers`: ascending numbers of these in the ledger, as int32. `accounts`:
    all they have with billing systems, by source and id. `linked` tells people how many these are;
    empty where customers were not asked for. `stamp` is another one where any of it may be.
    """

    users: pa.Table
    payers: pa.Table
    customers: bytes
    accounts: frozenset[tuple[str, str]]
    linked: str
    stamp: Hashable
