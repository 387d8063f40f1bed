"""Addresses of the one stream that a page keeps open, with the place from which it goes on."""

from perdure_api.pages.log_contexts import LogPane
from perdure_api.pages.visit import with_query
from perdure_api.store.database import Database
from perdure_api.store.event_log import head


async def watch_all(database: Database) -> str:
    """Give the stream that says when anything happened after now."""
    end = await head(database.pool)
    return with_query("/live", {"position": str(end.position)})


def watch_run(run: str, version: int, *, progress: bool, log: LogPane | None) -> str:
    """Give the stream of a run after a version, with its progress and the output that follows a window."""
    values: dict[str, object] = {
        "run": run,
        "version": version,
        "progress": "1" if progress else "",
    }
    if log is not None and log.tail and not log.q:
        values |= {
            "attempt": log.attempt,
            "line": log.last,
            "stream": log.stream,
            "times": "1" if log.times else "",
        }
    return with_query("/live", values)
