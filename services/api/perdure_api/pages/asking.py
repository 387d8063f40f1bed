"""Asking before something is done: in a dialog, or without scripts on a page of its own."""

from typing import Final

from perdure_api.pages.action_contexts import ActionInput, ActionPage
from perdure_api.pages.frame_contexts import Section
from perdure_api.pages.rendering import html
from perdure_api.pages.visit import frame_of, wants_fragment
from perdure_api.routes.replies import Reply
from perdure_api.security.access import HttpRequest

REASON: Final = ActionInput(
    name="reason", label="Reason", hint="If you like; it is kept with the event."
)
"""Why something is done, for whoever reads of it later."""


def ask_before(
    request: HttpRequest, page: ActionPage, section: Section, *, status: int = 200
) -> Reply:
    """Answer with a question, or with one that was answered wrongly."""
    fragment = wants_fragment(request)
    context = {
        "frame": frame_of(request, page.title, section),
        "action": page,
        "fragment": fragment,
    }
    return html("_action.html" if fragment else "action.html", context, status=status)
