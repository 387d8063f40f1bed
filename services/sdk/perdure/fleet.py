"""Calls about what runs are carried out by: queues, executors."""

from perdure.requests import Page, Request, get, post, put
from perdure_contract.objects import ExecutorView, QueueView


def queues() -> Request[Page[QueueView]]:
    """List the queues with their limits and what is in them."""
    return get("/api/queues", Page[QueueView])


def configure_queue(
    name: str, *, concurrency: int | None = None, rate_per_minute: int | None = None
) -> Request[QueueView]:
    """Give a queue its limits; none means without limit."""
    body = {"concurrency": concurrency, "rate_per_minute": rate_per_minute}
    return put(f"/api/queues/{name}", QueueView, body)


def pause_queue(name: str, *, reason: str | None = None) -> Request[QueueView]:
    """Let nothing start from a queue."""
    return post(f"/api/queues/{name}/pause", QueueView, {"reason": reason})


def resume_queue(name: str, *, reason: str | None = None) -> Request[QueueView]:
    """Let a paused queue go on."""
    return post(f"/api/queues/{name}/resume", QueueView, {"reason": reason})


def executors() -> Request[Page[ExecutorView]]:
    """List the executors as the api last heard of them."""
    return get("/api/executors", Page[ExecutorView])


def drain_executor(name: str, *, reason: str | None = None) -> Request[ExecutorView]:
    """Let an executor finish what it runs and take nothing new."""
    return post(f"/api/executors/{name}/drain", ExecutorView, {"reason": reason})
