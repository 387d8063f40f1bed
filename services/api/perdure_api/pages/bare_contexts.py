"""What the pages without a frame are rendered from: login and errors."""

from dataclasses import dataclass

from perdure_api.pages.link_contexts import Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """A page without the frame: login and errors."""

    title: str
    """Title of the window."""
    theme: str = "auto"
    """Colours to use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPage(Bare):
    """How to come in."""

    said: str | None = None
    """Why the last try did not open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage(Bare):
    """What went wrong, and where to go from here."""

    status: int
    """HTTP status."""
    heading: str
    """What happened, in a few words."""
    text: str
    """What to do next."""
    links: tuple[Link, ...]
    """Ways on."""
    request_id: str | None
    """Id that the log of the server shows too."""
