# For type checkers: at run time each name is imported when it is first used.

from perdure.batches import Uploaded
from perdure.client import AsyncClient, Client
from perdure.context import Cancelled, Context, Mark
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
from perdure_contract.rsync.spec import FilterRow, RsyncOptions, RsyncSpec, SavedHost
from perdure_contract.specs import BatchSpec, CommandSpec, Limits, PythonSpec, Retry
from perdure_contract.triggers import CronTrigger, DateTrigger, IntervalTrigger

__all__ = [
    "AsyncClient",
    "BadAnswer",
    "BatchSpec",
    "Cancelled",
    "Client",
    "CommandSpec",
    "Conflict",
    "Context",
    "CronTrigger",
    "DateTrigger",
    "EventView",
    "FilterRow",
    "Forbidden",
    "IntervalTrigger",
    "Invalid",
    "JobDefinition",
    "Limits",
    "LinesSeen",
    "Mark",
    "NewRun",
    "NewSchedule",
    "NoServer",
    "NotFound",
    "Parameter",
    "PerdureError",
    "Problem",
    "ProgressSeen",
    "PythonSpec",
    "Requested",
    "Retry",
    "RsyncOptions",
    "RsyncSpec",
    "SavedHost",
    "StateSeen",
    "TooMany",
    "Unauthorized",
    "Unavailable",
    "Unreachable",
    "Update",
    "Uploaded",
    "WaitedTooLong",
]
