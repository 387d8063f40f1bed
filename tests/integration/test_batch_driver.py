"""What the driver of a batch does with items, failures, retries and its own end: real processes."""

import os
import signal
import uuid
from collections import Counter
from pathlib import Path

import pytest

from perdure_contract.specs import Retry
from perdure_contract.wire import ItemToDo
from perdure_executor.batch.plan import Programs
from tests.support.driven import RUN, Driven, numbers
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def driven(tmp_path: Path) -> Driven:
    return Driven(tmp_path)


def test_every_item_gets_its_outcome_and_what_it_prints_is_the_log(driven: Driven) -> None:
    script = """
    case $1 in
      2) exit 3;;
      3) kill -SEGV $$;;
      4) echo '{"outcome": "skipped", "message": "is there"}' >&3;;
      5) printf '{"outcome": "filtered"}' >&3;;
      6) echo '{"outcome": "skipped"}' >&3; exit 4;;
      7) echo '{"metrics": {"cost": 2}, "progress": {"done": 1}}' >&3;;
    esac
    echo "item $1"
    """
    found = driven.run(numbers(7), script, concurrency=3)

    assert driven.wait() == 0
    assert {n: (mark.outcome, mark.error) for n, mark in found.items()} == {
        1: ("done", None),
        2: ("failed", "exit code 3"),
        3: ("failed", "signal SIGSEGV"),
        4: ("skipped", "is there"),
        5: ("filtered", None),
        6: ("failed", "exit code 4"),
        7: ("done", None),
    }
    assert sorted(driven.printed().splitlines()) == ["item 1", "item 4", "item 5", "item 7"]
    said = driven.said()
    assert {"metrics": {"cost": 2}} in said
    assert said[-1] == {"progress": {"done": 7, "total": 7, "unit": "items"}}
    assert {"progress": {"done": 1}} not in said, "an item's own progress is not that of the run"


def test_fields_are_whole_arguments_and_never_seen_by_a_shell(driven: Driven) -> None:
    each = Programs(
        argv=("printf", "<%s>", "{name}", "{n}", "{size}", "-{name}", "{{name}}"),
        program="/usr/bin/printf",
        stdin="/dev/null",
        places="",
        allowed=None,
    )
    item = ItemToDo(1, "a", {"name": "$(touch x); *\n", "size": 1.5})
    driven.run([item], each=each)

    assert driven.printed() == "<$(touch x); *\n><1><1.5><-{name}><{name}>"


def test_each_item_has_a_key_of_its_own_that_never_changes(driven: Driven) -> None:
    driven.run([ItemToDo(1, "alpha", 1)], "echo $PERDURE_IDEMPOTENCY_KEY $PERDURE_FD")

    assert driven.printed().split() == [str(uuid.uuid5(uuid.UUID(RUN), "alpha")), "3"]


def test_the_program_may_come_from_the_item_if_it_is_allowed(driven: Driven) -> None:
    each = Programs(
        argv=("{item}", "hello"),
        program=None,
        stdin="/dev/null",
        places=os.environ["PATH"],
        allowed=(os.path.realpath("/bin/echo"),),
    )
    programs = ["echo", "/bin/sh", "./echo", "no-such-program"]
    items = [ItemToDo(n, str(n), program) for n, program in enumerate(programs, 1)]
    found = driven.run(items, each=each)

    assert [mark.outcome for mark in found.values()] == ["done", "failed", "failed", "failed"]
    assert driven.printed() == "hello\n"


def test_an_item_that_cannot_be_bound_or_started_fails_alone(driven: Driven) -> None:
    each = Programs(
        argv=("echo", "{a}"), program="/bin/echo", stdin="/dev/null", places="", allowed=None
    )
    rows: list[object] = [{"a": 1}, {"b": 1}, {"a": "nul\0"}, {"a": "x" * 200_000}, {"a": 2}]
    found = driven.run([ItemToDo(n, str(n), row) for n, row in enumerate(rows, 1)], each=each)

    outcomes = [found[n].outcome for n in range(1, 6)]
    assert outcomes == ["done", "failed", "failed", "failed", "done"]
    assert found[2].error == "The item has no field a."


