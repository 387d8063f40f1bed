"""When outcomes of items are reported, and how many at once."""

from pathlib import Path

import msgspec
import pytest
import zstandard

from perdure_contract.items import MAX_SPANS, Outcome
from perdure_contract.wire import ItemDone, ItemsRecorded
from perdure_executor.recorded import NO_OUTCOMES, READ_BYTES, Recorded


class Journal:
    """A journal that is written by hand, and what is told of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = Path(f"{path}.done")
        self.recorded = Recorded(told_at=100.0)
        self.number = 1

    def begin(self, *ordinals: int) -> None:
        self._append("".join(f"[{n}]\n" for n in ordinals))

    def end(self, *ordinals: int, outcome: Outcome = "done") -> None:
        self._append("".join(f'[{n},"{n}","{outcome}",1,null]\n' for n in ordinals))

    def _append(self, text: str) -> None:
        with self.file.open("a") as file:
            file.write(text)
        self.recorded.fresh = True

    def take(self, now: float, done: float = 0, *, ending: bool = False) -> ItemsRecorded | None:
        return self.recorded.take(str(self.path), self.number, done, now, ending=ending)

    def everything(self) -> list[list[ItemDone]]:
        """Give the outcomes of the reports that come in a row at the end."""
        found = []
        while (report := self.take(0, ending=True)) is not None:
            found.append(outcomes(report))
        return found


def outcomes(report: ItemsRecorded | None) -> list[ItemDone]:
    assert report is not None
    data = zstandard.ZstdDecompressor().decompress(report.outcomes)
    return msgspec.msgpack.decode(data, type=list[ItemDone])


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "run.1")


def test_what_is_new_is_reported_after_five_seconds(journal: Journal) -> None:
    assert journal.recorded.wake_at(0) is None
    journal.begin(1, 2, 3)
    journal.end(2, 1)

    assert journal.recorded.wake_at(2) == 105
    assert journal.take(104.9, 2) is None
    report = journal.take(105, 2)
    assert [item.ordinal for item in outcomes(report)] == [2, 1]
    assert report is not None
    assert report.begun == (3,)
    assert journal.take(105, 2) is None
    assert journal.recorded.wake_at(2) is None


def test_many_are_reported_sooner(journal: Journal) -> None:
    journal.begin(1)
    journal.end(1)

    assert journal.recorded.wake_at(9_999) == 105
    assert journal.recorded.wake_at(10_000) == 101
    assert len(outcomes(journal.take(101, 10_000))) == 1
    assert journal.take(101, 10_000) is None
    journal.end(2)
    assert journal.recorded.wake_at(10_001) == 106


def test_in_a_long_batch_little_news_waits_longer(journal: Journal) -> None:
    journal.recorded = Recorded.of(1_000_000, 5_000, 100)
    journal.begin(1)

    assert journal.recorded.wake_at(5_001) == 130
    assert journal.recorded.wake_at(6_249) == 130
    assert journal.recorded.wake_at(6_250) == 105


def test_what_comes_while_a_row_of_reports_is_made_waits_for_the_next(journal: Journal) -> None:
    journal.end(*range(1, 3 * MAX_SPANS, 2))
    assert len(outcomes(journal.take(105))) == MAX_SPANS
    journal.end(9_999)

    assert len(outcomes(journal.take(105))) == MAX_SPANS / 2
    assert journal.take(105) is None
    journal.recorded.fresh = True
    assert len(outcomes(journal.take(110))) == 1


def test_neighbours_that_ended_alike_count_once_in_whatever_order(journal: Journal) -> None:
    count = 3000
    journal.end(*range(1, count, 2))
    journal.end(*range(2, count, 2))
    reports = journal.everything()

    assert [len(report) for report in reports] == [count - 1]


def test_a_report_has_a_bounded_size(journal: Journal) -> None:
    journal.end(*range(1, 50_001))
    reports = journal.everything()

    assert sum(map(len, reports)) == 50_000
    assert len(reports) == -(-journal.file.stat().st_size // READ_BYTES)


def test_at_the_end_what_was_begun_is_told_once(journal: Journal) -> None:
    journal.begin(1)
    report = journal.take(0, ending=True)

    assert report is not None
    assert (report.begun, report.outcomes) == ((1,), NO_OUTCOMES)
    assert journal.take(0, ending=True) is None


def test_half_a_line_waits_for_its_rest(journal: Journal) -> None:
    journal.end(1)
    with journal.file.open("a") as file:
        file.write('[2,"2","do')
    assert len(journal.everything()) == 1
    with journal.file.open("a") as file:
        file.write('ne",1,null]\n')

    assert [[item.ordinal for item in report] for report in journal.everything()] == [[2]]


def test_a_new_agent_goes_on_where_the_old_one_was(journal: Journal) -> None:
    journal.begin(1, 2)
    journal.end(1)
    journal.take(105)
    kept = msgspec.msgpack.encode(journal.recorded)
    journal.end(2)
    journal.recorded = msgspec.msgpack.decode(kept, type=Recorded)

    assert [[item.ordinal for item in report] for report in journal.everything()] == [[2]]
    assert journal.recorded.begun == set()


def test_without_a_journal_there_is_nothing_to_tell(journal: Journal) -> None:
    assert journal.take(0, ending=True) is None
