"""What events brought, in the workspace's currency."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from upwell import money
from upwell.money import Rates
from upwell.period import to_date
from upwell.query.usage.ground import I64, Ground
from upwell.query.usage.walk import Walk
from upwell.warehouse.slices import CURRENCY, MISSING, VALUE


def amounts(back: Walk, rows: I64, of: Ground, rates: Rates) -> tuple[I64, dict[str, int]]:
    """What each event brought in the workspace's currency, in nano-units; refunds take away.

    Money of a currency without a rate is left out, and given by currency.
    """
    worth, held = back.found.properties[VALUE], back.found.properties[CURRENCY]
    nanos = [money.nanos(Decimal(value)) for value in worth.values]
    value, currency = worth.codes[rows], held.codes[rows]
    day = of.zone.days(back.found.ts[rows]).astype(np.int64)
    refunds = np.array([kind == "refund" for kind in back.found.kinds], dtype=np.bool_)
    sign = np.where(refunds[back.found.kind[rows]], -1, 1)
    keys, which = np.unique(np.stack([value, currency, day, sign]), axis=1, return_inverse=True)
    found, lost = np.zeros(keys.shape[1], dtype=np.int64), dict[str, int]()
    times = np.bincount(which.reshape(-1), minlength=keys.shape[1])
    for place, (coded, unit, on, signed) in enumerate(keys.T.tolist()):
        if coded == MISSING or unit == MISSING:
            continue
        name, own = held.values[unit], nanos[coded] * signed
        quote = None if name == of.currency else rates.quote(name, of.currency, to_date(on))
        if name == of.currency:
            found[place] = own
        elif quote is None:
            lost[name] = lost.get(name, 0) + own * int(times[place])
        else:
            found[place] = money.converted(own, quote)
    return found[which.reshape(-1)], lost
