"""Labels that a run needs, in one canonical text: its lane."""


def lane_of(labels: dict[str, str]) -> str:
    """Give the lane of required labels: sorted `key=value` joined by commas; '' for none."""
    if not labels:
        return ""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def serves(executor_labels: dict[str, str], lane: str) -> bool:
    """Tell whether an executor has all labels of a lane."""
    if not lane:
        return True
    return all(
        executor_labels.get(key) == value
        for key, _, value in (part.partition("=") for part in lane.split(","))
    )
