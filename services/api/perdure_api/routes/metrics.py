"""Figures for Prometheus: of this process, and of the store as it is when asked."""

from typing import Final

from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from perdure_api.routes.operations import Call, operation
from perdure_api.routes.replies import Reply
from perdure_api.services import Services

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

REQUESTS: Final = Counter(
    "perdure_http_requests", "Answers by kind of status.", ("status",), registry=REGISTRY
)
SECONDS: Final = Histogram(
    "perdure_http_request_seconds",
    "Time to the begin of an answer.",
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
_BY_KIND: Final = {kind: REQUESTS.labels(f"{kind}xx") for kind in range(1, 6)}
_POSITION: Final = Gauge("perdure_log_position", "Last position of the log.", registry=REGISTRY)
_WAITING: Final = Gauge(
    "perdure_writer_waiting", "Commands that wait for the writer.", registry=REGISTRY
)
_STREAMS: Final = Gauge(
    "perdure_streams_open", "Open event streams of this process.", registry=REGISTRY
)
_NATS: Final = Gauge("perdure_nats_connected", "1 while NATS is connected.", registry=REGISTRY)
_POSTGRES: Final = Gauge(
    "perdure_postgres_connected", "1 while the writer is connected.", registry=REGISTRY
)
_RUNS: Final = Gauge(
    "perdure_runs", "Runs that wait in a queue, for a time, or run.", ("phase",), registry=REGISTRY
)
_BEHIND: Final = Gauge(
    "perdure_follower_position",
    "How far each follower of the log has come.",
    ("name",),
    registry=REGISTRY,
)

# Each arm has a partial index, so a million ended runs cost nothing.
_COUNTS: Final = """
SELECT 'queued', count(*) FROM perdure.runs WHERE phase = 'pending' AND ready_at IS NULL
UNION ALL SELECT 'timed', count(*) FROM perdure.runs WHERE phase = 'pending' AND ready_at IS NOT NULL
UNION ALL SELECT 'running', count(*) FROM perdure.runs WHERE phase IN ('running', 'cancelling')"""
_FOLLOWERS: Final = "SELECT name, max(position) FROM perdure.checkpoints GROUP BY name"


def observe(status: int, seconds: float) -> None:
    """Count one answer."""
    _BY_KIND[status // 100].inc()
    SECONDS.observe(seconds)


@operation(
    "GET",
    "/metrics",
    permission="loopback",
    summary="Read figures for Prometheus",
    media_type="text/plain; version=0.0.4",
)
async def read_metrics(call: Call) -> ASGIApp:
    """Give all figures; those of the store are left as they were while it is away."""
    await _look(call.services)
    return Reply(
        generate_latest(REGISTRY), headers=((b"content-type", CONTENT_TYPE_LATEST.encode()),)
    )


async def _look(services: Services) -> None:
    _NATS.set(services.nats.connected)
    _POSTGRES.set(services.writer.connected)
    _STREAMS.set(services.hub.listeners)
    _WAITING.set(services.writer.waiting)
    if not services.writer.connected and services.writer.position:
        return
    for phase, count in await services.database.pool.fetch(_COUNTS):
        _RUNS.labels(phase).set(count)
    _POSITION.set(await services.database.pool.fetchval("SELECT position FROM perdure.head"))
    for name, position in await services.database.pool.fetch(_FOLLOWERS):
        _BEHIND.labels(name).set(position)


HANDLERS: Final[list[HTTPRouteHandler]] = [read_metrics]
