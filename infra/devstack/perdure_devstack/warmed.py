"""Imports what a command of `perdure` needs, waits, and becomes that command when told.

`python -m perdure_devstack.warmed MODULE COMMAND`, with a pipe as standard input: a byte lets it
go, the end of the pipe without one ends it. Most of the time that the api takes to start goes into
imports; this way they happen while the servers start and migrations run.
"""

import importlib
import runpy
import sys


def main() -> None:
    """Import, wait, and be the command."""
    module, command = sys.argv[1:]
    importlib.import_module(module)
    if not sys.stdin.buffer.read(1):
        return
    sys.argv = ["perdure", command]
    runpy.run_module("perdure_cli.main", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
