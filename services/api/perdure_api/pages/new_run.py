"""A new run: the form, what it would do, and the request itself."""

from collections.abc import Mapping
from typing import Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import structs

from perdure_api.domain.run import Run
from perdure_api.drafts import read_run
from perdure_api.errors import Refused, Rejected
from perdure_api.kinds import kind
from perdure_api.once import StoredAnswer
from perdure_api.pages.asked_run import asked_run
from perdure_api.pages.content import text_of
from perdure_api.pages.form_contexts import Problem
from perdure_api.pages.preview import SHOWN_ITEMS, preview_of, preview_of_problems
from perdure_api.pages.preview_contexts import Preview
from perdure_api.pages.rendering import html
from perdure_api.pages.run_form import (
    DEFAULTS,
    KINDS,
    RunForm,
    as_json,
    problems_of,
    typed,
    values_of,
)
from perdure_api.pages.sent_forms import idempotency_of
from perdure_api.pages.visit import (
    csrf_of,
    first,
    frame_of,
    from_htmx,
    lead_on,
    query_of,
    read_form,
    see_other,
)
from perdure_api.pages.words import counted
from perdure_api.projections.input_head import input_head
from perdure_api.projections.queues import list_queues
from perdure_api.routes.replies import Reply
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import Services, services_of
from perdure_contract.rsync.spec import RsyncSpec
from perdure_contract.specs import BatchSpec, Json, RunRequest

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
    "function": {
        "kind": "python",
        "func": "perdure.demo:items",
        "kwargs": "count=100\nseconds=0.1",
        "name": "a Python function with checkpoints",
    },
    "batch": {
        "kind": "batch",
        "items": "\n".join(f"number {n}" for n in range(1, 41)),
        "argv": 'sh\n-c\nsleep 0.2; echo "$1"; test "$1" != "number 13"\nsh\n{item}',
        "name": "forty items, one of which fails",
    },
}
"""Ready-made forms; an empty list of runs leads here."""
HINTS: Final = {
    "argv": "Write a command to see what will be executed.",
    "script": "Write a command to see what will be executed.",
    "func": "Name a function to see what will be called.",
    "items": "Say what is done for each item to see it for the first three.",
}


@get("/runs/new", opt={"permission": "author"}, name="new run")
async def new_run(request: HttpRequest) -> ASGIApp:
    """Show the form: empty, an example, or filled like another run; a backup has a builder of its own."""
    query = query_of(request)
    other = (await asked_run(request, query["from"])).run if "from" in query else None
    if other is not None and isinstance(other.request.spec, RsyncSpec):
        return see_other(f"/backups/new?run={other.id}")
    values = await _filled(request, query, other)
    return await form_page(request, values, (), origin=query.get("from", ""))


@post("/runs/new", opt={"permission": "author"}, name="request a run")
async def request_run(request: HttpRequest) -> ASGIApp:
    """Request the run, and lead to its page; with the form again when something is wrong."""
    fields = await read_form(request)
    values = typed(fields)
    origin = first(fields, "origin")
    wanted, problems = read_request(values)
    if wanted is None:
        return await form_page(request, values, problems, origin=origin)
    services = services_of(request)
    if origin:
        await asked_run(request, origin)
        wanted = structs.replace(wanted, rerun_of=origin)
    try:
        wanted = await services.with_input(caller_of(request), wanted)
    except Refused as refused:
        return await form_page(request, values, problems_of(refused.errors, values), origin=origin)
    try:
        done = await services.commands.request_run(
            caller_of(request), wanted, idempotency=idempotency_of(fields, "/runs/new", _answer)
        )
    except Rejected as rejected:
        rejection = rejected.rejection
        found = problems_of(rejection.errors, values)
        if not found:
            found = (Problem(field=None, label="", message=rejection.message),)
        if rejection.run is not None:
            found += (
                Problem(
                    field=None, label="", message=f"The run in the way is {rejection.run[-6:]}."
                ),
            )
        return await form_page(request, values, found, origin=origin)
    result = done.result
    path = result.body.decode() if isinstance(result, StoredAnswer) else f"/runs/{result.id}"
    return lead_on(request, path)