def test_a_failed_item_is_tried_again_while_others_go_on(driven: Driven) -> None:
    script = """
    echo $1 >>$MARKED
    if [ $1 = 1 ]; then [ "$(grep -cx 1 $MARKED)" = 3 ] || exit 5; fi
    if [ $1 = 2 ]; then exit 9; fi
    """
    retry = Retry(max_attempts=3, initial_seconds=0.2, jitter=0, not_exit_codes=(9,))
    found = driven.run(numbers(4), script, retry=retry)

    assert [(found[n].outcome, found[n].tries) for n in range(1, 5)] == [
        ("done", 3),
        ("failed", 1),
        ("done", 1),
        ("done", 1),
    ]
    assert driven.marked.read_text().split() == ["1", "2", "3", "4", "1", "1"]


def test_after_so_many_failures_no_more_is_begun(driven: Driven) -> None:
    found = driven.run(numbers(9), "exit $(($1 % 2))", stop_after_failures=2)

    assert driven.wait() == 1
    assert sorted(found) == [1, 2, 3]
    assert "2 failed items" in driven.failure()
    assert "item 3: exit code 1." in driven.failure()


def test_when_the_last_item_is_the_last_allowed_failure_nothing_was_stopped(
    driven: Driven,
) -> None:
    driven.run(numbers(3), "exit 1", stop_after_failures=3)

    assert driven.wait() == 0


def test_what_was_begun_in_too_many_lost_attempts_is_passed_over(driven: Driven) -> None:
    items = [*numbers(1), *numbers(1, first=2, begun=3), *numbers(1, first=3, begun=2)]
    found = driven.run(items, "echo $1")

    assert found[2].outcome == "failed"
    assert (found[2].tries, found[2].error) == (
        0,
        "begun in 3 attempts that were lost or timed out",
    )
    assert driven.printed().split() == ["1", "3"]


def test_without_anything_to_do_it_is_done(driven: Driven) -> None:
    assert driven.run([], "exit 1", done=5) == {}
    assert driven.wait() == 0
    assert driven.said() == [{"progress": {"done": 5, "total": 5, "unit": "items"}}]


def test_a_killed_driver_leaves_what_it_did_and_what_it_had_begun(
    driven: Driven, tmp_path: Path
) -> None:
    script = "echo $1 >>$MARKED; [ $1 -le 6 ] || exec sleep 600"
    driven.start(numbers(9), script, concurrency=2)
    eventually(lambda: len(driven.marked.read_text().split()) == 8, what="two items hang")
    assert driven.process is not None
    driven.process.kill()
    driven.wait()

    assert sorted(driven.outcomes()) == [1, 2, 3, 4, 5, 6]
    begun = {mark.ordinal for mark in driven.marks()} - set(driven.outcomes())
    assert begun == {7, 8}

    again = Driven(tmp_path, attempt=2)
    again.run(numbers(3, first=7, begun=1), "echo $1 >>$MARKED", done=6)
    assert again.wait() == 0
    assert sorted(again.outcomes()) == [7, 8, 9]
    assert Counter(driven.marked.read_text().split()) == Counter([*"123456", *"7788", "9"])


def test_on_term_it_waits_for_what_runs_and_begins_nothing(driven: Driven) -> None:
    script = """
    trap 'ended=1' TERM
    echo $1 >>$MARKED
    while [ -z "$ended" ]; do sleep 0.02; done
    [ $1 = 2 ]
    """
    driven.start(numbers(9), script, concurrency=2)
    eventually(lambda: len(driven.marked.read_text().split()) == 2, what="two items run")
    driven.terminate()

    assert driven.wait() == -signal.SIGTERM
    assert {n: mark.outcome for n, mark in driven.outcomes().items()} == {2: "done"}
    assert driven.marked.read_text().split() in (["1", "2"], ["2", "1"])


def test_a_driver_that_cannot_write_its_journal_says_so(driven: Driven) -> None:
    Path(f"{driven.path}.done").symlink_to("/dev/full")
    driven.start(numbers(3), "true")

    assert driven.wait() == 1
    assert "No space left" in driven.failure()
