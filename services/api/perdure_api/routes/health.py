"""Is it alive, is it ready, and how busy is it."""

from http import HTTPStatus
from typing import Final, Literal

from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Struct

from perdure_api.routes.operations import Call, operation
from perdure_api.routes.replies import json_reply
from perdure_api.store.database import AWAY
from perdure_api.store.migrate import pending_in

ASK_SECONDS: Final = 2.0


class Alive(Struct, frozen=True):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Readiness(Struct, frozen=True):
    """Whether requests are taken, and why not, or what is missing meanwhile."""

    status: Literal["ready", "degraded", "unavailable"]
    reasons: tuple[str, ...] = ()


@operation(
    "GET",
    "/healthz",
    permission="public",
    summary="Tell whether the process is alive",
    answer=Alive,
)
async def healthz(_call: Call) -> ASGIApp:
    """Answer, which is all there is to it."""
    return json_reply(Alive())


@operation(
    "GET",
    "/readyz",
    permission="public",
    summary="Tell whether requests are taken",
    answer=Readiness,
)
async def readyz(call: Call) -> ASGIApp:
    """503 without PostgreSQL or with pending migrations; without NATS requests are still taken."""
    try:
        async with call.services.database.pool.acquire(timeout=ASK_SECONDS) as connection:
            pending = await pending_in(connection)
    except AWAY:
        return _unavailable("PostgreSQL cannot be reached.")
    if pending:
        return _unavailable("Migrations are pending: run `perdure migrate`.")
    if not call.services.nats.connected:
        reason = "NATS cannot be reached: runs are taken, none is started."
        return json_reply(Readiness("degraded", (reason,)))
    return json_reply(Readiness("ready"))


def _unavailable(reason: str) -> ASGIApp:
    answer = Readiness("unavailable", (reason,))
    return json_reply(
        answer, status=HTTPStatus.SERVICE_UNAVAILABLE, headers=((b"retry-after", b"1"),)
    )


HANDLERS: Final[list[HTTPRouteHandler]] = [healthz, readyz]
