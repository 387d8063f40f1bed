"""The list of runs: what it offers to look at."""

from collections import Counter

from perdure_api.pages.run_list_contexts import RunFilter
from perdure_api.pages.runs import filter_values, pills_of
from perdure_contract.objects import State


def chosen(state: str) -> list[str]:
    counts: Counter[State] = Counter({"failed": 4, "completed": 1})
    return [
        pill.label
        for pill in pills_of(filter_values(RunFilter(state=state)), counts)
        if pill.chosen
    ]


def test_every_state_that_is_shown_is_marked() -> None:
    assert chosen("") == ["All"]
    assert chosen("failed") == ["Failed"]
    assert chosen("failed,partial") == ["Failed", "Partial"]
