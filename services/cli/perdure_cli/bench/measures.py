"""What is measured. Each measure takes a system and gives its numbers, one round at a time."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
import psutil

from perdure import CommandSpec, Limits, NewRun, PythonSpec
from perdure_cli.bench.load import Plan, run_load
from perdure_cli.bench.system import SLOTS, System, folder, start, stop
from perdure_contract.objects import RunView

IN_FLIGHT: Final = 32
LATENCY_PER_SECOND: Final = 20.0
IDLE_SETTLE_SECONDS: Final = 3.0
PATIENCE_SECONDS: Final = 300.0
LOOK_AGAIN_SECONDS: Final = 0.1
MEGA: Final = 1_000_000
FLOOD_LINE: Final = "x" * 99

TRUE: Final = CommandSpec(argv=("/bin/true",))


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    true_runs: int
    noop_runs: int
    requests: int
    bulk: int
    latency_runs: int
    flood_bytes: int
    idle_seconds: float


FULL: Final = Size(
    true_runs=1000,
    noop_runs=10_000,
    requests=10_000,
    bulk=10_000,
    latency_runs=200,
    flood_bytes=1000 * MEGA,
    idle_seconds=10,
)
QUICK: Final = Size(
    true_runs=300,
    noop_runs=600,
    requests=2000,
    bulk=10_000,
    latency_runs=60,
    flood_bytes=200 * MEGA,
    idle_seconds=5,
)

Measured = dict[str, float]


def idle(system: System, size: Size) -> Measured:
    """Processor time and memory of api and executor while nothing is to be done."""
    time.sleep(IDLE_SETTLE_SECONDS)
    processes = system.processes("api", "executor", "warden")
    if not processes:
        return {}
    before = _cpu_seconds(processes)
    time.sleep(size.idle_seconds)
    spent = _cpu_seconds(processes) - before
    memory = sum(process.memory_info().rss for process in processes)
    return {"idle_cpu": 100 * spent / size.idle_seconds, "idle_memory": memory / MEGA}


def latency(system: System, size: Size) -> Measured:
    """From the request's first byte to the moment that the program itself reads the clock."""
    date = NewRun(name="bench latency", spec=CommandSpec(argv=("/bin/date", "+%s.%N")))
    took = _until_running(system, size, date, lambda run: float(system.client.log_text(run.id)))
    return {"latency_p50": _percentile(took, 50), "latency_p99": _percentile(took, 99)}


def function(system: System, size: Size) -> Measured:
    """The same to the first line of a Python function, in a worker that is warm."""
    now = NewRun(name="bench function", spec=PythonSpec(func="perdure.demo:now"))
    system.client.wait(system.client.submit(now).id, timeout_seconds=PATIENCE_SECONDS)
    took = _until_running(system, size, now, lambda run: float(run.result))
    return {"function_p50": _percentile(took, 50), "function_p99": _percentile(took, 99)}


def true(system: System, size: Size) -> Measured:
    """Runs of /bin/true, from the first started to the last ended, by the database's clock."""
    return {"true": _drained(system, TRUE, size.true_runs)}


def drain(system: System, size: Size) -> Measured:
    """Runs of a Python function that does nothing, likewise."""
    return {"drain": _drained(system, PythonSpec(func="perdure.demo:noop"), size.noop_runs)}


def request(system: System, size: Size) -> Measured:
    """Requests one by one; each is answered when it is on disk. Nothing runs meanwhile."""
    run = NewRun(name="bench request", spec=TRUE, queue="bench-request")
    with _paused(system, "bench-request", let_go=system.data_dir is None):
        outcome = run_load(
            Plan(
                url=system.url,
                token=system.token,
                path="/api/runs",
                body=msgspec.json.encode(run).decode(),
                count=size.requests,
                in_flight=IN_FLIGHT,
            )
        )
    return {"request": size.requests / outcome.seconds}


def bulk(system: System, size: Size) -> Measured:
    """One request for many runs, stored in one transaction. Nothing runs meanwhile."""
    runs = [NewRun(name=f"bench bulk {n}", spec=TRUE, queue="bench-bulk") for n in range(size.bulk)]
    with _paused(system, "bench-bulk", let_go=system.data_dir is None):
        outcome = run_load(
            Plan(
                url=system.url,
                token=system.token,
                path="/api/runs/bulk",
                body=msgspec.json.encode({"runs": runs}).decode(),
                count=1,
            )
        )
    return {"bulk": size.bulk / outcome.seconds}


def rebuild(system: System, size: Size) -> Measured:
    """The command that folds the whole log again, beside the running system."""
    del size
    endpoint = system.endpoint
    if endpoint is None:
        return {}
    answer = subprocess.run(
        [sys.executable, "-m", "perdure_cli.main", "projections", "rebuild", "--json"],
        env={"PERDURE_DATABASE_URL": endpoint.database_url},
        stdout=subprocess.PIPE,
        check=True,
    )
    worked = msgspec.json.decode(answer.stdout, type=_Rebuilt).items
    return {"rebuild": sum(w.events for w in worked) / sum(w.seconds for w in worked)}


