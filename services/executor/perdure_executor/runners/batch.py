"""Batches: a driver of ours works through the items, see `perdure_executor.batch`."""

import os
import sys

import msgspec

from perdure_contract.binding import name_in
from perdure_contract.specs import BatchSpec, BlobRef, CommandSpec, InputRef, PythonSpec, Retry
from perdure_contract.wire import Grant
from perdure_executor.attempt import Outcome
from perdure_executor.batch.plan import PLAN_SUFFIX, Functions, Plan, Programs
from perdure_executor.errors import Rejected
from perdure_executor.reported import SaidFailure
from perdure_executor.runners.command import (
    SCRIPT_SUFFIX,
    STDIN_SUFFIX,
    content_of,
    environment,
    private_file,
    program_of,
)
from perdure_executor.runners.python import allowed_for
from perdure_executor.runners.runner import spec_of
from perdure_executor.settings import Settings
from perdure_executor.warden.order import Order


class BatchRunner:
    """Runs `kind: batch`."""

    def needs(self, grant: Grant) -> tuple[BlobRef | InputRef, ...]:
        """Name the items, and what each of them needs."""
        spec = spec_of(grant, BatchSpec)
        each = spec.each
        parts = (each.script, each.stdin) if isinstance(each, CommandSpec) else ()
        found = tuple(part for part in parts if isinstance(part, BlobRef))
        return found if spec.input is None else (*found, spec.input)

    def writes(self, grant: Grant) -> bool:
        """Items, plan and journal are files."""
        del grant
        return True

    def order(self, grant: Grant, path: str, inputs: dict[str, bytes], settings: Settings) -> Order:
        """Make the order for the driver.

        Raises:
            Rejected: there are no items, or what is to be run for each cannot or may not be started.
        """
        spec, limits = spec_of(grant, BatchSpec), grant.request.limits
        if spec.input is None:
            raise Rejected("The batch has no items.")
        if isinstance(spec.each, CommandSpec):
            each: Programs | Functions = _programs(spec.each, path, inputs, settings)
            own, cwd = spec.each.env, spec.each.cwd or settings.directory
        else:
            each = _functions(grant, spec.each, settings)
            own, cwd = {}, settings.directory
        whole = msgspec.structs.replace(grant, from_checkpoint=None)  # items have no checkpoints
        plan = Plan(
            path=path,
            run=grant.attempt.run,
            executor=settings.name,
            each=each,
            env=environment(whole, own, path, settings),
            total=spec.input.total,
            done=grant.items_done,
            concurrency=spec.concurrency,
            checkpoint_every=spec.checkpoint_every,
            retry=spec.item_retry or Retry(),
            stop_after_failures=spec.stop_after_failures,
            park_after=spec.park_after,
        )
        file = private_file(path, PLAN_SUFFIX, msgspec.json.encode(plan))
        return Order(
            program=sys.executable,
            argv=[sys.executable, "-I", "-m", "perdure_executor.batch", file],
            env=environment(whole, {}, path, settings),
            cwd=cwd,
            path=path,
            timeout=limits.timeout_seconds,
            grace=limits.grace_seconds,
            memory_bytes=limits.memory_bytes,
            log_bytes=limits.log_bytes,
            until_lease=limits.when_cut_off == "end",
        )


def judged(outcome: Outcome, said: SaidFailure | None) -> Outcome:
    """Say what came of a batch whose driver failed: why, in its own words."""
    if outcome.outcome != "failed" or outcome.reason != "exit":
        return outcome
    if said is None:
        words = f"The driver of the batch ended with exit code {outcome.exit_code}: see the log."
        return Outcome("failed", "error", words)
    return Outcome("failed", said.reason, said.message)


def _programs(
    each: CommandSpec, path: str, inputs: dict[str, bytes], settings: Settings
) -> Programs:
    if each.argv is None:
        script = private_file(path, SCRIPT_SUFFIX, content_of(each.script, inputs))
        argv: tuple[str, ...] = (each.shell, script)
    else:
        argv = each.argv
    program = None if each.argv is not None and name_in(argv[0]) else program_of(argv[0], settings)
    if program is not None and not os.access(program, os.X_OK):
        raise Rejected(f"The program {program} does not exist on this executor, or may not be run.")
    stdin = "/dev/null"
    if each.stdin is not None:
        stdin = private_file(path, STDIN_SUFFIX, content_of(each.stdin, inputs))
    return Programs(
        argv=argv,
        program=program,
        stdin=stdin,
        places=settings.environment.get("PATH", os.defpath),
        allowed=settings.programs,
    )


def _functions(grant: Grant, each: PythonSpec, settings: Settings) -> Functions:
    allowed = allowed_for(grant, each, settings)
    return Functions(
        func=each.func,
        args=each.args,
        kwargs=each.kwargs,
        cwd=settings.directory,
        path=settings.python_path,
        allowed=None if allowed is None else tuple(allowed),
    )
