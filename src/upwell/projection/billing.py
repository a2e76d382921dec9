"""What billing sources said, with every version of it: stored once, superseded, never overwritten.

Two contents for one (kind, source, id, instant, order) are versions of one record. What a source
said itself stands before what was pieced together; of two of the same sort the later one stands, of
two pieced together the earlier, which was nearer to the facts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, get_args

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import xxhash

from upwell.billing import (
    Cash,
    Customer,
    Interval,
    Item,
    Payment,
    Price,
    Record,
    Refund,
    Schedule,
    Status,
    SubscriptionState,
)
from upwell.money import digits
from upwell.period import Zone
from upwell.projection import store

CHUNK = 4_000  # subjects whose versions are read at once
KINDS: dict[type, str] = {
    SubscriptionState: "sub", Customer: "cus", Cash: "cash", Payment: "pay", Refund: "ref",
    Schedule: "sch",
}  # fmt: skip
LEDGER = ("sub", "cus", "ref", "sch")  # kinds that the ledger, and what stands beside it, is of
MOVING = ("sub", "ref")  # those that may move it whatever else is known

_ENCODE = msgspec.json.Encoder(order="deterministic")
_CUSTOMER = msgspec.json.Decoder(Customer)
_DECODE = msgspec.json.Decoder(Record)

Key = tuple[str, str, str, int, str]


class Told(NamedTuple):
    """A record with the delivery that brought it, its place in there, and when that came."""

    record: Record
    seq: int
    idx: int
    recorded_at: int


class Version(msgspec.Struct, gc=False):
    """One stored version; `out_seq` is the command that took it out, if one did."""

    no: int
    kind: str
    source: str
    id: str
    customer: str | None
    product: str | None
    ts: int
    ord: str
    subject: int
    recorded_at: int
    seq: int
    idx: int
    version_seq: int
    superseded_at: int | None
    superseded_seq: int | None
    out_seq: int | None
    reconstructed: bool
    body: str
    read: Record | None = None

    @property
    def key(self) -> Key:
        """What it is a version of."""
        return (self.kind, self.source, self.id, self.ts, self.ord)

    @property
    def record(self) -> Record:
        """What was said."""
        if self.read is None:
            self.read = _DECODE.decode(self.body)
        return self.read

    @property
    def said(self) -> tuple[int, Key, str]:
        """Which delivery said what."""
        return (self.seq, self.key, self.body)

    @property
    def rank(self) -> tuple[bool, int, int]:
        """Of the versions of one record the one of the highest rank stands."""
        if self.reconstructed:
            return (False, -self.seq, -self.idx)
        return (True, self.seq, self.idx)

    @property
    def gives(self) -> bool:
        """Whether it tells of a discount of the customer, which the ledger then depends on."""
        return self.kind == "cus" and '"discounts":' in self.body


def standing_at(versions: Iterable[Version], seq: int) -> list[Version]:
    """The versions that stood once delivery `seq` was applied."""
    return [
        version
        for version in versions
        if version.version_seq <= seq
        and (version.superseded_seq is None or version.superseded_seq > seq)
    ]


COLUMNS = (
    "no", "kind", "source", "id", "customer", "product", "ts", "ord", "subject", "recorded_at",
    "seq", "idx", "version_seq", "superseded_at", "superseded_seq", "out_seq", "reconstructed",
    "body",
)  # fmt: skip
_INT = pa.int64()
_SCHEMA = pa.schema(
    [
        ("no", _INT), ("kind", pa.string()), ("source", pa.string()), ("id", pa.string()),
        ("customer", pa.string()), ("product", pa.string()), ("ts", _INT), ("ord", pa.string()),
        ("subject", pa.uint64()), ("recorded_at", _INT), ("seq", _INT), ("idx", pa.int32()),
        ("version_seq", _INT), ("superseded_at", _INT), ("superseded_seq", _INT),
        ("out_seq", _INT), ("reconstructed", pa.bool_()), ("body", pa.string()),
    ]
)  # fmt: skip


class Changed(NamedTuple):
    """What a delivery or a command did to the stored versions."""

    versions: list[Version]  # all of the subjects concerned, as they are now
    fresh: list[Version]
    repeats: int
    subjects: set[int]  # those of which the ledger has to be counted again


def subject_of(record: Record) -> int:
    """What the record is read together with: its customer, or only itself."""
    match record:
        case SubscriptionState() | Refund() | Schedule():
            name = f"{record.source}\0{record.customer}"
        case Customer():
            name = f"{record.source}\0{record.id}"
        case _:
            name = f"{KINDS[type(record)]}\0{record.source}\0{record.id}"
    return xxhash.xxh3_64_intdigest(name.encode())


def said(told: Told) -> tuple[int, Key, str]:
    """Which delivery said what, as of a stored version."""
    return _version(told, 0).said


def take(
    db: duckdb.DuckDBPyConnection, told: Sequence[Told], subjects: set[int], next_no: int
) -> Changed:
    """Store what is new of the records; the same again is dropped, other content supersedes.

    `subjects` are those whose versions must be known: at least those of the records.
    """
    versions = list(fetch(db, subjects))
    known = _by_key(versions)
    fresh: list[Version] = []
    gone: list[Version] = []
    for one in told:
        new = _version(one, next_no + len(fresh))
        rivals = known[new.key]
        if any(old.body == new.body and old.out_seq is None for old in rivals):
            continue
        standing = next((old for old in rivals if old.superseded_seq is None), None)
        if standing is not None:
            loser = standing if new.rank > standing.rank else new
            loser.superseded_at, loser.superseded_seq = new.recorded_at, new.seq
            if loser.no < next_no:
                gone.append(loser)
        rivals.append(new)
        fresh.append(new)
    write(db, fresh, gone)
    touched = {new.subject for new in fresh if new.kind in LEDGER}
    return Changed(versions + fresh, fresh, len(told) - len(fresh), touched)


def command(
    db: duckdb.DuckDBPyConnection,
    subjects: set[int],
    seq: int,
    at: int,
    next_no: int,
    *,
    takes: Any = None,
    brings: Any = None,
    reading: Sequence[Told] = (),
) -> Changed:
    """Take versions out, or bring them back, or read old deliveries anew; then see what stands.

    `takes(version)` and `brings(version)` say which; `reading` is what the bytes say today.
    """
    versions = list(fetch(db, subjects))
    known = _by_key(versions)
    before = {version.no: (version.superseded_seq, version.out_seq) for version in versions}
    for version in versions:
        if takes is not None and version.out_seq is None and takes(version):
            version.out_seq = seq
        elif brings is not None and version.out_seq is not None and brings(version):
            version.out_seq = None
    fresh: list[Version] = []
    for one in reading:
        new = _version(one, next_no + len(fresh))
        rivals = known[new.key]
        if any(old.body == new.body and old.out_seq is None for old in rivals):
            continue
        new.recorded_at, new.version_seq = at, seq
        new.superseded_at, new.superseded_seq = at, seq  # until it is found to stand
        rivals.append(new)
        fresh.append(new)
    for rivals in known.values():
        copy = _settled(rivals, seq, at, next_no + len(fresh))
        if copy is not None:
            fresh.append(copy)
    gone = [v for v in versions if before[v.no] != (v.superseded_seq, v.out_seq)]
    write(db, fresh, gone)
    touched = {v.subject for v in (*fresh, *gone) if v.kind in LEDGER}
    return Changed(versions + fresh, fresh, 0, touched)


def _settled(rivals: list[Version], seq: int, at: int, no: int) -> Version | None:
    """Let the version of the highest rank stand; a new copy of it where it did not."""
    standing = next((v for v in rivals if v.superseded_seq is None), None)
    best = max((v for v in rivals if v.out_seq is None), key=lambda v: v.rank, default=None)
    if best is not None and standing is not None and standing.out_seq is None:
        same = (best.seq, best.idx, best.body) == (standing.seq, standing.idx, standing.body)
        if same:
            return None
    if standing is not None:
        standing.superseded_at, standing.superseded_seq = at, seq
    if best is None:
        return None
    if best.version_seq == seq:  # read just now
        best.superseded_at = best.superseded_seq = None
        return None
    return msgspec.structs.replace(
        best, no=no, recorded_at=at, version_seq=seq, superseded_at=None, superseded_seq=None
    )


def fetch(db: duckdb.DuckDBPyConnection, subjects: Iterable[int]) -> Iterator[Version]:
    """All versions of some subjects."""
    wanted = sorted(subjects)
    columns = ", ".join(f"b.{name}" for name in COLUMNS)
    if len(wanted) == 1:  # most webhooks: half the work of a join
        found = db.execute(f"select {columns} from billing b where subject = ?::ubigint", wanted)
        yield from (Version(*row) for row in sorted(found.fetchall()))
        return
    for start in range(0, len(wanted), CHUNK):
        part = pa.table({"subject": pa.array(wanted[start : start + CHUNK], pa.uint64())})
        with store.given(db, "wanted", part):
            rows = db.execute(
                f"select {columns} from billing b join wanted using (subject) order by b.no"
            ).fetchall()
        for row in rows:
            yield Version(*row)


def write(db: duckdb.DuckDBPyConnection, fresh: Sequence[Version], gone: Sequence[Version]) -> None:
    """Insert new versions, and mark those that ended or were taken out."""
    if fresh:
        db.from_arrow(as_table(fresh)).insert_into("billing")
    if not gone:
        return
    marks = pa.table(
        {
            name: pa.array([getattr(version, name) for version in gone], _INT)
            for name in ("no", "superseded_at", "superseded_seq", "out_seq")
        }
    )
    with store.given(db, "marks", marks):
        db.execute(
            "update billing set superseded_at = m.superseded_at,"
            " superseded_seq = m.superseded_seq, out_seq = m.out_seq from marks m"
            " where billing.no = m.no"
        )
        for kind in sorted({version.kind for version in gone} & _DERIVED.keys()):
            table = _DERIVED[kind]
            db.execute(
                f"update {table} set superseded_at = m.superseded_at from marks m"
                f" where {table}.no = m.no"
            )


_DERIVED = {"cash": "cash", "pay": "payments"}


def as_table(versions: Sequence[Version]) -> pa.Table:
    """Versions as columns of the table `billing`."""
    columns = {name: [getattr(version, name) for version in versions] for name in COLUMNS}
    return pa.table(
        [pa.array(columns[field.name], field.type) for field in _SCHEMA], schema=_SCHEMA
    )


CASH = ("kind", "amount", "fee", "net", "currency", "product", "cause")
PAYMENT = (
    "customer", "subscription", "product", "currency", "due", "paid", "tax", "status",
    "first_failed", "paid_at", "period_start", "period_end", "reconstructed",
)  # fmt: skip


def write_money(db: duckdb.DuckDBPyConnection, versions: Iterable[Version], zone: Zone) -> None:
    """Keep cash and payments in columns of their own, for sums."""
    kinds: dict[str, list[Version]] = defaultdict(list)
    for version in versions:
        if version.kind in _DERIVED:
            kinds[version.kind].append(version)
    for kind, own in kinds.items():
        table, names = _DERIVED[kind], CASH if kind == "cash" else PAYMENT
        days = zone.days(np.array([version.ts for version in own], dtype=np.int64))
        columns: dict[str, Any] = {"day": pa.array(days, pa.int32())}
        for name in ("no", "source", "id", "ts", "seq", "recorded_at", "superseded_at"):
            columns[name] = pa.array(
                [getattr(version, name) for version in own], _SCHEMA.field(name).type
            )
        for name in names:
            columns[name] = pa.array([getattr(version.record, name) for version in own])
        with store.given(db, "incoming", pa.table(columns)):
            db.execute(f"insert into {table} by name select * from incoming")


def relocate_money(db: duckdb.DuckDBPyConnection, zone: Zone) -> None:
    """Work out the local days of cash and payments anew."""
    for table in _DERIVED.values():
        found = db.execute(f"select distinct ts from {table}").fetchnumpy()
        days = pa.table({"ts": found["ts"], "day": zone.days(found["ts"].astype(np.int64))})
        with store.given(db, "days", days):
            db.execute(f"update {table} set day = d.day from days d where {table}.ts = d.ts")


def history(
    db: duckdb.DuckDBPyConnection, source: str, subscription: str
) -> list[tuple[SubscriptionState, int, int, int | None]]:
    """Every version of a subscription's states: delivery, recorded at, superseded at if so."""
    rows = db.execute(
        "select body, seq, recorded_at, superseded_at from billing"
        " where kind = 'sub' and source = ? and id = ? order by ts, ord, no",
        [source, subscription],
    ).fetchall()
    return [(_DECODE.decode(body), *rest) for body, *rest in rows]