def flood(system: System, size: Size) -> Measured:
    """A program that prints as fast as it is read, and what that costs in memory."""
    script = f"yes {FLOOD_LINE} | head -c {size.flood_bytes}"
    run = NewRun(
        name="bench flood", spec=CommandSpec(script=script), limits=Limits(log_bytes=50 * MEGA)
    )
    with (
        _peak(system, "executor", "warden") as executor,
        _peak(system, "api") as api,
    ):
        submitted = system.client.submit(run)
        ended = system.client.wait(submitted.id, timeout_seconds=PATIENCE_SECONDS)
    if ended.state != "completed":
        message = f"The flood is {ended.state}: {ended.failure}"
        raise RuntimeError(message)
    seconds = _moment(ended.ended_at) - _moment(ended.started_at)
    measured = {"flood": size.flood_bytes / MEGA / seconds}
    if executor.bytes:
        measured |= {"flood_executor": executor.bytes / MEGA, "flood_api": api.bytes / MEGA}
    return measured


def warm_start(system: System, size: Size) -> Measured:
    """A second start on a data directory, beside the system that is measured."""
    del size
    if system.data_dir is None:
        return {}
    with folder() as directory:
        stop(start(directory)[0])
        process, seconds = start(directory)
        stop(process)
    return {"start": seconds}


MEASURES: Final[dict[str, Callable[[System, Size], Measured]]] = {
    "idle": idle,
    "latency": latency,
    "function": function,
    "true": true,
    "drain": drain,
    "request": request,
    "bulk": bulk,
    "rebuild": rebuild,
    "flood": flood,
    "start": warm_start,
}
"""In the order in which they are taken: first those that want a quiet system."""


class _Created(msgspec.Struct):
    id: str


class _Worked(msgspec.Struct):
    events: int
    seconds: float


class _Rebuilt(msgspec.Struct):
    items: list[_Worked]


@dataclass(slots=True)
class _Peak:
    bytes: int = 0


def _until_running(
    system: System, size: Size, run: NewRun, began: Callable[[RunView], float]
) -> list[float]:
    """Give the milliseconds from each request to what `began` reads of its run, one at a time."""
    outcome = run_load(
        Plan(
            url=system.url,
            token=system.token,
            path="/api/runs",
            body=msgspec.json.encode(run).decode(),
            count=size.latency_runs,
            per_second=LATENCY_PER_SECOND,
            keep_answers=True,
        )
    )
    took = []
    for sent_at, answer in zip(outcome.sent_at, outcome.answers, strict=True):
        run_id = msgspec.json.decode(answer, type=_Created).id
        ended = system.client.wait(run_id, timeout_seconds=PATIENCE_SECONDS)
        took.append(1000 * (began(ended) - sent_at))
    return took


def _drained(system: System, spec: CommandSpec | PythonSpec, count: int) -> float:
    """Give how many of so many runs end in a second, once their queue is let go."""
    tag = f"bench-{time.time_ns()}"
    with _paused(system, "bench-drain"):
        run = NewRun(name="bench drain", spec=spec, queue="bench-drain", tags=(tag,))
        submitted = system.client.submit_many([run] * count).items
        # Peers begin with a checkpoint: what the requests still cost is not the drain's.
        while not _is_listed(system, tag, submitted[-1].id):
            time.sleep(LOOK_AGAIN_SECONDS)
    # Counting what is left would cost the system more than the runs do.
    for each in submitted[-2 * SLOTS :]:
        system.client.wait(each.id, timeout_seconds=PATIENCE_SECONDS)
    completed = [run for run in _tagged(system, tag) if run.state == "completed"]
    if len(completed) < count:
        message = f"Only {len(completed)} of {count} runs completed."
        raise RuntimeError(message)
    first = min(_moment(run.started_at) for run in completed)
    last = max(_moment(run.ended_at) for run in completed)
    return count / (last - first)


def _is_listed(system: System, tag: str, newest: str) -> bool:
    """Tell whether the list is up to date with the requests of a tag."""
    return any(run.id == newest for run in system.client.list_runs(tag=tag, limit=1).items)


@contextmanager
def _paused(system: System, queue: str, *, let_go: bool = True) -> Iterator[None]:
    """Keep a queue shut while it is filled; in a throw-away system it may stay so."""
    system.client.pause_queue(queue)
    yield
    if let_go:
        system.client.resume_queue(queue)


def _tagged(system: System, tag: str) -> list[RunView]:
    found: list[RunView] = []
    after: str | int | None = None
    while True:
        page = system.client.list_runs(tag=tag, limit=500, after=after)
        found += page.items
        after = page.next
        if after is None:
            return found


@contextmanager
def _peak(system: System, *names: str) -> Iterator[_Peak]:
    """Watch the memory of some processes, all together, twenty times a second."""
    processes = system.processes(*names)
    peak = _Peak()
    over = threading.Event()

    def look() -> None:
        while processes and not over.wait(0.05):
            peak.bytes = max(peak.bytes, sum(p.memory_info().rss for p in processes))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def _cpu_seconds(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _moment(text: str | None) -> float:
    if text is None:
        message = "A run that has ended tells no time of it."
        raise RuntimeError(message)
    return datetime.fromisoformat(text).timestamp()


def _percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
