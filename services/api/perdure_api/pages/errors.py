"""Errors as people see them: what happened, and where to go from here."""

from typing import Final

from perdure_api.pages.bare_contexts import ErrorPage
from perdure_api.pages.link_contexts import Link
from perdure_api.pages.rendering import html
from perdure_api.pages.visit import from_htmx, look, toast, triggers
from perdure_api.routes.replies import Reply
from perdure_api.security.access import HttpRequest

OVERVIEW: Final = Link(label="Overview", href="/")
RUNS: Final = Link(label="All runs", href="/runs")
SIGN_IN: Final = Link(label="How to sign in", href="/login")

HEADINGS: Final[dict[int, str]] = {
    400: "This address cannot be read",
    401: "Sign in first",
    403: "You may not do this",
    404: "There is nothing here",
    405: "This cannot be done here",
    408: "It took too long to arrive",
    409: "It changed while you looked",
    410: "This link opens nothing any more",
    413: "That is too much",
    421: "Perdure is not served under this name",
    422: "Something in it is not valid",
    429: "Too many tries",
    431: "That is too much",
    500: "Something went wrong here",
    503: "Not available right now",
}
HEADINGS_OF_CODES: Final = {
    "csrf": "This page is out of date",
    "dry-run-needed": "A dry run is needed first",
}
"""For what the status alone says too little of."""
ADVICE: Final[dict[int, str]] = {
    404: "It may belong to someone else, or the address has a typing error.",
    503: "Nothing was changed. Try again in a moment.",
}


def error_response(request: HttpRequest, status: int, code: str, words: str) -> Reply:
    """Show an error: a page of its own, or a toast where a part of a page was asked for."""
    if from_htmx(request):
        events = toast(words, bad=True)
        if code in ("version-conflict", "wrong-state"):
            events |= {"perdure:run": {}, "perdure:runs": {}, "perdure:done": {}}
        return Reply(status=status, headers=(triggers(events),))
    links = (SIGN_IN,) if code == "link-used" else (OVERVIEW, RUNS)
    heading = HEADINGS_OF_CODES.get(code) or HEADINGS.get(status, "This did not work")
    text = ADVICE.get(status, words)
    page = ErrorPage(
        title=heading,
        theme=look(request)["theme"],
        status=status,
        heading=heading,
        text=text,
        links=links,
        request_id=str(request.scope["state"].get("request_id", "")) or None,
    )
    return html("error.html", {"page": page}, status=status)
