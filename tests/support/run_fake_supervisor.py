"""`perdure up` over the stand-in program: what the supervisor does, without the services."""

import asyncio
import sys
from pathlib import Path

from perdure_devstack.errors import CannotStart
from perdure_devstack.settings import from_environment
from perdure_devstack.supervisor import Supervisor

FAKE = (sys.executable, str(Path(__file__).with_name("fake_perdure.py")))

if __name__ == "__main__":
    try:
        asyncio.run(Supervisor(from_environment(), FAKE).run())
    except CannotStart as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
