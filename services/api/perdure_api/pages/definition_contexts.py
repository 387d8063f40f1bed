"""What a run is asked to do, and what it brought."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What was asked for, exactly."""

    title: str
    """What kind of thing is executed."""
    argv: tuple[str, ...] | None
    """Program and arguments, or a call, or none for a script."""
    hint: str
    """How these are to be read."""
    items: tuple[tuple[str, str], ...]
    """Of a batch: what is known of its items and of how they are gone through."""
    script: str | None
    """The script, when it is still kept."""
    script_bytes: int
    """Size of the script."""
    script_sha256: str
    """Hash of the script."""
    rules: tuple[tuple[str, str], ...]
    """Retries and limits, name and words."""
    env_names: tuple[str, ...]
    """Names of the environment's variables."""
    json: str
    """The request, without the values of the environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultShown:
    """What a run brought."""

    text: str | None
    """The value over several lines; none when it is too large for a page."""
    bytes: int
    """Its size."""
    href: str
    """The value as a file."""
