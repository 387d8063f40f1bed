"""Backups: rsync with the argv of `perdure_contract.rsync.command`, below a program that watches it.

What was checked when the run was requested is checked again here, on the files as they are: a symbolic
link may have changed since, and the bus is not trusted.
"""

import os
import sys
from pathlib import Path

from perdure_contract.rsync.command import argv
from perdure_contract.rsync.exits import INCOMPLETE, meaning
from perdure_contract.rsync.grammar import faults, host_faults, root_faults
from perdure_contract.rsync.spec import RsyncSpec
from perdure_contract.specs import BlobRef
from perdure_contract.wire import Grant
from perdure_executor.attempt import Outcome
from perdure_executor.errors import Rejected
from perdure_executor.rsync import program
from perdure_executor.runners.command import environment, private_file
from perdure_executor.runners.runner import spec_of
from perdure_executor.settings import Settings
from perdure_executor.warden.order import Order
from perdure_runtime import clock

KNOWN_HOSTS_SUFFIX = ".known_hosts"
KEPT = ("PATH", "TZ", "TMPDIR")
NO_HOME = "/dev/null"
"""Where no ~/.popt can be: it could give rsync options of its own."""
NOT_IN_A_SHELL_WORD = frozenset("'\"\\%\n")
SSH_PORT = 22


class RsyncRunner:
    """Runs `kind: rsync`."""

    def needs(self, grant: Grant) -> tuple[BlobRef, ...]:
        """Name nothing: a spec is small."""
        del grant
        return ()

    def writes(self, grant: Grant) -> bool:
        """The pinned key of a host becomes a file."""
        return spec_of(grant, RsyncSpec).host is not None or grant.from_checkpoint is not None

    def order(self, grant: Grant, path: str, inputs: dict[str, bytes], settings: Settings) -> Order:
        """Make the order.

        Raises:
            Rejected: no rsync, a path outside the roots, nothing to copy, a host that is gone.
        """
        del inputs
        spec, limits = spec_of(grant, RsyncSpec), grant.request.limits
        found = program.find(settings)
        if found is None:
            raise Rejected(f"There is no rsync on executor {settings.name}.")
        if not found.is_usable:
            message = (
                f"rsync {found.version} on executor {settings.name} is too old: 3.2 is needed."
            )
            raise Rejected(message)
        _check(spec, settings)
        run = argv(spec, date=clock.now().date().isoformat(), known_hosts=_pinned(spec, path))
        mode = "compare" if spec.dry_run else "copy"
        watcher = [sys.executable, "-I", "-m", "perdure_executor.rsync", mode, found.path, *run]
        inherited = environment(grant, {}, path, settings)
        ours = {name for name in inherited if name.startswith("PERDURE_")}
        kept = {name: inherited[name] for name in sorted(ours | {*KEPT}) if name in inherited}
        return Order(
            program=sys.executable,
            argv=watcher,
            env={**kept, "LC_ALL": "C.UTF-8", "HOME": NO_HOME},
            cwd="/",
            path=path,
            timeout=limits.timeout_seconds,
            grace=limits.grace_seconds,
            memory_bytes=limits.memory_bytes,
            log_bytes=limits.log_bytes,
            until_lease=limits.when_cut_off == "end",
        )


def judged(spec: RsyncSpec, outcome: Outcome) -> Outcome:
    """Say an exit code in words; an incomplete copy is partial where the spec takes it."""
    if outcome.reason != "exit" or outcome.exit_code is None:
        return outcome
    if outcome.exit_code in INCOMPLETE and spec.incomplete == "accept":
        return Outcome("partial", exit_code=outcome.exit_code)
    return Outcome("failed", "exit", meaning(outcome.exit_code), outcome.exit_code)


def _check(spec: RsyncSpec, settings: Settings) -> None:
    if spec.host is not None and spec.saved_host is None:
        raise Rejected(f"There is no saved host {spec.host} any more.")
    found = [
        *faults(spec),
        *(host_faults(spec.saved_host) if spec.saved_host is not None else ()),
        *root_faults(spec, settings.backup_roots, os.path.realpath),
    ]
    if found:
        raise Rejected(" ".join(f"{fault.at[1:]}: {fault.message}" for fault in found[:3]))
    if spec.host is not None and spec.host_side == "source":
        return
    if not os.path.lexists(spec.source):
        raise Rejected(f"The source {spec.source} does not exist on executor {settings.name}.")
    source = Path(spec.source)
    if spec.options.delete and source.is_dir() and not any(source.iterdir()):
        message = (
            f"The source {spec.source} is empty, and with `delete` everything at the destination "
            "would go: is a disk not mounted?"
        )
        raise Rejected(message)


def _pinned(spec: RsyncSpec, path: str) -> str:
    """Write the host key that alone is taken; give the file."""
    host = spec.saved_host
    if host is None:
        return ""
    if not NOT_IN_A_SHELL_WORD.isdisjoint(path):
        message = "The executor's data directory has a quote or % in its name: ssh cannot use it."
        raise Rejected(message)
    name = host.address if host.port == SSH_PORT else f"[{host.address}]:{host.port}"
    return private_file(path, KNOWN_HOSTS_SUFFIX, f"{name} {host.host_key}\n".encode())
