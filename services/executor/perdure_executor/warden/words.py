"""How it is said to people that a program did not start, or what ended it."""

import errno
import os
import signal

from perdure_executor.warden.order import Order


def signal_name(number: int) -> str:
    """Give the name of a signal, like `SIGSEGV`."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def why_not_started(error: OSError | ValueError, order: Order) -> str:
    """Say in a sentence why the program could not be started, and what to do."""
    program = order.program
    if isinstance(error, ValueError):
        return f"{program} cannot be started: {error}."
    if not os.path.isdir(order.cwd):
        return f"The working directory {order.cwd} does not exist on this executor."
    if error.errno == errno.ENOENT and not os.path.exists(program):
        return f"The program {program} does not exist on this executor."
    if error.errno == errno.ENOENT:
        return (
            f"The program {program} needs an interpreter that does not exist: see its first line."
        )
    if error.errno == errno.EACCES:
        return f"{program} or its working directory may not be used: is the program executable?"
    if error.errno == errno.ENOEXEC:
        return f"{program} is not a program: a script needs a first line like #!/bin/sh."
    if error.errno == errno.E2BIG:
        return f"{program} cannot be started: arguments and environment are too long together."
    return f"{program} cannot be started: {error.strerror}."
