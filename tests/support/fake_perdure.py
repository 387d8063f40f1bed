"""Stands in for the `perdure` program under the supervisor: answers, obeys, and dies when told.

`python fake_perdure.py api|executor|migrate|token …|login …`; a file `<data dir>/<name>.fails`
makes that command print its content and end with code 2.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil

DATA_DIR = Path(os.environ["PERDURE_DATA_DIR"])


class Answers(BaseHTTPRequestHandler):
    """Knows one token and is always ready."""

    def do_GET(self) -> None:
        """Answer a path, 401 without the token where one is needed."""
        public = self.path in ("/healthz", "/readyz")
        known = self.headers["Authorization"] == "Bearer the-token"
        body = json.dumps({"environment": dict(os.environ)}).encode()
        self.send_response(200 if public or known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


def api() -> None:
    """Serve, and keep a login link."""
    (DATA_DIR / "login_url").write_text(f"http://x/login/{os.getpid()}")
    server = HTTPServer((os.environ["PERDURE_HOST"], int(os.environ["PERDURE_PORT"])), Answers)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()


def executor() -> None:
    """Have a warden that outlives this process unless it is stopped cleanly."""
    home = DATA_DIR / f"executor-{os.environ['PERDURE_EXECUTOR_NAME']}"
    home.mkdir(exist_ok=True)
    note = home / "warden.json"
    if not note.exists() or not _lives(json.loads(note.read_text())["pid"]):
        warden = subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True)
        note.write_text(json.dumps({"pid": warden.pid}))
    (home / "environment.json").write_text(json.dumps(dict(os.environ)))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        signal.pause()


def _lives(pid: int) -> bool:
    with suppress(psutil.Error):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


def main() -> None:
    """Do what the first word says."""
    name = sys.argv[1]
    failing = DATA_DIR / f"{name}.fails"
    if failing.exists():
        sys.exit(_fail(failing.read_text()))
    if name == "api":
        api()
    elif name == "executor":
        executor()
    elif name == "token":
        print(json.dumps({"token": "the-token"}))
    elif name == "login":
        print(json.dumps({"login_url": "http://x/login/first"}))


def _fail(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 2


if __name__ == "__main__":
    main()
