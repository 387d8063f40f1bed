"""The filter tester says what the real rsync does."""

import shutil
import subprocess
from pathlib import Path

import pytest

from perdure_contract.rsync.filters import verdict
from perdure_contract.rsync.spec import FilterRow

pytestmark = pytest.mark.skipif(shutil.which("rsync") is None, reason="NO RSYNC on this machine")

TREE = (
    "a.txt", "b.TMP", "c.tmp", ".hidden", "-dash", "we[i]rd", "back\\slash", "ü.txt", "sp ace.txt",
    "x/a.txt", "x/c.tmp", "x/y/a.txt", "x/y/z/deep.o", "x/y/z/a.txt", "cache/1", "cache/keep/2",
    "x/cache/3", "foo/bar", "x/foo/bar", "foo/bar2/baz", "q/foo/x/bar",
)  # fmt: skip
RULES = (
    ["- *.tmp"],
    ["- /c.tmp"],
    ["- x/c.tmp"],
    ["- /x/y/"],
    ["- cache/"],
    ["+ /cache/keep/***", "- /cache/*"],
    ["+ keep/", "- cache/"],
    ["+ */", "+ *.txt", "- *"],
    ["- x/**"],
    ["- **/foo/bar"],
    ["- **/a.txt"],
    ["- foo/**/bar"],
    ["- y/***"],
    ["- /x/***"],
    ["- foo/bar"],
    ["- /foo/bar"],
    ["- y/*/deep.o"],
    ["- [a-c].*"],
    ["- [!a-c].*"],
    ["- ?.txt"],
    ["- ??.txt"],
    ["- we\\[i\\]rd*"],
    ["- we[[]i*"],
    ["- back\\slash"],
    ["- back\\\\slash*"],
    ["- [[:upper:]]*", "- *.[[:upper:]]*"],
    ["- -dash"],
    ["+ x/", "+ x/y/", "+ x/y/**", "- *"],
    ["- .*"],
    ["- sp ace.*"],
    ["P a.txt", "- a.txt"],
    ["- **"],
    ["- x**t"],
    ["- [z-a]*"],
    ["- [abc"],
    ["- *[^t]"],
    ["- z"],
    ["- z/"],
    ["- /x/*/a.txt"],
    ["- ***"],
    ["- f*/b*"],
)
KINDS = {"+": "include", "-": "exclude", "P": "protect"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for name in TREE:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize("rules", RULES, ids=" ".join)
def test_a_path_is_kept_or_left_out_as_rsync_does_it(tree: Path, rules: list[str]) -> None:
    argv = ["rsync", "--recursive", "--dry-run", "--8-bit-output", "--out-format=%n"]
    filters = [f"--filter={rule}" for rule in rules]
    ran = subprocess.run(
        [*argv, *filters, "--", f"{tree}/", f"{tree}-none/"], capture_output=True, check=True
    )
    lines = ran.stdout.decode().splitlines()
    copied = {line for line in lines if not line.startswith(("./", "created"))}
    rows = [FilterRow(rule=KINDS[rule[0]], pattern=rule[2:]) for rule in rules]  # type: ignore[arg-type]  # one of three
    every = {f"{path.relative_to(tree)}{'/' if path.is_dir() else ''}" for path in tree.rglob("*")}
    kept = {path for path in every if verdict(rows, path).kept}
    assert kept == {line.replace("\\#134", "\\") for line in copied}


def test_the_rule_that_decided_is_named_with_the_place_where_it_did() -> None:
    rows = [FilterRow(rule="include", pattern="*/"), FilterRow(rule="exclude", pattern="cache/")]
    assert verdict(rows, "cache/keep/2").rule is None
    found = verdict(rows[::-1], "x/cache/3")
    assert (found.kept, found.rule, found.at) == (False, 0, "x/cache/")
    assert verdict((), "a").rule is None
