"""When the time began that a movement's money is for: its rate under `tx_date` (R8).

Billing systems say with each state in which period a subscription is. A movement is worth the rate
of the day on which that period began; where nobody said one, of its own day.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upwell.period import MICROS
from upwell.projection import Projection
from upwell.projection.book import Book
from upwell.query.plan import Plan, versions
from upwell.query.revenue.cuts import Cuts
from upwell.query.revenue.exchange import Exchange
from upwell.query.revenue.part import Part
from upwell.query.revenue.sums import I64
from upwell.query.revenue.table import placed

PLACES = 32  # bits of the seconds of an instant


class Periods(NamedTuple):
    """The periods that states tell of, in the order of `keys`: subscription, then second.

    `subscriptions` numbers sources and ids; `days` are the local days on which the periods began.
    """

    subscriptions: dict[tuple[str, str], int]
    keys: I64
    days: NDArray[np.int32]
    version: tuple[int, int]

    def began(self, part: Part, book: Book) -> NDArray[np.int32]:
        """The day on which the period of each row began, never after the row's own."""
        lines, of = np.unique(part.line, return_inverse=True)
        named = [book.lines[int(number)] for number in lines]
        codes = [self.subscriptions.get((line.source, line.subscription), -1) for line in named]
        code = np.array(codes, dtype=np.int64)[of]
        key = (code << PLACES) + part.at // MICROS
        place = np.searchsorted(self.keys, key, side="right") - 1
        known = (code >= 0) & (place >= 0)
        known[known] = self.keys[place[known]] >> PLACES == code[known]
        found = part.day.copy()
        found[known] = np.minimum(found[known], self.days[place[known]])
        return found


def version_of(projection: Projection) -> tuple[int, int]:
    """Another one where billing systems have said something new."""
    rows = projection.reader().execute("select coalesce(max(no), -1) from billing").fetchall()
    return projection.generation, int(rows[0][0])


def periods(plan: Plan, projection: Projection, currencies: Sequence[str]) -> Periods:
    """The periods of subscriptions in these currencies, as known now or at the time asked for."""
    version = version_of(projection)
    money = f'"currency":"({"|".join(currencies)})"'
    rows = projection.reader().execute(
        f"""select source, id, ts, json_extract(body, '$.period_start')::bigint from billing
        where kind = 'sub' and {versions(plan)} and body like '%"period_start":%'
          and regexp_matches(body, ?)
        order by ts, ord, no""",
        [money],
    )
    subscriptions: dict[tuple[str, str], int] = {}
    keys, starts = [], []
    for source, id_, at, start in rows.fetchall():
        code = subscriptions.setdefault((source, id_), len(subscriptions))
        keys.append((code << PLACES) + at // MICROS)
        starts.append(start)
    order = np.argsort(np.array(keys, dtype=np.int64), kind="stable")
    days = plan.zone.days(np.array(starts, dtype=np.int64))
    return Periods(
        subscriptions,
        np.array(keys, dtype=np.int64)[order],
        np.asarray(days, dtype=np.int32)[order],
        version,
    )


def at_service(part: Part, book: Book, cuts: Cuts, exchange: Exchange, known: Periods) -> Part:
    """The part with each amount times the rate of its own period, as `Exchange.moving` expects.

    Only rows within the cuts and in other currencies than the one shown change.
    """
    inside, slot = placed(part, cuts)
    own = book.currencies.index(exchange.target) if exchange.target in book.currencies else -1
    rows = np.flatnonzero(inside & (slot > 0) & (part.currency != own))
    if not len(rows):
        return part
    delta, few = part.delta.copy(), part.take(rows)
    columns = np.stack([few.currency.astype(np.int64), known.began(few, book), slot[rows] - 1])
    cases, of = np.unique(columns, axis=1, return_inverse=True)
    rates = np.array([_rate(book, cuts, exchange, *case) for case in cases.T.tolist()])
    delta[rows] = np.rint(few.delta * rates[of.reshape(-1)]).astype(np.int64)
    return part._replace(delta=delta)


def _rate(
    book: Book, cuts: Cuts, exchange: Exchange, currency: int, began: int, slot: int
) -> float:
    """The rate of the day; where there was none yet that of the bucket's end, or 1 without any."""
    code = book.currencies[currency]
    quote = exchange.closing(code, began) or exchange.closing(code, cuts.ends[slot])
    return float(quote.rate) if quote else 1.0