@post("/runs/new/preview", opt={"permission": "author"}, name="preview of a run")
async def preview(request: HttpRequest) -> ASGIApp:
    """Say what the form would do as it stands."""
    values = typed(await read_form(request))
    shown, _ = await _preview(services_of(request), caller_of(request).tenant, values)
    return html("_preview.html", {"preview": shown})


def read_request(values: Mapping[str, str]) -> tuple[RunRequest | None, tuple[Problem, ...]]:
    """Turn a form into a request through the validator that programs meet too; or say what is wrong."""
    body, problems = as_json(values)
    try:
        request = read_run(body)
    except Refused as refused:
        known = {problem.field for problem in problems}
        more = problems_of(refused.errors, values)
        return None, (*problems, *(p for p in more if p.field is None or p.field not in known))
    return (None, problems) if problems else (request, ())


async def _preview(
    services: Services, tenant: str, values: Mapping[str, str]
) -> tuple[Preview, str]:
    """Give the preview, and what is known of stored items."""
    request, problems = read_request(values)
    if request is None:
        return preview_of_problems(problems, empty=_empty(values)), ""
    items: tuple[Json, ...] = ()
    words = ""
    if isinstance(spec := request.spec, BatchSpec):
        stored = spec.upload or (spec.input and spec.input.input)
        items = (spec.items or ())[:SHOWN_ITEMS]
        if stored and (head := await input_head(services.database.pool, tenant, stored, count=3)):
            ref, items = head
            spec = structs.replace(spec, input=ref, upload=None)
            request = structs.replace(request, spec=spec)
            fields = f", each with {', '.join(ref.fields)}" if ref.fields else ""
            words = f"{counted(ref.total, 'item')}{fields}"
    return preview_of(request, items), words


def _empty(values: Mapping[str, str]) -> str | None:
    """Give a hint for a form in which what is to be done was not written yet."""
    what = values["each"] if values["kind"] == "batch" else values["kind"]
    name = "func" if what == "python" else values["mode"]
    if name in HINTS and values[name].strip():
        return None
    return HINTS["items" if values["kind"] == "batch" else name if name in HINTS else "argv"]


def _answer(run: Run) -> StoredAnswer:
    return StoredAnswer(status=303, body=f"/runs/{run.id}".encode(), headers={})


async def _filled(
    request: HttpRequest, query: Mapping[str, str], run: Run | None
) -> dict[str, str]:
    if (example := EXAMPLES.get(query.get("example", ""))) is not None:
        return DEFAULTS | example
    if run is None:
        kinds = [value for value, _ in KINDS]
        kind_asked = query.get("kind", "")
        return DEFAULTS | ({"kind": kind_asked} if kind_asked in kinds else {})
    values = values_of(run.request)
    pool = services_of(request).database.pool
    texts = kind.texts_of(run.request.spec)
    for name in ("script", "stdin"):
        values[name] = await text_of(pool, run.id, texts.get(name)) or ""
    return values


async def form_page(
    request: HttpRequest,
    values: Mapping[str, str],
    problems: tuple[Problem, ...],
    *,
    origin: str,
    part: bool = False,
) -> Reply:
    """Show the form with what was typed; with `part`, or with faults to htmx, without the page around it."""
    services, tenant = services_of(request), caller_of(request).tenant
    queues = await list_queues(services.database.pool, tenant)
    shown, items_words = await _preview(services, tenant, values)
    form = RunForm(
        values=values,
        csrf=csrf_of(request),
        queues=tuple(queue.name for queue in queues),
        origin=origin,
        problems=problems,
        items_words=items_words,
    )
    context = {"frame": frame_of(request, "New run", "new"), "form": form, "preview": shown}
    whole = not from_htmx(request) or not (part or problems)
    template = "run_new.html" if whole else "_run_form.html"
    return html(template, context, status=422 if problems else 200)


HANDLERS: Final[list[HTTPRouteHandler]] = [new_run, request_run, preview]
