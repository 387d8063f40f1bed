"""Reads an answer: the value that was asked for, or the error that it tells."""

from typing import Any, TypeVar, cast

import httpx
import msgspec

from perdure.errors import BY_STATUS, BadAnswer, Problem, ProblemBody
from perdure.requests import Request

T = TypeVar("T")


def read(request: Request[T], response: httpx.Response) -> T:
    """Give the value of an answer whose body has been read.

    Raises:
        Problem: when the server refused.
        BadAnswer: when the body is not what this API answers.
    """
    if not response.is_success:
        raise problem(response)
    if request.answer is str:
        return cast("T", response.text)
    try:
        return msgspec.json.decode(response.content, type=request.answer)
    except msgspec.DecodeError as error:
        raise BadAnswer(str(response.url), str(error)) from error


def problem(response: httpx.Response) -> Problem | BadAnswer:
    """Give the error that a refusing answer tells; its body has been read."""
    try:
        body = msgspec.json.decode(response.content, type=ProblemBody)
        members = msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.DecodeError:
        return BadAnswer(str(response.url), f"status {response.status_code}")
    kind = BY_STATUS.get(response.status_code, Problem)
    told = kind(response.status_code, body, members)
    told.retry_after_seconds = _seconds(response.headers.get("retry-after"))
    return told


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
