"""What a person and a program need to get in: a login link and the admin token."""

import asyncio
from pathlib import Path
from typing import Final

from perdure_devstack.address import Address
from perdure_devstack.directories import Directories, write_private
from perdure_devstack.endpoint import read_login_url
from perdure_devstack.program import Program

LINK_SECONDS: Final = 3.0


async def admin_token(program: Program, address: Address, database_url: str) -> str:
    """Give the token kept in the data directory, or a new one where this database knows it not."""
    kept = program.directories.servers / "admin_token"
    token = kept.read_text().strip() if kept.exists() else ""
    if not await address.takes(token):
        token = await issue_admin_token(program, database_url)
        write_private(kept, f"{token}\n".encode())
    return token


async def issue_admin_token(program: Program, database_url: str) -> str:
    """Have a token made that may do everything."""
    words = ("token", "create", "--name", "admin", "--role", "admin")
    return await program.ask(*words, key="token", PERDURE_DATABASE_URL=database_url)


async def first_login_link(program: Program, address: Address, database_url: str) -> str:
    """Give the unused login link that the api wrote at its start, else have one made."""
    deadline = asyncio.get_running_loop().time() + LINK_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        if link := read_login_url(login_note(program.directories)):
            return link
        await asyncio.sleep(0.05)
    return await program.ask(
        "login",
        key="login_url",
        PERDURE_DATABASE_URL=database_url,
        PERDURE_HOST=address.host,
        PERDURE_PORT=str(address.port),
    )


def login_note(directories: Directories) -> Path:
    """The file in which the api keeps one unused login link."""
    return directories.root / "login_url"
