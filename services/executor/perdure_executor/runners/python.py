"""Python functions: called in a warm worker of a keeper, see `perdure_executor.workers`."""

import msgspec

from perdure_contract.specs import BlobRef, InputRef, PythonSpec
from perdure_contract.wire import Grant
from perdure_executor.errors import Rejected
from perdure_executor.runners.command import environment
from perdure_executor.runners.runner import spec_of
from perdure_executor.settings import Settings
from perdure_executor.warden.order import Order


class PythonRunner:
    """Runs `kind: python`."""

    def needs(self, grant: Grant) -> tuple[BlobRef | InputRef, ...]:
        """Nothing: arguments stand in the request."""
        del grant
        return ()

    def writes(self, grant: Grant) -> bool:
        """Only a checkpoint becomes a file."""
        return grant.from_checkpoint is not None

    def order(self, grant: Grant, path: str, inputs: dict[str, bytes], settings: Settings) -> Order:
        """Make the order.

        Raises:
            Rejected: PERDURE_PYTHON_ALLOW does not name its module.
        """
        del inputs
        spec, limits = spec_of(grant, PythonSpec), grant.request.limits
        call = {
            "func": spec.func,
            "args": spec.args,
            "kwargs": spec.kwargs,
            "env": environment(grant, {}, path, settings),
            "cwd": settings.directory,
            "allowed": allowed_for(grant, spec, settings),
        }
        return Order(
            path=path,
            call=msgspec.json.encode(call),
            python_path=list(settings.python_path),
            timeout=limits.timeout_seconds,
            grace=limits.grace_seconds,
            memory_bytes=limits.memory_bytes,
            log_bytes=limits.log_bytes,
            until_lease=limits.when_cut_off == "end",
        )


def allowed_for(grant: Grant, spec: PythonSpec, settings: Settings) -> list[str] | None:
    """Give the prefixes of modules that a function may be defined in; none for any.

    The function itself is looked up in a worker, which holds it against them once more.

    Raises:
        Rejected: its name does not begin with any of them.
    """
    if grant.request.trusted_func is True:
        return None
    name = spec.func.replace(":", ".", 1)
    if not any(name.startswith(f"{prefix}.") for prefix in settings.python_allow):
        message = (
            f"Executor {settings.name} may not call {spec.func}: "
            "PERDURE_PYTHON_ALLOW does not name its module."
        )
        raise Rejected(message)
    return list(settings.python_allow)
