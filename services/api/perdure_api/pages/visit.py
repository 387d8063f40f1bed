"""What a page knows of the request it answers: who asks, from where, and how it shall look."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from perdure_api.errors import Refused
from perdure_api.pages.frame_contexts import Choice, Entry, Frame, Preference, Section
from perdure_api.routes.bodies import MAX_BODY_BYTES, read_bytes
from perdure_api.routes.replies import Header, Reply
from perdure_api.security.access import HttpRequest, caller_of, session_of
from perdure_api.security.roles import may
from perdure_runtime.clock import now

PREFERENCES: Final[dict[str, tuple[str, tuple[tuple[str, str], ...]]]] = {
    "theme": ("Colours", (("auto", "Auto"), ("light", "Light"), ("dark", "Dark"))),
    "zone": ("Times", (("utc", "UTC"), ("local", "Local"))),
    "density": ("Rows", (("comfortable", "Roomy"), ("compact", "Dense"))),
    "keys": ("Keyboard shortcuts", (("on", "On"), ("off", "Off"))),
}
"""What a browser may prefer; the first value is the default."""

COOKIE: Final = "perdure_look_"
VERSION: Final = version("perdure")

ENTRIES: Final = (
    Entry(key="overview", label="Overview", href="/", icon="layout-dashboard"),
    Entry(key="runs", label="Runs", href="/runs", icon="list"),
    Entry(key="new", label="New", href="/runs/new", icon="plus", phone_only=True),
    Entry(key="jobs", label="Jobs", href="/jobs", icon="calendar-clock"),
    Entry(key="backups", label="Backups", href="/backups", icon="history", desk_only=True),
    Entry(key="schedules", label="Schedules", href="/schedules", icon="clock", desk_only=True),
    Entry(key="timeline", label="Timeline", href="/timeline", icon="activity", desk_only=True),
    Entry(key="queues", label="Queues", href="/queues", icon="layers"),
    Entry(key="executors", label="Executors", href="/executors", icon="server"),
    Entry(key="events", label="Events", href="/events", icon="flag", desk_only=True),
)


def look(request: HttpRequest) -> dict[str, str]:
    """Give the preferences of a browser; what is not one of the choices is the default."""
    cookies = request.cookies
    chosen = {}
    for name, (_, choices) in PREFERENCES.items():
        value = cookies.get(COOKIE + name, "")
        values = [choice for choice, _ in choices]
        chosen[name] = value if value in values else values[0]
    return chosen


def look_cookie(name: str, value: str) -> str:
    """Give the cookie that keeps a preference for a year."""
    return f"{COOKIE}{name}={value}; Path=/; Max-Age={365 * 86400}; SameSite=Lax; HttpOnly"


def frame_of(
    request: HttpRequest, title: str, section: Section, *, live: str | None = None
) -> Frame:
    """Give what surrounds a page."""
    caller, session = caller_of(request), session_of(request)
    chosen = look(request)
    may_author = may(caller.role, "author")
    return Frame(
        title=title,
        section=section,
        here=here(request),
        csrf=session.csrf if session is not None else "",
        user=caller.actor.removeprefix("user:"),
        role=caller.role,
        may_operate=may(caller.role, "operate"),
        may_author=may_author,
        now=now(),
        theme=chosen["theme"],
        zone=chosen["zone"],
        density=chosen["density"],
        keys=chosen["keys"],
        entries=tuple(entry for entry in ENTRIES if may_author or entry.key != "new"),
        preferences=tuple(
            Preference(
                name=name,
                label=label,
                choices=tuple(
                    Choice(value=value, label=word, chosen=value == chosen[name])
                    for value, word in choices
                ),
            )
            for name, (label, choices) in PREFERENCES.items()
        ),
        version=VERSION,
        live=live,
    )


def csrf_of(request: HttpRequest) -> str:
    """Give the session's token for forms."""
    session = session_of(request)
    return session.csrf if session is not None else ""


def here(request: HttpRequest) -> str:
    """Give path and query of a request."""
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path


def is_local(path: str) -> bool:
    """Tell whether an address to go on to stays on this site."""
    parts = urlsplit(path)
    return (
        path.startswith("/")
        and path[1:2] not in ("/", "\\")
        and not parts.netloc
        and path.isprintable()
    )


def wants_fragment(request: HttpRequest) -> bool:
    """Tell whether htmx asks for a part; everything else gets the whole page."""
    headers = request.headers
    return (
        headers.get("hx-request") == "true"
        and headers.get("hx-request-type") != "full"
        and headers.get("hx-history-restore-request") != "true"
    )


def from_htmx(request: HttpRequest) -> bool:
    """Tell whether the browser runs our scripts."""
    return request.headers.get("hx-request") == "true"


def triggers(events: Mapping[str, object]) -> Header:
    """Give the header by which an answer sets off events in the page; plain ASCII."""
    return (b"hx-trigger", json.dumps(events, ensure_ascii=True).encode())


def toast(text: str, *, bad: bool = False) -> dict[str, object]:
    """Give the event that shows a line of text for a moment."""
    return {"perdure:toast": {"text": text, "bad": bad}}


def see_other(path: str, *headers: Header) -> Reply:
    """Lead on to another page after a form."""
    return Reply(status=303, headers=((b"location", path.encode()), *headers))


def lead_on(request: HttpRequest, path: str) -> Reply:
    """Lead on to another page after a form, whether a script sent it or not."""
    if from_htmx(request):
        return Reply(headers=((b"hx-redirect", path.encode()),))
    return see_other(path)


def go_on(request: HttpRequest, path: str, text: str) -> Reply:
    """Answer a form that was carried out: a redirect, or for htmx a toast and a signal to look again."""
    if not from_htmx(request):
        return see_other(path)
    events = {**toast(text), "perdure:done": {}, "perdure:run": {}, "perdure:runs": {}}
    return Reply(status=200, headers=((b"hx-reswap", b"none"), triggers(events)))


def query_of(request: HttpRequest) -> dict[str, str]:
    """Give the query of a page's address: the last value of each name, empty ones left out."""
    text = request.scope["query_string"].decode("latin-1")
    return {name: values[-1] for name, values in parse_qs(text, max_num_fields=100).items()}


def whole_number(text: str | None, *, least: int = 1) -> int | None:
    """Read a number of an address; None when it is none, or too small."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 15:  # noqa: PLR2004 -- far beyond any number of ours
        return None
    return number if (number := int(text)) >= least else None


def with_query(path: str, values: Mapping[str, object]) -> str:
    """Put a query onto a path; what is empty is left out."""
    given = {name: value for name, value in values.items() if value not in ("", None)}
    return f"{path}?{urlencode(given)}" if given else path


async def read_form(request: HttpRequest) -> dict[str, list[str]]:
    """Read the fields of a sent form; raises `Refused` when it is no form or no UTF-8."""
    data = await read_bytes(request.scope, request.receive, limit=MAX_BODY_BYTES)
    try:
        return parse_qs(data.decode(), keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError as error:
        raise Refused("malformed-text", "The form is not valid UTF-8.") from error


def first(fields: Mapping[str, list[str]], name: str) -> str:
    """Give one value of a form, without blanks at its ends."""
    return fields.get(name, [""])[0].strip()
