"""What may be done to something: buttons, a menu, the question before it is done."""

from dataclasses import dataclass

from perdure_api.pages.form_contexts import FormSecrets


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionButton(FormSecrets):
    """Something that is legal now."""

    name: str
    """Last part of its address."""
    label: str
    """Its words."""
    icon: str
    """Its icon."""
    tone: str = ""
    """`primary`, `stop` or nothing."""
    confirm: bool = False
    """Whether a dialog asks first."""
    key: str = ""
    """Its keyboard shortcut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuAction:
    """An action of the menu, legal or not."""

    name: str
    """Last part of its address."""
    label: str
    """Its words."""
    icon: str
    """Its icon."""
    tone: str
    """`stop`, or nothing."""
    why_not: str | None
    """Why it is not legal now; none where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionInput:
    """A field of a dialog."""

    name: str
    """Name of the field."""
    label: str
    """Its words."""
    value: str = ""
    """What is in it."""
    hint: str = ""
    """What to write."""
    required: bool = False
    """Whether it must be filled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionPage(FormSecrets):
    """A question before something is done: a dialog, or a page of its own."""

    title: str
    """The question."""
    lines: tuple[str, ...]
    """What will happen."""
    href: str
    """Where the answer goes."""
    back: str
    """Where to go without doing it."""
    keep: str
    """Word for not doing it."""
    go: str
    """Word for doing it."""
    icon: str
    """Icon of doing it."""
    tone: str
    """`danger` or `primary`."""
    inputs: tuple[ActionInput, ...] = ()
    """What may be said with it."""
    problem_text: str | None = None
    """What was wrong with the last answer."""
