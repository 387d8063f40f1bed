"""What one attempt prints and says on PERDURE_FD: kept in order, counted, cut, shown."""

import hashlib
import json

import pytest

from perdure_contract.specs import CommandSpec, Limits
from perdure_contract.wire import Checkpoint, Ended, LogChunk, ProgressMade
from tests.support.played_api import PlayedApi

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]


async def test_streams_are_told_apart_and_lines_numbered(api: PlayedApi) -> None:
    grant = api.grant(script="echo one; echo two >&2; printf three")
    ended = await api.run(grant)

    rows = api.lines(grant.attempt)
    assert [row.line for row in rows] == [1, 2, 3]
    assert api.text(grant.attempt, "stderr") == "two"
    assert sorted(row.text for row in rows) == ["one", "three", "two"]
    assert (ended.usage.lines, ended.usage.bytes) == (3, 13)


async def test_the_log_comes_before_the_outcome_and_carries_its_hash(api: PlayedApi) -> None:
    grant = api.grant(script="seq 1 2000; sleep 0.3; seq 2001 3000")
    ended = await api.run(grant)

    kinds = [type(report.finding) for report in api.reports if report.attempt == grant.attempt]
    assert kinds[-1] is Ended
    assert kinds.count(LogChunk) == len(kinds) - 1 > 1
    text = "\n".join(map(str, range(1, 3001)))
    assert api.text(grant.attempt) == text
    assert ended.usage.log_sha256 == hashlib.sha256(text.encode()).hexdigest()


async def test_bad_bytes_become_replacement_characters_and_a_return_stays(api: PlayedApi) -> None:
    script = r"printf 'a\xffb\n'; printf '\xc3'; sleep 0.1; printf '\xa4\n'; printf 'nul:\0:\n50%%\r100%%\n'"
    grant = api.grant(script=script)
    await api.run(grant)

    assert [row.text for row in api.lines(grant.attempt)] == [
        "a\ufffdb",
        "ä",
        "nul:\0:",
        "50%\r100%",
    ]


async def test_a_line_of_100_megabytes_is_cut_with_a_mark(api: PlayedApi) -> None:
    grant = api.grant(
        script="echo before; head -c 100000000 /dev/zero | tr '\\0' x; echo; echo after"
    )
    ended = await api.run(grant)

    before, long, after = api.lines(grant.attempt)
    assert (before.text, after.text) == ("before", "after")
    assert long.text.startswith("x" * 65536)
    assert "line cut" in long.text
    assert len(long.text) < 66_000
    assert ended.usage.bytes == 100_000_000 + len("before\n\nafter\n")


async def test_a_flood_keeps_head_and_tail_and_marks_the_cut(api: PlayedApi) -> None:
    limit = 300_000
    grant = api.grant(script="seq 1 2000000", limits=Limits(log_bytes=limit))
    ended = await api.run(grant)

    rows = api.lines(grant.attempt)
    cuts = [row for row in rows if row.omitted_lines]
    assert len(cuts) == 1
    kept = [row for row in rows if not row.omitted_lines]
    assert [row.text for row in kept] == [str(row.line) for row in kept]
    assert kept[0].line == 1
    assert kept[-1].line == 2_000_000 == ended.usage.lines
    assert len(kept) + cuts[0].omitted_lines == 2_000_000
    size = sum(len(row.text) + 1 for row in kept)
    assert limit * 0.9 < size <= limit
    assert size + cuts[0].omitted_bytes == ended.usage.bytes
    text = "\n".join(row.text for row in kept)
    assert ended.usage.log_sha256 == hashlib.sha256(text.encode()).hexdigest()


async def test_a_log_of_no_bytes_is_one_cut(api: PlayedApi) -> None:
    grant = api.grant(script="seq 1 100", limits=Limits(log_bytes=0))
    ended = await api.run(grant)

    assert [(row.line, row.omitted_lines) for row in api.lines(grant.attempt)] == [(1, 100)]
    assert ended.usage.lines == 100


async def test_a_tiny_limit_keeps_the_first_and_the_last_lines(api: PlayedApi) -> None:
    grant = api.grant(script="seq 1 100", limits=Limits(log_bytes=20))
    await api.run(grant)

    texts = [row.text for row in api.lines(grant.attempt)]
    assert (
        texts == ["1", "2", "3", "4", "5", "", "98", "99", "100"][: len(texts)] or texts[0] == "1"
    )
    assert texts[-1] == "100"


