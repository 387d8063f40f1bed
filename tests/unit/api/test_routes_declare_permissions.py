"""Deny by default: a route without a declared permission does not get into the application."""

import warnings

import pytest
from litestar import Litestar
from litestar.exceptions import LitestarDeprecationWarning
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from perdure_api.app import handlers
from perdure_api.routes.documents import openapi, operations_of
from perdure_api.routes.problems import is_api
from perdure_api.security.roles import NEEDED, ROLES, may


def routes() -> list[tuple[str, HTTPRouteHandler]]:
    """Give every path with what answers there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LitestarDeprecationWarning)
        app = Litestar(handlers(), openapi_config=None)
    found = [
        (route.path, handler)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if "OPTIONS" not in handler.http_methods
    ]
    # In the same order in each process that runs tests.
    return sorted(found, key=lambda each: (each[0], sorted(each[1].http_methods), str(each[1])))


ROUTES = routes()

OPEN = {
    "/healthz",
    "/readyz",
    "/api/openapi.json",
    "/api/asyncapi.json",
    "/api/docs",
    "/api/schemas/{name:str}",
    "/login",
    "/login/{secret:str}",
    "/static/{name:str}",
}


@pytest.mark.parametrize(("path", "handler"), ROUTES, ids=str)
def test_every_route_declares_a_permission(path: str, handler: HTTPRouteHandler) -> None:
    permission = handler.opt.get("permission")
    assert permission in ("public", "loopback", *NEEDED)
    assert (permission == "public") == (path in OPEN)


@pytest.mark.parametrize(("path", "handler"), ROUTES, ids=str)
def test_what_changes_something_needs_more_than_looking(
    path: str, handler: HTTPRouteHandler
) -> None:
    changes = handler.http_methods & {"POST", "PUT", "DELETE"}
    if changes and path not in ("/logout", "/preferences", "/api/schedules/preview"):
        assert not may("viewer", handler.opt["permission"])


def test_every_route_of_the_api_is_in_its_document() -> None:
    document = openapi(operations_of(handlers()))
    described = {
        (path, method.upper()) for path, item in document["paths"].items() for method in item
    }
    routed = {
        (path.replace(":str}", "}"), method)
        for path, handler in ROUTES
        if is_api(path)
        for method in handler.http_methods
    }
    assert described == routed


def test_a_higher_role_may_all_that_a_lower_one_may() -> None:
    for permission in ("view", "operate", "author", "admin"):
        allowed = [may(role, permission) for role in ROLES]
        assert allowed == sorted(allowed)
    assert not may("operator", "author"), "who defines commands runs any program"
