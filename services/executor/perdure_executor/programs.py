"""Where a program is, and whether it may be started."""

import os
import shutil
from collections.abc import Collection

from perdure_executor.errors import Rejected


def find_program(called: str, places: str, allowed: Collection[str] | None, executor: str) -> str:
    """Give the absolute path of a program, if it may be started.

    Args:
        called: absolute, or a bare name.
        places: PATH on which a bare name is looked for.
        allowed: real paths of the programs that may be started; none means any.
        executor: whose rules these are, for the words.

    Raises:
        Rejected: not found, relative, or not in PERDURE_PROGRAMS.
    """
    if called.startswith("/"):
        program = called
    elif "/" in called:
        message = f"The program {called} is a relative path: give an absolute one, or a bare name."
        raise Rejected(message)
    else:
        found = shutil.which(called, path=places)
        if found is None:
            message = f"The program {called} is not on the PATH of executor {executor}."
            raise Rejected(message)
        program = found
    if allowed is not None and os.path.realpath(program) not in allowed:
        message = f"Executor {executor} may not start {called}: PERDURE_PROGRAMS does not name it."
        raise Rejected(message)
    return program
