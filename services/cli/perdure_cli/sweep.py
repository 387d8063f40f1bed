"""`perdure sweep`: which runs stand still."""

import click

from perdure_cli.stops import WrongUse
from perdure_cli.talking import Talk, talking


@click.command()
@click.option("--dry-run", is_flag=True, help="Only tell which runs would be ended.")
@talking
def sweep(talk: Talk, *, dry_run: bool) -> None:
    """Tell which runs a sweep would end as stuck now; the api sweeps by itself."""
    if not dry_run:
        message = "The api sweeps by itself; use --dry-run to see which runs it would end now."
        raise WrongUse(message)
    page = talk.client.stuck()
    if talk.out.as_json:
        talk.out.value(page)
        return
    if not page.items:
        talk.out.line("No run stands still.")
        return
    talk.out.line(f"A sweep would end these {len(page.items)}:")
    talk.out.columns(
        ["RUN", "NAME", "ATTEMPT", "EXECUTOR", "LAST SIGN", "SILENT (S)", "ALLOWED (S)"],
        [
            (
                found.run,
                found.name,
                found.attempt,
                found.executor,
                f"{found.last_sign} at {found.last_sign_at}",
                found.silent_seconds,
                found.allowed_seconds,
            )
            for found in page.items
        ],
    )
