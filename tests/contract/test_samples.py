"""Golden samples: what was ever stored or published stays readable, byte for byte."""

from pathlib import Path

import msgspec
import pytest

import perdure_contract
from perdure_api.messaging.asyncapi import data_schema, document
from perdure_api.store.codec import LIFTINGS, UnknownEventError, decode
from perdure_contract import facts, subjects
from perdure_contract.envelope import GENESIS, chain_link, payload_sha256
from tests.support.following import Seen, as_stored

FOLDER = Path(perdure_contract.__file__).parent / "samples"
CHAINED = 29
CHAIN = "57600b98f5cb6964fa0726cee305605184ed2a8db4176a61a3c21c36508595df"
"""Over the first samples by position: whoever implements the chain can check against it."""


def read(name: str) -> Seen:
    return msgspec.json.decode(
        msgspec.json.format((FOLDER / f"{name}.json").read_bytes(), indent=0), type=Seen
    )


def compact(event: Seen) -> bytes:
    return msgspec.json.format(bytes(event.data), indent=-1)


def test_every_type_that_can_be_stored_has_exactly_one_sample() -> None:
    names = sorted(path.stem for path in FOLDER.iterdir() if path.suffix == ".json")
    assert names == sorted({*facts.BY_TYPE, *LIFTINGS})


@pytest.mark.parametrize("name", sorted({*facts.BY_TYPE, *LIFTINGS}))
def test_a_sample_is_read_as_its_fact(name: str) -> None:
    event = read(name)
    assert event.type == name
    fact = decode(event.type, compact(event))
    assert facts.type_name(fact) in facts.BY_TYPE


@pytest.mark.parametrize("name", sorted(facts.BY_TYPE))
def test_encoding_a_sample_again_keeps_all_that_it_said(name: str) -> None:
    event = read(name)
    again = msgspec.json.decode(facts.encode(decode(event.type, compact(event))))
    assert again | msgspec.json.decode(bytes(event.data)) == again


@pytest.mark.parametrize("name", sorted(facts.BY_TYPE))
def test_a_later_program_may_have_added_fields(name: str) -> None:
    event = read(name)
    data = msgspec.json.decode(bytes(event.data)) | {"of_a_later_version": {"x": 1}}
    assert decode(name, msgspec.json.encode(data)) == decode(name, compact(event))


def test_the_chain_over_the_samples_is_the_published_one() -> None:
    events = sorted((read(name) for name in facts.BY_TYPE), key=lambda event: event.position)
    chain = GENESIS
    for event in events[:CHAINED]:
        data = compact(event)
        stored = msgspec.structs.replace(as_stored(event), data=data)
        chain = chain_link(chain, stored, payload_sha256(data))
    assert chain.hex() == CHAIN


def test_an_event_of_a_newer_perdure_is_named_and_not_guessed_at() -> None:
    with pytest.raises(UnknownEventError, match=r"perdure\.run\.teleported\.v1"):
        decode("perdure.run.teleported.v1", b"{}")


def test_every_event_has_a_subject_without_surprises() -> None:
    for name, fact in facts.BY_TYPE.items():
        stream = read(name).subject
        subject = subjects.event_subject("default", stream, fact.event)
        assert subject.startswith("perdure.events.v1.default.")
        assert len(subject.split(".")) == 7, subject
        assert not set(subject) & set(" *>\t")


def test_the_asyncapi_document_names_every_type() -> None:
    made = document(version="1.2.3")
    assert made["asyncapi"] == "3.0.0"
    assert set(facts.BY_TYPE) < set(made["components"]["messages"])
    _assert_references_lead_somewhere(made, made)


def test_the_schema_of_an_event_is_whole_in_itself() -> None:
    for fact in facts.FACTS:
        made = data_schema(fact)
        assert made["$id"] == f"/api/schemas/{facts.type_name(fact)}.json"
        _assert_references_lead_somewhere(made, made)


def _assert_references_lead_somewhere(part: object, whole: dict[str, object]) -> None:
    if isinstance(part, dict):
        if isinstance(reference := part.get("$ref"), str):
            found: object = whole
            for step in reference.removeprefix("#/").split("/"):
                assert isinstance(found, dict)
                found = found[step]
        for value in part.values():
            _assert_references_lead_somewhere(value, whole)
    elif isinstance(part, list):
        for value in part:
            _assert_references_lead_somewhere(value, whole)
