"""Templates → HTML: one environment, autoescaped, in which a missing name is an error."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from perdure_api.pages import words
from perdure_api.pages.ansi import log_html
from perdure_api.pages.assets import asset_href, asset_integrity
from perdure_api.routes.replies import Header, Reply
from perdure_contract.facts import Json
from perdure_contract.objects import RunView


def since_seconds(time: str | datetime, now: datetime) -> float:
    """Give the seconds from a time until now, never below 0."""
    return max(0.0, (now - words.moment(time)).total_seconds())


def until_seconds(time: str | datetime, now: datetime) -> float:
    """Give the seconds from now until a time, never below 0."""
    return max(0.0, (words.moment(time) - now).total_seconds())


def between_seconds(end: str | datetime, start: str | datetime) -> float:
    """Give the seconds between two times, never below 0."""
    return max(0.0, (words.moment(end) - words.moment(start)).total_seconds())


def outcome(run: RunView) -> str:
    """Say how a run ended, in a few words."""
    took = ""
    if run.started_at is not None and run.ended_at is not None:
        took = words.duration(between_seconds(run.ended_at, run.started_at))
    if run.failure is not None:
        return (
            f"{words.failure_words(run.failure)}, after {took}"
            if took
            else words.failure_words(run.failure)
        )
    return f"{run.state.capitalize()} in {took}" if took else run.state.capitalize()


def pretty(value: Json) -> str:
    """Give a JSON value over several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("perdure_web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        absolute=words.absolute,
        asset=asset_href,
        clock=words.clock,
        counted=words.counted,
        day=lambda time: words.absolute(time)[5:10],
        duration=words.duration,
        figure=words.figure,
        eta=words.eta,
        failure_words=words.failure_words,
        hm=lambda time: words.clock(time)[:5],
        icon_of=lambda state: words.ICON_OF_STATE[state],
        id6=words.short_id,
        integrity=asset_integrity,
        iso=words.iso,
        items_words=words.items_words,
        json=pretty,
        log_html=log_html,
        number=words.number,
        outcome=outcome,
        percent=words.percent,
        relative=words.relative,
        since=since_seconds,
        since_start=between_seconds,
        size=words.size,
        until=until_seconds,
    )
    return environment


ENVIRONMENT = _environment()


def render(template: str, context: Mapping[str, object]) -> str:
    """Render a template; raises `jinja2.UndefinedError` when its context lacks something."""
    return ENVIRONMENT.get_template(template).render(context)


HTML: Final[Header] = (b"content-type", b"text/html; charset=utf-8")


def html(
    template: str,
    context: Mapping[str, object],
    *,
    status: int = 200,
    headers: Iterable[Header] = (),
) -> Reply:
    """Answer with a rendered template."""
    return Reply(render(template, context).encode(), status=status, headers=(HTML, *headers))
