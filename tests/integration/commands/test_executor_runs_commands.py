"""What one attempt gets, how it starts and how it ends: real agent, warden, keeper and program."""

import hashlib
import json
import os
from pathlib import Path

import msgspec
import pytest

from perdure_contract.specs import BlobRef, CommandSpec, Limits
from perdure_contract.wire import Cancel, Checkpoint, Ended
from tests.support.played_api import PlayedApi, processes_with
from tests.support.waiting import becomes, eventually

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


def failure_of(ended: Ended) -> tuple[str, int | None, str | None]:
    assert ended.failure is not None
    return ended.failure.reason, ended.failure.exit_code, ended.failure.signal


async def test_a_program_that_exits_with_zero_is_completed(api: PlayedApi) -> None:
    ended = await api.run(api.grant("/bin/true"))

    assert ended.outcome == "completed"
    assert ended.failure is None


async def test_an_exit_code_and_a_signal_are_told_apart(api: PlayedApi) -> None:
    exited = await api.run(api.grant(script="exit 3"))
    signalled = await api.run(api.grant(script="kill -SEGV $$"))

    assert failure_of(exited) == ("exit", 3, None)
    assert failure_of(signalled) == ("signal", None, "SIGSEGV")


async def test_a_bare_name_is_found_on_the_path(api: PlayedApi) -> None:
    assert (await api.run(api.grant("true"))).outcome == "completed"


async def test_arguments_arrive_as_they_are(api: PlayedApi) -> None:
    words = ["$(touch x)", "a b", "", "-n", "ü", "*", "back\\slash", "new\nline"]
    grant = api.grant("/usr/bin/printf", "<%s>\n", *words)
    await api.run(grant)

    assert api.text(grant.attempt) == "\n".join(f"<{word}>" for word in words)


async def test_the_environment_is_the_contracts_list_and_nothing_else(api: PlayedApi) -> None:
    spec = CommandSpec(argv=("/usr/bin/env", "-0"), env={"MINE": "a=b", "TZ": "Europe/Paris"})
    grant = api.grant(spec=spec, run="01900000-0000-7000-8000-000000000001", number=3)
    await api.run(grant)

    pairs = dict(entry.split("=", 1) for entry in api.text(grant.attempt).split("\0") if entry)
    passed = {name for name in ("PATH", "HOME", "LANG", "USER", "TMPDIR") if name in os.environ}
    ours = {
        "PERDURE_RUN_ID": "01900000-0000-7000-8000-000000000001",
        "PERDURE_ATTEMPT": "3",
        "PERDURE_FENCE": "4",
        "PERDURE_IDEMPOTENCY_KEY": "01900000-0000-7000-8000-000000000001",
        "PERDURE_FD": "3",
    }
    assert set(pairs) == passed | {"TZ", "MINE"} | set(ours)
    assert pairs["TZ"] == "Europe/Paris"
    assert pairs["MINE"] == "a=b"
    assert ours.items() <= pairs.items()


async def test_no_other_descriptor_is_open_in_the_program(api: PlayedApi) -> None:
    grant = api.grant(script="for f in $(seq 0 300); do [ -e /proc/$$/fd/$f ] && echo $f; done")
    await api.run(grant)

    opened = set(api.text(grant.attempt).split())
    assert {"0", "1", "2", "3"} <= opened
    assert opened <= {"0", "1", "2", "3", "255"}  # bash reads its script on 255


async def test_standard_input_is_the_text_given_or_empty(api: PlayedApi) -> None:
    given = api.grant(spec=CommandSpec(argv=("/bin/cat",), stdin="hello\nworld"))
    empty = api.grant("/bin/cat")
    await api.run(given)
    ended = await api.run(empty)

    assert api.text(given.attempt) == "hello\nworld"
    assert ended.usage.bytes == 0


async def test_a_script_and_its_input_may_be_kept_as_blobs(api: PlayedApi) -> None:
    script, stdin = b"wc -c; exit 4", b"x" * 1_200_000
    references = []
    for content in (script, stdin):
        digest = hashlib.sha256(content).hexdigest()
        api.blobs[digest] = content
        references.append(BlobRef(sha256=digest, bytes=len(content)))
    grant = api.grant(spec=CommandSpec(script=references[0], stdin=references[1]))
    ended = await api.run(grant)

    assert failure_of(ended)[1] == 4
    assert api.text(grant.attempt).strip() == "1200000"


