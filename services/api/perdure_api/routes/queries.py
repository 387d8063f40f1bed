"""Reading the query: declared as a type, strict about everything else."""

from functools import cache
from typing import Any, Final, TypeVar, get_type_hints
from urllib.parse import unquote_to_bytes

from msgspec import Struct, structs

from perdure_api.domain.rejections import FieldError
from perdure_api.errors import Refused, invalid
from perdure_api.fields import pointer, read, unknown
from perdure_api.security.access import HttpRequest

Query = TypeVar("Query", bound=Struct)

CREDENTIALS: Final = frozenset({"token", "access_token", "api_key", "authorization"})


class NoQuery(Struct, frozen=True):
    """A route that takes no parameters."""


def read_query(request: HttpRequest, kind: type[Query]) -> Query:
    """Read the parameters of a request as their declared type.

    Raises:
        Refused: when one is unknown, repeated, not UTF-8, of the wrong type or out of range.
    """
    query = request.scope["query_string"]
    if not query and not required(kind):
        return kind()
    given = parse(query)
    fields = {field.name: field for field in structs.fields(kind)}
    faults = tuple(
        unknown(pointer("", name), name, list(fields), what="parameter")
        for name in given
        if name not in fields
    )
    if faults:
        raise invalid(faults)
    lists = list_fields(kind)
    values: dict[str, Any] = {
        name: [part for part in value.split(",") if part] if name in lists else value
        for name, value in given.items()
    }
    return read(values, kind, strict=False)


@cache
def required(kind: type[Struct]) -> bool:
    """Tell whether a query has parameters that must be given."""
    return any(field.required for field in structs.fields(kind))


@cache
def list_fields(kind: type[Struct]) -> frozenset[str]:
    """Name the parameters that take several values, separated by commas."""
    return frozenset(
        name
        for name, hint in get_type_hints(kind).items()
        if getattr(hint, "__origin__", None) is tuple
    )


def parse(query: bytes) -> dict[str, str]:
    """Take a query string apart; each name once, everything UTF-8."""
    if not query:
        return {}
    given: dict[str, str] = {}
    for part in query.split(b"&"):
        if not part:
            continue
        name, _, value = part.replace(b"+", b" ").partition(b"=")
        key = _text(name)
        if key.lower() in CREDENTIALS:
            raise Refused(
                "credential-in-url",
                "Send the token as `Authorization: Bearer …`, never in the address.",
            )
        if key in given:
            fault = FieldError(
                pointer("", key), "duplicate-parameter", "This parameter is given twice."
            )
            raise Refused("duplicate-parameter", "A parameter is given twice.", errors=(fault,))
        given[key] = _text(value)
    return given


def _text(part: bytes) -> str:
    try:
        text = unquote_to_bytes(part).decode()
    except UnicodeDecodeError as error:
        raise Refused("malformed-text", "The address is not valid UTF-8.") from error
    if "\0" in text:
        raise Refused("malformed-text", "The address contains a character that no value has.")
    return text
