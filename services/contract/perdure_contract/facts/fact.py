"""What every fact is: frozen data with the name of its event and a version."""

from typing import ClassVar

from msgspec import Struct

MAX_EVENT_BYTES = 65536


class Fact(Struct, frozen=True, kw_only=True):
    """Something that happened. `event` is `<kind>.<name>`; the stored type adds prefix and version."""

    event: ClassVar[str] = ""
    version: ClassVar[int] = 1
