"""People and programs who look again and again while something large goes on, and how long it takes."""

import statistics
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from tests.support.browser import signed_in
from tests.support.system import System


class Looking(ABC):
    """Someone who opens a page again and again, and a program that does."""

    pause_seconds = 0.1

    def __init__(self, system: System) -> None:
        self.page: list[float] = []
        """Seconds that each page took."""
        self.api: list[float] = []
        """Seconds that each answer to the program took."""
        self.system = system
        self._stop = threading.Event()

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Look for as long as the block lasts."""
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _look(self) -> None:
        endpoint = self.system.endpoint
        with (
            self.system.client() as program,
            httpx.Client(base_url=endpoint.url, trust_env=False) as person,
        ):
            for cookie in signed_in(endpoint.url, endpoint.login_url):
                person.cookies.set(cookie["name"], cookie["value"])
            while not self._stop.wait(self.pause_seconds):
                self.look(person, program)

    @abstractmethod
    def look(self, person: httpx.Client, program: httpx.Client) -> None:
        """Look once."""


def timed(ask: Callable[[], httpx.Response]) -> float:
    """Give the seconds that an answer took."""
    began = time.monotonic()
    answer = ask()
    assert answer.status_code == 200, answer.text
    return time.monotonic() - began


def told(seconds: list[float]) -> str:
    """Tell the half and 95 of 100."""
    p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
    return f"p50 {statistics.median(seconds) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms"