@pytest.mark.parametrize("shell", ["/bin/dash", "/bin/bash", "/bin/sh"])
async def test_any_shell_reports_on_the_descriptor(api: PlayedApi, shell: str) -> None:
    script = """
echo '{"progress": {"done": 3, "total": 4, "unit": "files", "message": "half way"}}' >&$PERDURE_FD
echo 'this is no JSON' >&$PERDURE_FD
echo '{"metrics": {"cost": 1.5, "old": 1}}' >&$PERDURE_FD
echo '{"metrics": {"old": 2}, "unknown": true}' >&$PERDURE_FD
echo '{"metrics": {"bad": "text"}}' >&$PERDURE_FD
echo '{"result": {"rows": [1, 2]}}' >&$PERDURE_FD
echo '{"checkpoint": {"cursor": 7, "state": {"a": 1}}}' >&$PERDURE_FD
"""
    grant = api.grant(spec=CommandSpec(script=script, shell=shell), first_checkpoint_number=5)
    ended = await api.run(grant)

    assert ended.outcome == "completed"
    assert ended.progress is not None
    assert (ended.progress.done, ended.progress.message) == (3, "half way")
    assert ended.metrics == {"cost": 1.5, "old": 2}
    assert ended.result == {"rows": [1, 2]}
    assert api.of(grant.attempt, Checkpoint) == [Checkpoint(number=5, cursor=7, state={"a": 1})]
    assert ended.checkpoint == 5


async def test_what_is_printed_is_never_taken_for_a_report(api: PlayedApi) -> None:
    grant = api.grant("/bin/echo", '{"result": 1, "progress": {"done": 1}}')
    ended = await api.run(grant)

    assert ended.result is None
    assert ended.progress is None


async def test_a_large_result_travels_beside_the_event(api: PlayedApi) -> None:
    script = """python3 -c "import json; print(json.dumps({'result': 'x' * 40000}))" >&3"""
    ended = await api.run(api.grant(script=script))

    assert ended.result is None
    assert ended.result_blob is not None
    assert json.loads(ended.result_blob) == "x" * 40_000


async def test_what_is_said_in_vain_is_told_in_the_last_line_of_the_log(api: PlayedApi) -> None:
    script = """
echo one
python3 -c "import json; print(json.dumps({'result': 'x' * 70_000}))" >&3
python3 -c "import json; print(json.dumps({'result': 'x' * 500_000}))" >&3
echo '{"reslt": 1}' >&3
echo '{"progress": {"done": 3}}' >&3
echo two >&2
"""
    grant = api.grant(script=script)
    ended = await api.run(grant)

    *printed, last = api.lines(grant.attempt)
    assert sorted(row.text for row in printed) == ["one", "two"]
    assert (last.line, last.stream) == (3, "stderr")
    assert last.text.startswith("perdure: 3 lines written to PERDURE_FD were not understood")
    assert ended.outcome == "completed"
    assert ended.progress is not None
    assert ended.usage.lines == 3
    text = api.text(grant.attempt)
    assert ended.usage.log_sha256 == hashlib.sha256(text.encode()).hexdigest()


async def test_the_last_progress_counts_however_fast_it_came(api: PlayedApi) -> None:
    script = (
        """for i in $(seq 1 20000); do echo '{"progress":{"done":'$i',"total":20000}}'; done >&3"""
    )
    grant = api.grant(script=script)
    ended = await api.run(grant)

    assert ended.progress is not None
    assert ended.progress.done == 20_000
    assert len(api.of(grant.attempt, ProgressMade)) < 20


async def test_lines_are_shown_live_and_progress_at_most_four_times_a_second(
    api: PlayedApi,
) -> None:
    script = (
        """for i in 1 2 3 4 5; do echo $i; echo '{"progress":{"done":'$i'}}' >&3; sleep 0.1; done"""
    )
    grant = api.grant(script=script)
    await api.run(grant)

    heard = [json.loads(data) for subject, data in api.live if subject.endswith(grant.attempt.run)]
    lines = [line["text"] for message in heard for line in message.get("lines", [])]
    assert lines[: len(lines)] == ["1", "2", "3", "4", "5"][: len(lines)]
    assert lines
    assert any("progress" in message for message in heard)
