"""Who is asking: taken from a token or a session, never from what was sent."""

from typing import Literal

from msgspec import Struct

from perdure_contract.identifiers import DEFAULT_TENANT

Role = Literal["viewer", "operator", "author", "admin"]


class Caller(Struct, frozen=True, kw_only=True):
    """The one on whose behalf something happens; `actor` goes into the events."""

    actor: str
    tenant: str = DEFAULT_TENANT
    role: Role = "admin"


SYSTEM = Caller(actor="system")
"""Time, sweeps and the dispatcher."""


def executor_caller(name: str) -> Caller:
    """Give the caller that an executor's reports count for."""
    return Caller(actor=f"executor:{name}")
