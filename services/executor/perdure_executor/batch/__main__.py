"""Run the driver of one attempt: the argument is its plan."""

import fcntl
import os
import resource
import signal
import sys
import traceback
from pathlib import Path

import msgspec

from perdure_contract.specs import FailureReason
from perdure_executor.batch.driver import Driver, Stopped, Terminated
from perdure_executor.batch.lane import NothingCanRun
from perdure_executor.batch.plan import ITEMS_SUFFIX, Plan

REPORT_FD = 3
FILES_A_LANE = 4
OTHER_FILES = 64


def main(path: str) -> int:
    """Work through the items; give the exit code: 0 when every one has an outcome.

    Why it was not so is told on PERDURE_FD.
    """
    fcntl.fcntl(REPORT_FD, fcntl.F_SETFD, fcntl.FD_CLOEXEC)  # items get one of their own
    plan = msgspec.json.decode(Path(path).read_bytes(), type=Plan)
    _make_room(plan.concurrency)
    try:
        with Path(f"{plan.path}{ITEMS_SUFFIX}").open("rb") as items:
            Driver(plan, items, REPORT_FD).run()
    except Stopped as error:
        return _failed("error", str(error))
    except NothingCanRun as error:
        return _failed(error.reason, str(error))
    except OSError as error:
        return _failed("error", f"The batch could not go on: {error.strerror or error}.")
    except Terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
    except Exception as error:  # noqa: BLE001 - whatever it is, the run must say it
        traceback.print_exc()
        return _failed("error", f"The driver of the batch broke: {type(error).__name__}: {error}")
    return 0


def _make_room(lanes: int) -> None:
    """Let enough files be open, where the usual limit is too low for so many items at a time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = OTHER_FILES + FILES_A_LANE * lanes
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, hard), hard))


def _failed(reason: FailureReason, message: str) -> int:
    line = msgspec.json.encode({"failure": {"reason": reason, "message": message}})
    os.write(REPORT_FD, line + b"\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
