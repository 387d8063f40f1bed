"""A spec → the exact command line. What is previewed is what is run."""

import hashlib
from collections.abc import Iterator

from msgspec.structs import replace

from perdure_contract.rsync.spec import (
    MAX_DELETE,
    REMOTE_TIMEOUT_SECONDS,
    RsyncOptions,
    RsyncSpec,
    SavedHost,
)

PROGRAM = "rsync"
DATE = "{date}"
KNOWN_HOSTS = "{known_hosts}"

OUTPUT = (
    "--no-inc-recursive",
    "--info=progress2",
    "--out-format=%i %n%L",
    "--no-human-readable",
    "--8-bit-output",
    "--stats",
)
"""So that what it prints can be read; with the whole list known first, percentages are honest."""
SSH = (
    "ssh", "-F", "none", "-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oIdentitiesOnly=yes",
    "-oGlobalKnownHostsFile=none", "-oUpdateHostKeys=no", "-oCheckHostIP=no", "-oProxyCommand=none",
    "-oProxyJump=none", "-oClearAllForwardings=yes", "-oForwardAgent=no", "-oPermitLocalCommand=no",
    "-oControlPath=none", "-oConnectTimeout=30", "-oServerAliveInterval=15",
)  # fmt: skip
"""Nothing of the executor's own configuration counts, and nobody is asked."""

PARTS = ("recursive", "links", "perms", "times", "owner", "group", "devices", "specials")
SWITCHES = (
    "hard_links", "acls", "xattrs", "sparse", "numeric_ids", "one_file_system", "safe_links",
    "checksum", "update", "ignore_existing", "compress",
)  # fmt: skip
RULES = {"include": "+", "exclude": "-", "protect": "P"}


def argv(spec: RsyncSpec, *, date: str = DATE, known_hosts: str = KNOWN_HOSTS) -> tuple[str, ...]:
    """Give the command line, one element each.

    Args:
        spec: What is asked for; a remote one with its saved host filled in.
        date: The day, for the directory of replaced files.
        known_hosts: File with the pinned host key.
    """
    options = spec.options
    return (
        PROGRAM,
        *_copying(options),
        *_deleting(options, dry=spec.dry_run),
        *_keeping(options, date),
        *_pace(options, remote=spec.host is not None),
        *_filters(options),
        *OUTPUT,
        *(("--dry-run",) if spec.dry_run else ()),
        *_paths(spec, known_hosts),
    )


def fingerprint(spec: RsyncSpec) -> str:
    """Give the hash of what is run, dry or not: a dry run is proof for exactly one command line."""
    elements = argv(replace(spec, dry_run=False))
    pinned = "" if spec.saved_host is None else spec.saved_host.host_key
    return hashlib.sha256("\0".join((*elements, pinned)).encode()).hexdigest()


def _copying(options: RsyncOptions) -> Iterator[str]:
    if options.archive:
        yield "--archive"
    for name in PARTS:
        wanted: bool | None = getattr(options, name)
        if wanted is not None and wanted is not options.archive:
            yield f"--{name}" if wanted else f"--no-{name}"
    for name in SWITCHES:
        if getattr(options, name):
            yield f"--{name.replace('_', '-')}"


def _deleting(options: RsyncOptions, *, dry: bool) -> Iterator[str]:
    if not options.delete:
        return
    yield "--delete"
    yield f"--delete-{options.delete_when}"
    if options.delete_excluded:
        yield "--delete-excluded"
    if not dry:  # a dry run tells of everything that would go
        yield f"--max-delete={MAX_DELETE if options.max_delete is None else options.max_delete}"


def _keeping(options: RsyncOptions, date: str) -> Iterator[str]:
    if options.backup:
        yield "--backup"
        yield f"--backup-dir={options.backup_dir.replace(DATE, date)}"
        if options.delete:
            yield f"--filter=P /{options.backup_dir.split('/')[0]}/"
    for earlier in options.link_dest:
        yield f"--link-dest={earlier}"
    if options.partial:
        yield "--partial"
        yield f"--partial-dir={options.partial_dir}"
    if options.whole_file is not None:
        yield "--whole-file" if options.whole_file else "--no-whole-file"
    elif options.partial:
        yield "--no-whole-file"  # rsync's default between two local paths is to begin anew


def _pace(options: RsyncOptions, *, remote: bool) -> Iterator[str]:
    if options.bandwidth_limit is not None:
        yield f"--bwlimit={options.bandwidth_limit}"
    seconds = options.timeout_seconds or (REMOTE_TIMEOUT_SECONDS if remote else None)
    if seconds is not None:
        yield f"--timeout={seconds}"


def _filters(options: RsyncOptions) -> Iterator[str]:
    # Always as a rule with its sign: in --exclude and --include, "!" and "+ x" mean something else.
    for row in options.filters:
        yield f"--filter={RULES[row.rule]} {row.pattern}"
    for pattern in options.include:
        yield f"--filter=+ {pattern}"
    for pattern in options.exclude:
        yield f"--filter=- {pattern}"


def _paths(spec: RsyncSpec, known_hosts: str) -> Iterator[str]:
    source, destination = spec.source, spec.destination
    if spec.host is not None:
        host = spec.saved_host
        yield "--secluded-args"
        yield f"--rsh={ssh(host, known_hosts)}" if host is not None else f"--rsh={{{spec.host}}}"
        prefix = f"{spec.host}:" if host is None else f"{_bracketed(host.address)}:"
        if spec.host_side == "source":
            source = prefix + source
        else:
            destination = prefix + destination
    yield "--"
    yield source
    yield destination


def ssh(host: SavedHost, known_hosts: str) -> str:
    """Give the remote shell as rsync reads it: words with blanks between, quoted where needed."""
    return " ".join(
        (
            *SSH,
            _quoted(f"-oUserKnownHostsFile={known_hosts}"),
            f"-oIdentityFile={host.key}",
            f"-p{host.port}",
            f"-l{host.user}",
        )
    )


def _quoted(word: str) -> str:
    return f"'{word}'" if " " in word else word


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
