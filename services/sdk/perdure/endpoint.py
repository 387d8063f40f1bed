"""Finds the server to speak to: what one says, the environment, the data directory."""

import os
from pathlib import Path

import msgspec

from perdure.errors import NoServer

DEFAULT_DATA_DIRECTORY = ".perdure"


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach a running system."""

    url: str
    token: str = ""


class EndpointFile(msgspec.Struct, frozen=True, kw_only=True):
    """What `<data dir>/endpoint.json` tells while a system runs."""

    url: str
    admin_token: str
    login_url: str = ""
    database_url: str = ""
    nats_url: str = ""
    pids: dict[str, int | None] = {}
    """By name; null for a server of one's own, and for what is being started again."""


def find_endpoint(url: str | None = None, token: str | None = None) -> Endpoint:
    """Find address and token: the arguments, else the environment, else the data directory.

    A token is only taken from the place that named the address, or said on its own: a token of
    one system is never sent to another.

    Raises:
        NoServer: when nothing names an address.
    """
    url = url or os.environ.get("PERDURE_URL")
    token = token or os.environ.get("PERDURE_TOKEN")
    if url:
        return Endpoint(url=url.rstrip("/"), token=token or "")
    kept = read_endpoint_file()
    return Endpoint(url=kept.url.rstrip("/"), token=token or kept.admin_token)


def read_endpoint_file() -> EndpointFile:
    """Read what the system that runs on the data directory (PERDURE_DATA_DIR) says of itself.

    Raises:
        NoServer: when nothing runs there, or the file cannot be read.
    """
    directory = Path(os.environ.get("PERDURE_DATA_DIR") or DEFAULT_DATA_DIRECTORY)
    path = directory / "endpoint.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=EndpointFile)
    except FileNotFoundError as error:
        message = (
            f"No running Perdure found: there is no {path}. "
            "Start one with `make run`, or set PERDURE_URL and PERDURE_TOKEN."
        )
        raise NoServer(message) from error
    except (OSError, msgspec.DecodeError) as error:
        message = f"Cannot read {path} ({error}): set PERDURE_URL and PERDURE_TOKEN instead."
        raise NoServer(message) from error
