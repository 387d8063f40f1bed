"""Perdure for Python programs: ask for runs, watch them, steer them.

    import perdure

    with perdure.Client() as client:
        spec = perdure.CommandSpec(argv=("/usr/bin/make", "report"))
        run = client.submit(perdure.NewRun(name="report", spec=spec))
        print(client.wait(run.id).state)

`Client` blocks, `AsyncClient` is awaited; the methods are the same. Refusals are exceptions, see
`perdure.errors`. Functions that Perdure calls say and ask through a `Context`.

Each name is imported when it is first used, so that a function which needs the context alone does not
load an HTTP client. Type checkers read the names in `__init__.pyi`.
"""

import importlib

_HOMES = {
    "perdure.batches": ("Uploaded",),
    "perdure.client": (
        "AsyncClient",
        "Client",
    ),
    "perdure.context": (
        "Cancelled",
        "Context",
        "Mark",
    ),
    "perdure.errors": (
        "BadAnswer",
        "Conflict",
        "Forbidden",
        "Invalid",
        "NoServer",
        "NotFound",
        "PerdureError",
        "Problem",
        "TooMany",
        "Unauthorized",
        "Unavailable",
        "Unreachable",
        "WaitedTooLong",
    ),
    "perdure.following": (
        "LinesSeen",
        "ProgressSeen",
        "StateSeen",
        "Update",
    ),
    "perdure.jobs": ("NewSchedule",),
    "perdure.log_of_events": ("EventView",),
    "perdure.new_run": (
        "NewRun",
        "Requested",
    ),
    "perdure_contract.jobs": (
        "JobDefinition",
        "Parameter",
    ),
    "perdure_contract.rsync.spec": (
        "FilterRow",
        "RsyncOptions",
        "RsyncSpec",
        "SavedHost",
    ),
    "perdure_contract.specs": (
        "BatchSpec",
        "CommandSpec",
        "Limits",
        "PythonSpec",
        "Retry",
    ),
    "perdure_contract.triggers": (
        "CronTrigger",
        "DateTrigger",
        "IntervalTrigger",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605 - the names are above, and in the stub


def __getattr__(name: str) -> object:
    """Import a name and keep it."""
    if name not in _HOME_OF:
        message = f"module 'perdure' has no attribute {name!r}"
        raise AttributeError(message)
    found = globals()[name] = getattr(importlib.import_module(_HOME_OF[name]), name)
    return found


def __dir__() -> list[str]:
    """Give the names that are here for users."""
    return __all__
