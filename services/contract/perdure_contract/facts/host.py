"""What happens to a saved host."""

from typing import ClassVar

from perdure_contract.facts.fact import Fact
from perdure_contract.rsync.spec import SavedHost


class HostSaved(Fact, frozen=True, kw_only=True):
    """A host was saved, or saved anew. It holds no secret: the key is a file on the executors."""

    event: ClassVar[str] = "host.saved"
    host: str
    saved: SavedHost


class HostDeleted(Fact, frozen=True, kw_only=True):
    """A saved host can be named no more."""

    event: ClassVar[str] = "host.deleted"
    host: str
    reason: str | None = None


HostFact = HostSaved | HostDeleted
