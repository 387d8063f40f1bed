"""What is looked up in the transaction that saves a job: hosts and dry runs of backups, stored items."""

from collections.abc import Sequence

import asyncpg

from perdure_api.backups import BackupChecks, backups_of
from perdure_api.batches import InputChecks
from perdure_api.domain.callers import Caller
from perdure_api.domain.rejections import FieldError
from perdure_api.errors import invalid
from perdure_api.store import inputs
from perdure_api.store.batch import Batch, FactTooLargeError
from perdure_contract.facts import JobFact
from perdure_contract.identifiers import job_stream
from perdure_contract.specs import BatchSpec, Spec


class SaveChecks:
    """Checks one job in one transaction: `prepare`, `refuse`, then `save`."""

    def __init__(self, tenant: str, roots: Sequence[str], name: str, spec: Spec) -> None:
        self._name = name
        self._spec = spec
        self._backups = BackupChecks(tenant, roots, list(backups_of("/spec", spec)))
        self._inputs = InputChecks(tenant, [("/spec", spec)])

    async def prepare(self, connection: asyncpg.Connection, batch: Batch) -> None:
        """Read it, in the form that a work of the writer takes."""
        await self._backups.prepare(connection, batch)
        await self._inputs.look_up(connection)

    def refuse(self, known: Spec | None = None) -> None:
        """Raise `Rejected` when the spec cannot be saved; `known` is what the job has now."""
        self._backups.refuse(known)
        self._inputs.refuse()

    def save(self, batch: Batch, decided: Sequence[JobFact], by: Caller) -> None:
        """Append what was decided, and keep the items that the job runs over.

        Raises:
            Refused: when there is too much in it for an event.
        """
        try:
            batch.append(job_stream(self._name), decided, by)
        except FactTooLargeError as error:
            words = "A saved job has at most 64 KiB without its items."
            raise invalid((FieldError("/spec", "too-long", words),)) from error
        if isinstance(self._spec, BatchSpec) and self._spec.input is not None:
            inputs.keep(batch, self._name, self._spec.input)
