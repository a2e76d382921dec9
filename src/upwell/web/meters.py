"""What Prometheus reads at /metrics; names of products stand nowhere in it."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody asks for
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Meters:
    """Counters and gauges of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.accepted = Counter(
            "upwell_events_accepted", "Events taken and durable.", registry=self.registry
        )
        self.rejected = Counter(
            "upwell_events_rejected",
            "Events refused, by reason.",
            ["code"],
            registry=self.registry,
        )
        self.deliveries = Counter(
            "upwell_deliveries", "Bodies written to the journal.", registry=self.registry
        )
        self.backlog = Gauge(
            "upwell_backlog_deliveries",
            "Deliveries that are durable and not yet in the numbers.",
            registry=self.registry,
        )
        self.live = Gauge("upwell_live_connections", "Open live sockets.", registry=self.registry)
        self.requests = Histogram(
            "upwell_request_seconds",
            "Time from a request's arrival to the end of its answer.",
            ["method", "route", "status"],
            buckets=_SECONDS,
            registry=self.registry,
        )

    def follow(self, backlog: Callable[[], tuple[int, int]], live: Callable[[], int]) -> None:
        """Reads the gauges whenever they are asked for: backlog as (applied, newest)."""

        def waiting() -> float:
            applied, newest = backlog()
            return max(0, newest - applied)

        self.backlog.set_function(waiting)
        self.live.set_function(live)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)
