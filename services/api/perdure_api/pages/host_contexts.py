"""What the pages about saved hosts are rendered from."""

from dataclasses import dataclass

from perdure_api.pages.form_contexts import FilledForm
from perdure_contract.objects import HostView


@dataclass(frozen=True, slots=True, kw_only=True)
class HostUse:
    """A backup that names a host."""

    job: str
    """Name of its job."""
    deletes: bool
    """Whether it deletes, so that it needs a dry run of what the host is."""
    unproven: bool
    """Whether that dry run is missing: it is refused until it was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCard:
    """A saved host and what depends on it."""

    host: HostView
    """The host."""
    where: str
    """Who we are there, where it is, on which port."""
    host_key: str
    """Kind and fingerprint of the key that it must show."""
    uses: tuple[HostUse, ...]
    """Backups that name it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostsPage:
    """The saved hosts."""

    cards: tuple[HostCard, ...]
    """By name."""
    may_change: bool
    """Whether who looks at them may save and delete them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostForm(FilledForm):
    """The form of a saved host as it is shown."""

    name: str = ""
    """The host that is changed; empty for a new one."""
    uses: tuple[HostUse, ...] = ()
    """Backups that name it."""

    @property
    def action(self) -> str:
        """Where it is sent."""
        return f"/hosts/{self.name}/edit" if self.name else "/hosts/new"

    @property
    def deleting(self) -> tuple[HostUse, ...]:
        """Backups that need another dry run when the machine becomes another."""
        return tuple(use for use in self.uses if use.deletes)
