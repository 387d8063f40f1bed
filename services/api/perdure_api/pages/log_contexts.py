"""What the output of an attempt is rendered from."""

from dataclasses import dataclass

from perdure_api.pages.link_contexts import Link
from perdure_contract.objects import LogEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLines:
    """Lines of output by themselves, to be put below or above others."""

    lines: tuple[LogEntry, ...]
    """The lines."""
    line: int | None
    """The one that is marked."""
    line_href: str
    """Address of a line, up to its number."""
    times: bool
    """Whether each line shows its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPane:
    """A window on the output of one attempt."""

    attempt: int
    """Whose output."""
    attempts: tuple[Link, ...]
    """Attempts to choose from."""
    stream: str
    """The one stream that is shown; empty for both."""
    streams: tuple[Link, ...]
    """Both streams, or one."""
    looks: tuple[Link, ...]
    """Wrapped lines, times."""
    lines: tuple[LogEntry, ...]
    """At most 500 entries."""
    short: bool
    """Whether it is the small pane of the summary."""
    still: bool
    """Whether the attempt is over, so that the pane need not keep room for more."""
    tail: bool
    """Whether it ends with the newest line, so that new ones may follow."""
    wrap: bool
    """Whether long lines are wrapped."""
    times: bool
    """Whether each line shows its time."""
    line: int | None
    """The line that the address points at."""
    last: int
    """The last line that was looked at: new ones follow on it."""
    q: str
    """The words that are searched."""
    found_words: str
    """How much the search found."""
    count_words: str
    """How many lines there are."""
    line_href: str
    """Address of a line, up to its number."""
    full_href: str
    """The newest output, without a search."""
    first: int
    """The first line that is shown; 1 when there is none."""
    beginning: bool
    """Whether nothing comes before, although lines may begin later than 1."""
    earlier_href: str
    """The block before."""
    earlier_block: str
    """The lines of the block before, without a page around them."""
    later_href: str | None
    """The block after."""
    download_href: str
    """The whole output as a file."""
    empty_words: str
    """What to say when there is nothing."""
