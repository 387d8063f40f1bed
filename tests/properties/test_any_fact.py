"""Every fact comes back from its stored bytes as it was, and the chain tells every change."""

import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from perdure_api.store import codec
from perdure_contract import envelope, facts
from perdure_contract.envelope import Event
from perdure_contract.facts import FACTS, Fact
from tests.support import given as histories

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
JSON: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("fact", FACTS, ids=[fact.event for fact in FACTS])
def test_every_fact_has_a_decoder_of_its_own_type(fact: type[Fact]) -> None:
    assert facts.BY_TYPE[facts.type_name(fact)] is fact
    assert len({facts.type_name(known) for known in FACTS}) == len(FACTS)


@given(name=TEXTS, cursor=JSON, state=JSON, result=JSON)
def test_what_programs_say_comes_back_as_it_was(
    name: str, cursor: object, state: object, result: object
) -> None:
    for fact in (
        histories.requested(name=name, tags=(name,)),
        facts.RunCheckpointed(run="r", attempt=1, number=1, cursor=cursor, state=state),
        facts.RunCompleted(run="r", attempt=1, result=result),
        facts.RunProgressed(
            run="r", attempt=1, progress=facts.Progress(done=0.1, message=name[:500])
        ),
    ):
        assert codec.decode(facts.type_name(fact), facts.encode(fact)) == fact


def test_an_event_of_a_newer_version_is_named_and_not_guessed() -> None:
    with pytest.raises(codec.UnknownEventError, match=r"perdure\.run\.requested\.v9"):
        codec.decode("perdure.run.requested.v9", b"{}")


def test_fields_that_this_version_does_not_know_are_passed_over() -> None:
    fact = facts.RunHeld(run="r")
    more = msgspec.json.encode({"run": "r", "reason": None, "later": 1})
    assert codec.decode(facts.type_name(fact), more) == fact


EVENT = Event(
    position=7, id="e", stream="run-r", version=2, type="t", time="2026-01-01T00:00:00Z",
    tenant="default", data=b"{}", actor="a", correlation_id="c", causation_id="d",
)  # fmt: skip


@given(st.sampled_from(sorted(set(Event.__struct_fields__) - {"data", "sha256", "chain"})))
def test_the_chain_tells_every_change_of_what_is_public(field: str) -> None:
    sha256 = envelope.payload_sha256(EVENT.data)
    before = envelope.chain_link(envelope.GENESIS, EVENT, sha256)
    value = getattr(EVENT, field)
    other = value + 1 if isinstance(value, int) else typing.cast("str", value) + "x"
    changed = replace(EVENT, **{field: other})
    assert envelope.chain_link(envelope.GENESIS, changed, sha256) != before
    assert envelope.chain_link(envelope.GENESIS, EVENT, envelope.payload_sha256(b"{ }")) != before
    assert envelope.chain_link(before, EVENT, sha256) != before
