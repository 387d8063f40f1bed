"""What a backup may name is a list of what is allowed; hostile values are refused, each of them."""

from collections.abc import Iterator

import msgspec
import pytest

from perdure_contract.rsync.grammar import faults, host_faults, root_faults
from perdure_contract.rsync.spec import RsyncSpec, SavedHost

PATHS = (
    "", "a", "./a", "../a", "-e sh", "--rsync-path=/tmp/x", "-", "--", "~", "~root/x", "b:c", "a::b",
    "host:/x", "user@host:/x", "rsync://h/m", "::module", "[::1]:/x", "file:///x", "C:\\x", "\\\\h\\s",
    "$HOME/x", "`id`", "$(id)", ";id", "|id", " /x", "\t/x", "\n/x", "/a/../b", "/..", "/a/..", "/.",
    "/a/./b", "//", "//a", "/a//b", "/a\nb", "/a\rb", "/a\tb", "/a\x1bb", "/a\x7fb", "/a\0b",
    "/a\u202eb", "/a\u2028b", "/a\u200bb", "/a\ufeffb", "/a\x85b", "/\ud800", "/" + "a" * 256,
    "/" + "ä" * 128, "/a/.", "/a/b/..", "/../etc", "/./etc", "\u2215etc", "\uff0fetc", "%2fetc",
)  # fmt: skip
RELATIVE = (
    "", "/", "/a", "..", "../a", "a/..", "a/../b", ".", "./a", "a/.", "a//b", "a/", "-a", "--delete",
    "a:b", "h::m", "a\nb", "a\0b", "a\x1b[2J", "a\u202eb", "x" * 256, "//a", "a/./b", "\t\n",
)  # fmt: skip
LINKED = ("/a", "/", "..", "../..", "../", "", "a/../b", "../a/..", "-a", "../-a/../b", "h:/a", ".")
PATTERNS = (
    " ",
    " a",
    "a ",
    "\n",
    "a\nb",
    "a\rb",
    "\0",
    "a\x1bb",
    "a\u202eb",
    "a\u2028b",
    "\t",
    "x\t",
)
ADDRESSES = (
    "", "-oProxyCommand=x", "a b", "a;b", "a\nb", "$(id)", "a/b", "a:b", "user@host", "[::1]", "a..b",
    ".a", "a.", "-a", "a-", "fe80::1%eth0", "a,b", "a'b", 'a"b', "a\\b", "a`b", "ä.org", "a" * 64,
    "1.2.3.4:22", "a_b",
)  # fmt: skip
USERS = ("", "-l", "a b", "a@b", "a:b", "a/b", "$a", "a;b", "ä", "1a", "a\n", "a" * 33, "'a'", ".a")
KEYS = (
    "", "a", "/a b", "/a'b", '/a"b', "/a\nb", "/a/../b", "/a//b", "/a;b", "/$HOME/x", "/a%h", "~/x",
    "/", "/a/", "/a\\b", "/a,b", "/ä",
)  # fmt: skip
HOST_KEYS = (
    "", "x", "ssh-ed25519", "ssh-ed25519 ", "* ssh-ed25519 " + "A" * 68, "ssh-ed25519 AAAA",
    "ssh-ed25519 " + "A" * 68 + "\nevil ssh-rsa " + "A" * 68, "@cert-authority * ssh-rsa AAAA",
    "ssh-dss " + "A" * 68, "ssh-ed25519 " + "!" * 68, "|1|" + "A" * 68, "ssh-ed25519  " + "A" * 68,
)  # fmt: skip

GOOD_HOST = {
    "address": "backup.example.org",
    "user": "backup",
    "key": "/etc/keys/offsite",
    "host_key": "ssh-ed25519 " + "A" * 68,
    "roots": ["/srv"],
}


def spec(options: dict[str, object] | None = None, **fields: object) -> RsyncSpec:
    asked = {"kind": "rsync", "source": "/data/photos/", "destination": "/backup/photos"}
    return msgspec.convert({**asked, **fields, "options": options or {}}, RsyncSpec)


def hostile() -> Iterator[tuple[str, dict[str, object]]]:
    """Give 200 and more specs and hosts, each with one thing wrong."""
    for path in PATHS:
        yield "spec", {"source": path}
        yield "spec", {"destination": path}
    for path in RELATIVE:
        yield "spec", {"options": {"backup_dir": path}}
        yield "spec", {"options": {"partial_dir": path}}
    for path in LINKED:
        yield "spec", {"options": {"link_dest": [path]}}
    for pattern in PATTERNS:
        yield "spec", {"options": {"exclude": [pattern]}}
        yield "spec", {"options": {"filters": [{"rule": "include", "pattern": pattern}]}}
    for name, values in (
        ("address", ADDRESSES),
        ("user", USERS),
        ("key", KEYS),
        ("host_key", HOST_KEYS),
    ):
        for value in values:
            yield "host", {name: value}
    for root in PATHS:
        yield "host", {"roots": [root]}


