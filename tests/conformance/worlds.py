"""The vendors that conformance is tried on, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from tests.conformance.vendors import World
from tests.conformance.world_bigquery import Export
from tests.conformance.world_ga4 import Site
from tests.conformance.world_mixpanel import Phones
from tests.conformance.world_sql import Shop

WORLDS: Mapping[str, Callable[[], World]] = {
    "ga4": Site,
    "mixpanel": Phones,
    "sql-bigquery": Export,
    "sql-mariadb": partial(Shop, "mariadb"),
    "sql-postgresql": partial(Shop, "postgresql"),
}
