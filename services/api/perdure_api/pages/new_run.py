"""A new run: the form, what it would do, and the request itself."""

from collections.abc import Mapping, Sequence
from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import structs

from perdure_api.commands import StoredAnswer
from perdure_api.domain.run import Run
from perdure_api.drafts import read_run
from perdure_api.errors import NotFoundError, Refused, Rejected
from perdure_api.kinds import kind
from perdure_api.pages.content import text_of
from perdure_api.pages.contexts import Preview
from perdure_api.pages.preview import preview_of, preview_of_problems
from perdure_api.pages.rendering import html
from perdure_api.pages.run_actions import idempotency_of
from perdure_api.pages.run_form import (
    DEFAULT_ON,
    DEFAULTS,
    Problem,
    RunForm,
    as_json,
    problems_of,
    typed,
    values_of,
)
from perdure_api.pages.visit import (
    csrf_of,
    first,
    frame_of,
    from_htmx,
    query_of,
    read_form,
    see_other,
)
from perdure_api.projections.queues import list_queues
from perdure_api.projections.run_detail import find_run
from perdure_api.routes.replies import Reply
from perdure_api.routes.writing import as_run_id
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import services_of
from perdure_contract.specs import RunRequest

COUNT_SCRIPT: Final = """\
for i in $(seq 100); do
  echo "line $i"
  echo "{\\"progress\\": {\\"done\\": $i, \\"total\\": 100, \\"unit\\": \\"lines\\"}}" >&"$PERDURE_FD"
  sleep 0.1
done"""
EXAMPLES: Final[dict[str, dict[str, str]]] = {
    "count": {
        "mode": "script",
        "script": COUNT_SCRIPT,
        "shell": "bash",
        "name": "count to a hundred",
    },
}
"""Ready-made forms; an empty list of runs leads here."""


@get("/runs/new", opt={"permission": "author"}, name="new run")
async def new_run(request: HttpRequest) -> ASGIApp:
    """Show the form: empty, an example, or filled like another run."""
    query = query_of(request)
    values, on = await _filled(request, query)
    return await _form(request, values, on, (), origin=query.get("from", ""))


@post("/runs/new", opt={"permission": "author"}, name="request a run")
async def request_run(request: HttpRequest) -> ASGIApp:
    """Request the run, and lead to its page; with the form again when something is wrong."""
    fields = await read_form(request)
    values, on = typed(fields)
    origin = first(fields, "origin")
    wanted, problems = read_request(values, on)
    if wanted is None:
        return await _form(request, values, on, problems, origin=origin)
    services = services_of(request)
    if origin:
        await _other(request, origin)
        wanted = structs.replace(wanted, rerun_of=origin)
    try:
        done = await services.commands.request_run(
            caller_of(request), wanted, idempotency=idempotency_of(fields, "/runs/new", _answer)
        )
    except Rejected as rejected:
        rejection = rejected.rejection
        found = problems_of(rejection.errors, values["mode"])
        if not found:
            found = (Problem(field=None, label="", message=rejection.message),)
        if rejection.run is not None:
            found += (
                Problem(
                    field=None, label="", message=f"The run in the way is {rejection.run[-6:]}."
                ),
            )
        return await _form(request, values, on, found, origin=origin)
    result = done.result
    path = result.body.decode() if isinstance(result, StoredAnswer) else f"/runs/{result.id}"
    if from_htmx(request):
        return Reply(headers=((b"hx-redirect", path.encode()),))
    return see_other(path)


@post("/runs/new/preview", opt={"permission": "author"}, name="preview of a run")
async def preview(request: HttpRequest) -> ASGIApp:
    """Say what the form would do as it stands."""
    values, on = typed(await read_form(request))
    return html("_preview.html", {"preview": _preview(values, on)})


def read_request(
    values: Mapping[str, str], on: Sequence[str]
) -> tuple[RunRequest | None, tuple[Problem, ...]]:
    """Turn a form into a request through the validator that programs meet too; or say what is wrong."""
    body, problems = as_json(values, on)
    try:
        request = read_run(body)
    except Refused as refused:
        known = {problem.field for problem in problems}
        more = problems_of(refused.errors, values["mode"])
        return None, (*problems, *(p for p in more if p.field is None or p.field not in known))
    return (None, problems) if problems else (request, ())


def _preview(values: Mapping[str, str], on: Sequence[str]) -> Preview:
    request, problems = read_request(values, on)
    if request is not None:
        return preview_of(request)
    text = values["script"] if values["mode"] == "script" else values["argv"]
    return preview_of_problems(problems, empty=not text.strip())


def _answer(run: Run) -> StoredAnswer:
    return StoredAnswer(status=303, body=f"/runs/{run.id}".encode(), headers={})


async def _filled(
    request: HttpRequest, query: Mapping[str, str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    if (example := EXAMPLES.get(query.get("example", ""))) is not None:
        return DEFAULTS | example, DEFAULT_ON
    if "from" not in query:
        return dict(DEFAULTS), DEFAULT_ON
    run = await _other(request, query["from"])
    values, on = values_of(run.request)
    pool = services_of(request).database.pool
    texts = kind.texts_of(run.request.spec)
    for name in ("script", "stdin"):
        values[name] = await text_of(pool, run.id, texts.get(name)) or ""
    return values, on


async def _other(request: HttpRequest, run_id: str) -> Run:
    """Give the run that is to be repeated."""
    database = services_of(request).database
    found = await find_run(database, caller_of(request).tenant, as_run_id(run_id))
    if found is None:
        raise NotFoundError(run_id)
    return found.run


async def _form(
    request: HttpRequest,
    values: Mapping[str, str],
    on: tuple[str, ...],
    problems: tuple[Problem, ...],
    *,
    origin: str,
) -> Reply:
    services = services_of(request)
    queues = await list_queues(services.database.pool, caller_of(request).tenant)
    form = RunForm(
        values=values,
        on=on,
        csrf=csrf_of(request),
        queues=tuple(queue.name for queue in queues),
        origin=origin,
        problems=problems,
    )
    context = {
        "frame": frame_of(request, "New run", "new"),
        "form": form,
        "preview": _preview(values, on),
    }
    template = "_run_form.html" if from_htmx(request) and problems else "run_new.html"
    return html(template, context, status=422 if problems else 200)


HANDLERS: Final[list[HTTPRouteHandler]] = [new_run, request_run, preview]
