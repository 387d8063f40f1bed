"""The picture of what lands where, and what the rules say to paths. Pure."""

from collections.abc import Sequence
from typing import Final

from perdure_api.pages.backup_contexts import Picture, Tester, TreeLine, Tried
from perdure_api.pages.words import counted
from perdure_contract.rsync.filters import verdict
from perdure_contract.rsync.spec import FilterRow

UNKNOWN: Final = ("…",)
SHOWN: Final = 3
"""Names of the source that are drawn."""
MOST_TRIED: Final = 200
MOST_WORK: Final = 5_000_000
"""Steps of comparing, roughly; a second at worst."""
SIGNS: Final = {"include": "Keep", "exclude": "Leave out", "protect": "Protect"}


def picture(source: str, destination: str, names: Sequence[str]) -> Picture:
    """Draw the destination after a copy, once for each way to copy the source.

    Args:
        source: Its path; empty while it is not known.
        destination: Its path; empty while it is not known.
        names: The first few names in the source; empty when they cannot be seen.
    """
    top = TreeLine(depth=0, name=f"{destination.rstrip('/') or 'destination'}/", new=False)
    folder = f"{source.rstrip('/').rpartition('/')[2] or 'source'}/"
    more = UNKNOWN if len(names) > SHOWN or not names else ()
    inside = (*names[:SHOWN], *more)
    return Picture(
        contents=(top, *(TreeLine(depth=1, name=name, new=True) for name in inside)),
        itself=(
            top,
            TreeLine(depth=1, name=folder, new=True),
            *(TreeLine(depth=2, name=name, new=True) for name in inside),
        ),
    )


def put_through(rules: Sequence[FilterRow], paths: Sequence[str]) -> Tester:
    """Put paths through the rules, as many as can be tried in a moment."""
    tried: list[Tried] = []
    work, each = 0, sum(1 + row.pattern.count("*") for row in rules)
    for path in paths[:MOST_TRIED]:
        work += each * len(path) * (1 + path.count("/")) ** 2
        if work > MOST_WORK:
            break
        tried.append(_tried(rules, path))
    if not paths:
        return Tester()
    kept = sum(one.kept for one in tried)
    words = f"{counted(kept, 'path')} kept, {counted(len(tried) - kept, 'path')} left out"
    if len(tried) < len(paths):
        words += f"; the other {len(paths) - len(tried)} are too many to try at once"
    return Tester(tried=tuple(tried), words=words)


def typed_paths(text: str) -> tuple[str, ...]:
    """Give the paths of a text of lines, as seen from the source."""
    lines = (line.strip().removeprefix("./").lstrip("/") for line in text.split("\n"))
    return tuple(dict.fromkeys(line for line in lines if line))


def _tried(rules: Sequence[FilterRow], path: str) -> Tried:
    found = verdict(rules, path)
    if found.rule is None:
        return Tried(path=path, kept=True, why="no rule matches")
    row = rules[found.rule]
    why = f"rule {found.rule + 1}: {SIGNS[row.rule].lower()} {row.pattern}"
    if found.at.rstrip("/") != path.rstrip("/"):
        why += f", by its folder {found.at}"
    return Tried(path=path, kept=found.kept, why=why)
