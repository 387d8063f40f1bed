"""What every form carries unseen, and how a filled one is shown with what is wrong at its fields."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from markupsafe import Markup

from perdure_runtime.clock import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class FormSecrets:
    """What a form sends back unseen; `secrets` of `_macros.html` writes it."""

    csrf: str
    """Token of the session."""
    idempotency_key: str = field(default_factory=new_id)
    """Makes a form that is sent twice act once."""
    expected_version: int | None = None
    """Version that it was shown for; none where it acts whatever the version."""
    seen: str = ""
    """State that it was shown in; empty where no state matters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A fault, and the field it belongs to; none when it is about the whole."""

    field: str | None
    """Name of the field."""
    label: str
    """Its words."""
    message: str
    """What is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledForm(FormSecrets):
    """A form as it is shown: what is in its fields, and what is wrong with it."""

    csrf: str = ""
    """Token of the session; given when it is shown."""
    values: Mapping[str, str]
    """Text of each field."""
    problems: tuple[Problem, ...] = ()
    """What is wrong."""

    def __getitem__(self, name: str) -> str:
        """Give the text of a field."""
        return self.values[name]

    def problem(self, name: str) -> str:
        """Give what is wrong with a field, or nothing."""
        return " ".join(p.message for p in self.problems if p.field == name)

    def invalid(self, name: str) -> Markup:
        """Give the attributes that tie a field to its fault and its hint."""
        if not self.problem(name):
            return Markup("")
        ids = f"f-{name}-error f-{name}-hint"
        return Markup(' aria-invalid="true" aria-describedby="{0}"').format(ids)
