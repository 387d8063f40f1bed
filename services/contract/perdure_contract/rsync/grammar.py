"""What a backup may name: paths, patterns, hosts. A list of what is allowed; the rest is a fault."""

import ipaddress
import posixpath
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from perdure_contract.rsync.command import DATE
from perdure_contract.rsync.spec import RsyncSpec, SavedHost

MAX_SEGMENT_BYTES: Final = 255
MAX_BYTES: Final = 40_000
"""All of it together: it is part of an event, which is at most 64 KiB."""

NOT_HERE: Final = "Paths are absolute and cannot be remote here. Choose a saved host."
NOT_A_ROOT: Final = "The full path of a directory of that machine, like /srv/backups."
NOT_RELATIVE: Final = "A directory within the destination, like .old/{date}: no leading / and no .."
_REMOTE_WILDCARDS: Final = re.compile(r"[*?\[\]\\]")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_USER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
_HOST_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_KEY_FILE: Final = re.compile(r"(/[A-Za-z0-9_.@+-]+)+")
_HOST_KEY: Final = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com)"
    r" [A-Za-z0-9+/]{40,3000}={0,3}"
)


class Fault(Struct, frozen=True):
    """What is wrong, where (a JSON pointer within the spec), and what to do."""

    at: str
    code: str
    message: str


def faults(spec: RsyncSpec) -> Iterator[Fault]:
    """Find what is wrong with a spec as far as it can be seen without a file system."""
    found = [*_path_faults("/source", spec.source), *_path_faults("/destination", spec.destination)]
    yield from found
    if spec.host is not None:
        side = f"/{spec.host_side}"
        remote = spec.source if spec.host_side == "source" else spec.destination
        if _REMOTE_WILDCARDS.search(remote) is not None:
            words = "A path on another machine has no * ? [ ] \\: they would be expanded there."
            yield Fault(side, "bad-path", words)
    elif not found and overlapping(spec.source, spec.destination):
        yield Fault("/destination", "overlap", overlap_words(spec.source, spec.destination))
    yield from _option_faults(spec)


def host_faults(host: SavedHost) -> Iterator[Fault]:
    """Find what is wrong with a saved host."""
    if not _is_address(host.address):
        yield Fault(
            "/address", "bad-host", "A host name like backup.example.org, or an IP address."
        )
    if _USER.fullmatch(host.user) is None:
        yield Fault("/user", "bad-user", "Letters, digits and _ . -; the first is a letter or _.")
    if _KEY_FILE.fullmatch(host.key) is None or not _is_clean(host.key):
        words = "The absolute path of a key file on the executor, of letters, digits and _ . @ + -"
        yield Fault("/key", "bad-path", words)
    if _HOST_KEY.fullmatch(host.host_key) is None:
        words = "One public key of the machine, like `ssh-ed25519 AAAA…`: see ssh-keyscan."
        yield Fault("/host_key", "bad-key", words)
    for index, root in enumerate(host.roots):
        yield from _path_faults(f"/roots/{index}", root, NOT_A_ROOT)


def root_faults(
    spec: RsyncSpec, roots: Sequence[str], real: Callable[[str], str] = posixpath.normpath
) -> Iterator[Fault]:
    """Find paths outside of their roots, and sides that turn out to overlap.

    Args:
        spec: One without faults.
        roots: Where local paths must lie.
        real: Follows symbolic links on this machine; without it only the text is looked at.
    """
    remote_roots = () if spec.saved_host is None else spec.saved_host.roots
    local: list[str] = []
    for side in ("source", "destination"):
        path: str = getattr(spec, side)
        is_remote = spec.host is not None and spec.host_side == side
        allowed = remote_roots if is_remote else roots
        if is_remote and spec.saved_host is None:
            continue
        if not is_remote:
            local.append(real(path))
        if not _inside(path, allowed, None if is_remote else real):
            yield Fault(f"/{side}", "outside-root", outside_words(allowed))
        elif side == "destination":
            for index, earlier in enumerate(spec.options.link_dest):
                linked = posixpath.normpath(posixpath.join(path, earlier))
                if not _inside(linked, allowed, None if is_remote else real):
                    at = f"/options/link_dest/{index}"
                    yield Fault(at, "outside-root", outside_words(allowed))
    if spec.host is None and overlapping(*local):
        yield Fault("/destination", "overlap", overlap_words(*local))


