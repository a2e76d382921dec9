"""Which stored records must be counted together: those of one customer, and of who is the same.

Records are kept by subject (`billing.subject_of`). Subjects are linked where a subscription changed
hands, and where customers are one person; what is linked is read and counted together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import duckdb
import msgspec
import xxhash

from upwell.billing import Customer, SubscriptionState
from upwell.projection import billing
from upwell.projection.billing import Told
from upwell.projection.ground import Ground, leaves_out
from upwell.projection.identity import Payer


class Kin:
    """The links between subjects; they only grow."""

    def __init__(self) -> None:
        self.links: dict[int, frozenset[int]] = {}  # subject -> all that belong together
        self._homes: dict[int, int] = {}  # subscription -> the subject it was first seen under

    def subject(self, one: Told) -> int:
        """What a record is kept by; takes note of whose its subscription is."""
        record = one.record
        found = billing.subject_of(record)
        if isinstance(record, SubscriptionState):
            self.settle(record.source, record.id, found)
        return found

    def settle(self, source: str, subscription: str, subject: int) -> None:
        """Link the subjects under which one subscription was seen."""
        key = xxhash.xxh3_64_intdigest(f"{source}\0{subscription}".encode())
        home = self._homes.setdefault(key, subject)
        if home != subject:
            self._link({home, subject})

    def merge(self, ground: Ground) -> None:
        """Link the customers that are one person."""
        for member, first in ground.same.items():
            self._link({of_customer(*member), of_customer(*first)})

    def closed(self, subjects: Iterable[int]) -> set[int]:
        """The subjects with all that belong to them."""
        found: set[int] = set()
        for subject in subjects:
            found |= self.links.get(subject, {subject})
        return found

    def root(self, subject: int) -> int:
        """One that stands for all that belong together."""
        linked = self.links.get(subject)
        return min(linked) if linked else subject

    def parts(self, subjects: Iterable[int]) -> Iterator[set[int]]:
        """The subjects and theirs, in groups of a bearable size."""
        part: set[int] = set()
        for subject in sorted(self.closed(subjects), key=lambda each: (self.root(each), each)):
            if len(part) >= billing.CHUNK and self.root(subject) == subject:
                yield part
                part = set()
            part.add(subject)
        if part:
            yield part

    def _link(self, subjects: Iterable[int]) -> None:
        whole = frozenset(self.closed(subjects))
        for subject in whole:
            self.links[subject] = whole


def payers(
    db: duckdb.DuckDBPyConnection, exclude: tuple[str, ...], only: Iterable[tuple[str, str]] = ()
) -> list[Payer]:
    """Every customer, or `only` these, as rules of identity see them; nobody who is left out.

    One who was deleted is known by what was said before.
    """
    named = [f"{source}\n{customer}" for source, customer in only]
    rows = db.execute(_PAYERS.format(also=_ONLY if named else ""), [named] if named else [])
    return [
        Payer(
            f"{source}:{id_}",
            email or "",
            external or "",
            created,
            msgspec.json.decode(metadata or "{}"),
        )
        for source, id_, email, external, metadata, created in rows.fetchall()
        if not leaves_out(exclude, id_, email or "")
    ]


_ONLY = "and source || chr(10) || id in (select unnest(?::varchar[]))"
_PAYERS = """
select source, id, json_extract_string(body, '$.email'), json_extract_string(body, '$.external'),
  json_extract(body, '$.metadata')::varchar, json_extract_string(body, '$.created')::bigint
from (
  select source, id, arg_max(body, (json_extract(body, '$.deleted') is null, ts, ord)) as body
  from billing where kind = 'cus' and superseded_seq is null {also} group by source, id)
"""


def of_customer(source: str, customer: str) -> int:
    """The subject of a customer."""
    return billing.subject_of(Customer(source=source, id=customer, at=0))
