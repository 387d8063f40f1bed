"""Hosts, tokens, cookies and settings, without any server."""

from pathlib import Path

import pytest

from perdure_api.errors import CannotStart, Refused
from perdure_api.security.front import Hosts
from perdure_api.security.limits import Failures
from perdure_api.security.secrets import digest, new_secret
from perdure_api.security.tokens import compose, parse
from perdure_api.settings import Settings

SERVERS = {"PERDURE_DATABASE_URL": "postgresql://x/y", "PERDURE_NATS_URL": "nats://x"}


def settings(**more: str) -> Settings:
    return Settings.read(SERVERS | more)


def test_what_is_left_out_has_its_default() -> None:
    found = settings()
    assert (found.host, found.port, found.lease_seconds) == ("127.0.0.1", 8000, 60)
    assert found.stuck_after_seconds == 86400
    assert found.data_dir == Path(".perdure").absolute()
    assert found.address == "http://127.0.0.1:8000"
    assert not found.is_https


@pytest.mark.parametrize(
    "more",
    [
        {"PERDURE_HOST": "0.0.0.0"},
        {"PERDURE_HOST": "192.168.1.2"},
        {"PERDURE_HOST": "::"},
        {"PERDURE_PORT": "-1"},
        {"PERDURE_PORT": "a"},
        {"PERDURE_PUBLIC_URL": "ftp://x"},
        {"PERDURE_PUBLIC_URL": "https://x/path"},
        {"PERDURE_LEASE_SECONDS": "0"},
        {"PERDURE_NATS_URL": "http://x"},
    ],
)
def test_a_setting_that_makes_no_sense_is_named(more: dict[str, str]) -> None:
    with pytest.raises(CannotStart, match=next(iter(more))):
        settings(**more)


@pytest.mark.parametrize(
    ("more", "host", "allowed"),
    [
        ({}, b"localhost:8000", True),
        ({}, b"127.0.0.1", True),
        ({}, b"[::1]:1", True),
        ({}, b"perdure.example", False),
        ({}, b"127.0.0.2", False),
        ({}, b"localhost.", False),
        ({}, b"a@localhost", False),
        ({}, b"localhost:x", False),
        ({}, b"\xff", False),
        ({}, b"", False),
        ({"PERDURE_PUBLIC_URL": "https://perdure.example"}, b"perdure.example", True),
        ({"PERDURE_PUBLIC_URL": "https://perdure.example"}, b"PERDURE.example:443", True),
        ({"PERDURE_PUBLIC_URL": "https://perdure.example"}, b"other.example", False),
        ({"PERDURE_HOST": "0.0.0.0", "PERDURE_ALLOW_PLAIN_HTTP": "1"}, b"10.1.2.3:8000", True),
        ({"PERDURE_HOST": "0.0.0.0", "PERDURE_ALLOW_PLAIN_HTTP": "1"}, b"evil.example", False),
    ],
)
def test_a_host_is_ours_or_not(more: dict[str, str], host: bytes, allowed: object) -> None:
    hosts = Hosts(settings(**more))
    assert hosts.allows(host) is allowed
    assert hosts.allows(host) is allowed


def test_a_token_is_taken_apart_as_it_was_put_together() -> None:
    secret = "a_b-c_d"
    token = compose("0123", secret)
    assert parse(f"Bearer {token}".encode()) == ("0123", secret)
    assert parse(f"bearer {token}".encode()) == ("0123", secret)


@pytest.mark.parametrize(
    "header", [None, b"", b"Bearer", b"Bearer x", b"Basic pd_a_b", b"Bearer pd_a"]
)
def test_what_is_no_token_is_refused(header: bytes | None) -> None:
    with pytest.raises(Refused) as refusal:
        parse(header)
    assert refusal.value.code == "unauthorized"


def test_secrets_are_long_and_never_the_same() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(len(secret) == 43 for secret in made)
    assert len(digest("é\ud800")) == 32


def test_only_failures_slow_down_and_only_their_peer() -> None:
    failures = Failures()
    for _ in range(5):
        failures.check("a")
        failures.failed("a")
    with pytest.raises(Refused) as refusal:
        failures.check("a")
    assert refusal.value.code == "too-many-requests"
    failures.check("b")
