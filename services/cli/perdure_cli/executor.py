"""`perdure executor`: the process that runs attempts."""

import click

from perdure_executor.bootstrap import main as serve


@click.command()
def executor() -> None:
    """Start one executor on this machine.

    It needs PERDURE_NATS_URL and nothing else; PERDURE_EXECUTOR_NAME, PERDURE_EXECUTOR_SLOTS,
    PERDURE_EXECUTOR_LABELS and PERDURE_EXECUTOR_QUEUES say who it is and what it takes.
    """
    serve()
