"""Bring third-party browser files into the repository, byte for byte, and check that they are whole.

    python infra/vendor_static.py check     recompute the hashes of what is committed (offline)
    python infra/vendor_static.py fetch     get the packages by npm, verify them, write files and hashes

The lock is `VENDORED.toml` beside the files: what `fetch` writes must match the package's integrity
there, so a new version is a change of that file that people see and read.
"""

import base64
import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = (
    ROOT / "web/perdure_web/static/vendor/VENDORED.toml",
    ROOT / "tests/support/vendor/VENDORED.toml",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VendoredFile:
    """A file of a package (`source`), where it lies here (`path`), and its hash once written."""

    source: str
    path: str
    sha384: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One npm package as the lock describes it; `icons` are drawn into one sprite."""

    name: str
    version: str
    integrity: str
    licence: str
    files: tuple[VendoredFile, ...]
    icons: tuple[str, ...]


def read_lock(lock: Path) -> list[Package]:
    """Read a `VENDORED.toml`."""
    packages = tomllib.loads(lock.read_text())["package"]
    return [
        Package(
            name=entry["name"],
            version=entry["version"],
            integrity=entry["integrity"],
            licence=entry["licence"],
            files=tuple(VendoredFile(**file) for file in entry["files"]),
            icons=tuple(entry.get("icons", ())),
        )
        for entry in packages
    ]


def sha384(data: bytes) -> str:
    """Give a hash in the form of an `integrity` attribute."""
    return "sha384-" + base64.b64encode(hashlib.sha384(data).digest()).decode()


def check(lock: Path) -> list[str]:
    """Say what is wrong with the committed files; nothing when they are whole."""
    wrong = []
    for package in read_lock(lock):
        for file in package.files:
            path = lock.parent / file.path
            if not path.is_file():
                wrong.append(f"{file.path}: missing")
            elif sha384(path.read_bytes()) != file.sha384:
                wrong.append(
                    f"{file.path}: its bytes are not those of {package.name}@{package.version}"
                )
    return wrong


def fetch(lock: Path) -> None:
    """Get every package of a lock, verify it, and write its files and their hashes."""
    text = lock.read_text()
    for package in read_lock(lock):
        members = download(package)
        for file in package.files:
            data = sprite(package, members) if file.source == "icons" else members[file.source]
            path = lock.parent / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            text = re.sub(
                rf'(path = "{re.escape(file.path)}", )sha384 = "[^"]*", bytes = \d+',
                rf'\1sha384 = "{sha384(data)}", bytes = {len(data)}',
                text,
            )
    lock.write_text(text)


def download(package: Package) -> dict[str, bytes]:
    """Get a package by npm and give its files; refuse bytes that are not the locked ones."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["npm", "pack", "--silent", f"{package.name}@{package.version}"],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (archive,) = Path(folder).glob("*.tgz")
        data = archive.read_bytes()
        found = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
        if found != package.integrity:
            raise SystemExit(
                f"{package.name}@{package.version}: {found} is not {package.integrity}"
            )
        with tarfile.open(archive) as tar:
            return {
                member.name.removeprefix("package/"): content.read()
                for member in tar.getmembers()
                if member.isfile() and (content := tar.extractfile(member))
            }


def sprite(package: Package, members: dict[str, bytes]) -> bytes:
    """Draw the chosen icons into one SVG of symbols, in the order of the lock."""
    symbols = []
    for icon in package.icons:
        shapes = re.search(
            r"<svg[^>]*>(.*)</svg>", members[f"icons/{icon}.svg"].decode(), re.DOTALL
        )
        if shapes is None:
            raise SystemExit(f"{package.name} has no shapes in {icon}")
        inner = re.sub(r"\s*\n\s*", "", shapes[1])
        symbols.append(f'<symbol id="{icon}" viewBox="0 0 24 24">{inner}</symbol>')
    head = f"<!-- {package.name} {package.version}, {package.licence} -->"
    body = "\n".join(symbols)
    return f'{head}\n<svg xmlns="http://www.w3.org/2000/svg">\n{body}\n</svg>\n'.encode()


def main(words: list[str]) -> int:
    """Run `check` or `fetch`; exit code 1 when a file is not whole."""
    if words == ["fetch"]:
        for lock in LOCKS:
            fetch(lock)
    elif words != ["check"]:
        print(__doc__)
        return 2
    wrong = [line for lock in LOCKS for line in check(lock)]
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
