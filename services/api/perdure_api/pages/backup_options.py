"""The options of a backup as the builder shows them: in groups, the common ones first."""

from dataclasses import dataclass
from typing import Final, Literal

from perdure_contract.rsync.spec import BACKUP_DIR, PARTIAL_DIR


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option."""

    name: str
    """Of its field, and in the spec."""
    label: str
    """Its words."""
    hint: str = ""
    """What it is good for."""
    kind: Literal["switch", "part", "text", "number", "lines", "choice"] = "switch"
    """`part`: it may be left out, which is what archive says, or yes, or no."""
    default: str = ""
    """What stands in the field; `on` for a switch that is on."""
    choices: tuple[tuple[str, str], ...] = (("", "as Archive"), ("yes", "yes"), ("no", "no"))
    """Of a choice or a part: values and words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Options that belong together."""

    key: str
    """Part of its id."""
    title: str
    """Its words."""
    options: tuple[Option, ...]
    """What is in it."""


COMMON: Final = (
    Option(
        name="archive",
        label="Archive",
        hint="Directories with all in them, links, permissions, times, owners.",
        default="on",
    ),
    Option(
        name="delete",
        label="Delete what is gone",
        hint="What is no longer at the source is deleted at the destination. Needs a dry run first.",
    ),
    Option(
        name="backup",
        label="Keep what is replaced",
        hint="Old and deleted files are moved into a folder by day.",
    ),
    Option(
        name="partial",
        label="Keep half copied files",
        hint="The next attempt goes on with them.",
        default="on",
    ),
    Option(name="compress", label="Compress", hint="On the way to another machine."),
    Option(
        name="checksum",
        label="Compare contents",
        hint="Reads every file on both sides, instead of looking at size and time.",
    ),
    Option(
        name="bandwidth_limit",
        label="Bandwidth limit",
        hint="KiB a second, or like 1.5M. Empty: none.",
        kind="text",
    ),
    Option(
        name="max_delete",
        label="Delete at most",
        hint="It stops deleting there. Empty: 1000.",
        kind="number",
    ),
)
"""What is always in sight."""

FOLDED: Final = (
    Group(
        key="keeping",
        title="Deleting and keeping",
        options=(
            Option(
                name="delete_when",
                label="Delete when",
                kind="choice",
                default="during",
                choices=(
                    ("before", "before copying"),
                    ("during", "while copying"),
                    ("delay", "after copying, as found while copying"),
                    ("after", "after copying"),
                ),
            ),
            Option(
                name="delete_excluded",
                label="Delete what rules leave out",
                hint="At the destination, too.",
            ),
            Option(
                name="backup_dir",
                label="Folder for what is replaced",
                hint="In the destination; {date} is the day.",
                kind="text",
                default=BACKUP_DIR,
            ),
            Option(
                name="link_dest",
                label="Earlier copies to link to",
                hint="As seen from the destination, like ../2026-01-31, one a line. "
                "What is unchanged there becomes a hard link and takes no room.",
                kind="lines",
            ),
        ),
    ),
    Group(
        key="parts",
        title="What is kept of each file",
        options=(
            Option(name="recursive", label="Into directories", kind="part"),
            Option(name="links", label="Symbolic links", kind="part"),
            Option(name="perms", label="Permissions", kind="part"),
            Option(name="times", label="Times", kind="part"),
            Option(name="owner", label="Owner", kind="part"),
            Option(name="group", label="Group", kind="part"),
            Option(name="devices", label="Devices", kind="part"),
            Option(name="specials", label="Pipes and sockets", kind="part"),
            Option(name="hard_links", label="Hard links"),
            Option(name="acls", label="Access control lists"),
            Option(name="xattrs", label="Extended attributes"),
            Option(name="sparse", label="Holes in files"),
            Option(name="numeric_ids", label="Owners by number"),
        ),
    ),
    Group(
        key="rest",
        title="What is left alone, and how it ends",
        options=(
            Option(name="update", label="Leave newer files alone"),
            Option(name="ignore_existing", label="Leave existing files alone"),
            Option(name="one_file_system", label="Stay on one file system"),
            Option(
                name="safe_links",
                label="Leave out links that lead outside",
                default="on",
            ),
            Option(
                name="whole_file",
                label="Copy changed files whole",
                hint="Faster on one machine; what is half copied is then of no use.",
                kind="part",
                choices=(("", "as usual"), ("yes", "yes"), ("no", "no, only differences")),
            ),
            Option(
                name="partial_dir",
                label="Folder for half copied files",
                hint="Next to each file.",
                kind="text",
                default=PARTIAL_DIR,
            ),
            Option(
                name="timeout_seconds",
                label="End when nothing moves for",
                hint="Like 5 min. Empty: never, with a host 5 min.",
                kind="text",
            ),
        ),
    ),
)
"""What is behind folds; one opens when something in it is not as usual."""

ALL: Final = (*COMMON, *(option for group in FOLDED for option in group.options))
SWITCHES: Final = tuple(option.name for option in ALL if option.kind == "switch")
PARTS: Final = tuple(option.name for option in ALL if option.kind == "part")
DEFAULTS: Final = {option.name: option.default for option in ALL}
LABELS: Final = {option.name: option.label for option in ALL}
