"""A spec becomes exactly one command line, and the words say what it does."""

import msgspec
import pytest

from perdure_contract.retries import NONE, OF_BACKUPS, retry_of
from perdure_contract.rsync.command import OUTPUT, argv, fingerprint
from perdure_contract.rsync.exits import MEANINGS, NETWORK, meaning
from perdure_contract.rsync.sentences import number_of, warnings, words
from perdure_contract.rsync.spec import RsyncSpec, SavedHost
from perdure_contract.specs import CommandSpec, Retry

HOST = SavedHost(
    address="backup.example.org",
    user="backup",
    port=2222,
    key="/etc/keys/offsite",
    host_key="ssh-ed25519 " + "A" * 68,
    roots=("/srv",),
)


def spec(options: dict[str, object] | None = None, **fields: object) -> RsyncSpec:
    asked = {"kind": "rsync", "source": "/data/photos/", "destination": "/backup/photos"}
    return msgspec.convert({**asked, **fields, "options": options or {}}, RsyncSpec)


def options_of(given: RsyncSpec) -> list[str]:
    """Give what stands before the paths, without what always does."""
    elements = list(argv(given))
    return [part for part in elements[1 : elements.index("--")] if part not in OUTPUT]


PARTIAL = ["--partial", "--partial-dir=.rsync-partial", "--no-whole-file"]
ALWAYS = ["--archive", "--safe-links", *PARTIAL]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ALWAYS),
        ({"archive": False, "partial": False, "safe_links": False}, []),
        ({"perms": False, "recursive": True}, ["--archive", "--no-perms", *ALWAYS[1:]]),
        ({"archive": False, "times": True, "links": False}, ["--times", *ALWAYS[1:]]),
        (
            {"hard_links": True, "acls": True, "xattrs": True, "sparse": True, "checksum": True},
            [
                "--archive",
                "--hard-links",
                "--acls",
                "--xattrs",
                "--sparse",
                "--safe-links",
                "--checksum",
                *ALWAYS[2:],
            ],
        ),
        (
            {"numeric_ids": True, "one_file_system": True, "update": True, "ignore_existing": True},
            [
                "--archive",
                "--numeric-ids",
                "--one-file-system",
                "--safe-links",
                "--update",
                "--ignore-existing",
                *ALWAYS[2:],
            ],
        ),
        (
            {"delete": True},
            [*ALWAYS[:2], "--delete", "--delete-during", "--max-delete=1000", *ALWAYS[2:]],
        ),
        (
            {"delete": True, "delete_when": "after", "delete_excluded": True, "max_delete": 7},
            [
                *ALWAYS[:2],
                "--delete",
                "--delete-after",
                "--delete-excluded",
                "--max-delete=7",
                *ALWAYS[2:],
            ],
        ),
        (
            {"backup": True},
            [*ALWAYS[:2], "--backup", "--backup-dir=.replaced/{date}", *ALWAYS[2:]],
        ),
        (
            {"link_dest": ["../monday", "../tuesday"]},
            [*ALWAYS[:2], "--link-dest=../monday", "--link-dest=../tuesday", *ALWAYS[2:]],
        ),
        (
            {"compress": True, "bandwidth_limit": 500, "timeout_seconds": 60},
            [*ALWAYS[:2], "--compress", *ALWAYS[2:], "--bwlimit=500", "--timeout=60"],
        ),
        ({"whole_file": True}, [*ALWAYS[:4], "--whole-file"]),
        ({"partial": False, "whole_file": False}, [*ALWAYS[:2], "--no-whole-file"]),
        ({"bandwidth_limit": "1.5M"}, [*ALWAYS, "--bwlimit=1.5M"]),
        (
            {
                "filters": [{"rule": "protect", "pattern": "/keep"}],
                "include": ["*/"],
                "exclude": ["!", "+ x", "*.tmp"],
            },
            [
                *ALWAYS,
                "--filter=P /keep",
                "--filter=+ */",
                "--filter=- !",
                "--filter=- + x",
                "--filter=- *.tmp",
            ],
        ),
    ],
)
def test_each_option_becomes_its_element(options: dict[str, object], expected: list[str]) -> None:
    assert options_of(spec(options)) == expected


def test_a_dry_run_tells_of_everything_that_would_be_deleted() -> None:
    line = argv(spec({"delete": True, "max_delete": 2}, dry_run=True))
    assert not [part for part in line if part.startswith("--max-delete")]


