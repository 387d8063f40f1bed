"""Commands: a program with arguments, or a script given to a shell."""

import os

import msgspec

from perdure_contract.specs import BlobRef, CommandSpec
from perdure_contract.wire import Grant
from perdure_executor.programs import find_program
from perdure_executor.runners.runner import spec_of
from perdure_executor.settings import Settings
from perdure_executor.warden.order import Order

REPORT_FD = "3"
CHECKPOINT_SUFFIX = ".checkpoint"
SCRIPT_SUFFIX = ".script"
STDIN_SUFFIX = ".stdin"


class CommandRunner:
    """Runs `kind: command`."""

    def needs(self, grant: Grant) -> tuple[BlobRef, ...]:
        """Name script and stdin where they are kept outside the request."""
        spec = spec_of(grant, CommandSpec)
        return tuple(part for part in (spec.script, spec.stdin) if isinstance(part, BlobRef))

    def writes(self, grant: Grant) -> bool:
        """Scripts, stdin and checkpoints become files."""
        spec = spec_of(grant, CommandSpec)
        return spec.argv is None or spec.stdin is not None or grant.from_checkpoint is not None

    def order(self, grant: Grant, path: str, inputs: dict[str, bytes], settings: Settings) -> Order:
        """Make the order; a script becomes a file, so that any interpreter can read it.

        Raises:
            Rejected: the program is not there, or PERDURE_PROGRAMS does not name it.
        """
        spec, limits = spec_of(grant, CommandSpec), grant.request.limits
        if spec.argv is not None:
            argv = list(spec.argv)
            called = argv[0]
        else:
            called = spec.shell
            script = private_file(path, SCRIPT_SUFFIX, content_of(spec.script, inputs))
            argv = [called, script]
        return Order(
            program=program_of(called, settings),
            argv=argv,
            env=environment(grant, spec.env, path, settings),
            cwd=spec.cwd or settings.directory,
            path=path,
            stdin="/dev/null"
            if spec.stdin is None
            else private_file(path, STDIN_SUFFIX, content_of(spec.stdin, inputs)),
            timeout=limits.timeout_seconds,
            grace=limits.grace_seconds,
            memory_bytes=limits.memory_bytes,
            log_bytes=limits.log_bytes,
            until_lease=limits.when_cut_off == "end",
        )


def environment(grant: Grant, own: dict[str, str], path: str, settings: Settings) -> dict[str, str]:
    """Give the whole environment of a child: six of the executor's, then its own, then ours."""
    attempt = grant.attempt
    env = settings.environment | own
    env["PERDURE_RUN_ID"] = attempt.run
    env["PERDURE_ATTEMPT"] = str(attempt.number)
    env["PERDURE_FENCE"] = str(attempt.fence)
    env["PERDURE_IDEMPOTENCY_KEY"] = attempt.run
    env["PERDURE_FD"] = REPORT_FD
    env.pop("PERDURE_CHECKPOINT", None)
    mark = grant.from_checkpoint
    if mark is not None:
        content = {"number": mark.number, "cursor": mark.cursor, "state": mark.state}
        env["PERDURE_CHECKPOINT"] = private_file(
            path, CHECKPOINT_SUFFIX, msgspec.json.encode(content)
        )
    return env


def program_of(called: str, settings: Settings) -> str:
    """Give the absolute path of a program, if it may be started here.

    Raises:
        Rejected: not found, relative, or not in PERDURE_PROGRAMS.
    """
    places = settings.environment.get("PATH", os.defpath)
    return find_program(called, places, settings.programs, settings.name)


def content_of(part: str | BlobRef | None, inputs: dict[str, bytes]) -> bytes:
    """Give the bytes of a script or input, fetched before where they are kept elsewhere."""
    if isinstance(part, BlobRef):
        return inputs[part.sha256]
    return (part or "").encode()


def private_file(path: str, suffix: str, content: bytes) -> str:
    """Write a file of the attempt that only its owner can use; give its name."""
    name = f"{path}{suffix}"
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o700)
    with os.fdopen(file, "wb") as stream:
        stream.write(content)
    return name
