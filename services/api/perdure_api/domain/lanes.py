"""What a run needs of an executor, labels and programs, in one canonical text: its lane."""

from collections.abc import Iterable

HAS = "yes"


def lane_of(labels: dict[str, str], programs: Iterable[str] = ()) -> str:
    """Give the lane of what is required: sorted `key=value` joined by commas; '' for nothing."""
    needed = offered(labels, programs)
    if not needed:
        return ""
    return ",".join(f"{key}={value}" for key, value in sorted(needed.items()))


def offered(labels: dict[str, str], programs: Iterable[str]) -> dict[str, str]:
    """Give labels and programs as one; no label that people write begins with a colon."""
    return labels | {f":{program}": HAS for program in programs}


def serves(executor_labels: dict[str, str], lane: str) -> bool:
    """Tell whether an executor has all that a lane asks for."""
    if not lane:
        return True
    return all(
        executor_labels.get(key) == value
        for key, _, value in (part.partition("=") for part in lane.split(","))
    )


def words_of(lane: str) -> str:
    """Say what a lane asks for, as people name it: `gpu=yes and rsync`."""
    parts = lane.split(",") if lane else []
    named = [p[1:].rpartition("=")[0] if p.startswith(":") else p for p in parts]
    return " and ".join(sorted(named))
