"""One written call, two clients: in one the method answers, in the other it is awaited."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from perdure.requests import Request, Steps

P = ParamSpec("P")
T = TypeVar("T")


class Sends(Protocol):
    """A client that blocks."""

    blocking: bool

    def send(self, what: Request[T] | Steps[T]) -> T:
        """Carry out a request, or several steps."""
        ...


class SendsLater(Protocol):
    """A client that is awaited."""

    awaited: bool

    async def send(self, what: Request[T] | Steps[T]) -> T:
        """Carry out a request, or several steps."""
        ...


class Operation(Generic[P, T]):
    """A call of the API as an attribute of both clients, with the arguments of what builds it."""

    def __init__(self, build: Callable[P, Request[T] | Steps[T]]) -> None:
        self._build = build
        self.__doc__ = build.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> "Operation[P, T]": ...
    @overload
    def __get__(self, client: Sends, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: SendsLater, owner: type) -> Callable[P, Awaitable[T]]: ...
    def __get__(self, client: Any, owner: type) -> Any:  # the overloads say what comes out
        """Bind the call to a client."""
        if client is None:
            return self

        def call(*args: P.args, **kwargs: P.kwargs) -> object:
            return client.send(self._build(*args, **kwargs))

        call.__doc__ = self.__doc__
        return call