async def test_what_is_refused_with_its_grant_is_not_started(
    api: PlayedApi, tmp_path: Path
) -> None:
    grant = api.grant("touch", str(tmp_path / "seen"))
    ended = await api.run(msgspec.structs.replace(grant, refused="Not so."))

    assert failure_of(ended)[0] == "rejected"
    assert ended.failure is not None
    assert ended.failure.message == "Not so."
    assert not (tmp_path / "seen").exists()


async def test_a_deleted_script_is_rejected(api: PlayedApi) -> None:
    gone = BlobRef(sha256="0" * 64, bytes=5)
    ended = await api.run(api.grant(spec=CommandSpec(script=gone)))

    assert failure_of(ended)[0] == "rejected"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (CommandSpec(argv=("/no/such/program",)), "does not exist"),
        (CommandSpec(argv=("no-such-program",)), "not on the PATH"),
        (CommandSpec(argv=("./relative",)), "relative path"),
        (CommandSpec(argv=("/etc/passwd",)), "may not be used"),
        (CommandSpec(argv=("/bin/true",), cwd="/no/such/folder"), "does not exist"),
        (CommandSpec(argv=("/bin/echo", "a\0b")), "cannot be started"),
        (CommandSpec(argv=("/bin/true",), env={"A=B": "c"}), "cannot be started"),
        (CommandSpec(argv=("/bin/echo", "x" * 131_072)), "too long"),
    ],
)
async def test_what_cannot_be_started_is_rejected(
    api: PlayedApi, spec: CommandSpec, words: str
) -> None:
    ended = await api.run(api.grant(spec=spec))

    assert failure_of(ended)[0] == "rejected"
    assert ended.failure is not None
    assert words in ended.failure.message


async def test_the_working_directory_is_the_one_asked_for(api: PlayedApi, tmp_path: Path) -> None:
    grant = api.grant(spec=CommandSpec(argv=("/bin/pwd",), cwd=str(tmp_path)))
    await api.run(grant)

    assert api.text(grant.attempt) == str(tmp_path)


async def test_a_resume_gets_the_checkpoint_as_a_file(api: PlayedApi) -> None:
    mark = Checkpoint(number=4, cursor=228, state={"seen": ["a"]})
    grant = api.grant(script='cat "$PERDURE_CHECKPOINT"', from_checkpoint=mark)
    await api.run(grant)

    content = json.loads(api.text(grant.attempt))
    assert content == {"number": 4, "cursor": 228, "state": {"seen": ["a"]}}


async def test_use_of_memory_and_cpu_is_measured(api: PlayedApi) -> None:
    spend = "x = bytearray(200_000_000); sum(range(2_000_000))"
    ended = await api.run(api.grant("python3", "-c", spend))

    assert 200_000_000 < ended.usage.peak_memory_bytes < 300_000_000
    assert ended.usage.cpu_seconds > 0.02


async def test_a_tree_over_its_memory_limit_is_ended(api: PlayedApi) -> None:
    hungry = "import time; x = bytearray(300_000_000); time.sleep(600)"
    script = f'python3 -c "{hungry}" & wait'
    ended = await api.run(api.grant(script=script, limits=Limits(memory_bytes=100_000_000)))

    assert failure_of(ended)[0] == "signal"
    assert ended.failure is not None
    assert "memory" in ended.failure.message


async def test_pages_that_processes_share_count_once(api: PlayedApi) -> None:
    share = (
        "import os, time; x = bytearray(60_000_000); [os.fork() for _ in range(2)]; time.sleep(1)"
    )
    ended = await api.run(
        api.grant("python3", "-c", share, limits=Limits(memory_bytes=150_000_000))
    )

    assert ended.outcome == "completed"


async def test_a_time_limit_ends_what_ignores_term(api: PlayedApi) -> None:
    script = "trap '' TERM; while true; do sleep 0.05; done"
    grant = api.grant(script=script, limits=Limits(timeout_seconds=0.3, grace_seconds=0.2))
    ended = await api.run(grant)

    assert failure_of(ended)[0] == "timeout"
    assert processes_with(grant.attempt.run) == []


async def test_cancel_gives_the_grace_to_clean_up(api: PlayedApi) -> None:
    script = "trap 'echo cleaned; exit 0' TERM; echo ready; while true; do sleep 0.05; done"
    grant = api.grant(script=script)
    await api.say(grant)
    await _printed(api, grant.attempt.run, "ready")
    await api.say(Cancel(attempt=grant.attempt))
    ended = await api.ended(grant.attempt)

    assert ended.outcome == "cancelled"
    assert "cleaned" in api.text(grant.attempt)


