"""The jobs file: both ways of writing are read, and every fault names its line and column."""

import pytest

from perdure_api.domain.trigger_words import words
from perdure_api.intake.file_entries import Checked, editor_schema, read_entries
from perdure_api.intake.safe_yaml import ALIAS
from perdure_api.kinds.kind import argv_of
from perdure_api.kinds.python import SHAPE
from perdure_contract.specs import PythonSpec

OLD_WAY = """
- id: 'daily_backup'
  func: '/path/to/your/backup_script.sh'
  description: 'Backs up.'
  is_enabled: true
  trigger: {type: 'cron', day_of_week: 'mon-sun', hour: '2', minute: '30'}
  args: [one, 2]
  max_instances: 1
  coalesce: true
  misfire_grace_time: 3600
  replace_existing: true
- id: often
  func: /bin/true
  is_enabled: false
  trigger:
    type: interval
    minutes: 5
    start_date: '2026-01-01 12:00:00'
    timezone: Europe/Berlin
    jitter: 10
"""

FULL_WAY = """
jobs:
  - id: report
    spec: {kind: command, argv: [/usr/bin/make, '{site}']}
    params:
      site: {type: choice, choices: [north, south]}
    queue: slow
    tags: [nightly]
    retry: {max_attempts: 3}
    limits: {timeout_seconds: 60}
    schedules:
      - trigger: {type: cron, expression: '30 2 * * 1-5'}
        timezone: Europe/Berlin
        values: {site: north}
        overlap: queue_one
      - trigger: {type: date, run_at: '2030-01-31T02:30:00Z'}
        values: {site: south}
"""


def checked(text: str) -> Checked:
    return read_entries(text.encode(), "default")


def told(text: str) -> list[tuple[int, int, str]]:
    return [(fault.line, fault.column, fault.message) for fault in checked(text).faults]


def test_entries_of_other_schedulers_are_read_unchanged() -> None:
    found = checked(OLD_WAY)
    assert found.faults == ()
    backup, often = found.entries
    assert argv_of(backup.definition.spec) == ("/path/to/your/backup_script.sh", "one", "2")
    assert (backup.takes_over, backup.definition.enabled, often.definition.enabled) == (
        True, True, False,
    )  # fmt: skip
    (plan,) = backup.plans
    assert words(plan.plan.trigger, plan.plan.timezone) == "Every day at 02:30, UTC"
    assert (plan.plan.coalesce, plan.plan.misfire_grace_seconds) == ("latest", 3600)
    (plan,) = often.plans
    assert words(plan.plan.trigger, plan.plan.timezone) == (
        "Every 5 minutes, from 1 January 2026 12:00, each run up to 10 s later, Europe/Berlin"
    )


def test_a_dotted_name_is_a_function() -> None:
    found = checked(
        "- id: health\n  func: 'modules.tasks.check'\n  args: [1]\n  kwargs: {deep: true}\n"
    )

    assert found.faults == ()
    assert found.entries[0].definition.spec == PythonSpec(
        func="modules.tasks.check", args=(1,), kwargs={"deep": True}
    )


def test_the_fuller_way_has_everything_a_job_has() -> None:
    found = checked(FULL_WAY)
    assert found.faults == ()
    (report,) = found.entries
    assert (report.definition.queue, report.definition.tags) == ("slow", ("nightly",))
    assert [plan.plan.params for plan in report.plans] == [{"site": "north"}, {"site": "south"}]
    assert [plan.id for plan in report.plans] == [
        plan.id for plan in checked(FULL_WAY).entries[0].plans
    ]


def test_an_empty_file_has_no_entries() -> None:
    assert checked("") == checked("# nothing yet\n") == Checked((), ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- id: a\n  func: /bin/true\n  trigger: {type: cron, minute: */5}\n",
         (3, 34, ALIAS)),
        ("- id: a\n  func: /bin/true\n  trigger: {type: cron, hour: 25}\n",
         (3, 31, "Hour: 25 is not 0–23.")),
        ("- id: a\n  func: /bin/true\n  triger: {type: cron, hour: 2}\n",
         (3, 3, "Unknown field. Did you mean `trigger`?")),
        ("- id: a\n  func: /bin/true\n  func: /bin/false\n", (3, 3, "The key func is given twice.")),
        ("- id: A b\n  func: /bin/true\n",
         (1, 7, "Lower-case letters, digits, _ and -; 1 to 63 of them; the first is a letter or digit.")),
        ("- func: /bin/true\n", (1, 3, "`id` is needed.")),
        ("- id: a\n  func: /bin/true\n- id: a\n  func: /bin/true\n",
         (3, 7, "There is an entry of this id above.")),
        ("- id: a\n", (1, 3, "Give `func` or `spec`, one of the two.")),
        ("- id: a\n  func: make\n", (2, 9, SHAPE)),
        ("- id: a\n  spec:\n    kind: command\n    argv: [/bin/true, '{who}']\n",
         (4, 23, "There is no parameter who; the text itself is written {{who}}.")),
        ("- id: a\n  func: /bin/true\n  trigger: {type: interval, minutes: 5, timezone: Mars/Phobos}\n",
         (3, 51, "There is no such time zone. Names are like Europe/Berlin or UTC.")),
        ("- id: a\n  func: /bin/true\n  trigger: {type: date, run_date: 12:30}\n",
         (3, 35, "Must be a time like 2026-01-31T02:30:00Z, with its offset.")),
        ("id: a\n", (1, 1, "A jobs file is a list of entries, each with an id.")),
        ("- &x {id: a}\n- *x\n", (1, 3, "Anchors (`&`) are not read here; write it out.")),
        ("- !!python/object:os.system {}\n", (1, 3, "Tags (`!`) are not read here.")),
        ("--- []\n--- []\n", (2, 1, "One document a file: remove the `---`.")),
        ("[" * 2000, (1, 33, "More than 32 levels.")),
    ],
    ids=[
        "star", "hour", "unknown", "twice", "name", "no-id", "same-id", "nothing", "function",
        "parameter", "zone", "date", "object", "anchor", "tag", "documents", "deep",
    ],
)  # fmt: skip
def test_a_fault_names_its_line_and_column(text: str, expected: tuple[int, int, str]) -> None:
    assert told(text)[0] == expected


def test_every_fault_of_a_file_is_told_at_once() -> None:
    text = OLD_WAY.replace("hour: '2'", "hour: '24'").replace("minutes: 5", "minuts: 5")
    assert [line for line, _, _ in told(text)] == [6, 17]


def test_plain_words_and_times_stay_texts() -> None:
    text = "- id: a\n  func: /bin/echo\n  args: [on, 12:30, 0755, yes, ~, 1e3, 0x10, 2026-01-01]\n"
    (entry,) = checked(text).entries
    assert argv_of(entry.definition.spec) == (
        "/bin/echo", "on", "12:30", "755", "yes", "null", "1000.0", "16", "2026-01-01",
    )  # fmt: skip


def test_a_file_that_is_not_utf_8_or_too_large_is_refused() -> None:
    assert read_entries(b"# a\n- id: \xff\n", "default").faults[0].line == 2
    assert read_entries(b" " * 1_000_001, "default").faults[0].message.endswith("1 MB.")


def test_editors_get_a_schema() -> None:
    assert "FileEntry" in editor_schema()["$defs"]
