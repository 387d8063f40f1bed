"""Perdure for Python programs: ask for runs, watch them, steer them.

    import perdure

    with perdure.Client() as client:
        spec = perdure.CommandSpec(argv=("/usr/bin/make", "report"))
        run = client.submit(perdure.NewRun(name="report", spec=spec))
        print(client.wait(run.id).state)

`Client` blocks, `AsyncClient` is awaited; the methods are the same. Refusals are exceptions, see
`perdure.errors`.
"""

from perdure.client import AsyncClient, Client
from perdure.errors import (
    BadAnswer,
    Conflict,
    Forbidden,
    Invalid,
    NoServer,
    NotFound,
    PerdureError,
    Problem,
    TooMany,
    Unauthorized,
    Unavailable,
    Unreachable,
    WaitedTooLong,
)
from perdure.following import LinesSeen, ProgressSeen, StateSeen, Update
from perdure.jobs import NewSchedule
from perdure.log_of_events import EventView
from perdure.new_run import NewRun, Requested
from perdure_contract.jobs import JobDefinition, Parameter
from perdure_contract.specs import CommandSpec, Limits, Retry
from perdure_contract.triggers import CronTrigger, DateTrigger, IntervalTrigger

__all__ = [
    "AsyncClient",
    "BadAnswer",
    "Client",
    "CommandSpec",
    "Conflict",
    "CronTrigger",
    "DateTrigger",
    "EventView",
    "Forbidden",
    "IntervalTrigger",
    "Invalid",
    "JobDefinition",
    "Limits",
    "LinesSeen",
    "NewRun",
    "NewSchedule",
    "NoServer",
    "NotFound",
    "Parameter",
    "PerdureError",
    "Problem",
    "ProgressSeen",
    "Requested",
    "Retry",
    "StateSeen",
    "TooMany",
    "Unauthorized",
    "Unavailable",
    "Unreachable",
    "Update",
    "WaitedTooLong",
]
