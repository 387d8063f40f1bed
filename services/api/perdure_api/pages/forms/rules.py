"""The parts about when and where a run starts, how often it is tried, and what it may use."""

from collections.abc import Mapping
from typing import Final

from perdure_api.pages.forms.reader import Reader
from perdure_api.pages.quantities import write_bytes, write_seconds
from perdure_contract.specs import Limits, Retry, RunRequest

REASONS: Final = (
    ("exit", "a non-zero exit code"),
    ("signal", "a signal"),
    ("error", "an error of the function or the runner"),
    ("timeout", "the time limit"),
    ("lost", "loss of the executor"),
    ("stuck", "standing still"),
)
"""Reasons to try again, with words."""

RETRY_LABELS: Final = {
    "max_attempts": "Attempts at most",
    "initial": "First wait",
    "factor": "Times",
    "max_wait": "Longest wait",
    "jitter": "Spread",
    "not_exit_codes": "Never after exit codes",
    "on": "Try again after",
}
RETRY_DEFAULTS: Final = {
    "max_attempts": "1",
    "initial": "1 s",
    "factor": "2",
    "max_wait": "1 min",
    "jitter": "0.1",
    "not_exit_codes": "",
    "on": "exit signal error timeout lost",
}
_RETRY_POINTERS: Final = (
    ("/max_attempts", "max_attempts"),
    ("/initial_seconds", "initial"),
    ("/factor", "factor"),
    ("/max_seconds", "max_wait"),
    ("/jitter", "jitter"),
    ("/on", "on"),
    ("/not_exit_codes", "not_exit_codes"),
)

LABELS: Final = {
    "name": "Name",
    "run_at": "Start at",
    "queue": "Queue",
    "priority": "Priority",
    "tags": "Tags",
    "labels": "Executor must have",
    "unique_key": "Unique key",
    **RETRY_LABELS,
    "timeout": "Time limit",
    "grace": "Grace",
    "stuck_after": "Stuck after",
    "memory": "Memory",
    "log": "Output kept",
    "when_cut_off": "When its executor is cut off",
}
DEFAULTS: Final = {
    **dict.fromkeys(LABELS, ""),
    **RETRY_DEFAULTS,
    "queue": "default",
    "priority": "0",
    "grace": "10 s",
    "log": "50 MB",
    "when_cut_off": "end",
}
RARE: Final = frozenset(
    {*RETRY_LABELS, "grace", "stuck_after", "memory", "log", "when_cut_off"} - {"max_attempts"}
)
"""Fields behind the fold."""


def retry_pointers(at: str, prefix: str = "") -> tuple[tuple[str, str], ...]:
    """Give which faults of a retry policy at a place belong to which fields."""
    return tuple((f"{at}{pointer}", f"{prefix}{name}") for pointer, name in _RETRY_POINTERS)


POINTERS: Final = (
    *retry_pointers("/retry"),
    ("/limits/timeout_seconds", "timeout"),
    ("/limits/stuck_after_seconds", "stuck_after"),
    ("/limits/grace_seconds", "grace"),
    ("/limits/memory_bytes", "memory"),
    ("/limits/log_bytes", "log"),
    ("/limits/when_cut_off", "when_cut_off"),
    *(
        (f"/{name}", name)
        for name in ("name", "queue", "priority", "tags", "labels", "run_at", "unique_key")
    ),
)


def body_of(reader: Reader) -> dict[str, object]:
    """Turn what was typed into the fields of a request beside its spec."""
    body: dict[str, object] = {
        "queue": reader.text("queue") or DEFAULTS["queue"],
        "priority": reader.whole("priority"),
        "tags": reader.text("tags").split(),
        "labels": reader.pairs("labels", reader.text("labels").split()),
        "retry": retry_of(reader),
        "limits": {
            "timeout_seconds": reader.seconds("timeout"),
            "stuck_after_seconds": reader.seconds("stuck_after"),
            "grace_seconds": reader.seconds("grace"),
            "memory_bytes": reader.bytes("memory"),
            "log_bytes": reader.bytes("log"),
            "when_cut_off": reader.text("when_cut_off"),
        },
    }
    for name in ("name", "unique_key"):
        if text := reader.text(name).strip():
            body[name] = text
    if time := reader.text("run_at"):
        body["run_at"] = f"{time if time.count(':') > 1 else f'{time}:00'}Z"
    return body


def retry_of(reader: Reader, prefix: str = "") -> dict[str, object]:
    """Read a retry policy from fields that begin with a prefix."""
    return {
        "max_attempts": reader.whole(f"{prefix}max_attempts"),
        "initial_seconds": reader.seconds(f"{prefix}initial"),
        "factor": reader.decimal(f"{prefix}factor"),
        "max_seconds": reader.seconds(f"{prefix}max_wait"),
        "jitter": reader.decimal(f"{prefix}jitter"),
        "on": reader.text(f"{prefix}on").split(),
        "not_exit_codes": reader.wholes(f"{prefix}not_exit_codes"),
    }


def values_of(request: RunRequest) -> dict[str, str]:
    """Fill the fields with a request."""
    return {
        "name": request.name,
        "queue": request.queue,
        "priority": str(request.priority),
        "tags": " ".join(request.tags),
        "labels": " ".join(f"{name}={value}" for name, value in request.labels.items()),
        **retry_values(request.retry),
        **_limit_values(request.limits),
    }


def retry_values(retry: Retry, prefix: str = "") -> Mapping[str, str]:
    """Fill the fields of a retry policy."""
    values = {
        "max_attempts": str(retry.max_attempts),
        "initial": write_seconds(retry.initial_seconds),
        "factor": f"{retry.factor:g}",
        "max_wait": write_seconds(retry.max_seconds),
        "jitter": f"{retry.jitter:g}",
        "not_exit_codes": " ".join(map(str, retry.not_exit_codes)),
        "on": " ".join(retry.on),
    }
    return {f"{prefix}{name}": value for name, value in values.items()}


def _limit_values(limits: Limits) -> dict[str, str]:
    return {
        "timeout": write_seconds(limits.timeout_seconds),
        "stuck_after": write_seconds(limits.stuck_after_seconds),
        "grace": write_seconds(limits.grace_seconds),
        "memory": write_bytes(limits.memory_bytes),
        "log": write_bytes(limits.log_bytes),
        "when_cut_off": limits.when_cut_off,
    }