async def test_cancel_by_force_does_not_wait(api: PlayedApi) -> None:
    script = "trap '' TERM; echo ready; while true; do sleep 0.05; done"
    grant = api.grant(script=script, limits=Limits(grace_seconds=3600))
    await api.say(grant)
    await _printed(api, grant.attempt.run, "ready")
    await api.say(Cancel(attempt=grant.attempt))
    await api.say(Cancel(attempt=grant.attempt, force=True))
    ended = await api.ended(grant.attempt)

    assert ended.outcome == "cancelled"


async def test_the_whole_tree_ends_whatever_its_processes_do(api: PlayedApi) -> None:
    script = """
trap '' TERM
setsid sleep 600 &
(setsid bash -c 'trap "" TERM; sleep 600 & sleep 600' &) &
python3 -c 'import os, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
time.sleep(600)'
echo ready
wait
"""
    grant = api.grant(script=script, limits=Limits(grace_seconds=0.2))
    await api.say(grant)
    await _printed(api, grant.attempt.run, "ready")
    eventually(lambda: len(processes_with(grant.attempt.run)) >= 5)
    await api.say(Cancel(attempt=grant.attempt))
    ended = await api.ended(grant.attempt)

    assert ended.outcome == "cancelled"
    assert processes_with(grant.attempt.run) == []


async def test_a_stopped_process_is_ended_too(api: PlayedApi) -> None:
    grant = api.grant(script="echo ready; kill -STOP $$", limits=Limits(grace_seconds=0.3))
    await api.say(grant)
    await _printed(api, grant.attempt.run, "ready")
    await api.say(Cancel(attempt=grant.attempt))

    assert (await api.ended(grant.attempt)).outcome == "cancelled"


async def test_what_a_program_leaves_behind_is_ended_and_does_not_hang_it(api: PlayedApi) -> None:
    grant = api.grant(script="setsid sleep 600 & echo done")
    ended = await api.run(grant)

    assert ended.outcome == "completed"
    assert api.text(grant.attempt) == "done"
    assert processes_with(grant.attempt.run) == []


async def test_cancel_of_one_that_waits_for_a_slot_never_starts_it(api: PlayedApi) -> None:
    busy = [api.grant("/bin/sleep", "600") for _ in range(4)]
    waiting = api.grant(script="echo started")
    await api.say(*busy, waiting)
    await api.say(Cancel(attempt=waiting.attempt))
    ended = await api.ended(waiting.attempt)
    await api.say(*(Cancel(attempt=grant.attempt) for grant in busy))
    for grant in busy:
        assert (await api.ended(grant.attempt)).outcome == "cancelled"

    assert ended.outcome == "cancelled"
    assert api.lines(waiting.attempt) == []


async def test_cancel_that_comes_together_with_the_start_is_not_lost(api: PlayedApi) -> None:
    for _ in range(20):  # the two often reach the keeper in one piece, and not always
        grant = api.grant("/bin/sleep", "600")
        await api.say(grant, Cancel(attempt=grant.attempt))

        assert (await api.ended(grant.attempt)).outcome == "cancelled"


async def test_more_grants_than_slots_wait_in_order(api: PlayedApi) -> None:
    grants = [api.grant(script="sleep 0.05") for _ in range(12)]
    await api.say(*grants)
    for grant in grants:
        assert (await api.ended(grant.attempt)).outcome == "completed"


async def test_a_grant_that_comes_twice_starts_once(api: PlayedApi, tmp_path: Path) -> None:
    mark = tmp_path / "starts"
    grant = api.grant(script=f"echo started >> {mark}; sleep 0.2")
    await api.say(grant, grant)
    await api.say(grant)
    await api.ended(grant.attempt)
    await api.say(grant)
    await api.run(api.grant("/bin/true"))

    assert mark.read_text() == "started\n"


async def test_a_grant_of_another_session_is_ignored(api: PlayedApi, tmp_path: Path) -> None:
    mark = tmp_path / "starts"
    grant = msgspec.structs.replace(api.grant(script=f"touch {mark}"), session="another")
    await api.say(grant)
    await api.run(api.grant("/bin/true"))

    assert not mark.exists()


async def test_what_the_api_says_that_makes_no_sense_is_survived(api: PlayedApi) -> None:
    await api.client.publish("perdure.control.commands", b"\xc1 no message")
    await api.client.publish("perdure.control.commands", b"")

    assert (await api.run(api.grant("/bin/true"))).outcome == "completed"


async def _printed(api: PlayedApi, run: str, text: str) -> None:
    async def seen() -> bool:
        return any(
            report.attempt.run == run and text in api.text(report.attempt) for report in api.reports
        )

    await becomes(seen, what=f"{text!r} in the log of {run}")
