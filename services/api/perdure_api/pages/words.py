"""Numbers, times and states in words, as people read them."""

from datetime import UTC, datetime
from typing import Final

from perdure_contract.facts import Failure, Json
from perdure_contract.objects import ItemCountsView, State

ICON_OF_STATE: Final[dict[str, str]] = {
    "scheduled": "calendar-clock",
    "waiting": "link",
    "queued": "list-start",
    "running": "loader-circle",
    "retrying": "rotate-cw",
    "paused": "pause",
    "cancelling": "circle-dashed",
    "completed": "circle-check",
    "partial": "contrast",
    "failed": "circle-x",
    "cancelled": "ban",
    "lost": "unplug",
    "released": "hand",
    "fenced": "flag",
    "timeout": "timer-off",
    "stuck": "timer-off",
    "live": "circle-check",
    "draining": "pause",
    "left": "log-out",
    "planned": "clock",
    "pending": "list-start",
    "done": "circle-check",
    "filtered": "ban",
    "missed": "timer-off",
    "skipped": "skip-forward",
}
"""The shape of each state of a run, an attempt, an item or an executor: told apart without colour."""

STATES: Final[tuple[State, ...]] = (
    "running",
    "queued",
    "scheduled",
    "retrying",
    "paused",
    "cancelling",
    "failed",
    "partial",
    "completed",
    "cancelled",
)
"""States in the order in which the list offers them."""

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86400
TWO_PARTS: Final = 10
"""Below so many seconds a duration is given with a decimal."""
KILO: Final = 1000
HUGE: Final = 1e15


def moment(time: str | datetime) -> datetime:
    """Read an RFC 3339 time."""
    return time if isinstance(time, datetime) else datetime.fromisoformat(time)


def iso(time: str | datetime) -> str:
    """Give a time for a `datetime` attribute."""
    return moment(time).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def absolute(time: str | datetime) -> str:
    """Give a time in full, like `2026-03-01 14:02:11 UTC`."""
    return moment(time).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(time: str | datetime) -> str:
    """Give the time of day, like `14:02:11`."""
    return moment(time).astimezone(UTC).strftime("%H:%M:%S")


def relative(time: str | datetime, now: datetime) -> str:
    """Give a time as its distance from now, like `3 min ago` or `in 42 s`."""
    seconds = (now - moment(time)).total_seconds()
    if 0 <= seconds < 1:
        return "now"
    return f"{rough(seconds)} ago" if seconds > 0 else f"in {rough(1 - seconds)}"


def rough(seconds: float) -> str:
    """Give a duration in its largest unit: `42 s`, `3 min`, `5 h`, `2 days`."""
    if seconds < MINUTE:
        return f"{int(seconds)} s"
    if seconds < HOUR:
        return f"{int(seconds / MINUTE)} min"
    if seconds < DAY:
        return f"{int(seconds / HOUR)} h"
    return counted(int(seconds / DAY), "day")


def duration(seconds: float | None) -> str:
    """Give a duration in two units, like `4 min 12 s`; short ones with a decimal."""
    if seconds is None:
        return "no limit"
    if 0 < seconds < 1:
        return f"{seconds * KILO:.0f} ms"
    if seconds < TWO_PARTS:
        return f"{seconds:.1f}".rstrip("0").rstrip(".") + " s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return _pair(whole, MINUTE, "min", 1, "s")
    if whole < DAY:
        return _pair(whole, HOUR, "h", MINUTE, "min")
    return _pair(whole, DAY, "d", HOUR, "h")


def _pair(whole: int, large: int, large_word: str, small: int, small_word: str) -> str:
    first, rest = divmod(whole, large)
    second = rest // small
    return f"{first} {large_word} {second} {small_word}" if second else f"{first} {large_word}"


def size(count: int | None) -> str:
    """Give a number of bytes, like `1.2 GB` (powers of 1,000)."""
    if count is None:
        return "no limit"
    if count < KILO:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= KILO
        if value < KILO:
            return f"{value:.1f}".removesuffix(".0") + f" {unit}"
    return f"{value:.0f} TB"


def number(value: float) -> str:
    """Give a number with thin groups of three, without a useless `.0`."""
    text = f"{value:,.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:,.0f}"
    return text.replace(",", "\N{NO-BREAK SPACE}")


def plain(value: Json) -> Json:
    """Give a JSON value whose whole numbers have no `.0`."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def figure(value: float) -> str:
    """Give a measured number: small ones keep four digits that count, huge ones have a power of ten."""
    if value and (abs(value) < 1 or abs(value) >= HUGE):
        return f"{value:.4g}"
    return number(value)


def counted(count: int, one: str, many: str | None = None) -> str:
    """Give a count with its noun: `1 run`, `2 runs`."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def items_words(counts: ItemCountsView) -> str:
    """Say in short how far a batch is: `228/313 · 11 failed`."""
    words = f"{number(counts.total - counts.pending)}/{number(counts.total)}"
    return f"{words} · {number(counts.failed)} failed" if counts.failed else words


def percent(fraction: float) -> str:
    """Give a fraction in whole percent; never 100 % before the end."""
    return f"{min(99, int(fraction * 100)) if fraction < 1 else 100} %"


def share(part: int, whole: int) -> str:
    """Give a part of something in percent, always with one decimal; never 100.0 before all of it."""
    tenths = min(round(part / whole * 1000), 999 if part < whole else 1000)
    return f"{tenths // 10}.{tenths % 10}"


def short_id(run: str) -> str:
    """Give the last six characters of an id: what people call a run by."""
    return run[-6:]


def eta(seconds: float) -> str:
    """Give the time left as a range: a single number would promise what nobody knows."""
    if seconds < TWO_PARTS:
        return "a few seconds left"
    low, high = seconds * 0.85, seconds * 1.2
    if high < 2 * MINUTE:
        return f"{round(low / 5) * 5}–{-(-high // 5) * 5:.0f} s left"
    unit, word = (MINUTE, "min") if high < 2 * HOUR else (HOUR, "h")
    first, last = int(low / unit), -int(-high // unit)
    return f"about {last} {word} left" if first == last else f"{max(first, 1)}–{last} {word} left"


def failure_words(failure: Failure) -> str:
    """Say in a few words why an attempt or run failed."""
    match failure.reason:
        case "exit":
            return f"Exit code {failure.exit_code}"
        case "signal":
            return f"Ended by {failure.signal or 'a signal'}"
        case "timeout":
            return "Took longer than its time limit"
        case "stuck":
            return "Showed no sign of life for too long"
        case "lost":
            return "Its executor was lost"
        case "rejected":
            return "Could not be started"
        case "declared":
            return "Declared failed by hand"
        case "error":
            return "Raised an error"
