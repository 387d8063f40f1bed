"""Runs the driver of a batch on a directory, without an executor around it."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil

from perdure_contract.specs import Json, Retry
from perdure_contract.wire import ItemToDo
from perdure_executor.batch.journal import Mark
from perdure_executor.batch.plan import (
    ITEMS_SUFFIX,
    JOURNAL_SUFFIX,
    PLAN_SUFFIX,
    Functions,
    Plan,
    Programs,
)

RUN = "01900000-0000-7000-8000-000000000001"


class Driven:
    """One attempt; what each item does is a script that gets the item as its first argument."""

    def __init__(self, folder: Path, attempt: int = 1) -> None:
        self.path = folder / f"{RUN}.{attempt}"
        self.marked = folder / "marked"
        self.process: subprocess.Popen[bytes] | None = None

    def start(
        self,
        items: list[ItemToDo],
        script: str = "",
        *,
        each: Programs | Functions | None = None,
        concurrency: int = 1,
        retry: Retry | None = None,
        stop_after_failures: int | None = None,
        done: int = 0,
    ) -> None:
        plan = Plan(
            path=str(self.path),
            run=RUN,
            executor="here",
            each=each or bash(script),
            env={"PATH": os.environ["PATH"], "PERDURE_FD": "3", "MARKED": str(self.marked)},
            total=len(items) + done,
            done=done,
            concurrency=concurrency,
            checkpoint_every=5,
            retry=retry or Retry(),
            stop_after_failures=stop_after_failures,
            park_after=3,
        )
        file = Path(f"{self.path}{PLAN_SUFFIX}")
        file.write_bytes(msgspec.json.encode(plan))
        Path(f"{self.path}{ITEMS_SUFFIX}").write_bytes(msgspec.json.Encoder().encode_lines(items))
        self.process = subprocess.Popen(
            [
                "/bin/sh", "-c", 'exec 3>"$1" >"$2" 2>"$3"; shift 3; exec "$@"', "sh",
                f"{self.path}.fd", f"{self.path}.log", f"{self.path}.err",
                sys.executable, "-I", "-m", "perdure_executor.batch", str(file),
            ],
        )  # fmt: skip

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(60)

    def children(self) -> list[psutil.Process]:
        """Give what runs for items now."""
        assert self.process is not None
        found: list[psutil.Process] = psutil.Process(self.process.pid).children()
        return found

    def terminate(self) -> None:
        """End it as a keeper does: first the driver, then what runs below it."""
        assert self.process is not None
        children = self.children()
        self.process.terminate()
        for child in children:
            child.terminate()

    def run(self, items: list[ItemToDo], script: str = "", **how: object) -> dict[int, Mark]:
        """Let it end; give the outcome of each item."""
        self.start(items, script, **how)  # type: ignore[arg-type]
        self.wait()
        return self.outcomes()

    def marks(self) -> list[Mark]:
        """Give the journal, without what is not a whole line."""
        lines = Path(f"{self.path}{JOURNAL_SUFFIX}").read_bytes().splitlines(keepends=True)
        return [msgspec.json.decode(line, type=Mark) for line in lines if line.endswith(b"\n")]

    def outcomes(self) -> dict[int, Mark]:
        found = [mark for mark in self.marks() if mark.outcome is not None]
        assert len({mark.ordinal for mark in found}) == len(found), "an item has one outcome"
        return {mark.ordinal: mark for mark in found}

    def said(self) -> list[dict[str, Json]]:
        """Give what it wrote to its PERDURE_FD."""
        return [
            msgspec.json.decode(line) for line in Path(f"{self.path}.fd").read_bytes().splitlines()
        ]

    def failure(self) -> str:
        """Give why it said that it failed."""
        lines = Path(f"{self.path}.fd").read_bytes().splitlines()
        return str(msgspec.json.decode(lines[-1])["failure"]["message"])

    def printed(self) -> str:
        return Path(f"{self.path}.log").read_text()


def bash(script: str) -> Programs:
    return Programs(
        argv=("bash", "-c", script, "bash", "{item}"),
        program="/bin/bash",
        stdin="/dev/null",
        places=os.environ["PATH"],
        allowed=None,
    )


def numbers(count: int, *, first: int = 1, begun: int = 0) -> list[ItemToDo]:
    """Give items whose value is their ordinal."""
    return [ItemToDo(n, str(n), n, begun) for n in range(first, first + count)]
