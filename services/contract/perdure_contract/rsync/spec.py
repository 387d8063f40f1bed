"""What a backup is asked to do. Every option is typed: there is no way to pass one of rsync's own."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from perdure_contract.identifiers import Name

Path = Annotated[str, Meta(min_length=1, max_length=4096)]
Pattern = Annotated[str, Meta(min_length=1, max_length=1000)]
Port = Annotated[int, Meta(ge=1, le=65535)]

BANDWIDTH = r"^[1-9][0-9]{0,8}(\.[0-9]{1,3})?[KkMmGg]?$(?!\n)"
PARTIAL_DIR = ".rsync-partial"
BACKUP_DIR = ".replaced/{date}"
MAX_DELETE = 1000
"""How many things a backup may delete that does not say another number."""
REMOTE_TIMEOUT_SECONDS = 300


class SavedHost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another machine, reached with ssh. It holds no secret: the key is a file on the executor."""

    address: Annotated[str, Meta(min_length=1, max_length=253)]
    """Host name or IP address."""
    user: Annotated[str, Meta(min_length=1, max_length=32)]
    port: Port = 22
    key: Path
    """Absolute path of the private key on the executor."""
    host_key: Annotated[str, Meta(min_length=1, max_length=4000)]
    """The machine's public key as `ssh-keyscan` prints it, like `ssh-ed25519 AAAA…`; no other is taken."""
    roots: Annotated[tuple[Path, ...], Meta(min_length=1, max_length=100)]
    """Directories of that machine in which backups may read and write."""


class FilterRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule for names; the first that matches decides."""

    rule: Literal["include", "exclude", "protect"]
    """`protect`: not deleted at the destination."""
    pattern: Pattern


class RsyncOptions(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """How files are copied."""

    archive: bool = True
    """All of the next eight, which may each be given another way."""
    recursive: bool | None = None
    links: bool | None = None
    """Symbolic links as links."""
    perms: bool | None = None
    times: bool | None = None
    owner: bool | None = None
    group: bool | None = None
    devices: bool | None = None
    specials: bool | None = None
    hard_links: bool = False
    acls: bool = False
    xattrs: bool = False
    sparse: bool = False
    numeric_ids: bool = False
    one_file_system: bool = False
    safe_links: bool = True
    """Links that lead out of the tree are left out."""
    checksum: bool = False
    """Compare contents instead of size and time."""
    update: bool = False
    """Leave files alone that are newer at the destination."""
    ignore_existing: bool = False
    """Leave files alone that are there at the destination."""
    delete: bool = False
    """Delete at the destination what is not at the source."""
    delete_when: Literal["before", "during", "delay", "after"] = "during"
    delete_excluded: bool = False
    max_delete: Annotated[int, Meta(ge=0, le=10_000_000)] | None = None
    """Stop deleting after so many; left out with `delete`: 1000."""
    backup: bool = False
    """Keep what is replaced or deleted, in `backup_dir`."""
    backup_dir: Path = BACKUP_DIR
    """Relative to the destination; `{date}` is the day in UTC on which the attempt starts."""
    link_dest: Annotated[tuple[Path, ...], Meta(max_length=20)] = ()
    """Earlier copies, relative to the destination: what is unchanged there becomes a hard link."""
    partial: bool = True
    """Keep files that are half copied, so that the next attempt goes on with them."""
    partial_dir: Path = PARTIAL_DIR
    """Relative to the directory of each file."""
    whole_file: bool | None = None
    """Copy changed files whole instead of their differences; left out: only the differences, so that
    what is half copied is of use."""
    compress: bool = False
    bandwidth_limit: (
        Annotated[int, Meta(ge=1, le=1_000_000_000)]
        | Annotated[str, Meta(pattern=BANDWIDTH)]
        | None
    ) = None
    """KiB a second, or with a unit: `1.5M`."""
    timeout_seconds: Annotated[int, Meta(ge=1, le=86400)] | None = None
    """End it when nothing was sent or received for so long; left out with a host: 300."""
    filters: Annotated[tuple[FilterRow, ...], Meta(max_length=500)] = ()
    """Rules in their order, before `include` and `exclude`."""
    include: Annotated[tuple[Pattern, ...], Meta(max_length=500)] = ()
    exclude: Annotated[tuple[Pattern, ...], Meta(max_length=500)] = ()


class RsyncSpec(
    Struct,
    frozen=True,
    kw_only=True,
    tag_field="kind",
    tag="rsync",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """A copy of a directory or file with rsync; a slash at the source's end copies its contents only."""

    source: Path
    destination: Path
    host: Name | None = None
    """A saved host: one side lies there."""
    host_side: Literal["source", "destination"] = "destination"
    options: RsyncOptions = RsyncOptions()
    incomplete: Literal["fail", "accept"] = "fail"
    """When some files could not be copied (exit codes 23, 24): failed, or partial."""
    dry_run: bool = False
    """Copy and delete nothing, give the differences as the result."""
    saved_host: SavedHost | None = None
    """What `host` is when an attempt is granted; filled in then, never given."""
