"""One action on many runs: which ones, what it would do, and the word to do it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp
from msgspec import Struct

from perdure_api.domain.bulk import WITH_CANARY, Bulk, BulkAction, Options
from perdure_api.errors import NotFoundError, Refused
from perdure_api.once import StoredAnswer
from perdure_api.pages.bulk_contexts import BulkQuestion, BulkRow
from perdure_api.pages.bulk_words import MANY, action_of
from perdure_api.pages.rendering import html
from perdure_api.pages.run_list_contexts import RunFilter
from perdure_api.pages.runs import FILTERS, MOST_TEXT, filter_values, wanted_of, words_of
from perdure_api.pages.sent_forms import idempotency_of, reason_of
from perdure_api.pages.visit import csrf_of, first, frame_of, read_form, see_other, with_query
from perdure_api.pages.words import counted, number
from perdure_api.projections import bulk as bulks
from perdure_api.projections import run_list
from perdure_api.routes.bulk import MAX_RUNS
from perdure_api.routes.writing import as_run_id
from perdure_api.security.access import HttpRequest, caller_of
from perdure_api.services import services_of
from perdure_contract.facts import Json
from perdure_contract.objects import BulkPreview
from perdure_runtime.clock import now, parse_rfc3339, rfc3339

MOST_TICKED: Final = 500

Fields = Mapping[str, list[str]]


class Chosen(Struct, frozen=True, kw_only=True):
    """Which runs: those that were ticked, or all that pass a filter as of a moment."""

    ticked: tuple[str, ...] = ()
    filter: RunFilter | None = None
    as_of: datetime

    def wanted(self) -> run_list.Filter:
        """Give the filter of the list, without runs that were requested since."""
        try:
            wanted = wanted_of(self.filter or RunFilter(), self.as_of)
        except ValueError as error:
            raise Refused("bad-query", str(error)) from error
        return msgspec.structs.replace(wanted, until=self.as_of)


@get("/bulk/new", opt={"permission": "operate"}, name="ask before an action on many runs")
async def ask(request: HttpRequest) -> ASGIApp:
    """Say what an action would do to which runs, before it is done."""
    query = request.scope["query_string"].decode("latin-1")
    fields = parse_qs(query, max_num_fields=2 * MOST_TICKED)
    action = _action(fields)
    chosen = _chosen(fields)
    database, tenant = services_of(request).database, caller_of(request).tenant
    if chosen.filter is None:
        preview = await bulks.preview(database, tenant, action, list(chosen.ticked))
    else:
        preview = await bulks.preview_matching(
            database, tenant, action, chosen.wanted(), limit=MAX_RUNS
        )
    page = _question(action, chosen, preview, csrf_of(request))
    frame = frame_of(request, page.title, "runs")
    return html("bulk_new.html", {"frame": frame, "question": page})


@post("/bulk", opt={"permission": "operate"}, name="act on many runs")
async def start(request: HttpRequest) -> ASGIApp:
    """Start it in the background, once, and lead to its page."""
    fields = await read_form(request)
    action = _action(fields)
    chosen = _chosen(fields)
    run_ids = await _ids(request, chosen)
    if not run_ids:
        raise Refused("bad-query", "No run is chosen. Tick some on the list first.")
    options = Options(
        reason=reason_of(fields),
        force=action == "cancel" and bool(first(fields, "force")),
        origin="beginning" if action == "restart" else None,
    )
    filtered: dict[str, Json] | None = None
    if chosen.filter is not None:
        filtered = msgspec.to_builtins(chosen.wanted())
    done = await services_of(request).commands.request_bulk(
        caller_of(request),
        action,
        run_ids,
        options=msgspec.to_builtins(options),
        chosen_by=filtered,
        canary=action in WITH_CANARY and bool(first(fields, "canary")),
        idempotency=idempotency_of(fields, "/bulk", _led),
    )
    answer = done.result if isinstance(done.result, StoredAnswer) else _led(done.result)
    return see_other(answer.headers["location"])


def _led(bulk: Bulk) -> StoredAnswer:
    return StoredAnswer(status=303, body=b"", headers={"location": f"/bulk/{bulk.id}"})


def _action(fields: Fields) -> BulkAction:
    text = fields.get("action", [""])[0]
    action = action_of(text)
    if action is None:
        raise NotFoundError(text)
    return action


def _chosen(fields: Fields) -> Chosen:
    """Read which runs are meant; `all` counts before what is ticked."""
    said = fields.get("as_of", [""])[0]
    try:
        as_of = parse_rfc3339(said) if said else now()
    except ValueError as error:
        raise Refused("bad-query", "The time `as_of` cannot be read.") from error
    if fields.get("all"):
        values = {name: fields.get(name, [""])[0][:MOST_TEXT] for name in FILTERS}
        return Chosen(filter=RunFilter(**values), as_of=as_of)
    ticked = tuple(dict.fromkeys(as_run_id(run) for run in fields.get("run", [])))
    if len(ticked) > MOST_TICKED:
        raise Refused("bad-query", f"Tick at most {MOST_TICKED} runs, or take all that match.")
    return Chosen(ticked=ticked, as_of=as_of)


async def _ids(request: HttpRequest, chosen: Chosen) -> list[str]:
    if chosen.filter is None:
        return list(chosen.ticked)
    database, tenant = services_of(request).database, caller_of(request).tenant
    return await run_list.ids(database, tenant, chosen.wanted(), limit=MAX_RUNS)


def _question(action: BulkAction, chosen: Chosen, preview: BulkPreview, csrf: str) -> BulkQuestion:
    many = MANY[action]
    rows = rows_of(preview)
    touched = sum(row.touched for row in rows)
    one = preview.matched == 1
    values = {} if chosen.filter is None else filter_values(chosen.filter)
    hidden = [("action", action), *(("run", run) for run in chosen.ticked)]
    if chosen.filter is not None:
        hidden += [("all", "1"), ("as_of", rfc3339(chosen.as_of))]
        hidden += [(name, value) for name, value in values.items() if value]
    return BulkQuestion(
        title=f"{many.label} {counted(preview.matched, 'run')}?",
        chosen_words=f"{counted(preview.matched, 'run')} that {'was' if one else 'were'} ticked"
        if chosen.filter is None
        else words_of(chosen.filter, number(preview.matched), one=one),
        lines=(many.line, "Each run is judged once more when its turn comes."),
        preview=preview,
        rows=rows,
        touched=touched,
        hidden=tuple(hidden),
        may_try_first=action in WITH_CANARY and touched > 1,
        may_kill=action == "cancel",
        go=f"{many.label} {counted(touched, 'run')}",
        icon=many.icon,
        tone="danger" if many.tone == "stop" else "primary",
        back=with_query("/runs", values),
        csrf=csrf,
    )


def rows_of(preview: BulkPreview) -> tuple[BulkRow, ...]:
    """Put together what a preview says of each state, the most runs first."""
    return tuple(
        BulkRow(
            state=state,
            count=count,
            touched=count - sum(r.count for r in preview.refused if r.state == state),
            whys=tuple(
                f"{counted(r.count, 'run')}: {r.why}" for r in preview.refused if r.state == state
            ),
        )
        for state, count in sorted(preview.by_state.items(), key=lambda item: -item[1])
    )


HANDLERS: Final[list[HTTPRouteHandler]] = [ask, start]
