"""Google Analytics' export to BigQuery: its tables, and the events in them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tests.bigquery import EPOCH, BigQuery
from tests.bigquery_sql import DATASET

_VALUE = "struct(string_value varchar, int_value bigint, float_value double, double_value double)"
EXPORT = f"""
  event_date varchar, event_timestamp bigint, event_name varchar,
  event_params struct("key" varchar, "value" {_VALUE})[],
  event_previous_timestamp bigint, event_value_in_usd double, event_bundle_sequence_id bigint,
  user_id varchar, user_pseudo_id varchar,
  privacy_info struct(analytics_storage varchar, ads_storage varchar),
  user_first_touch_timestamp bigint,
  device struct(category varchar, operating_system varchar, "language" varchar),
  geo struct(city varchar, country varchar, continent varchar, region varchar),
  traffic_source struct("name" varchar, medium varchar, "source" varchar),
  stream_id varchar, platform varchar,
  ecommerce struct(total_item_quantity bigint, purchase_revenue_in_usd double,
    purchase_revenue double, transaction_id varchar),
  items struct(item_id varchar, item_name varchar, price double, quantity bigint)[],
  is_active_user boolean, batch_event_index bigint, batch_page_id bigint,
  batch_ordering_id bigint
"""
"""The columns of the export that Google documents, as far as somebody here reads them."""


class Event(NamedTuple):
    """What somebody did on a site; `n` tells those of one moment apart."""

    at: dt.datetime
    name: str
    pseudo: str | None
    user: str | None = None
    amount: float | int | None = None
    currency: str | None = None
    page: str | None = None
    country: str | None = None
    n: int = 0


def export(bigquery: BigQuery, day: dt.date, events: Sequence[Event], prefix: str = "") -> None:
    """Let Google write events of a day of the property, whatever their own times are."""
    table = f'"{DATASET}"."events_{prefix}{day:%Y%m%d}"'
    bigquery.run(f"create table if not exists {table} ({EXPORT})")
    names = (
        "event_date, event_timestamp, event_name, event_params, user_id, user_pseudo_id, geo, "
        "ecommerce, items, batch_event_index, batch_page_id, batch_ordering_id"
    )
    marks = "?, ?, ?, ?, ?, ?, ?, ?, [], ?, ?, ?"
    rows = ", ".join([f"({marks})"] * len(events))
    cells = [cell for event in events for cell in _row(day, event)]
    if events:
        bigquery.run(f"insert into {table} ({names}) values {rows}", cells)


def _row(day: dt.date, event: Event) -> Iterator[Any]:
    micros = (event.at - EPOCH) // dt.timedelta(microseconds=1)
    yield from (f"{day:%Y%m%d}", micros, event.name, list(_params(event)))
    yield from (event.user, event.pseudo)
    yield {"city": None, "country": event.country, "continent": None, "region": None}
    yield {
        "total_item_quantity": None,
        "purchase_revenue_in_usd": None,
        "purchase_revenue": event.amount,
        "transaction_id": None,
    }
    yield from (event.n, micros // 1_000_000, 1)


def _params(event: Event) -> Iterator[dict[str, Any]]:
    whole = isinstance(event.amount, int)
    yield _param("ga_session_id", int_value=1)
    if event.page is not None:
        yield _param("page_location", string_value=event.page)
    if event.amount is not None:
        yield _param("value", **{"int_value" if whole else "double_value": event.amount})
        yield _param("currency", string_value=event.currency)


def _param(key: str, **given: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("string_value", "int_value", "float_value", "double_value"))
    return {"key": key, "value": empty | given}
