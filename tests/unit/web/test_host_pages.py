"""The form of a saved host: what is typed and pasted, and what never comes back."""

import subprocess
from pathlib import Path

import pytest

from perdure_api.errors import Refused
from perdure_api.pages.host_form import (
    NO_SECRETS,
    key_words,
    pinned,
    problems_of,
    read_host,
    typed,
    values_of,
    without_secrets,
)
from perdure_contract.objects import HostView
from perdure_contract.rsync.spec import SavedHost

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE8l0Nq3W0o9x9u1q0m5Zc8nqz1aGX1Wf1vZ0q7p3r5s"
SENT = {
    "name": ["offsite"],
    "address": ["backup.example.org"],
    "user": ["backup"],
    "port": ["2222"],
    "key": ["/etc/perdure/offsite"],
    "host_key": [KEY],
    "roots": ["/srv/a\r\n\r\n  /srv/b "],
}


def test_what_is_typed_is_the_host_that_a_program_would_send() -> None:
    name, saved = read_host(typed(SENT))
    assert name == "offsite"
    assert saved == SavedHost(
        address="backup.example.org",
        user="backup",
        port=2222,
        key="/etc/perdure/offsite",
        host_key=KEY,
        roots=("/srv/a", "/srv/b"),
    )
    fields = {field: getattr(saved, field) for field in SavedHost.__struct_fields__}
    shown = values_of(HostView(name=name, version=3, **fields))
    assert read_host(shown) == (name, saved)


def test_faults_lead_to_their_fields_in_the_order_of_the_form() -> None:
    with pytest.raises(Refused) as refused:
        read_host(typed({"name": ["Not So"], "port": ["abc"], "user": ["x"]}))
    found = problems_of(refused.value.errors)
    assert [p.field for p in found] == ["name", "address", "port", "key", "host_key", "roots"]
    assert found[0].message.startswith("Lower-case letters")
    assert found[2].message == "Must be a whole number."


@pytest.mark.parametrize(
    "pasted", [KEY, f"backup.example.org {KEY}", f"[10.0.0.1]:2222 {KEY}", f"{KEY} root@backup"]
)
def test_a_key_is_taken_out_of_the_line_that_is_pasted(pasted: str) -> None:
    assert pinned(pasted) == KEY


def test_a_private_key_is_neither_taken_nor_shown_again() -> None:
    secret = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----"
    values = typed({**SENT, "key": [secret]})
    with pytest.raises(Refused) as refused:
        read_host(values)
    (problem,) = problems_of(refused.value.errors)
    assert (problem.field, problem.message) == ("key", NO_SECRETS)
    assert "PRIVATE" not in str(without_secrets(values))


def test_a_public_key_is_named_as_ssh_names_it(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(KEY)
    command = ["ssh-keygen", "-l", "-f", str(tmp_path / "key.pub")]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("!!! there is no ssh-keygen here")
    assert key_words(KEY).split()[1] == said.split()[1]
    assert key_words("ssh-rsa AAA") == "ssh-rsa"
