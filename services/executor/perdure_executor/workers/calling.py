"""One function called in the main thread: found, run, interrupted when its run is to end."""

import importlib
import os
import sys
from collections.abc import Callable
from contextvars import copy_context
from types import CoroutineType
from typing import NoReturn

from perdure.context import Cancelled, Context
from perdure_executor.workers.calls import DONE, EXITED, RAISED, REJECTED, Answer, Call
from perdure_executor.workers.endings import trace_of, words_of
from perdure_executor.workers.functions import Found, NotCallable, find

WORDS = "the run is being ended"


class NotBegun(Exception):
    """The function could not be called; the text says why."""


class Caller:
    """Calls functions, and remembers those that it has found."""

    def __init__(self) -> None:
        """Know no function yet."""
        self._found: dict[tuple[str, bool], Found] = {}
        self._context: Context | None = None
        self._interrupt: Callable[[], None] | None = None
        self._pid = os.getpid()

    def call(self, call: Call) -> Answer:
        """Call it; streams, environment and directory are set. Give how it ended, and no figures."""
        try:
            return self._called(call)
        except Cancelled as error:  # it came when the function had just ended
            return Answer(outcome=RAISED, message=words_of(error))

    def ask_to_end(self) -> None:
        """Tell the function that its run is to end, and interrupt it unless it looks by itself.

        Called by a signal, so in the midst of anything.
        """
        interrupt = self._interrupt
        if self._context is not None and self._context.end() and interrupt is not None:
            self._interrupt = None
            interrupt()

    def _called(self, call: Call) -> Answer:
        try:
            self._context = context = Context()
            self._interrupt = _interrupt
            try:
                value = copy_context().run(self._run, call, context)
                if value is not None:
                    context.result(value)
            finally:
                self._interrupt = self._context = None
                if os.getpid() != self._pid:
                    os._exit(1)  # a child that the function forked, and that came back from it
        except NotBegun as error:
            return Answer(outcome=REJECTED, message=str(error))
        except SystemExit as error:
            code = _exit_code(error)
            return Answer(outcome=EXITED, code=code) if code else Answer(outcome=DONE)
        except BaseException as error:  # noqa: BLE001 - it is the user's, and told to the user
            print_trace(error)
            return Answer(outcome=RAISED, message=words_of(error))
        return Answer(outcome=DONE)

    def _run(self, call: Call, context: Context) -> object:
        try:
            os.chdir(call.cwd)
        except OSError as error:
            words = f"The working directory {call.cwd} cannot be used: {error.strerror}."
            raise NotBegun(words) from error
        found = self._find(call)
        args, kwargs = found.arguments(call.args, call.kwargs, context)
        value = found.call(*args, **kwargs)
        return self._awaited(value) if isinstance(value, CoroutineType) else value

    def _find(self, call: Call) -> Found:
        name = (call.func, call.allowed is None)
        if name not in self._found:
            importlib.invalidate_caches()
            try:
                self._found[name] = find(call.func, call.allowed)
            except NotCallable as error:
                raise NotBegun(str(error)) from error
            except Cancelled:
                raise
            except BaseException as error:
                print_trace(error)
                words = f"{call.func.partition(':')[0]} cannot be imported: {words_of(error)}"
                raise NotBegun(words) from error
        return self._found[name]

    def _awaited(self, coroutine: "CoroutineType[object, object, object]") -> object:
        import asyncio  # noqa: PLC0415 - it costs 5 MB, and most functions do without

        async def main() -> object:
            loop, task = asyncio.get_running_loop(), asyncio.current_task()

            def interrupt() -> None:
                if task is not None:
                    loop.call_soon_threadsafe(task.cancel, WORDS)
                if asyncio.current_task(loop) is not None:
                    raise Cancelled(WORDS)  # it computes, and may not wait for anything soon

            self._interrupt = interrupt
            return await coroutine

        return asyncio.run(main())


def print_trace(error: BaseException) -> None:
    """Show where it was raised, on standard error."""
    try:
        sys.stdout.flush()
        sys.stderr.write(trace_of(error))
    except (OSError, ValueError):  # the function has closed it
        return


def _interrupt() -> NoReturn:
    raise Cancelled(WORDS)


def _exit_code(error: SystemExit) -> int:
    """Give the exit code as Python does: a text is printed and means 1."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)  # noqa: T201 - as Python itself
    return 1
