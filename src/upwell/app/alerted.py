"""The inbox with what only the house knows: for which source an alert waits."""

from __future__ import annotations

import msgspec

from upwell.access import Viewer
from upwell.alerts import inbox
from upwell.alerts.inbox import AlertShown
from upwell.app.complete import read_to
from upwell.app.house import House


def alerts_of(house: House, viewer: Viewer) -> list[AlertShown]:
    """The alerts a viewer may see; those about too little with the late source they wait for."""
    found = inbox.listed(
        house.state,
        viewer,
        house.projection.product_name,
        house.clock(),
        currency=house.ground.currency,
        catalogue=house.ground.catalogue,
    )
    return [msgspec.structs.replace(alert, waiting=_waiting(house, alert)) for alert in found]


def _waiting(house: House, alert: AlertShown) -> str:
    metric = house.ground.catalogue.get(alert.metric)
    if metric is None or alert.state == "resolved" or alert.z >= 0:
        return ""
    own = (alert.product,) if alert.product else house.projection.known_products()
    late = {
        one.source: one
        for product in own
        for one in house.standings.behind(product, metric.reads)
        if one.late
    }
    zone = house.projection.zone
    said = ", ".join(f"{one.source}, {read_to(one, zone)}" for one in late.values())
    return said and f"Waiting for {said}."
