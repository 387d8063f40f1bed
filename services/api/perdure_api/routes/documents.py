"""What the api says about itself: OpenAPI and AsyncAPI, and a page that lists every operation."""

from collections.abc import Iterable, Sequence
from html import escape
from importlib.metadata import version
from typing import Any, Final

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Struct

from perdure_api.messaging.asyncapi import document as asyncapi_document
from perdure_api.routes.operations import Call, Operation, operation
from perdure_api.routes.queries import list_fields
from perdure_api.routes.replies import JSON, Reply, encode
from perdure_api.security.roles import NEEDED

Json = dict[str, Any]
"""A piece of the document."""

VERSION: Final = version("perdure")
_COMPONENT: Final = "#/components/schemas/{name}"
_HTML: Final = (b"content-type", b"text/html; charset=utf-8")

_ABOUT: Final = """\
Runs, and what carries them out. Errors are problem documents (RFC 9457) whose `type` is
`/problems/<code>`. Times are RFC 3339 UTC, durations end in `_seconds`, sizes in `_bytes`. Lists answer
`items` and `next`; give `next` as `after` for the next page. Unknown fields and parameters are refused."""

_REPEATABLE: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "Sent again with the same body within 7 days, the first answer is given again.",
}


class FieldFault(Struct, frozen=True):
    """What is wrong with one field or parameter."""

    pointer: str
    code: str
    message: str


class Problem(Struct, frozen=True, omit_defaults=True):
    """Why a request was not carried out."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: tuple[FieldFault, ...] = ()
    state: str | None = None
    allowed: tuple[str, ...] | None = None
    """The states in which the action is legal."""
    current_version: int | None = None
    run: str | None = None
    required: str | None = None
    """The role that is needed."""
    row: int | None = None
    """Where in a file of items it is wrong; the header of a CSV is row 1."""
    column: int | None = None


class Documents:
    """Made once from the routes of the application; the same for everybody."""

    def __init__(self, operations: Sequence[Operation], *, stylesheet: str) -> None:
        """Make them; `stylesheet` is the address of the dashboard's, for the page."""
        self.openapi = encode(openapi(operations))
        self.asyncapi = encode(asyncapi_document(version=VERSION))
        self.page = _page(operations, stylesheet).encode()


def operations_of(handlers: Iterable[object]) -> list[Operation]:
    """Give what the routes of the API declare, in the order of their paths."""
    declared = [
        handler.opt["operation"]
        for handler in handlers
        if isinstance(handler, HTTPRouteHandler) and "operation" in handler.opt
    ]
    return sorted(declared, key=lambda o: (o.path, o.method))


def openapi(operations: Sequence[Operation]) -> Json:
    """Make the OpenAPI 3.1 document."""
    kinds: list[Any] = [Problem]
    for said in operations:
        kinds += [
            kind for kind in (said.query, said.body, said.answer) if kind not in (None, *kinds)
        ]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_COMPONENT)
    by_kind = {id(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    paths: dict[str, Json] = {}
    for said in operations:
        paths.setdefault(said.path, {})[said.method.lower()] = _operation(said, by_kind, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Perdure",
            "version": VERSION,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`perdure token create`",
                }
            },
            "responses": {
                "problem": {
                    "description": "It was not done; the body says why.",
                    "content": {"application/problem+json": {"schema": by_kind[id(Problem)]}},
                }
            },
        },
    }


def _operation(said: Operation, by_kind: dict[int, Json], components: Json) -> Json:
    made: Json = {
        "operationId": _identifier(said),
        "summary": said.summary,
        "description": _permission(said),
        "security": [] if said.permission == "public" else [{"token": []}],
        "responses": {
            str(said.status): _answer(said, by_kind),
            "default": {"$ref": "#/components/responses/problem"},
        },
    }
    parameters = [*_path_parameters(said), *_query_parameters(said, by_kind, components)]
    if "Idempotency-Replayed" in said.headers:
        parameters.append(_REPEATABLE)
    if parameters:
        made["parameters"] = parameters
    if said.body is not None:
        made["requestBody"] = {
            "required": not said.body_is_optional,
            "content": {"application/json": {"schema": by_kind[id(said.body)]}},
        }
    if said.raw_bodies:
        raw = {"schema": {"type": "string"}}
        made["requestBody"] = {"required": True, "content": dict.fromkeys(said.raw_bodies, raw)}
    return made


