"""Every context of a page explains itself, and the words for every event are there."""

import ast
from pathlib import Path

import pytest

from perdure_api.pages import event_words
from perdure_api.pages.words import ICON_OF_STATE
from perdure_contract.facts import FACTS

CLASSES = [
    node
    for file in sorted(Path(event_words.__file__).parent.glob("*_contexts.py"))
    for node in ast.parse(file.read_text()).body
    if isinstance(node, ast.ClassDef)
]


@pytest.mark.parametrize("node", CLASSES, ids=lambda node: node.name)
def test_every_field_of_a_context_says_what_it_is(node: ast.ClassDef) -> None:
    body = node.body[1:]
    for field, help_text in zip(body, [*body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign):
            assert isinstance(help_text, ast.Expr), ast.unparse(field)
            assert isinstance(help_text.value, ast.Constant), ast.unparse(field)


def test_every_event_of_a_run_is_told_in_words_of_its_own() -> None:
    source = Path(event_words.__file__).read_text()
    for fact in FACTS:
        if fact.event.startswith("run."):
            assert f"case {fact.__name__}()" in source


def test_every_tone_of_an_event_and_every_state_has_a_shape_of_its_own() -> None:
    running = {"scheduled", "waiting", "queued", "running", "retrying", "paused", "cancelling"}
    final = {"completed", "partial", "failed", "cancelled"}
    shapes = [ICON_OF_STATE[state] for state in running | final]
    assert len(shapes) == len(set(shapes))
