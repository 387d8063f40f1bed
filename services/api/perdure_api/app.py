"""The Litestar application: its routes, the gate before them, the answer to every error."""

from http import HTTPStatus
from typing import Final, cast

from litestar import Litestar
from litestar.connection import Request
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, ControllerRouterHandler, ExceptionHandlersMap, Scope

from perdure_api.error_answers import page_answer
from perdure_api.pages import page_routers
from perdure_api.pages.assets import asset_href
from perdure_api.routes import (
    actions,
    bulk,
    documents,
    events,
    executors,
    health,
    hosts,
    inside,
    items,
    jobs,
    login,
    metrics,
    queues,
    recovery,
    refusals,
    rsync,
    run_stream,
    runs,
    schedules,
    tokens,
    uploads,
)
from perdure_api.routes.gate import Gate
from perdure_api.routes.problems import answer, is_api, request_id_of
from perdure_api.security.access import HttpRequest
from perdure_api.security.front import Front
from perdure_api.services import Services, services_of


def handlers() -> list[ControllerRouterHandler]:
    """Give every route of the api."""
    files = (
        runs, inside, items, run_stream, actions, bulk, recovery, refusals, queues, executors, jobs,
        schedules, rsync, hosts, uploads, events, tokens, documents, health, metrics, login,
    )  # fmt: skip
    return [*(handler for file in files for handler in file.HANDLERS), *page_routers()]


_ALL_ERRORS: Final = (Exception, HTTPException, HTTPStatus.INTERNAL_SERVER_ERROR)


def create_app(services: Services) -> Front:
    """Put the application together."""
    routes = handlers()
    made = documents.Documents(documents.operations_of(routes), stylesheet=asset_href("app.css"))
    app = Litestar(
        route_handlers=routes,
        middleware=[lambda app: Gate(app, services)],
        # Our answers are ASGI applications, not Litestar's kind of response.
        exception_handlers=cast("ExceptionHandlersMap", dict.fromkeys(_ALL_ERRORS, _answer)),
        state=State({"services": services, "documents": made}),
        openapi_config=None,
        logging_config=None,
    )
    return Front(app, services.settings, _front_answer, metrics.observe)


def _answer(request: HttpRequest, error: Exception) -> ASGIApp:
    scope = request.scope
    if is_api(scope["path"]):
        said: ASGIApp = answer(error, request_id_of(scope))
    else:
        said = page_answer(request, error)
    return refusals.noted(services_of(request), scope, error, said)


def _front_answer(scope: Scope, error: Exception) -> ASGIApp:
    """Answer what went wrong outside of the application, where there is no page to show."""
    if is_api(scope["path"]):
        return answer(error, request_id_of(scope))
    return page_answer(Request(scope), error)
