"""Which reports of an executor count, which were heard before, which are refused; what follows."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from perdure_api.domain.run import Run, state_at
from perdure_api.domain.run_reports import hear
from perdure_contract import facts, wire
from perdure_contract.specs import BlobRef, Retry
from tests.support.given import (
    NOW,
    PATIENT,
    RUN,
    WORKS_ON,
    after,
    attempt_failed,
    attempt_lost,
    attempt_of,
    attempt_released,
    cancel_requested,
    cancelled,
    checkpointed,
    completed,
    ended,
    failure,
    given,
    log_chunk,
    names,
    progress,
    queued,
    requested,
    restarted,
    retry_scheduled,
    run_failed,
    started,
)


def running(**fields: object) -> Run:
    return given(requested(**fields), started())


def cancelling() -> Run:
    return given(requested(), started(), cancel_requested(reason="enough"))


# --- how an attempt ends ----------------------------------------------------------------------


def test_completed_ends_the_run_with_its_result_and_metrics() -> None:
    run = running()
    end = ended(result={"rows": 3}, metrics={"cost": 1.5}, progress=facts.Progress(done=3, total=3))
    heard = hear(run, attempt_of(run), end, NOW)
    assert heard.verdict == "accepted"
    assert names(heard.facts) == ["completed"]
    done = after(run, heard.facts)
    assert (done.phase, done.result, done.metrics) == ("completed", {"rows": 3}, {"cost": 1.5})
    assert done.progress == facts.Progress(done=3, total=3)
    assert done.ended_at == NOW


def test_a_large_result_is_kept_as_a_reference() -> None:
    run = running()
    blob = BlobRef(sha256="ab" * 32, bytes=20_000)
    heard = hear(run, attempt_of(run), ended(), NOW, result_blob=blob)
    assert after(run, heard.facts).result_blob == blob


def test_failed_without_retries_ends_the_run_after_its_attempts_event() -> None:
    run = running()
    heard = hear(run, attempt_of(run), ended("failed", failure=failure()), NOW)
    assert names(heard.facts) == ["attempt-failed", "failed"]
    assert after(run, heard.facts).failure == failure()


def test_failed_without_a_word_still_has_a_failure() -> None:
    run = running()
    ended_run = after(run, hear(run, attempt_of(run), ended("failed"), NOW).facts)
    assert ended_run.failure is not None
    assert ended_run.failure.reason == "error"


def test_failed_with_retries_left_waits() -> None:
    run = running(retry=PATIENT)
    heard = hear(run, attempt_of(run), ended("failed", failure=failure()), NOW)
    assert names(heard.facts) == ["attempt-failed", "retry-scheduled"]
    again = after(run, heard.facts)
    assert state_at(again, NOW) == "retrying"
    assert again.available_at == NOW + timedelta(seconds=10)


def test_an_attempt_that_could_not_be_started_is_never_tried_again() -> None:
    run = running(retry=PATIENT)
    rejected = facts.Failure(reason="rejected", message="There is no such program.")
    heard = hear(run, attempt_of(run), ended("failed", failure=rejected), NOW)
    assert names(heard.facts) == ["attempt-failed", "failed"]


def test_released_does_not_count_as_a_try() -> None:
    run = running()
    heard = hear(run, attempt_of(run), ended("released"), NOW)
    assert names(heard.facts) == ["attempt-released", "queued"]
    again = after(run, heard.facts)
    assert state_at(again, NOW) == "queued"
    assert again.tries == 0


def test_released_tells_the_checkpoint_to_go_on_from() -> None:
    run = given(requested(), started(), checkpointed(4))
    heard = hear(run, attempt_of(run), ended("released"), NOW)
    assert isinstance(heard.facts[0], facts.AttemptReleased)
    assert heard.facts[0].checkpoint == 4
    assert after(run, heard.facts).start_from == 4


@pytest.mark.parametrize("outcome", ["cancelled", "released", "failed"])
def test_however_it_ends_a_run_being_cancelled_is_cancelled(outcome: str) -> None:
    run = cancelling()
    heard = hear(run, attempt_of(run), ended(outcome, failure=failure()), NOW)
    gone = after(run, heard.facts)
    assert gone.phase == "cancelled"
    assert gone.failure is None
    assert isinstance(heard.facts[-1], facts.RunCancelled)
    assert heard.facts[-1].reason == "enough"


def test_a_run_that_was_done_before_the_cancel_reached_it_is_completed() -> None:
    run = cancelling()
    assert names(hear(run, attempt_of(run), ended(), NOW).facts) == ["completed"]


# --- what an open attempt tells ---------------------------------------------------------------


def test_a_checkpoint_is_an_event_and_the_next_attempt_goes_on_from_it() -> None:
    run = running()
    heard = hear(run, attempt_of(run), wire.Checkpoint(number=1, cursor=5, state={"a": 1}), NOW)
    assert names(heard.facts) == ["checkpointed"]
    marked = after(run, heard.facts)
    assert marked.start_from == 1
    assert marked.checkpoint is not None
    assert (marked.checkpoint.cursor, marked.checkpoint.state) == (5, {"a": 1})


def test_a_checkpoint_heard_before_or_overtaken_is_a_duplicate() -> None:
    run = given(requested(), started(), checkpointed(2))
    for number in (1, 2):
        heard = hear(run, attempt_of(run), wire.Checkpoint(number=number), NOW)
        assert (heard.verdict, heard.facts) == ("duplicate", ())


def test_a_checkpoint_has_a_number_from_one_on() -> None:
    run = running()
    heard = hear(run, attempt_of(run), wire.Checkpoint(number=0), NOW)
    assert (heard.verdict, heard.facts) == ("duplicate", ())


def test_a_milestone_is_an_event_and_every_other_progress_is_none() -> None:
    run = running()
    assert names(hear(run, attempt_of(run), progress(10), NOW).facts) == ["progressed"]
    assert hear(run, attempt_of(run), progress(10, milestone=False), NOW).facts == ()


def test_the_same_milestone_twice_is_one_event() -> None:
    run = running()
    marked = after(run, hear(run, attempt_of(run), progress(10), NOW).facts)
    heard = hear(marked, attempt_of(marked), progress(10), NOW)
    assert (heard.verdict, heard.facts) == ("accepted", ())


def test_a_batch_of_milestones_said_twice_is_each_of_them_once() -> None:
    batch = [replace(progress(done), number=n) for n, done in ((1, 10), (2, 20), (3, 5))]
    run = running()
    verdicts = []
    for finding in (*batch, *batch):
        heard = hear(run, attempt_of(run), finding, NOW)
        run = after(run, heard.facts)
        verdicts.append(heard.verdict)
    assert verdicts == ["accepted"] * 3 + ["duplicate"] * 3
    assert run.milestones == 3


def test_log_lines_are_no_events() -> None:
    run = running()
    heard = hear(run, attempt_of(run), log_chunk(), NOW)
    assert (heard.verdict, heard.facts) == ("accepted", ())


# --- who is believed --------------------------------------------------------------------------

EVERY_KIND: dict[str, wire.Finding] = {
    "checkpoint": wire.Checkpoint(number=1),
    "progress": progress(1),
    "log": log_chunk(),
    "ended": ended(),
}

OVER_WITHOUT_ITS_EXECUTOR: dict[str, Run] = {
    "lost": given(requested(), started(), attempt_lost(), run_failed("lost")),
    "lost, the next one open": given(
        requested(retry=PATIENT), started(), attempt_lost(), retry_scheduled(NOW), started(2, "two")
    ),
    "lost, the next one done": given(
        requested(retry=PATIENT), started(), attempt_lost(), retry_scheduled(NOW),
        started(2, "two"), completed(2),
    ),
    "restarted": given(requested(), started(), restarted(fenced=1)),
    "restarted and started again": given(requested(), started(), restarted(1), started(2, "two")),
    "failed by hand": given(requested(), started(), run_failed("declared")),
    "cancelled by force": given(
        requested(), started(), cancel_requested(force=True), cancelled(1, forced=True)
    ),
}  # fmt: skip

OVER_BY_ITS_OWN_REPORT: dict[str, Run] = {
    "completed": given(requested(), started(), completed()),
    "failed": given(requested(), started(), attempt_failed(), run_failed()),
    "failed, the next one open": given(
        requested(retry=PATIENT), started(), attempt_failed(), retry_scheduled(NOW), started(2)
    ),
    "cancelled": given(requested(), started(), cancel_requested(), cancelled(1)),
    "released": given(requested(), started(), attempt_released(), queued("attempt-released")),
}

FIRST = wire.Attempt(run=RUN, number=1, fence=2)


@pytest.mark.parametrize("kind", EVERY_KIND)
@pytest.mark.parametrize("how", OVER_WITHOUT_ITS_EXECUTOR)
def test_a_late_report_is_refused_on_record_and_changes_nothing(how: str, kind: str) -> None:
    run = OVER_WITHOUT_ITS_EXECUTOR[how]
    heard = hear(run, FIRST, EVERY_KIND[kind], NOW)
    assert heard.verdict == "refused"
    assert names(heard.facts) == ["report-refused"]
    noted = after(run, heard.facts)
    assert (noted.phase, noted.attempt, noted.failure) == (run.phase, run.attempt, run.failure)


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_a_late_report_is_an_event_once_a_kind_and_then_only_counted(kind: str) -> None:
    run = OVER_WITHOUT_ITS_EXECUTOR["lost"]
    noted = after(run, hear(run, FIRST, EVERY_KIND[kind], NOW).facts)
    again = hear(noted, FIRST, EVERY_KIND[kind], NOW)
    assert (again.verdict, again.facts) == ("refused", ())
    assert again.why is not None


@pytest.mark.parametrize("kind", EVERY_KIND)
@pytest.mark.parametrize("how", OVER_BY_ITS_OWN_REPORT)
def test_what_is_said_again_after_the_end_is_a_duplicate(how: str, kind: str) -> None:
    heard = hear(OVER_BY_ITS_OWN_REPORT[how], FIRST, EVERY_KIND[kind], NOW)
    assert (heard.verdict, heard.facts) == ("duplicate", ())


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_a_report_with_a_stale_fence_is_refused(kind: str) -> None:
    run = given(requested(retry=PATIENT), started())
    stale = wire.Attempt(run=RUN, number=1, fence=1)
    heard = hear(run, stale, EVERY_KIND[kind], NOW)
    assert heard.verdict == "refused"
    assert names(heard.facts) == ["report-refused"]


@pytest.mark.parametrize("number", [0, -1, 2, 1_000_000])
def test_a_report_on_an_attempt_that_never_was_is_refused_without_an_event(number: int) -> None:
    for run in (given(requested(), started()), given(requested())):
        if run.attempt is None and number == 1:
            continue
        heard = hear(run, wire.Attempt(run=RUN, number=number, fence=2), ended(), NOW)
        assert (heard.verdict, heard.facts) == ("refused", ())


def test_a_duplicate_of_an_end_never_ends_the_next_attempt() -> None:
    run = given(requested(retry=PATIENT), started())
    failed = ended("failed", failure=failure())
    waiting = after(run, hear(run, FIRST, failed, NOW).facts)
    again = after(waiting, (started(2),))
    heard = hear(again, FIRST, failed, NOW)
    assert (heard.verdict, heard.facts) == ("duplicate", ())
    assert again.tries == 2


def test_a_policy_of_the_run_and_not_of_the_report_decides() -> None:
    picky = Retry(max_attempts=5, not_exit_codes=(3,))
    run = running(retry=picky)
    assert names(hear(run, FIRST, ended("failed", failure=failure()), NOW).facts) == [
        "attempt-failed", "failed",
    ]  # fmt: skip


# --- cut off, and let work on -------------------------------------------------------------------


def lost_but_working(*later: facts.RunFact) -> Run:
    return given(
        requested(retry=PATIENT, limits=WORKS_ON),
        started(),
        attempt_lost(),
        retry_scheduled(),
        *later,
    )


def test_the_late_result_of_an_attempt_that_may_work_on_counts_while_none_is_newer() -> None:
    run = lost_but_working()
    said = (log_chunk(), wire.Checkpoint(number=1), progress(50), ended(result=7))
    for finding in said:
        heard = hear(run, FIRST, finding, NOW)
        assert heard.verdict == "accepted"
        run = after(run, heard.facts)
    assert (run.phase, run.result, run.failure) == ("completed", 7, None)
    assert run.attempt is not None
    assert (run.attempt.state, run.attempt.failure) == ("completed", None)
    assert hear(run, FIRST, ended(result=7), NOW).verdict == "duplicate"


@pytest.mark.parametrize("outcome", ["failed", "released", "cancelled"])
def test_any_other_late_end_changes_nothing_since_it_was_lost_already(outcome: str) -> None:
    assert hear(lost_but_working(), FIRST, ended(outcome), NOW).verdict == "refused"


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_the_late_result_is_refused_once_a_newer_attempt_exists_or_the_run_is_over(
    kind: str,
) -> None:
    for run in (
        lost_but_working(started(2, "two")),
        lost_but_working(started(2, "two"), completed(2)),
        lost_but_working(cancelled()),
        given(requested(limits=WORKS_ON), started(), attempt_lost(), run_failed("lost")),
    ):
        assert hear(run, FIRST, EVERY_KIND[kind], NOW).verdict == "refused"


def test_an_attempt_that_was_to_end_when_cut_off_is_not_believed_late() -> None:
    run = given(requested(retry=PATIENT), started(), attempt_lost(), retry_scheduled())
    assert hear(run, FIRST, ended(), NOW).verdict == "refused"
