"""What the page of queues says of each."""

from msgspec.structs import replace

from perdure_api.pages.queues import queue_words
from perdure_api.projections.overview import Unfit
from perdure_contract.objects import ExecutorView, QueueView

QUEUE = QueueView(
    name="heavy",
    concurrency=None,
    rate_per_minute=None,
    paused=False,
    queued=3,
    running=0,
    version=1,
)
ONE = ExecutorView(
    name="one",
    state="live",
    labels={},
    queues=(),
    slots=4,
    running=0,
    last_seen_at="2026-03-01T14:00:00Z",
    version="1",
)


def test_what_runs_wait_for_is_said_as_it_is() -> None:
    unfit = Unfit(queue="heavy", lane=":rsync=yes,gpu=yes", waiting=3)

    assert queue_words(QUEUE, [ONE], []) == "3 runs wait for an executor with a free slot."
    assert queue_words(QUEUE, [ONE], [unfit]) == (
        "3 runs wait for an executor that has gpu=yes and rsync."
    )
    assert "3 runs wait, 1 of them for" in queue_words(QUEUE, [ONE], [replace(unfit, waiting=1)])
    assert queue_words(replace(QUEUE, rate_per_minute=30), [ONE], []).endswith(
        "at most 30 start a minute."
    )


def test_a_queue_that_no_live_executor_serves_says_so() -> None:
    words = "3 runs wait, and no live executor serves it."

    assert queue_words(QUEUE, [], []) == words
    assert queue_words(QUEUE, [replace(ONE, queues=("light",))], []) == words
    assert queue_words(QUEUE, [replace(ONE, state="draining")], []) == words
