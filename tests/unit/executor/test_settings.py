"""What an executor makes of its environment."""

from pathlib import Path

import pytest

from perdure_executor.errors import CannotStart
from perdure_executor.settings import from_environment

URL = {"PERDURE_NATS_URL": "nats://u:p@127.0.0.1:4222"}


def test_only_the_address_of_nats_is_needed() -> None:
    settings = from_environment(URL)

    assert settings.slots >= 2
    assert settings.labels == {}
    assert settings.queues == ()
    assert settings.programs is None
    assert settings.data_dir == Path.cwd() / ".perdure"
    assert settings.spool.name == f"executor-{settings.name}"


def test_everything_can_be_said() -> None:
    settings = from_environment(
        {
            **URL,
            "PERDURE_EXECUTOR_NAME": "site-b_1",
            "PERDURE_EXECUTOR_SLOTS": "7",
            "PERDURE_EXECUTOR_LABELS": "site=b, gpu=yes",
            "PERDURE_EXECUTOR_QUEUES": "a,b",
            "PERDURE_PROGRAMS": "/bin/true:/bin/sh",
            "PATH": "/bin",
            "LD_PRELOAD": "not passed on",
        }
    )

    assert (settings.name, settings.slots) == ("site-b_1", 7)
    assert settings.labels == {"site": "b", "gpu": "yes"}
    assert settings.queues == ("a", "b")
    assert settings.programs is not None
    assert len(settings.programs) == 2
    assert settings.environment == {"PATH": "/bin"}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PERDURE_NATS_URL", ""),
        ("PERDURE_NATS_URL", "http://x"),
        ("PERDURE_EXECUTOR_NAME", "Not A Name"),
        ("PERDURE_EXECUTOR_SLOTS", "many"),
        ("PERDURE_EXECUTOR_SLOTS", "0"),
        ("PERDURE_EXECUTOR_LABELS", "gpu"),
        ("PERDURE_EXECUTOR_QUEUES", "a,B"),
    ],
)
def test_what_makes_no_sense_names_its_variable(variable: str, value: str) -> None:
    with pytest.raises(CannotStart, match=variable):
        from_environment({**URL, variable: value})