def _answer(said: Operation, by_kind: dict[int, Json]) -> Json:
    schema = {"type": "object"} if said.answer is None else by_kind[id(said.answer)]
    if not said.media_type.startswith("application/json"):
        schema = {"type": "string"}
    answer: Json = {"description": said.summary, "content": {said.media_type: {"schema": schema}}}
    for other in said.other_media_types:
        answer["content"][other] = {"schema": {"type": "string"}}
    if said.headers:
        answer["headers"] = {
            name: {"description": about, "schema": {"type": "string"}}
            for name, about in said.headers.items()
        }
    return answer


def _path_parameters(said: Operation) -> list[Json]:
    names = [part[1:-1] for part in said.path.split("/") if part.startswith("{")]
    kinds = {"run_id": {"type": "string", "format": "uuid"}}
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": kinds.get(name, {"type": "string"}),
        }
        for name in names
    ]


def _query_parameters(said: Operation, by_kind: dict[int, Json], components: Json) -> list[Json]:
    name = by_kind[id(said.query)]["$ref"].rsplit("/", 1)[1]
    schema = components[name]
    lists = list_fields(said.query)
    parameters = []
    for field, kind in schema["properties"].items():
        parameter: Json = {"name": field, "in": "query", "schema": kind}
        if "description" in kind:
            parameter["description"] = kind["description"]
        if field in schema.get("required", ()):
            parameter["required"] = True
        if field in lists:
            parameter |= {"style": "form", "explode": False}
        parameters.append(parameter)
    return parameters


def _permission(said: Operation) -> str:
    match said.permission:
        case "public":
            return "Open to everyone."
        case "loopback":
            return "Open on this machine; elsewhere it needs the viewer role."
        case permission:
            return f"Needs the {NEEDED[permission]} role."


def _identifier(said: Operation) -> str:
    words = [part.strip("{}") for part in said.path.removeprefix("/api").split("/") if part]
    return "-".join([said.method.lower(), *words]).replace("_", "-").replace(".", "-")


def _page(operations: Sequence[Operation], stylesheet: str) -> str:
    rows = "".join(
        f"<tr><td><code>{said.method}</code></td><td><code>{escape(said.path)}</code></td>"
        f"<td>{escape(said.summary)}</td><td>{escape(_permission(said))}</td></tr>"
        for said in operations
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>API · Perdure</title>'
        f'<link rel="stylesheet" href="{escape(stylesheet)}">'
        '<link rel="icon" href="data:,"></head><body><main><h1>The API of Perdure</h1>'
        "<p>Whole descriptions: "
        '<a href="/api/openapi.json">OpenAPI</a> (HTTP) and '
        '<a href="/api/asyncapi.json">AsyncAPI</a> (NATS). '
        "Send <code>Authorization: Bearer pd_…</code>; <code>perdure token create</code> makes one.</p>"
        "<table><thead><tr><th>Method</th><th>Path</th><th>What it does</th><th>Who may</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></main></body></html>"
    )


@operation(
    "GET", "/api/openapi.json", permission="public", summary="Read the OpenAPI document of this api"
)
async def read_openapi(call: Call) -> ASGIApp:
    """Give the document; it is made of what the routes declare and check."""
    return _json(documents_of(call).openapi)


@operation(
    "GET",
    "/api/asyncapi.json",
    permission="public",
    summary="Read the AsyncAPI document of the events",
)
async def read_asyncapi(call: Call) -> ASGIApp:
    """Give the document."""
    return _json(documents_of(call).asyncapi)


@operation(
    "GET",
    "/api/docs",
    permission="public",
    summary="See all operations on one page",
    media_type="text/html",
)
async def read_page(call: Call) -> ASGIApp:
    """Give the page."""
    return Reply(documents_of(call).page, headers=(_HTML,))


def documents_of(call: Call) -> Documents:
    """Give the documents, which the application made at its start."""
    documents: Documents = call.request.app.state.documents
    return documents


def _json(body: bytes) -> Reply:
    return Reply(body, headers=(JSON,))


HANDLERS: Final[list[HTTPRouteHandler]] = [read_openapi, read_asyncapi, read_page]
