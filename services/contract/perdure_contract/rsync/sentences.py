"""A spec in plain words: what it will do, and what one should know before."""

from collections.abc import Iterator
from typing import Final

from perdure_contract.rsync.spec import MAX_DELETE, RsyncOptions, RsyncSpec

OLDEST: Final = (3, 2, 0)
"""Older versions do not have the options that are always given."""
SAFE: Final = (3, 4, 3)
"""Older versions have holes that are publicly known."""

_KEPT: Final = (
    ("hard_links", "hard links"),
    ("acls", "access control lists"),
    ("xattrs", "extended attributes"),
    ("sparse", "holes in files"),
    ("numeric_ids", "owners by number"),
)
_WHEN: Final = {
    "before": "before anything is copied",
    "during": "while copying",
    "delay": "after everything is copied, as found while copying",
    "after": "after everything is copied",
}


def words(spec: RsyncSpec) -> str:
    """Say in a few sentences what is copied where, and how."""
    return " ".join((_copies(spec), *_details(spec.options)))


def warnings(spec: RsyncSpec, version: str | None = None) -> tuple[str, ...]:
    """Say what may surprise.

    Args:
        spec: What is asked for.
        version: Of the rsync that will run it, like `3.2.7`, where known.
    """
    return (*_of_version(version), *_of_options(spec))


def number_of(version: str) -> tuple[int, ...]:
    """Give a version as numbers to compare; what follows them is left out."""
    numbers = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)


def _copies(spec: RsyncSpec) -> str:
    verb = "Shows what would be done to copy" if spec.dry_run else "Copies"
    there = {spec.host_side: f" on host {spec.host}"} if spec.host is not None else {}
    source, destination = spec.source.rstrip("/") or "/", spec.destination.rstrip("/") or "/"
    at_source, at_destination = there.get("source", ""), there.get("destination", "")
    if spec.source.endswith("/"):
        return (
            f"{verb} the contents of {source}{at_source} into {destination}{at_destination}, "
            "without the folder itself."
        )
    name = source.rpartition("/")[2]
    return (
        f"{verb} {source}{at_source} itself into {destination}{at_destination}: "
        f"it becomes {destination.rstrip('/')}/{name}."
    )


def _details(options: RsyncOptions) -> Iterator[str]:
    kept = [name for field, name in _KEPT if getattr(options, field)]
    if kept:
        yield f"Keeps {_listed(kept)}."
    if options.checksum:
        yield "Compares files by their contents."
    if options.update:
        yield "Leaves files alone that are newer at the destination."
    if options.ignore_existing:
        yield "Leaves files alone that are already there."
    rules = len(options.filters) + len(options.include) + len(options.exclude)
    if rules:
        yield f"{rules} {'rule chooses' if rules == 1 else 'rules choose'} what is copied."
    if options.delete:
        limit = MAX_DELETE if options.max_delete is None else options.max_delete
        yield (
            f"Deletes at the destination what is not at the source, {_WHEN[options.delete_when]}, "
            f"at most {limit}."
        )
    if options.backup:
        yield f"What is replaced or deleted is kept in {options.backup_dir} of the destination."
    if options.link_dest:
        yield f"What is unchanged since {_listed(list(options.link_dest))} becomes a hard link."
    if options.partial:
        yield "What is half copied is kept, and the next attempt goes on with it."
    if options.bandwidth_limit is not None:
        limit_words = str(options.bandwidth_limit)
        unit = " KiB" if limit_words[-1:].isdigit() else "iB"
        yield f"Uses at most {limit_words}{unit} a second."


def _of_version(version: str | None) -> Iterator[str]:
    if version is None:
        return
    found = number_of(version)
    if found < OLDEST:
        yield f"rsync {version} is too old: at least 3.2 is needed."
    elif found < SAFE:
        yield f"rsync {version} has known security holes: 3.4.3 or newer is advised."


def _of_options(spec: RsyncSpec) -> Iterator[str]:
    options = spec.options
    recursive = options.archive if options.recursive is None else options.recursive
    if not recursive:
        yield "Without `archive` or `recursive` directories are left out."
    if not spec.source.endswith("/"):
        name = spec.source.rpartition("/")[2]
        yield f"The source does not end with a slash, so a folder {name} is made at the destination."
    if options.delete:
        yield from _of_deleting(options)
    if not options.safe_links:
        yield "Links that lead out of the tree are copied as they are."
    if options.compress and spec.host is None:
        yield "Compressing costs time and saves nothing where both sides are on one machine."
    if options.checksum:
        yield "Comparing contents reads every file on both sides."
    if spec.host is not None and options.archive and not options.numeric_ids:
        yield "Owners are matched by name on the other machine; `numeric_ids` keeps the numbers."
    if not options.partial:
        yield "What is half copied when it ends is thrown away."
    elif options.whole_file:
        yield "Copied whole, what is half copied is of no use to the next attempt."


def _of_deleting(options: RsyncOptions) -> Iterator[str]:
    yield "It deletes: a dry run of exactly this must have been seen before."
    if options.max_delete is None:
        yield f"It stops deleting after {MAX_DELETE} files; `max_delete` sets another limit."
    if not options.backup:
        yield "What it deletes is gone: `backup` would keep it."
    if options.delete_excluded:
        yield "What the rules leave out is deleted at the destination."


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