def test_hundreds_of_hostile_values_are_refused() -> None:
    taken = []
    for kind, wrong in hostile():
        try:
            if kind == "host":
                found = [*host_faults(msgspec.convert({**GOOD_HOST, **wrong}, SavedHost))]
            else:
                options = wrong.pop("options", None)
                assert options is None or isinstance(options, dict)
                found = [*faults(spec(options, **wrong))]
        except msgspec.ValidationError:
            continue
        if not found:
            taken.append((kind, wrong))
    assert not taken
    assert len([*hostile()]) > 200


FORBIDDEN = (
    "rsh", "e", "rsync_path", "files_from", "exclude_from", "include_from", "log_file", "temp_dir",
    "write_batch", "read_batch", "password_file", "copy_as", "daemon", "server", "config", "M", "argv",
    "remote_option", "debug", "info", "out_format", "filter", "inplace", "super", "fake_super",
    "copy_links", "copy_unsafe_links", "insecure_links", "remove_source_files", "-e", "--rsh", "rsh=sh",
)  # fmt: skip


def test_no_option_of_rsync_itself_can_be_given() -> None:
    for name in FORBIDDEN:
        with pytest.raises(msgspec.ValidationError, match="unknown field"):
            spec({name: "sh"})
        with pytest.raises(msgspec.ValidationError, match="unknown field"):
            spec(None, **{name: "sh"})


@pytest.mark.parametrize(
    "value",
    [0, -1, "0K", "1;id", "10 --rsh=x", "1.5X", "", "1\n", "9999999999", True, 1.5, "-5", "1e9"],
)
def test_a_limit_of_bandwidth_is_a_number(value: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        spec({"bandwidth_limit": value})


@pytest.mark.parametrize(
    "path",
    ["/", "/a", "/a/", "/a b/c", "/ä ö/ü", "/-e sh", "/a:b", "/a'b\"c", "/..a", "/a..", "/日本"],
)
def test_odd_names_that_are_only_names_are_taken(path: str) -> None:
    assert not [fault for fault in faults(spec(source=path, destination="/z")) if path != "/"]


@pytest.mark.parametrize(
    ("source", "destination", "words"),
    [
        ("/a/b", "/a/b", "same"),
        ("/a/b/", "/a/b", "same"),
        ("/a/b", "/a", "Destination contains"),
        ("/a/b", "/", "Destination contains"),
        ("/a/b", "/a/b/c/d", "Source contains"),
        ("/", "/a", "Source contains"),
    ],
)
def test_source_and_destination_do_not_overlap(source: str, destination: str, words: str) -> None:
    (fault,) = faults(spec(source=source, destination=destination))
    assert (fault.at, fault.code) == ("/destination", "overlap")
    assert words in fault.message
    assert not [*faults(spec(source="/a/b", destination="/a/bc"))]


def test_paths_lie_within_the_roots_and_links_are_followed() -> None:
    here = spec(source="/home/me/photos", destination="/mnt/disk/x")
    assert not [*root_faults(here, ("/home/me", "/mnt/disk"))]
    assert [f.at for f in root_faults(here, ("/home/me", "/mnt/dis"))] == ["/destination"]
    assert [f.at for f in root_faults(here, ())] == ["/source", "/destination"]

    def elsewhere(path: str) -> str:
        return path.replace("/home/me/photos", "/etc")

    assert [f.code for f in root_faults(here, ("/home/me", "/mnt"), elsewhere)] == ["outside-root"]

    def into_source(path: str) -> str:
        return path.replace("/mnt/disk/x", "/home/me/photos/x")

    found = [*root_faults(here, ("/home/me", "/mnt"), into_source)]
    assert {fault.code for fault in found} == {"overlap"}


def test_a_saved_host_has_roots_of_its_own_and_earlier_copies_lie_in_them() -> None:
    host = msgspec.convert(GOOD_HOST, SavedHost)
    there = spec(destination="/srv/x", host="offsite", saved_host=host, source="/home/a")
    assert not [*root_faults(there, ("/home",))]
    outside = msgspec.structs.replace(there, destination="/etc")
    assert [f.at for f in root_faults(outside, ("/home",))] == ["/destination"]
    linked = spec({"link_dest": ["../../../etc"]}, source="/home/a", destination="/mnt/b/c")
    assert [f.at for f in root_faults(linked, ("/home", "/mnt"))] == ["/options/link_dest/0"]


def test_a_path_on_another_machine_has_no_wildcards() -> None:
    assert [f.at for f in faults(spec(source="/a/*", host="x", host_side="source"))] == ["/source"]
    assert not [*faults(spec(source="/a/*"))]
