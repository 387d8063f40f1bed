"""The note in the data directory that always holds an unused login link."""

import contextlib
import os
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg

from perdure_api.security.links import PATH, issue_login_link, stays_usable
from perdure_runtime import logs

log = logs.get(__name__)

LOOK_SECONDS: Final = 5.0
USABLE_FOR: Final = timedelta(minutes=1)
"""A link that ends sooner is replaced, so that whoever reads the note has time to open it."""


class LinkNote:
    """Keeps `<data dir>/login_url`, readable by its owner only."""

    def __init__(self, pool: asyncpg.Pool, data_dir: Path, base_url: str) -> None:
        self._pool = pool
        self._path = data_dir / "login_url"
        self._base_url = base_url
        self._secret = ""

    async def tick(self) -> float:
        """Replace a link that was used, by whichever process, or is about to end."""
        if not self._secret or not await stays_usable(
            self._pool, self._secret, longer_than=USABLE_FOR
        ):
            await self.replace()
        return LOOK_SECONDS

    async def replace(self) -> None:
        """Put a new link in place."""
        url = await issue_login_link(self._pool, base_url=self._base_url)
        self._secret = url.partition(PATH)[2]
        try:
            write_private(self._path, f"{url}\n")
        except OSError as error:
            log.warning("login link could not be noted", error=error.strerror)

    def remove(self) -> None:
        """Take the note away unless another process has put its own there."""
        with contextlib.suppress(OSError):
            if self._secret and self._secret in self._path.read_text():
                self._path.unlink()


def write_private(path: Path, text: str) -> None:
    """Put a file in place in one step, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)
