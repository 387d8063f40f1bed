"""Only the embedded servers, until Ctrl-C: `python -m perdure_devstack` (`make stack`).

Prints one line of JSON with their addresses once they take connections. It works on
PERDURE_DATA_DIR like `perdure up`, and not beside it on the same directory.
"""

import asyncio
import sys
from dataclasses import asdict

import msgspec

from perdure_devstack.directories import Directories, cannot_use
from perdure_devstack.errors import CannotStart
from perdure_devstack.servers import Servers
from perdure_devstack.settings import Settings, from_environment
from perdure_devstack.supervisor import asked_to_stop, until
from perdure_devstack.terminal import say


async def run(settings: Settings) -> None:
    """Start the servers, say where they are, and keep them running until asked to stop."""
    directories = Directories(settings.data_dir)
    servers = Servers(settings, directories)

    async def work() -> None:
        directories.prepare()
        directories.lock()
        urls = await servers.choose()
        await servers.start()
        say(msgspec.json.encode(asdict(urls)).decode())
        async with asyncio.TaskGroup() as group:
            for keeper in servers.keepers:
                group.create_task(keeper.keep())

    try:
        await until(asked_to_stop(), work())
    except OSError as error:
        raise cannot_use(directories.root, error) from error
    finally:
        await servers.stop()


if __name__ == "__main__":
    try:
        asyncio.run(run(from_environment()))
    except CannotStart as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
