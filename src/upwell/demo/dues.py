"""When a subscription's invoices fall due, and how many seats it has by then."""

from __future__ import annotations

import numpy as np

from upwell.demo.columns import Floats, Ints, several
from upwell.demo.rhythm import DAY, Calendar


def grown(seats: Floats, growth: Floats, months: Floats) -> Floats:
    """Seats after so many months, whole."""
    elapsed = np.clip(months, 0, 36)
    return np.where(seats > 1, np.maximum(np.round(seats * (1 + growth) ** elapsed), 1), 1.0)


def invoices(days: Calendar, anchor: Ints, months: Ints) -> tuple[Ints, Ints, Ints]:
    """Subscription, number and due time of each invoice within the story."""
    begun = (anchor // DAY).astype("datetime64[D]")
    month = begun.astype("datetime64[M]")
    of_month = (begun - month.astype("datetime64[D]")).astype(np.int64)
    month_number = month.astype(np.int64)
    first, last = (
        int(day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64))
        for day in (days.days[0], days.days[-1])
    )
    low = np.maximum(-((month_number - first) // months), 0)
    high = np.maximum((last - month_number) // months, -1)
    counts = np.maximum(high - low + 1, 0)
    row, step = several(np.arange(len(anchor)), counts)
    k = low[row] + step
    due_month = (month_number[row] + k * months[row]).astype("datetime64[M]")
    opens = due_month.astype("datetime64[D]").astype(np.int64)
    length = (due_month + 1).astype("datetime64[D]").astype(np.int64) - opens
    due_day = opens + np.minimum(of_month[row], length - 1)
    due = due_day * DAY + anchor[row] % DAY
    inside = (due >= days.home[0]) & (due < days.home[-1])
    return row[inside], k[inside], due[inside]
