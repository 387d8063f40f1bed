"""The `perdure` command: one table of everything it can do."""

from typing import Final

import click

from perdure_cli.lazy import Lazy, LazyGroup

COMMANDS: Final = {
    "up": Lazy("perdure_cli.up:up", "Start everything on this machine, servers included."),
    "run": Lazy("perdure_cli.runs:run", "Submit, list, show, follow and steer runs."),
    "rsync": Lazy("perdure_cli.rsync:rsync", "Preview and run backups with rsync."),
    "host": Lazy("perdure_cli.hosts:host", "Save the hosts that backups name."),
    "job": Lazy("perdure_cli.jobs:job", "Save, run and check jobs."),
    "schedule": Lazy("perdure_cli.schedules:schedule", "Have jobs run by the clock."),
    "queue": Lazy("perdure_cli.queues:queue", "List, limit, pause and resume queues."),
    "executors": Lazy("perdure_cli.executors:executors", "List and drain executors."),
    "events": Lazy("perdure_cli.events:events", "Read the event log."),
    "sweep": Lazy("perdure_cli.sweep:sweep", "Tell which runs stand still."),
    "login": Lazy("perdure_cli.access:login", "Print a one-time link to the dashboard."),
    "token": Lazy("perdure_cli.access:token", "Issue, list and revoke API tokens."),
    "projections": Lazy("perdure_cli.projections:projections", "List, rebuild, verify the views."),
    "audit": Lazy("perdure_cli.audit:audit", "Verify the chain over all events."),
    "bench": Lazy("perdure_cli.bench.command:bench", "Measure speed on this machine."),
    "demo": Lazy("perdure_cli.demo:demo", "Run one of each kind of work and watch it."),
    "api": Lazy("perdure_cli.api:api", "Start one api process."),
    "executor": Lazy("perdure_cli.executor:executor", "Start one executor on this machine."),
    "migrate": Lazy("perdure_cli.migrate:migrate", "Bring the database to this version."),
}

HELP: Final = """Perdure runs jobs that last.

`perdure up` starts everything; the commands below it speak to the system that
runs on this data directory, or to the one that --url or PERDURE_URL names.

Exit codes: 0 done, 1 the run failed, 2 wrong use or cannot start, 3 cannot
reach the server.
"""

root = click.version_option(package_name="perdure", prog_name="perdure")(
    LazyGroup(lazy=COMMANDS, name="perdure", help=HELP)
)


def main() -> None:
    """Run the command line; ends the process with one of the documented exit codes."""
    root(prog_name="perdure")


if __name__ == "__main__":
    main()
