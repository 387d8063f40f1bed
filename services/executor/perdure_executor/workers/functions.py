"""Finds the function that a name means, and where in its arguments the context belongs."""

import builtins
import importlib
from collections.abc import Callable, Sequence
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType

from perdure.context import Context

MOST_LAYERS = 100


class NotCallable(Exception):
    """The name means nothing that may be called; the text says why."""


class Found:
    """A function, and where it takes a context."""

    __slots__ = ("_name", "_place", "call")

    def __init__(self, call: Callable[..., object]) -> None:
        """Look at its parameters once."""
        self.call = call
        self._name, self._place = context_parameter(call)

    def arguments(
        self, args: list[object], kwargs: dict[str, object], context: Context
    ) -> tuple[list[object], dict[str, object]]:
        """Give its arguments with the context among them."""
        if self._name is None or self._name in kwargs:
            return args, kwargs
        if self._place is not None and self._place <= len(args):
            return [*args[: self._place], context, *args[self._place :]], kwargs
        return args, kwargs | {self._name: context}


def find(name: str, allowed: Sequence[str] | None) -> Found:
    """Import what a name means.

    Args:
        name: `package.module:callable`, or all with dots.
        allowed: prefixes of modules that it must be defined in; none for any.

    Raises:
        NotCallable: it is not there, not allowed or cannot be called.
        BaseException: whatever the module raises while it is imported.
    """
    if not all(part.isidentifier() for part in name.replace(":", ".", 1).split(".")):
        raise NotCallable(f"{name} names no function: write package.module:function.")
    module, attributes = _module_of(name)
    if allowed is not None and not within(module.__name__, allowed):
        raise NotCallable(f"{module.__name__} is not in PERDURE_PYTHON_ALLOW.")
    found: object = module
    for attribute in attributes:
        if attribute.startswith("__"):
            raise NotCallable(f"{name}: names with two underscores are not called.")
        try:
            found = getattr(found, attribute)
        except AttributeError:
            words = f"The module {module.__name__} has no {'.'.join(attributes)}."
            raise NotCallable(words) from None
        if isinstance(found, ModuleType) and allowed is not None:
            raise NotCallable(f"{name} goes through the module {found.__name__}: name it directly.")
    if not callable(found):
        raise NotCallable(f"{name} is a {type(found).__name__}, which cannot be called.")
    home = _home(found)
    if allowed is not None and home is not None and not within(home, allowed):
        words = f"{name} is defined in {home}, which is not in PERDURE_PYTHON_ALLOW."
        raise NotCallable(words)
    return Found(found)


def within(module: str, allowed: Sequence[str]) -> bool:
    """Tell whether a module is one of some, or inside one."""
    return any(module == prefix or module.startswith(f"{prefix}.") for prefix in allowed)


def _module_of(name: str) -> tuple[ModuleType, list[str]]:
    before, colon, after = name.partition(":")
    if colon:
        return _imported(before), after.split(".")
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        tried = ".".join(parts[:end])
        try:
            return _imported(tried), parts[end:]
        except NotCallable:
            if end == 1:
                raise
    raise NotCallable(f"{name} names no function: write package.module:function.")


def _imported(name: str) -> ModuleType:
    """Import a module.

    Raises:
        NotCallable: there is none of this name; what is missing inside of it is another matter.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            words = f"There is no module {error.name} on PERDURE_PYTHON_PATH or installed."
            raise NotCallable(words) from None
        raise


def _home(found: object) -> str | None:
    """Give the module a function or class was defined in; none for objects made in the module."""
    if isinstance(found, MethodType):
        return _home(found.__func__)
    if isinstance(found, FunctionType | BuiltinFunctionType | type):
        return found.__module__ or builtins.__name__
    return None


def context_parameter(call: object) -> tuple[str | None, int | None]:
    """Give name and place of the parameter that is annotated with Context; no place: by name only."""
    function, bound = _function_of(call)
    if function is None:
        return None, None
    code: CodeType = function.__code__
    for name, annotation in function.__annotations__.items():
        if name != "return" and _is_context(annotation, function.__globals__):
            names = code.co_varnames
            if name in names[: code.co_argcount]:
                return name, names.index(name) - bound
            return name, None
    return None, None


def _function_of(call: object) -> tuple[FunctionType | None, int]:
    """Give the function behind a callable, and how many of its first parameters are filled."""
    bound = 0
    for _ in range(MOST_LAYERS):
        if isinstance(call, MethodType):
            call, bound = call.__func__, bound + 1
        elif isinstance(call, partial):
            bound += len(call.args)
            call = call.func
        elif hasattr(call, "__wrapped__"):
            call = call.__wrapped__
        elif isinstance(call, FunctionType):
            return call, bound
        elif isinstance(call, type):
            call, bound = vars(call).get("__init__"), bound + 1
        else:
            made = vars(type(call)).get("__call__")
            if not isinstance(made, FunctionType):
                return None, 0
            call, bound = made, bound + 1
    return None, 0


def _is_context(annotation: object, names: dict[str, object]) -> bool:
    if annotation is Context:
        return True
    if not isinstance(annotation, str):
        return Context in getattr(annotation, "__args__", ())  # Context | None
    word = annotation.strip("\"' ").removesuffix("| None").strip()
    if word.rpartition(".")[2] != "Context":
        return False
    first, *others = word.split(".")
    if first not in names:
        return True  # imported for type checkers only
    found = names[first]
    for other in others:
        found = getattr(found, other, None)
    return found is Context