def latest_customers(db: duckdb.DuckDBPyConnection) -> Iterator[Customer]:
    """Every customer, as last known."""
    bodies = db.execute(
        "select arg_max(body, (ts, ord)) from billing where kind = 'cus'"
        " and superseded_seq is null group by source, id"
    ).fetchall()
    for (body,) in bodies:
        yield _CUSTOMER.decode(body)


def from_events(db: duckdb.DuckDBPyConnection, seqs: Sequence[int]) -> list[Told]:
    """The states that plain `subscription` events of these deliveries stand for.

    Their value is the MRR from then on, 0 an end; only events that are stored and stand count.
    """
    rows = db.execute(
        """select e.seq, e.idx, e.recorded_at, e.source, e.product, e.ts, a.actor, e.value,
          e.currency, e.metadata, e.key_low
        from events e left join actors a on a.no = e.actor
        where e.type = 'subscription' and e.superseded_at is null
          and e.seq in (select unnest(?::bigint[])) order by e.seq, e.idx""",
        [list(seqs)],
    ).fetchall()
    found = []
    for seq, idx, recorded_at, source, product, ts, actor, value, currency, text, key in rows:
        traits = msgspec.json.decode(text) if text else {}
        state = _state(source, product, ts, actor or "", value, currency, traits, f"{key:020d}")
        found.append(Told(state, seq, idx, recorded_at))
        person = _person(source, ts, actor or "", traits, f"{key:020d}")
        if person is not None:
            found.append(Told(person, seq, idx, recorded_at))
    return found


