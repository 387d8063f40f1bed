"""What is noted of calls that printed nothing: an entry of the tally, and the record made of it."""

import math

import pytest

from perdure_executor.papers import read_record
from perdure_executor.warden.order import Record, encode
from perdure_executor.warden.trip import conclude, record_of
from perdure_executor.workers.calls import DONE, EXITED, RAISED, REJECTED, Answer, Quiet

ANSWERS = (
    Answer(outcome=DONE),
    Answer(outcome=DONE, began=1.5, ended=1e22, cpu=1e-06, peak=2**62, spent=0.1 + 0.2),
    Answer(outcome=EXITED, code=255, began=1784725200.1234567, ended=1784725200.1234569),
)


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_record_of_a_quiet_call_reads_as_that_of_any_other(answer: Answer) -> None:
    quiet = Quiet.of(answer)
    assert quiet is not None
    kept = Quiet(*Quiet.FORM.unpack(quiet.encode()))
    record = Record(
        started=answer.began,
        ended=answer.ended,
        cpu=answer.cpu,
        peak=answer.peak,
        log="",
        reported="",
    )
    conclude(record, answer)

    assert said(read_record(record_of(kept))) == said(read_record(encode(record)))
    assert kept.spent == answer.spent


@pytest.mark.parametrize(
    "answer",
    [
        Answer(outcome=RAISED, message="ValueError"),
        Answer(outcome=REJECTED, message="It is not allowed."),
        Answer(outcome=DONE, modules={"/mine.py": 1}),
    ],
)
def test_a_call_of_which_more_is_to_be_said_is_not_quiet(answer: Answer) -> None:
    assert Quiet.of(answer) is None


@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf])
def test_a_call_whose_function_broke_the_clock_is_not_quiet(time: float) -> None:
    assert Quiet.of(Answer(outcome=DONE, began=1.0, ended=time)) is None
    assert Quiet.of(Answer(outcome=DONE, began=time, ended=time)) is None


def said(record: Record) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__slots__}