def is_within(path: str, root: str) -> bool:
    """Tell whether a path is a directory or lies in it, by their text."""
    path, root = posixpath.normpath(path), posixpath.normpath(root)
    return path == root or path.startswith(root.rstrip("/") + "/")


def overlapping(one: str, other: str) -> bool:
    """Tell whether one path is, contains or lies in another."""
    return is_within(one, other) or is_within(other, one)


def overlap_words(source: str, destination: str) -> str:
    """Say how source and destination overlap."""
    if posixpath.normpath(source) == posixpath.normpath(destination):
        return "Source and destination are the same."
    if is_within(source, destination):
        return "Destination contains the source."
    return "Source contains the destination."


def outside_words(roots: Sequence[str]) -> str:
    """Say where a path must lie."""
    return f"Must be inside one of: {', '.join(roots) or 'nothing, as no root is set'}."


def _inside(path: str, roots: Sequence[str], real: Callable[[str], str] | None) -> bool:
    if not any(is_within(path, root) for root in roots):
        return False
    return real is None or any(is_within(real(path), real(root)) for root in roots)


def _path_faults(at: str, path: str, words_of_relative: str = NOT_HERE) -> Iterator[Fault]:
    if not path.startswith("/"):
        yield Fault(at, "bad-path", words_of_relative)
    elif not _is_clean(path):
        words = "No // and no . or .. in it; no control characters; each part at most 255 bytes."
        yield Fault(at, "bad-path", words)


def _option_faults(spec: RsyncSpec) -> Iterator[Fault]:
    options = spec.options
    for name in ("backup_dir", "partial_dir"):
        path: str = getattr(options, name)
        plain = path.replace(DATE, "2000-01-01") if name == "backup_dir" else path
        if not _is_relative(plain):
            yield Fault(f"/options/{name}", "bad-path", NOT_RELATIVE)
    for index, path in enumerate(options.link_dest):
        rest = path
        while rest.startswith("../"):
            rest = rest[3:]
        if not _is_relative(rest):
            words = "An earlier copy as seen from the destination, like ../2026-01-31."
            yield Fault(f"/options/link_dest/{index}", "bad-path", words)
    if options.delete_excluded and not options.delete:
        yield Fault("/options/delete_excluded", "not-alone", "Only together with `delete`.")
    if options.max_delete is not None and not options.delete:
        yield Fault("/options/max_delete", "not-alone", "Only together with `delete`.")
    rows = [(f"/options/filters/{n}/pattern", row.pattern) for n, row in enumerate(options.filters)]
    rows += [(f"/options/include/{n}", pattern) for n, pattern in enumerate(options.include)]
    rows += [(f"/options/exclude/{n}", pattern) for n, pattern in enumerate(options.exclude)]
    for at, pattern in rows:
        if _has_control(pattern) or pattern != pattern.strip():
            yield Fault(at, "bad-pattern", "No control characters, no blanks at its ends.")
    if sum(len(pattern.encode()) for _, pattern in rows) > MAX_BYTES:
        yield Fault("/options/filters", "too-long", f"All patterns together: {MAX_BYTES} bytes.")


def _is_clean(path: str) -> bool:
    segments = path[1:].split("/")
    if segments[-1] == "":
        segments = segments[:-1]
    return not _has_control(path) and all(
        part not in ("", ".", "..") and len(part.encode()) <= MAX_SEGMENT_BYTES for part in segments
    )


def _is_relative(path: str) -> bool:
    return (
        bool(path)
        and not path.startswith(("/", "-"))
        and ":" not in path
        and _is_clean(f"/{path}")
        and not path.endswith("/")
    )


def _has_control(text: str) -> bool:
    """Tell whether it has line ends, escapes, or marks that turn the direction of writing."""
    return any(unicodedata.category(character) in _UNSEEN for character in text)


def _is_address(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return _HOST_NAME.fullmatch(address) is not None
    return "%" not in address
