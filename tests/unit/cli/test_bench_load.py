import http.server
import threading
from collections.abc import Callable, Iterator

import msgspec
import pytest

from perdure_cli.bench.load import Plan, run_load


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    status = 201
    bodies: list[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        body = b'{"id": "1", "pad": "' + b"x" * 100_000 + b'"}'
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Answers) as found:
        found.bodies = []
        threading.Thread(target=found.serve_forever).start()
        yield found
        found.shutdown()


@pytest.fixture
def plan(server: Server) -> Callable[..., Plan]:
    def make(**fields: float | bool) -> Plan:
        plan = Plan(url=server.url, token="t", path="/x", body='{"a": 1}', count=20)
        return msgspec.structs.replace(plan, **fields)

    return make


def test_every_request_is_sent_once_over_connections_that_stay(
    server: Server, plan: Callable[..., Plan]
) -> None:
    outcome = run_load(plan(in_flight=4))
    assert outcome.statuses == {"201": 20}
    assert server.bodies == [b'{"a": 1}'] * 20


def test_answers_are_kept_whole_with_the_time_of_their_request(
    server: Server, plan: Callable[..., Plan]
) -> None:
    outcome = run_load(plan(count=3, per_second=100.0, keep_answers=True))
    assert [len(answer) for answer in outcome.answers] == [100_022] * 3
    assert outcome.sent_at == sorted(outcome.sent_at)


def test_a_refused_request_ends_the_measure_with_what_was_said(
    server: Server, plan: Callable[..., Plan]
) -> None:
    server.status = 422
    with pytest.raises(RuntimeError, match="422"):
        run_load(plan())