_STATUSES = frozenset(get_args(Status))
_INTERVALS = frozenset(get_args(Interval))


def _state(
    source: str, product: str, ts: int, actor: str, value: Decimal, currency: str,
    traits: dict[str, Any], order: str,
) -> SubscriptionState:  # fmt: skip
    said, interval = str(traits.get("status") or ""), str(traits.get("interval") or "")
    status = said if said in _STATUSES else "active" if value > 0 else "canceled"
    plan = str(traits.get("plan") or "")
    price = Price(
        id=plan,
        plan=plan,
        currency=currency,
        interval=interval if interval in _INTERVALS else "month",  # type: ignore[arg-type]
    )
    return SubscriptionState(
        source=source,
        id=str(traits.get("subscription_id") or f"{product}/{actor}"),
        customer=actor,
        at=ts,
        order=order,
        status=status if value > 0 else "canceled",  # type: ignore[arg-type]
        currency=currency,
        items=(Item(id="", product=product, price=price),),
        mrr=value.scaleb(digits(currency)),
        ended_at=None if value > 0 else ts,
        reason=str(traits.get("reason") or ""),
    )


def _person(
    source: str, ts: int, actor: str, traits: dict[str, Any], order: str
) -> Customer | None:
    email, country = str(traits.get("email") or ""), str(traits.get("country") or "")
    if not email and not country:
        return None
    return Customer(
        source=source, id=actor, at=ts, order=order, email=email.lower(), country=country
    )


def _version(told: Told, no: int) -> Version:
    record = told.record
    return Version(
        no=no,
        kind=KINDS[type(record)],
        source=record.source,
        id=record.id,
        customer=getattr(record, "customer", None),
        product=_product(record),
        ts=record.at,
        ord=record.order,
        subject=subject_of(record),
        recorded_at=told.recorded_at,
        seq=told.seq,
        idx=told.idx,
        version_seq=told.seq,
        superseded_at=None,
        superseded_seq=None,
        out_seq=None,
        reconstructed=getattr(record, "reconstructed", False),
        body=_ENCODE.encode(record).decode(),
        read=record,
    )


def _product(record: Record) -> str | None:
    if isinstance(record, SubscriptionState):
        return record.items[0].product if record.items else None
    return None if isinstance(record, Customer | Refund | Schedule) else record.product


def _by_key(versions: Iterable[Version]) -> defaultdict[Key, list[Version]]:
    known: defaultdict[Key, list[Version]] = defaultdict(list)
    for version in versions:
        known[version.key].append(version)
    return known
