"""Directories of this machine, as far as backups may reach: one level at a time, never outside."""

import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from perdure_contract.rsync.grammar import is_within

MOST: Final = 200
"""Directories that are shown."""
LOOKED_AT: Final = 20_000
"""Names that are read; a directory may hold millions."""
DEEPEST: Final = 6
WALKED: Final = 5_000
OUTSIDE: Final = "This lies outside of what backups may reach."


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A directory and what lies in it."""

    path: str
    """Its path, links within the root followed; empty for the list of the roots."""
    name: str
    """Its last part."""
    above: tuple["Step", ...] = ()
    """The directories that it lies in, from a root downwards."""
    below: tuple["Step", ...] = ()
    """The directories in it, by name."""
    files: int = 0
    """How many other things lie in it."""
    more: bool = False
    """Whether there is more than what is shown."""
    problem: str = ""
    """Why it cannot be shown; empty when it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A directory to go on to."""

    path: str
    """Its path."""
    name: str
    """Its last part."""


def look(path: str, roots: Sequence[str]) -> Place:
    """Read one level of a directory; nothing outside of the roots is ever told."""
    if not path:
        steps = tuple(Step(path=root, name=root) for root in roots)
        return Place(path="", name="", below=steps)
    try:
        opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        # What is missing and what may not be seen are told apart within the roots only.
        inside = "\0" not in path and _root_of(posixpath.realpath(path), roots) is not None
        problem = "There is no such directory, or it may not be read." if inside else OUTSIDE
        return Place(path=path, name=path, problem=problem)
    try:
        # Of what was opened, so that nobody can exchange it meanwhile.
        real = str(Path(f"/proc/self/fd/{opened}").readlink())
        root = _root_of(real, roots)
        if root is None:
            return Place(path=path, name=path, problem=OUTSIDE)
        # A root may be reached through a link: it is called as it was configured.
        rest = posixpath.relpath(real, posixpath.realpath(root))
        return _read(opened, posixpath.normpath(posixpath.join(root, rest)), root)
    except OSError:
        return Place(path=path, name=path, problem="It cannot be read.")
    finally:
        os.close(opened)


def _root_of(real: str, roots: Sequence[str]) -> str | None:
    return next((root for root in roots if is_within(real, posixpath.realpath(root))), None)


def _read(opened: int, path: str, root: str) -> Place:
    below: list[Step] = []
    files = 0
    with os.scandir(opened) as entries:
        for entry in islice(entries, LOOKED_AT):
            if not entry.name.isprintable():
                continue
            if entry.is_dir(follow_symlinks=False):
                below.append(Step(path=posixpath.join(path, entry.name), name=entry.name))
            else:
                files += 1
    below.sort(key=lambda step: (step.name.startswith("."), step.name.casefold()))
    return Place(
        path=path,
        name=posixpath.basename(path) or path,
        above=tuple(_above(path, root)),
        below=tuple(below[:MOST]),
        files=files,
        more=len(below) > MOST,
    )


def _above(path: str, root: str) -> list[Step]:
    root = posixpath.normpath(root)
    steps: list[Step] = []
    while path != root:
        path = posixpath.dirname(path)
        steps.append(Step(path=path, name=path if path == root else posixpath.basename(path)))
    return steps[::-1]


def names_in(path: str, roots: Sequence[str], count: int) -> tuple[str, ...]:
    """Give the first few names in a directory, directories with a slash; nothing when it cannot be seen."""
    return tuple(islice(_walked(path, roots, deepest=1), count))


def paths_in(path: str, roots: Sequence[str], count: int) -> tuple[str, ...]:
    """Give paths in a directory as seen from it, the upper levels first."""
    return tuple(islice(_walked(path, roots, deepest=DEEPEST), count))


def _walked(path: str, roots: Sequence[str], *, deepest: int) -> list[str]:
    real = "" if "\0" in path else posixpath.realpath(path)
    if _root_of(real, roots) is None:
        return []
    found: list[str] = []
    level = [""]
    for _ in range(deepest):
        deeper: list[str] = []
        for inside in level:
            names = _names(posixpath.join(real, inside))
            found += [inside + name for name in names]
            deeper += [inside + name for name in names if name.endswith("/")]
            if len(found) > WALKED:
                return found
        level = deeper
    return found


def _names(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            few = [entry for entry in islice(entries, LOOKED_AT) if entry.name.isprintable()]
            names = [
                f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name
                for entry in few
            ]
    except OSError:
        return []
    return sorted(names, key=str.casefold)
