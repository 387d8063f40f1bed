"""Fixtures of many files: an api without an executor, a browser, and someone who is signed in."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support import stack
from tests.support.browser import Visitor, chromium, signed_in, visitor
from tests.support.http_api import Api, running_api
from tests.support.stack import Database, Servers
from tests.support.system import System


@pytest.fixture(scope="module")
def api(
    servers: Servers, module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    """An api on a database of the file's own, without an executor."""
    stack.delete_streams(servers.nats.api)
    with running_api(module_database, servers.nats.api, tmp_path_factory.mktemp("api")) as api:
        yield api


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def cookies(running_system: System) -> list[dict[str, str]]:
    endpoint = running_system.endpoint
    return signed_in(endpoint.url, endpoint.login_url)


@pytest.fixture
def someone(
    browser: Browser, running_system: System, cookies: list[dict[str, str]]
) -> Iterator[Visitor]:
    """A person at a desk; nothing may have gone wrong by the end of the test."""
    with visitor(browser, running_system.endpoint.url, cookies) as someone:
        yield someone
        someone.is_content()


@pytest.fixture
def request_run(running_system: System) -> Callable[..., str]:
    """Request a run by the API, and give its id."""

    def request(spec: dict[str, Any], **fields: object) -> str:
        with running_system.client() as client:
            answer = client.post("/api/runs", json={"spec": {"kind": "command", **spec}, **fields})
            run: str = answer.raise_for_status().json()["id"]
            return run

    return request
