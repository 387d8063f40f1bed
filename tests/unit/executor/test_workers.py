"""A worker process by itself: calls, streams, what it may be used for again, and how it ends."""

import json
import os
import select
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from perdure_executor.workers.calls import Answer, Call, encode_call
from perdure_executor.workers.process import WorkerGone, WorkerProcess

CODE = """
import os, signal, subprocess, sys, threading, time

def echo(*args, **kwargs):
    print(args, kwargs, os.environ["MARK"], os.getcwd())

def stay():
    subprocess.Popen(["/bin/sleep", "600"])

def thread():
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()

def hold():
    print("held", flush=True)
    time.sleep(600)

def fork():
    if os.fork() == 0:
        raise ValueError("in the child")
    os.wait()

def burn():
    subprocess.run(["/bin/sh", "-c", "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done"])
    return len(bytearray(200_000_000))

def alter():
    signal.alarm(600)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    os.umask(0o777)
    os.chdir("/tmp")
    os.environ["MORE"] = "1"
    sys.stdout = None

def state():
    print("here")
    umask = os.umask(0)
    blocked = len(signal.pthread_sigmask(signal.SIG_BLOCK, []))
    return [signal.alarm(0), blocked, umask == 0o777, os.getcwd(), "MORE" in os.environ]

def close():
    os.closerange(3, 50)
    sys.stdout.close()
"""


class Driven:
    """A worker with the other ends of its streams."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = WorkerProcess([str(folder)], dict(os.environ))
        self.out: list[int] = []

    def begin(self, func: str, *args: object, **variables: str) -> None:
        pipes = [os.pipe() for _ in range(3)]
        environment = {"MARK": "none", "PERDURE_FD": "3", "PATH": os.environ["PATH"], **variables}
        call = Call(func=func, args=list(args), kwargs={}, env=environment, cwd="/", allowed=None)
        self.process.call([encode_call(call)], [write for _, write in pipes])
        for _, write in pipes:
            os.close(write)
        self.out = [read for read, _ in pipes]

    def answer(self) -> Answer:
        while True:
            assert select.select([self.process], [], [], 30)[0], "no answer"
            answer = self.process.answer()
            if answer is not None:
                return answer

    def said(self, stream: int) -> str:
        os.set_blocking(self.out[stream], False)
        with suppress(BlockingIOError):
            return os.read(self.out[stream], 65536).decode()
        return ""

    def call(self, func: str, *args: object, **variables: str) -> tuple[Answer, str, str]:
        """Give the answer, and what was printed and reported."""
        self.begin(func, *args, **variables)
        answer = self.answer()
        said = self.said(0), self.said(2)
        for file in self.out:
            os.close(file)
        return answer, *said


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Driven]:
    (tmp_path / "mine.py").write_text(CODE)
    driven = Driven(tmp_path)
    yield driven
    with suppress(OSError):
        driven.process.end()


def test_calls_follow_each_other_in_one_process(worker: Driven) -> None:
    first, printed, _ = worker.call("mine:echo", 1, "ü", None, MARK="one")
    second, again, _ = worker.call("mine.echo", MARK="two")

    assert (first.outcome, first.keep, second.keep) == ("done", True, True)
    assert printed == "(1, 'ü', None) {} one /\n"
    assert again == "() {} two /\n"


def test_an_argument_may_be_larger_than_a_socket_takes_at_once(worker: Driven) -> None:
    answer, printed, _ = worker.call("builtins:len", "x" * 2_000_000)

    assert answer.outcome == "done"
    assert printed == ""


def test_what_a_call_altered_is_set_right_for_the_next(worker: Driven) -> None:
    worker.call("mine:alter")
    answer, printed, reported = worker.call("mine:state")

    assert (answer.outcome, printed) == ("done", "here\n")
    assert json.loads(reported) == {"result": [0, 0, False, "/", False]}


def test_what_is_returned_is_reported_as_a_result(worker: Driven) -> None:
    assert worker.call("builtins:len", "abc")[2] == '{"result":3}\n'


@pytest.mark.parametrize("func", ["mine:stay", "mine:thread", "mine:close"])
def test_a_worker_in_which_something_is_left_is_not_used_again(worker: Driven, func: str) -> None:
    answer, _, _ = worker.call(func)

    assert (answer.outcome, answer.keep) == ("done", False)


def test_a_child_that_comes_back_from_the_function_answers_nothing(worker: Driven) -> None:
    answer, _, _ = worker.call("mine:fork")

    assert (answer.outcome, answer.keep) == ("done", True)
    assert worker.call("builtins:len", "")[2] == '{"result":0}\n'


def test_cost_is_that_of_the_call_with_its_children(worker: Driven) -> None:
    large, _, _ = worker.call("mine:burn")
    small, _, _ = worker.call("builtins:len", "")

    assert large.cpu > small.cpu
    assert large.peak > 200_000_000 > small.peak


def test_a_changed_or_deleted_file_makes_it_outdated(worker: Driven) -> None:
    worker.call("mine:echo")
    before = worker.process.is_outdated()
    (worker.folder / "mine.py").write_text(CODE + "\n")
    after = worker.process.is_outdated()
    (worker.folder / "mine.py").unlink()

    assert (before, after, worker.process.is_outdated()) == (False, True, True)


def test_term_interrupts_a_call_and_nothing_else(worker: Driven) -> None:
    worker.call("builtins:len", "")
    os.kill(worker.process.pid, signal.SIGTERM)
    worker.begin("mine:hold")
    assert os.read(worker.out[0], 100) == b"held\n"
    os.kill(worker.process.pid, signal.SIGTERM)

    answer = worker.answer()
    assert answer.outcome == "raised"
    assert answer.message == "perdure.context.Cancelled: the run is being ended"


def test_a_killed_worker_is_gone_and_takes_no_call(worker: Driven) -> None:
    worker.begin("mine:hold")
    assert os.read(worker.out[0], 100) == b"held\n"
    worker.process.kill()

    with pytest.raises(WorkerGone):
        worker.answer()
    with pytest.raises(WorkerGone):
        worker.begin("builtins:len", "")


def test_it_ends_when_nobody_is_there_any_more(worker: Driven) -> None:
    worker.call("builtins:len", "")
    pid, pidfd = worker.process.pid, os.dup(worker.process.pidfd)
    worker.process.close()

    assert select.select([pidfd], [], [], 30)[0]
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(pidfd)


def test_it_is_recycled_after_many_calls(worker: Driven) -> None:
    calls = 1
    while worker.call("perdure.demo:noop")[0].keep:
        calls += 1

    assert calls == 10_000
