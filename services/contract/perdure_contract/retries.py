"""The retry policy of a request: what was asked for, completed by what its kind knows."""

from msgspec.structs import replace

from perdure_contract.rsync.exits import NEVER_RETRIED, NOT_RETRIED
from perdure_contract.rsync.spec import RsyncSpec
from perdure_contract.specs import Retry, Spec

NONE = Retry()
OF_BACKUPS = Retry(max_attempts=6, on=("exit", "lost"), not_exit_codes=NOT_RETRIED)
"""Faults of the network, and executors that are gone."""


def retry_of(spec: Spec, asked: Retry | None) -> Retry:
    """Give the policy: nothing is run again unless one says so, except backups after network faults.

    Whatever is asked for, rsync's exit codes 1 to 4 are final: they come again each time.
    """
    if not isinstance(spec, RsyncSpec):
        return asked or NONE
    if asked is None:
        return OF_BACKUPS
    codes = tuple(sorted({*asked.not_exit_codes, *NEVER_RETRIED}))
    return replace(asked, not_exit_codes=codes)
