import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from perdure_cli.main import COMMANDS, root


@pytest.fixture(autouse=True)
def nothing_runs_here(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(str(tmp_path))


def test_every_command_of_the_table_can_be_loaded() -> None:
    context = click.Context(root)
    for name in COMMANDS:
        command = root.get_command(context, name)
        assert command is not None
        assert command.help


def test_the_list_of_commands_imports_none_of_them() -> None:
    program = (
        "import sys; from perdure_cli.main import root\n"
        "try: root(['--help'])\n"
        "except SystemExit: pass\n"
        "services = ('perdure_api', 'perdure_executor', 'perdure.')\n"
        "print([m for m in sys.modules if m.startswith(services)])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("command", "other"), [("executor", "perdure_api"), ("api", "perdure_executor")]
)
def test_a_service_is_started_without_the_code_of_the_other(command: str, other: str) -> None:
    program = (
        "import click, sys; from perdure_cli.main import root\n"
        f"root.get_command(click.Context(root), {command!r})\n"
        f"print([m for m in sys.modules if m.startswith({other!r})])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_an_unknown_command_is_wrong_use() -> None:
    assert CliRunner().invoke(root, ["wrun"]).exit_code == 2


def test_without_a_running_system_a_client_command_ends_with_3_and_one_line() -> None:
    outcome = CliRunner().invoke(root, ["run", "list"])
    assert outcome.exit_code == 3
    assert len(outcome.stderr.splitlines()) == 1
    assert "make run" in outcome.stderr


def test_where_nobody_answers_a_client_command_ends_with_3_and_one_line() -> None:
    outcome = CliRunner().invoke(root, ["run", "list", "--url", "http://127.0.0.1:9"])
    assert outcome.exit_code == 3
    assert len(outcome.stderr.splitlines()) == 1


def test_where_no_postgresql_answers_a_command_on_the_store_ends_with_3() -> None:
    outcome = CliRunner().invoke(
        root, ["audit", "verify"], env={"PERDURE_DATABASE_URL": "postgresql://x@127.0.0.1:9/x"}
    )
    assert outcome.exit_code == 3
    assert len(outcome.stderr.splitlines()) == 1


def test_migrate_without_a_database_names_the_variable() -> None:
    outcome = CliRunner().invoke(root, ["migrate"])
    assert outcome.exit_code == 2
    assert "PERDURE_DATABASE_URL" in outcome.stderr


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--script", "-", "--", "/bin/true"],
        ["--shell", "/bin/bash", "--", "/bin/true"],
        ["--max-attempts", "0", "--", "/bin/true"],
        ["--timeout", "soon", "--", "/bin/true"],
        ["--python", "a:b", "--", "/bin/true"],
        ["--python", "a:b", "--env", "A=1"],
        ["--arg", "1", "--", "/bin/true"],
    ],
)
def test_a_submission_that_makes_no_sense_is_refused_before_anyone_is_asked(
    words: list[str],
) -> None:
    outcome = CliRunner().invoke(root, ["run", "submit", "--url", "http://127.0.0.1:9", *words])
    assert outcome.exit_code == 2, outcome.output
