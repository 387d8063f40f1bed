"""The form of a saved host ↔ the JSON that a program would send: same validator, same words."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from perdure_api.domain.rejections import FieldError
from perdure_api.errors import invalid
from perdure_api.fields import read
from perdure_api.pages.form_contexts import Problem
from perdure_contract.identifiers import Name
from perdure_contract.objects import HostView
from perdure_contract.rsync.spec import SavedHost

LABELS: Final = {
    "name": "Name",
    "address": "Address",
    "user": "User",
    "port": "Port",
    "key": "Key file",
    "host_key": "The machine's public key",
    "roots": "Where backups may lie there",
}
DEFAULTS: Final = {**dict.fromkeys(LABELS, ""), "port": "22"}
PRIVATE: Final = "PRIVATE KEY"
NO_SECRETS: Final = (
    "A private key was not kept. It belongs into a file on the executors: name that file."
)
_SCANNED: Final = re.compile(r"\S+ ((?:ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3})(?: .*)?")
"""A line of `ssh-keyscan`, which begins with the name that was asked for."""
_COMMENTED: Final = re.compile(r"((?:ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}) .*")
"""A public key with the comment that its file has."""


def typed(fields: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Take the values of a sent form."""
    return {
        name: fields.get(name, [default])[-1].replace("\r\n", "\n").strip()
        for name, default in DEFAULTS.items()
    }


def values_of(host: HostView) -> dict[str, str]:
    """Fill the form with a host."""
    return {
        "name": host.name,
        "address": host.address,
        "user": host.user,
        "port": str(host.port),
        "key": host.key,
        "host_key": host.host_key,
        "roots": "\n".join(host.roots),
    }


def without_secrets(values: Mapping[str, str]) -> dict[str, str]:
    """Empty the fields that hold a private key: it must not come back in a page."""
    return {name: "" if PRIVATE in text else text for name, text in values.items()}


class NamedHost(SavedHost, frozen=True, kw_only=True):
    """A host and its name, as the form asks for them."""

    name: Name


def read_host(values: Mapping[str, str]) -> tuple[str, SavedHost]:
    """Turn what was typed into a name and a host; whether it can be one is seen when it is saved.

    Raises:
        Refused: with every fault and its JSON pointer.
    """
    secret = [name for name, text in values.items() if PRIVATE in text]
    if secret:
        raise invalid(tuple(FieldError(f"/{name}", "secret", NO_SECRETS) for name in secret))
    body: dict[str, Any] = {name: text for name in LABELS if (text := values[name])}
    if re.fullmatch(r"[0-9]{1,6}", values["port"]):
        body["port"] = int(values["port"])
    if "host_key" in body:
        body["host_key"] = pinned(body["host_key"])
    if "roots" in body:
        body["roots"] = [line.strip() for line in body["roots"].split("\n") if line.strip()]
    found = read(body, NamedHost)
    saved = SavedHost(**{name: getattr(found, name) for name in SavedHost.__struct_fields__})
    return found.name, saved


def problems_of(errors: Sequence[FieldError]) -> tuple[Problem, ...]:
    """Lead faults to their fields, in the order of the form."""
    order = list(LABELS)
    found = [_problem(error) for error in errors]
    return tuple(sorted(found, key=lambda p: order.index(p.field) if p.field else -1))


def pinned(text: str) -> str:
    """Take the key out of what is pasted: a line of ssh-keyscan, or of a .pub file."""
    for line in (_SCANNED, _COMMENTED):
        if (found := line.fullmatch(text)) is not None:
            return found[1]
    return text


def key_words(host_key: str) -> str:
    """Name a public key as `ssh-keygen -l` does: its kind and its fingerprint."""
    kind, _, data = host_key.partition(" ")
    try:
        raw = base64.b64decode(data, validate=True)
    except ValueError:
        return kind
    digest = base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")
    return f"{kind} SHA256:{digest}"


def _problem(error: FieldError) -> Problem:
    name, _, place = error.pointer.removeprefix("/").partition("/")
    message = f"Line {int(place) + 1}: {error.message}" if place.isdecimal() else error.message
    return Problem(
        field=name if name in LABELS else None, label=LABELS.get(name, ""), message=message
    )
