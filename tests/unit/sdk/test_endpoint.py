"""What `perdure up` writes about itself is what programs read."""

from pathlib import Path

import pytest
from msgspec.structs import asdict

from perdure.endpoint import find_endpoint, read_endpoint_file
from perdure_devstack.directories import Directories
from perdure_devstack.endpoint import Endpoint, EndpointFile, Pids


def test_a_system_is_found_while_a_part_of_it_has_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL may be one's own, and a killed warden is not there for a moment."""
    pids = Pids(supervisor=1, api=2, executor=3)
    written = Endpoint("http://127.0.0.1:1", "secret", "", "postgresql://own", "nats://own", pids)
    EndpointFile(Directories(tmp_path)).write(written)
    monkeypatch.setenv("PERDURE_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("PERDURE_URL", raising=False)
    monkeypatch.delenv("PERDURE_TOKEN", raising=False)

    assert (find_endpoint().url, find_endpoint().token) == ("http://127.0.0.1:1", "secret")
    assert read_endpoint_file().pids == asdict(pids)
