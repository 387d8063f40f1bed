"""Where the api listens, and one small question to it."""

import asyncio
import socket
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from perdure_devstack.chosen import free_port, is_free
from perdure_devstack.errors import CannotStart

ANSWER_SECONDS: Final = 5.0
ANY_ADDRESS: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up


@dataclass(frozen=True, slots=True)
class Address:
    """Host and port of the api."""

    host: str
    port: int

    @classmethod
    def settle(cls, host: str, port: int) -> "Address":
        """Choose the port where it is 0, and see that nobody has it.

        Raises:
            CannotStart: when the host is none of this machine or the port is taken.
        """
        try:
            if port == 0:
                port = free_port()
            free = is_free(host, port)
        except PermissionError as error:
            message = f"PERDURE_PORT {port} needs rights this user has not: choose one over 1023."
            raise CannotStart(message) from error
        except (socket.gaierror, OSError) as error:
            message = f"PERDURE_HOST {host!r} is no address of this machine ({error.strerror})."
            raise CannotStart(message) from error
        if not free:
            message = f"Port {port} of {host} is taken: stop what uses it, or set PERDURE_PORT."
            raise CannotStart(message)
        return cls(host, port)

    @property
    def local_host(self) -> str:
        """The host by which this machine reaches it."""
        return ANY_ADDRESS.get(self.host, self.host)

    @property
    def url(self) -> str:
        """The address for a browser on this machine."""
        host = f"[{self.local_host}]" if ":" in self.local_host else self.local_host
        return f"http://{host}:{self.port}"

    async def get(self, path: str, token: str = "") -> int | None:
        """Ask for a path and give the status, None when nobody answers."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._get(path, token)
        except (OSError, ValueError, IndexError):
            return None

    async def is_ready(self) -> bool:
        """Tell whether the api is ready to take requests."""
        return await self.get("/readyz") == HTTPStatus.OK

    async def is_alive(self) -> bool:
        """Tell whether the api answers at all."""
        return await self.get("/healthz") == HTTPStatus.OK

    async def takes(self, token: str) -> bool:
        """Tell whether the api takes this token."""
        return bool(token) and await self.get("/api/runs?limit=1", token) == HTTPStatus.OK

    async def _get(self, path: str, token: str) -> int:
        reader, writer = await asyncio.open_connection(self.local_host, self.port)
        try:
            lines = [
                f"GET {path} HTTP/1.1",
                f"Host: {self.url.removeprefix('http://')}",
                "Connection: close",
                *([f"Authorization: Bearer {token}"] if token else []),
            ]
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            return int((await reader.readline()).split()[1])
        finally:
            writer.close()
