"""How a route is declared: its permission, its query, its body and its answer, in one place.

The same declaration checks requests and is written into the OpenAPI document, so the two cannot part.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, Literal

from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Struct
from typing_extensions import TypeVar

from perdure_api.domain.callers import Caller
from perdure_api.routes.queries import NoQuery, read_query
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.security.roles import Permission
from perdure_api.services import Services, services_of

Q = TypeVar("Q", bound=Struct, default=NoQuery)
Method = Literal["GET", "POST", "PUT", "DELETE"]


@dataclass(frozen=True, slots=True)
class Call(Generic[Q]):
    """One request to a route: what was checked, and what it works with."""

    request: HttpRequest
    services: Services
    query: Q

    @property
    def caller(self) -> Caller:
        """On whose behalf; not on public routes."""
        return caller_of(self.request)

    def path(self, name: str) -> str:
        """Give a part of the path."""
        return str(self.request.path_params[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What is said of a route to those who call it."""

    method: Method
    path: str
    permission: Permission
    summary: str
    query: type[Struct]
    body: Any = None
    """The type of the body; None when it takes none."""
    answer: Any = None
    """The type of the answer's body; None when it is none or no JSON."""
    status: int = HTTPStatus.OK
    media_type: str = "application/json"
    other_media_types: tuple[str, ...] = ()
    body_is_optional: bool = False
    raw_bodies: tuple[str, ...] = ()
    """Media types of a body that is taken as it is, not as JSON."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers of the answer, with what they tell."""


def operation(
    method: Method,
    path: str,
    *,
    permission: Permission,
    summary: str,
    query: type[Q] = NoQuery,  # type: ignore[assignment]  # NoQuery is the Q of routes that name none
    **said: Any,  # noqa: ANN401 -- the rest of Operation's fields
) -> Callable[[Callable[[Call[Q]], Awaitable[ASGIApp]]], HTTPRouteHandler]:
    """Declare a route of the API."""
    about = Operation(
        method=method, path=path, permission=permission, summary=summary, query=query, **said
    )

    def declare(handler: Callable[[Call[Q]], Awaitable[ASGIApp]]) -> HTTPRouteHandler:
        async def serve(request: HttpRequest) -> ASGIApp:
            return await handler(Call(request, services_of(request), read_query(request, query)))

        serve.__name__ = serve.__qualname__ = handler.__name__
        serve.__module__ = handler.__module__
        return HTTPRouteHandler(
            path.replace("}", ":str}"),
            http_method=method,
            status_code=about.status,
            name=f"{method} {path}",
            opt={"permission": permission, "operation": about},
        )(serve)

    return declare
