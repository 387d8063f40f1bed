"""`perdure login` and `perdure token`: who may come in."""

import click

from perdure_cli.quantities import MOMENT
from perdure_cli.talking import Talk, talking


@click.command()
@talking
def login(talk: Talk) -> None:
    """Print a link that opens the dashboard once, within ten minutes."""
    link = talk.client.login_link()
    if talk.out.as_json:
        talk.out.value(link)
    else:
        talk.out.line(link.url)


@click.group()
def token() -> None:
    """Issue, list and revoke API tokens."""


@token.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["viewer", "operator", "author", "admin"]),
    default="operator",
    show_default=True,
)
@click.option("--expires", "expires_at", type=MOMENT, help="When it stops opening: +30d, or a time.")
@talking
def create(talk: Talk, *, name: str, role: str, expires_at: str | None) -> None:
    """Issue a token and print its secret, the only time it is shown."""
    issued = talk.client.issue_token(name, role, expires_at=expires_at)
    if talk.out.as_json:
        talk.out.value(issued)
    else:
        talk.out.line(issued.token)
        talk.out.note(f"Token {issued.id} ({issued.role}). Keep it: it is not shown again.")


@token.command("list")
@talking
def list_tokens(talk: Talk) -> None:
    """List the tokens, without their secrets."""
    page = talk.client.tokens()
    if talk.out.as_json:
        talk.out.value(page)
        return
    talk.out.columns(
        ["TOKEN", "ROLE", "CREATED", "EXPIRES", "REVOKED", "NAME"],
        [(t.id, t.role, t.created_at, t.expires_at, t.revoked_at, t.name) for t in page.items],
    )


@token.command()
@click.argument("token_id", metavar="TOKEN")
@click.option("--reason", help="Why; it stands in the events.")
@talking
def revoke(talk: Talk, *, token_id: str, reason: str | None) -> None:
    """Let a token open nothing any more."""
    revoked = talk.client.revoke_token(token_id, reason=reason)
    if talk.out.as_json:
        talk.out.value(revoked)
    else:
        talk.out.line(f"Token {revoked.id} is revoked.")