def test_paths_stand_last_and_behind_two_dashes() -> None:
    assert argv(spec())[-3:] == ("--", "/data/photos/", "/backup/photos")
    assert argv(spec(dry_run=True))[-4:] == ("--dry-run", "--", "/data/photos/", "/backup/photos")


def test_what_is_kept_by_date_is_not_deleted_again() -> None:
    line = argv(spec({"backup": True, "delete": True}), date="2026-01-31")
    assert "--backup-dir=.replaced/2026-01-31" in line
    assert "--filter=P /.replaced/" in line


def test_another_machine_is_reached_with_its_pinned_key_and_nothing_else() -> None:
    line = argv(spec(host="offsite", saved_host=HOST), known_hosts="/run/a b/pinned")
    (shell,) = [part for part in line if part.startswith("--rsh=")]
    asked = shell.removeprefix("--rsh=").split(" ")
    assert asked[:3] == ["ssh", "-F", "none"]
    assert {"-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oProxyCommand=none"} <= {*asked}
    assert "'-oUserKnownHostsFile=/run/a b/pinned'" in shell
    assert asked[-3:] == ["-oIdentityFile=/etc/keys/offsite", "-p2222", "-lbackup"]
    assert line[-2:] == ("/data/photos/", "backup.example.org:/backup/photos")
    assert {"--timeout=300", "--secluded-args"} <= {*line}
    back = argv(spec(host="offsite", saved_host=HOST, host_side="source"))
    assert back[-2:] == ("backup.example.org:/data/photos/", "/backup/photos")


def test_an_address_of_numbers_and_colons_stands_in_brackets() -> None:
    there = msgspec.structs.replace(HOST, address="fd00::1")
    assert argv(spec(host="x", saved_host=there))[-1] == "[fd00::1]:/backup/photos"


def test_a_dry_run_is_proof_for_its_own_command_line_alone() -> None:
    deletes = spec({"delete": True})
    assert fingerprint(deletes) == fingerprint(spec({"delete": True}, dry_run=True))
    others = [
        spec({"delete": True, "exclude": ["*.tmp"]}),
        spec({"delete": True}, destination="/backup/other"),
        spec({"delete": True}, host="offsite", saved_host=HOST),
        spec(
            {"delete": True},
            host="offsite",
            saved_host=msgspec.structs.replace(HOST, host_key="ssh-ed25519 " + "B" * 68),
        ),
    ]
    assert len({fingerprint(other) for other in (deletes, *others)}) == 5


def test_a_slash_at_the_end_is_told_in_words() -> None:
    assert "the contents of /data/photos into /backup/photos" in words(spec())
    whole = spec(source="/data/photos")
    assert "it becomes /backup/photos/photos" in words(whole)
    assert any("a folder photos is made" in said for said in warnings(whole))


def test_deleting_is_told_with_its_limit() -> None:
    deletes = spec({"delete": True, "max_delete": 9, "delete_when": "before"})
    assert "before anything is copied, at most 9" in words(deletes)
    assert any("dry run" in said for said in warnings(deletes))
    assert not warnings(spec())


@pytest.mark.parametrize(
    ("version", "said"),
    [("3.1.3", "too old"), ("3.2.7", "security holes"), ("3.4.3", ""), ("3.5.0", ""), ("3.10", "")],
)
def test_old_versions_are_warned_of(version: str, said: str) -> None:
    found = warnings(spec(), version)
    assert (said in found[0]) if said else not found


def test_versions_are_compared_by_number() -> None:
    assert number_of("3.10.1pre2") == (3, 10, 1) > number_of("3.4.3")


def test_faults_of_the_network_are_tried_again_and_wrong_use_never_is() -> None:
    assert retry_of(spec(), None) == OF_BACKUPS
    assert (OF_BACKUPS.max_attempts, OF_BACKUPS.on) == (6, ("exit", "lost"))
    assert not NETWORK & {*OF_BACKUPS.not_exit_codes}
    assert {1, 2, 3, 4, 11, 23, 24, 25} <= {*OF_BACKUPS.not_exit_codes}
    assert retry_of(spec(), Retry(max_attempts=3)).not_exit_codes == (1, 2, 3, 4)
    assert retry_of(CommandSpec(argv=("true",)), None) == NONE


@pytest.mark.parametrize("code", [*MEANINGS, 99])
def test_every_exit_code_is_told_in_words(code: int) -> None:
    assert meaning(code).endswith(f"(rsync's exit code {code})")
    assert len(meaning(code)) > 30
