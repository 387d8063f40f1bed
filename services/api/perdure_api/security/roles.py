"""Roles and what each of them may do: a ladder, so that no combination has to be thought through."""

from typing import Literal

from perdure_api.domain.callers import Caller, Role
from perdure_api.errors import Refused

Permission = Literal["public", "loopback", "view", "operate", "author", "admin"]
"""What a route declares. `public` asks for nothing, `loopback` for a viewer except on this machine."""

ROLES: tuple[Role, ...] = ("viewer", "operator", "author", "admin")

# Authors define what runs: an inline command is a program of one's choice on the executors' hosts.
NEEDED: dict[Permission, Role] = {
    "loopback": "viewer",
    "view": "viewer",
    "operate": "operator",
    "author": "author",
    "admin": "admin",
}


def may(role: Role, permission: Permission) -> bool:
    """Tell whether a role has a permission."""
    return permission == "public" or ROLES.index(role) >= ROLES.index(NEEDED[permission])


def require(caller: Caller, permission: Permission) -> None:
    """Refuse a caller whose role is too low; the answer names the role that is needed."""
    if not may(caller.role, permission):
        needed = NEEDED[permission]
        raise Refused("forbidden", f"This needs the {needed} role.", more={"required": needed})
