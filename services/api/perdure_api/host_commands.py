"""The commands about saved hosts."""

from collections.abc import Callable

from perdure_api.domain import host as hosts
from perdure_api.domain.callers import Caller
from perdure_api.domain.host import Host
from perdure_api.domain.rejections import FieldError, Rejection, version_conflict
from perdure_api.errors import NotFoundError, Rejected, invalid
from perdure_api.store.batch import Batch
from perdure_api.store.state import StreamRow
from perdure_api.store.work import Done, Work
from perdure_api.store.writer import Writer
from perdure_contract.facts import HostFact
from perdure_contract.identifiers import host_stream
from perdure_contract.rsync.grammar import host_faults
from perdure_contract.rsync.spec import SavedHost


class HostCommands:
    """What can be asked for about saved hosts."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def create(self, by: Caller, name: str, saved: SavedHost) -> Done[StreamRow]:
        """Save a host under a name that is free; refused as `save` refuses."""
        _refuse_faults(saved)

        def decide(row: StreamRow | None) -> tuple[HostFact, ...]:
            decided = hosts.create(_host(row), name, saved)
            if isinstance(decided, Rejection):
                raise Rejected(decided)
            return decided

        return await self._change(by, name, decide, None)

    async def save(
        self, by: Caller, name: str, saved: SavedHost, *, expected_version: int | None = None
    ) -> Done[StreamRow]:
        """Save a host under a name, new or anew; runs that start from now on use it.

        Raises:
            Refused: with every fault and its JSON pointer.
        """
        _refuse_faults(saved)

        def decide(row: StreamRow | None) -> tuple[HostFact, ...]:
            return hosts.save(_host(row), name, saved)

        return await self._change(by, name, decide, expected_version)

    async def delete(
        self, by: Caller, name: str, reason: str | None, *, expected_version: int | None = None
    ) -> Done[StreamRow]:
        """Let a host be named no more; runs that start later and name it are refused."""

        def decide(row: StreamRow | None) -> tuple[HostFact, ...]:
            known = _host(row)
            if known is None or known.deleted:
                raise NotFoundError(name)
            return hosts.delete(known, reason)

        return await self._change(by, name, decide, expected_version)

    async def _change(
        self,
        by: Caller,
        name: str,
        decide: Callable[[StreamRow | None], tuple[HostFact, ...]],
        expected_version: int | None,
    ) -> Done[StreamRow]:
        stream = host_stream(name)

        def perform(batch: Batch) -> Callable[[], StreamRow]:
            row = batch.streams.get(stream)
            if row is not None and row.tenant != by.tenant:
                raise NotFoundError(name)
            version = 0 if row is None else row.version
            if expected_version is not None and expected_version != version:
                state = "deleted" if (known := _host(row)) and known.deleted else "saved"
                raise Rejected(
                    version_conflict(state=state, current=version, expected=expected_version)
                )
            batch.append(stream, decide(row), by)
            return lambda: batch.streams[stream]

        return await self._writer.submit(Work(perform=perform, streams=(stream,)))


def _refuse_faults(saved: SavedHost) -> None:
    if faults := tuple(FieldError(f.at, f.code, f.message) for f in host_faults(saved)):
        raise invalid(faults)


def _host(row: StreamRow | None) -> Host | None:
    return row.state if row is not None and isinstance(row.state, Host) else None
