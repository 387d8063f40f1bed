"""Which runner carries which kind of run."""

from perdure_contract.rsync.spec import RsyncSpec
from perdure_contract.specs import BatchSpec, CommandSpec, PythonSpec
from perdure_contract.wire import Grant
from perdure_executor.runners.batch import BatchRunner
from perdure_executor.runners.command import CommandRunner
from perdure_executor.runners.python import PythonRunner
from perdure_executor.runners.rsync import RsyncRunner
from perdure_executor.runners.runner import Runner

RUNNERS: dict[type, Runner] = {
    BatchSpec: BatchRunner(),
    CommandSpec: CommandRunner(),
    PythonSpec: PythonRunner(),
    RsyncSpec: RsyncRunner(),
}


def runner_of(grant: Grant) -> Runner:
    """Give the runner of a grant."""
    return RUNNERS[type(grant.request.spec)]
