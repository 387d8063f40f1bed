"""The pages about backups: the builder's form, its picture and tester, what is said of runs."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from perdure_api.domain.rejections import FieldError
from perdure_api.intake.file_entries import read_entries
from perdure_api.pages.backup_deeds import UnreadableFormError, changed, read_whole, yaml_of
from perdure_api.pages.backup_form import (
    BackupForm,
    problems_of,
    rows_after,
    spec_json,
    typed,
    values_of,
)
from perdure_api.pages.backup_options import ALL
from perdure_api.pages.backup_picture import picture, put_through, typed_paths
from perdure_api.pages.backup_standing import overdue, strip, strip_words
from perdure_api.pages.directories import OUTSIDE, look, names_in, paths_in
from perdure_api.pages.job_filling import values_of_job
from perdure_api.pages.job_reading import read_definition, saved_definition
from perdure_api.pages.run_backup import statistics_words
from perdure_api.projections.backups import Day
from perdure_contract.jobs import JobDefinition, JobView, ScheduleView
from perdure_contract.rsync.spec import FilterRow, RsyncOptions, RsyncSpec
from perdure_contract.specs import Limits, Retry
from perdure_contract.triggers import CronTrigger

SENT = {
    "source": ["/srv/photos/"],
    "destination": ["/backup/photos"],
    "archive": ["on"],
    "partial": ["on"],
    "safe_links": ["on"],
    "into": ["contents"],
}


def form(**fields: str) -> BackupForm:
    return typed({**SENT, **{name: [text] for name, text in fields.items()}})


def spec_of(sent: BackupForm) -> RsyncSpec:
    body, problems = spec_json(sent)
    assert problems == ()
    return msgspec.convert(body, RsyncSpec)


def test_every_option_of_a_backup_is_in_the_builder() -> None:
    names = {option.name for option in ALL}
    assert names | {"filters", "include", "exclude"} == set(RsyncOptions.__struct_fields__)


def test_a_form_that_was_not_touched_asks_for_rsyncs_usual_ways() -> None:
    assert spec_of(form()) == RsyncSpec(source="/srv/photos/", destination="/backup/photos")


def test_what_is_filled_in_reads_back_as_the_same_backup() -> None:
    options = RsyncOptions(
        archive=False, recursive=True, owner=False, delete=True, delete_when="after", max_delete=5,
        backup=True, backup_dir=".old/{date}", link_dest=("../a", "../b"), bandwidth_limit="1.5M",
        timeout_seconds=300, partial=False, safe_links=False, delete_excluded=True,
        filters=(FilterRow(rule="include", pattern="*/"), FilterRow(rule="exclude", pattern="*.o")),
    )  # fmt: skip
    spec = RsyncSpec(source="/a b", destination="/c", host="nas", options=options)
    assert spec_of(values_of(spec)) == spec


@pytest.mark.parametrize(
    ("source", "into", "meant"),
    [("/a", "contents", "/a/"), ("/a/", "itself", "/a"), ("/", "itself", "/"), ("", "itself", "")],
)
def test_the_slash_at_the_end_is_what_was_chosen_not_what_was_typed(
    source: str, into: str, meant: str
) -> None:
    assert spec_json(form(source=source, into=into))[0]["source"] == meant


def test_what_only_deleting_needs_is_left_out_without_it() -> None:
    asked = form(max_delete="7", delete_excluded="on", delete_when="after")
    assert "options" not in spec_json(asked)[0]
    assert spec_of(form(max_delete="7", delete="on")).options.max_delete == 7


def test_rules_keep_their_order_and_can_be_moved() -> None:
    sent = typed({**SENT, "rule": ["include", "exclude", "exclude"], "pattern": ["*/", "*", ""]})
    assert sent.rows == (("include", "*/"), ("exclude", "*"))
    assert rows_after(sent.rows, "up:1") == sent.rows[::-1]
    assert rows_after(sent.rows, "down:0") == sent.rows[::-1]
    assert rows_after(sent.rows, "remove:0") == sent.rows[1:]
    for nothing in ("up:0", "down:1", "remove:9", "remove:-1", "add", "up:x"):
        assert rows_after(sent.rows, nothing) == sent.rows


def test_faults_lead_to_their_fields() -> None:
    pointers = ["/spec/source", "/spec/options/filters/1/pattern", "/spec/options/max_delete",
                "/spec/host", "/trigger/expression", "/timezone", "/name", "/spec"]  # fmt: skip
    found = problems_of([FieldError(at, "x", "wrong") for at in pointers])
    assert [problem.field for problem in found] == [
        "source", "row-1", "max_delete", "host", "expression", "timezone", "name", None,
    ]  # fmt: skip


def test_the_entry_of_a_jobs_file_makes_the_same_job_with_the_same_schedule() -> None:
    sent = typed(
        {
            **SENT, "name": ["photos"], "description": ["All: of *them*"], "delete": ["on"],
            "rule": ["exclude"], "pattern": ["*: 'x'"], "plan": ["cron"],
            "expression": ["30 2 * * *"], "timezone": ["Europe/Berlin"], "timeout": ["2 h"],
        }
    )  # fmt: skip
    job, plan = read_whole(sent)
    found = read_entries(yaml_of(sent).encode(), "default")
    assert found.faults == ()
    (entry,) = found.entries
    assert (entry.definition.spec, entry.definition.limits) == (job.spec, job.limits)
    assert entry.definition.description == "All: of *them*"
    assert [planned.plan for planned in entry.plans] == [plan]


def test_what_the_builder_has_no_field_for_stays_when_a_backup_is_changed() -> None:
    before = JobDefinition(
        spec=RsyncSpec(source="/a/", destination="/b"), priority=7, tags=("x",), enabled=False,
        retry=Retry(max_attempts=3), limits=Limits(grace_seconds=1, timeout_seconds=60),
    )  # fmt: skip
    draft, _ = read_whole(form(name="photos", description="new", timeout="2 h"))
    after = changed(before, draft)
    assert (after.spec, after.description) == (draft.spec, "new")
    assert (after.priority, after.tags, after.enabled, after.retry) == (
        7, ("x",), False, before.retry,
    )  # fmt: skip
    assert after.limits == Limits(grace_seconds=1, timeout_seconds=7200)


def test_an_interval_is_read_in_its_largest_unit() -> None:
    _, plan = read_whole(form(name="x", plan="interval", every="6 h"))
    assert plan is not None
    assert msgspec.to_builtins(plan.trigger)["hours"] == 6
    with pytest.raises(UnreadableFormError):
        read_whole(form(name="x", plan="interval", every="now and then"))


def test_the_picture_shows_where_a_slash_makes_the_difference() -> None:
    drawn = picture("/srv/photos", "/backup", ("2024/", "a.jpg", "b.jpg", "c.jpg"))
    assert [line.name for line in drawn.contents] == ["/backup/", "2024/", "a.jpg", "b.jpg", "…"]
    assert [line.name for line in drawn.itself][:3] == ["/backup/", "photos/", "2024/"]
    assert [line.depth for line in drawn.itself] == [0, 1, 2, 2, 2, 2]
    assert [line.name for line in picture("/a", "/b", ("x", "y")).contents] == ["/b/", "x", "y"]


def test_the_tester_names_the_rule_and_the_folder_that_decided() -> None:
    keep = FilterRow(rule="include", pattern="keep/")
    rules = (keep, FilterRow(rule="exclude", pattern="cache/"))
    found = put_through(rules, typed_paths("./a/b.txt\n/cache/x\n\nkeep/\ncache/x"))
    assert [(one.path, one.kept) for one in found.tried] == [
        ("a/b.txt", True), ("cache/x", False), ("keep/", True),
    ]  # fmt: skip
    assert found.tried[1].why == "rule 2: leave out cache/, by its folder cache/"
    assert found.words == "2 paths kept, 1 path left out"


def test_no_pattern_makes_the_tester_wait() -> None:
    hostile = FilterRow(rule="exclude", pattern="*a" * 400 + "b")
    found = put_through((hostile,) * 100, ("a" * 3000, "a/" * 500))
    assert found.tried == ()
    assert found.words.endswith("the other 2 are too many to try at once")
    assert put_through((hostile,), ("a" * 2000,)).tried[0].kept


def test_directories_are_listed_within_the_roots_only(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "b" / "deep").mkdir(parents=True)
    (root / ".a").mkdir()
    (root / "file").touch()
    (root / "bad\nname").mkdir()
    outside.mkdir()
    (outside / "secret").mkdir()
    (root / "way-out").symlink_to(outside)
    (tmp_path / "way-in").symlink_to(root)
    roots = (str(root),)
    found = look(str(root), roots)
    assert [step.name for step in found.below] == ["b", ".a"]
    assert found.files == 2
    assert [step.name for step in look(str(root / "b" / "deep"), roots).above] == [str(root), "b"]
    for hostile in (f"{root}/way-out", f"{root}/../outside", str(outside), "/etc", f"{outside}/no"):
        refused = look(hostile, roots)
        assert (refused.below, refused.problem) == ((), OUTSIDE), hostile
        assert names_in(hostile, roots, 5) == ()
    assert look(f"{root}/none", roots).problem.startswith("There is no such directory")
    assert look(f"{root}/\0", roots).problem == OUTSIDE
    assert look(f"{root}/file", roots).below == ()
    assert paths_in(str(root), roots, 9) == (".a/", "b/", "file", "way-out", "b/deep/")
    # A root that is a link is called as it was configured, or the grammar would refuse it.
    assert look(f"{tmp_path}/way-in/b", (f"{tmp_path}/way-in",)).path == f"{tmp_path}/way-in/b"


def test_final_figures_are_told_in_sentences() -> None:
    figures = {
        "files": 10.0, "total_bytes": 1_000_000.0, "transferred": 2.0, "deleted": 1.0,
        "transferred_bytes": 3_000.0, "sent_bytes": 900.0, "received_bytes": 100.0, "speed_up": 1000.4,
    }  # fmt: skip
    assert statistics_words(figures) == (
        "It looked at 10 files and folders, 1 MB. It copied 2 files, 3 kB. "
        "It deleted 1 at the destination. "
        "1 kB passed between both sides, 1\N{NO-BREAK SPACE}000 times less than everything."
    )
    assert statistics_words({}) == ""


def test_a_day_is_shown_by_the_worst_that_happened_on_it() -> None:
    today = date(2026, 3, 31)
    days = [Day(day=today, state="completed", count=3), Day(day=today, state="failed", count=1)]
    cells = strip(days, today)
    assert len(cells) == 30
    assert (cells[-1].state, cells[-1].words) == ("failed", "2026-03-31: 1 failed, 3 completed")
    assert cells[0].day == today - timedelta(days=29)
    assert strip_words(cells) == (
        "Last 30 days: 0 good days, 1 day with trouble, 29 days without a run"
    )


def test_a_paused_schedule_and_a_job_that_is_not_enabled_make_nothing_overdue() -> None:
    now = datetime(2026, 3, 10, tzinfo=UTC)
    job = JobView(
        name="photos", revision=1, version=1, description="", enabled=True, source="ui",
        spec=RsyncSpec(source="/a/", destination="/b"), params={}, queue="default", priority=0,
        tags=(), labels={}, retry=None, limits=None,
    )  # fmt: skip
    nightly = ScheduleView(
        id="x", job="photos", trigger=CronTrigger(expression="30 2 * * *"), timezone="UTC",
        words="", enabled=True, paused_reason=None, next_fire_at=None, last_fire_at=None,
        overlap="skip", misfire_grace_seconds=None, coalesce="latest", catch_up_seconds=0,
        max_instances=None, params={}, description="", source="ui", version=1,
        created_at="2026-03-01T00:00:00Z",
    )  # fmt: skip
    replaced = msgspec.structs.replace
    assert overdue(job, [nightly], now - timedelta(hours=20), now) is None
    assert overdue(job, [nightly], now - timedelta(days=2), now) is not None
    assert overdue(job, [nightly], None, now) == datetime(2026, 3, 1, 14, 30, tzinfo=UTC)
    assert overdue(job, [replaced(nightly, enabled=False)], None, now) is None
    assert overdue(replaced(job, enabled=False), [nightly], None, now) is None


def test_a_backup_that_is_changed_where_it_is_a_job_keeps_what_was_not_touched() -> None:
    spec = RsyncSpec(source="/srv/photos/", destination="/backup/photos")
    for retry in (None, Retry(), Retry(max_attempts=3)):
        made = JobDefinition(spec=spec, retry=retry, tags=("nightly",))
        draft, problems = read_definition(values_of_job("photos", made), ())
        assert problems == ()
        assert draft is not None
        assert saved_definition(draft) == made
    assert values_of_job("photos", JobDefinition(spec=spec))["max_attempts"] == "6"
