"""A tree of files with names and kinds that break careless programs, and what it is, byte by byte."""

import hashlib
import os
import stat
from pathlib import Path

NAMES = (
    b"plain", b"with space", b" lead", b"trail ", b"new\nline", b"tab\there", b"quote'single",
    b'quote"double',
    b"back\\slash", b"-rf", b"--delete", b"a:b", b"host:", b"::x", b"*", b"?", b"[a]", b"$HOME", b"`id`",
    b"%i %n", b"\x1b[2J", b"\xff\xfe bad utf-8", "ünï 日本".encode(), b"#hash", b"~", b"a;b|c&d", b"\x7f",
)  # fmt: skip
SPARSE_BYTES = 8_000_000


def make(root: Path, files: int) -> None:
    """Make a tree of so many small files, with links, empty directories and a file with a hole."""
    here = os.fsencode(root)
    os.makedirs(here)
    for number in range(files):
        folder = os.path.join(here, b"dir %d" % (number % 7), NAMES[number % len(NAMES)])
        os.makedirs(folder, exist_ok=True)
        name = NAMES[number // 7 % len(NAMES)] + b"%d" % number
        with open(os.path.join(folder, name), "wb") as file:
            file.write(b"%d\n" % number * (number % 50))
        os.utime(os.path.join(folder, name), (1_700_000_000, 1_700_000_000 + number))
    for name in NAMES:
        with open(os.path.join(here, name), "wb") as file:
            file.write(name)
        os.link(os.path.join(here, name), os.path.join(here, b"hard " + name))
        os.symlink(name, os.path.join(here, b"soft " + name))
    os.makedirs(os.path.join(here, b"empty", b"-deep"))
    os.chmod(os.path.join(here, b"plain"), 0o640)
    with open(os.path.join(here, b"sparse"), "wb") as file:
        file.seek(SPARSE_BYTES)
        file.write(b"end")


def picture(root: Path) -> dict[bytes, tuple[object, ...]]:
    """Give everything about a tree that a backup keeps: kinds, modes, times, contents, links."""
    here = os.fsencode(root)
    found: dict[bytes, tuple[object, ...]] = {}
    first: dict[int, bytes] = {}
    for folder, folders, files in os.walk(here):
        folders.sort()
        for name in sorted((*folders, *files)):
            path = os.path.join(folder, name)
            inside, about = os.path.relpath(path, here), os.lstat(path)
            kind = stat.filemode(about.st_mode)
            if stat.S_ISLNK(about.st_mode):
                found[inside] = (kind, os.readlink(path))
            elif stat.S_ISDIR(about.st_mode):
                found[inside] = (kind,)
            else:
                with open(path, "rb") as file:
                    content = hashlib.file_digest(file, "sha256").hexdigest()
                same = first.setdefault(about.st_ino, inside)
                found[inside] = (kind, int(about.st_mtime), content, same)
    return found


def blocks(path: Path) -> int:
    """Give how many bytes of the disk a file takes."""
    return path.lstat().st_blocks * 512
