"""The builder of backups ↔ the JSON that a program would send: same validator, same words.

What was typed is turned into the objects that the API takes; faults come back with JSON pointers, which
lead to the fields. What was typed is kept whatever happens.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from perdure_api.domain.rejections import FieldError
from perdure_api.pages.backup_options import DEFAULTS, FOLDED, LABELS, PARTS, SWITCHES, Group
from perdure_api.pages.form_contexts import FilledForm, Problem
from perdure_api.pages.quantities import read_seconds, write_seconds
from perdure_contract.rsync.spec import FilterRow, RsyncOptions, RsyncSpec

Row = tuple[str, str]
"""A rule and its pattern, as typed."""

FIELDS: Final = {
    "source": "Source",
    "destination": "Destination",
    "into": "What lands there",
    "host": "Host",
    "host_side": "Which side is there",
    "incomplete": "When some files could not be copied",
    "name": "Name",
    "description": "Description",
    "queue": "Queue",
    "labels": "Executor must have",
    "timeout": "Time limit",
    "plan": "When",
    "expression": "Cron expression",
    "timezone": "Time zone",
    "every": "Every",
    "tried": "Paths to try",
    "dry_run": "",
    "origin": "",
    "job": "",
    "version": "",
    "typed_limit": "",
}
"""Every field that is no option, with its words."""
OWN_DEFAULTS: Final = {
    **dict.fromkeys(FIELDS, ""),
    **DEFAULTS,
    "into": "contents",
    "host_side": "destination",
    "incomplete": "fail",
    "queue": "default",
    "plan": "hand",
    "expression": "30 2 * * *",
    "timezone": "UTC",
    "every": "6 h",
}
MAX_ROWS: Final = 100
_WORDS: Final = FIELDS | LABELS
_POINTERS: Final = {
    "/name": "name",
    "/description": "description",
    "/queue": "queue",
    "/labels": "labels",
    "/limits": "timeout",
    "/timezone": "timezone",
}
PRESS_DRY_RUN: Final = "Press Dry run first, and look at what it finds."
NOT_A_TIME: Final = "Write a time like 90 s, 15 min or 2 h."


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupForm(FilledForm):
    """The builder as it is shown; the text of a switch that is on is `on`."""

    rows: tuple[Row, ...] = ()
    """Filter rules in their order."""

    def opened(self, group: Group) -> bool:
        """Tell whether a fold is open: something in it is not as usual, or wrong."""
        names = [option.name for option in group.options]
        return any(self.values[name] != DEFAULTS[name] or self.problem(name) for name in names)

    @property
    def open_groups(self) -> frozenset[str]:
        """Keys of the folds that are open."""
        return frozenset(group.key for group in FOLDED if self.opened(group))

    @property
    def shown_rows(self) -> tuple[Row, ...]:
        """The rules and an empty one to be filled."""
        return (*self.rows, ("exclude", ""))

    def having(self, **values: str) -> "BackupForm":
        """Give it with other values."""
        return replace(self, values={**self.values, **values})


def typed(fields: Mapping[str, Sequence[str]]) -> BackupForm:
    """Take what a sent form holds."""
    values = dict(OWN_DEFAULTS)
    for name in OWN_DEFAULTS:
        if name in SWITCHES:
            values[name] = "on" if fields.get(name) else ""
        elif name in fields:
            values[name] = fields[name][-1].replace("\r\n", "\n")
            if name not in ("tried", "link_dest"):
                values[name] = values[name].strip()
    rules, patterns = fields.get("rule", ()), fields.get("pattern", ())
    rows = tuple((rule, pattern) for rule, pattern in zip(rules, patterns, strict=False) if pattern)
    return BackupForm(values=values, rows=rows[:MAX_ROWS])


def spec_json(form: BackupForm) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """Turn what was typed into the spec that a program would send, and say what cannot be read."""
    values = form.values
    options, problems = _options_json(form)
    spec: dict[str, Any] = {"kind": "rsync", "source": source_of(form)}
    spec["destination"] = values["destination"]
    if values["host"]:
        spec |= {"host": values["host"], "host_side": values["host_side"]}
    if values["incomplete"] != "fail":
        spec["incomplete"] = values["incomplete"]
    if options:
        spec["options"] = options
    return spec, problems


def _options_json(form: BackupForm) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    values, problems = form.values, []
    options: dict[str, Any] = {
        name: bool(values[name]) for name in SWITCHES if values[name] != DEFAULTS[name]
    }
    options |= {name: values[name] == "yes" for name in PARTS if values[name] in ("yes", "no")}
    options |= {name: values[name] for name in NAMED if values[name] != DEFAULTS[name]}
    if limit := values["bandwidth_limit"]:
        options["bandwidth_limit"] = int(limit) if re.fullmatch(r"\d{1,10}", limit) else limit
    if links := [line.strip() for line in values["link_dest"].split("\n") if line.strip()]:
        options["link_dest"] = links
    if values["timeout_seconds"]:
        seconds = read_seconds(values["timeout_seconds"])
        if seconds is None:
            problems.append(_wrong("timeout_seconds", NOT_A_TIME))
        else:
            options["timeout_seconds"] = round(seconds)
    if not values["delete"]:
        # They say nothing without it, and stay in their fields.
        options.pop("delete_excluded", None)
        options.pop("delete_when", None)
    elif most := values["max_delete"]:
        options["max_delete"] = int(most) if re.fullmatch(r"\d{1,9}", most) else most
    if form.rows:
        options["filters"] = [{"rule": rule, "pattern": pattern} for rule, pattern in form.rows]
    return options, tuple(problems)


NAMED: Final = ("delete_when", "backup_dir", "partial_dir")
"""Options whose text is passed on as it stands."""


def source_of(form: BackupForm) -> str:
    """Give the source: the slash at its end is what was chosen beside it, not what was typed."""
    path = form["source"]
    if path in ("", "/"):
        return path
    path = path.rstrip("/") or "/"
    return f"{path}/" if form["into"] == "contents" else path


def request_json(form: BackupForm) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """Turn what was typed into what a run and a job have in common."""
    spec, problems = spec_json(form)
    body: dict[str, Any] = {"spec": spec}
    if form["queue"] and form["queue"] != OWN_DEFAULTS["queue"]:
        body["queue"] = form["queue"]
    labels = dict(word.partition("=")[::2] for word in form["labels"].split())
    if labels:
        body["labels"] = labels
    if form["timeout"]:
        seconds = read_seconds(form["timeout"])
        if seconds is None:
            problems = (*problems, _wrong("timeout", NOT_A_TIME))
        else:
            body["limits"] = {"timeout_seconds": seconds}
    return body, problems


def trigger_json(form: BackupForm) -> tuple[dict[str, Any] | None, tuple[Problem, ...]]:
    """Turn what was typed into a trigger; none for a backup that is run by hand."""
    if form["plan"] == "cron":
        return {"type": "cron", "expression": form["expression"]}, ()
    if form["plan"] == "interval":
        seconds = read_seconds(form["every"])
        if seconds is None or seconds != int(seconds) or seconds <= 0:
            return None, (_wrong("every", NOT_A_TIME),)
        for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
            if seconds % length == 0:
                return {"type": "interval", unit: int(seconds) // length}, ()
        return {"type": "interval", "seconds": int(seconds)}, ()
    return None, ()


def problems_of(errors: Sequence[FieldError]) -> tuple[Problem, ...]:
    """Lead faults to their fields."""
    return tuple(_problem(error) for error in errors)


def _problem(error: FieldError) -> Problem:
    pointer, message = error.pointer, error.message
    if error.code == "dry-run-needed":
        message = PRESS_DRY_RUN
    row = re.match(r"/spec/options/filters/(\d+)", pointer)
    if row is not None:
        return Problem(field=f"row-{row[1]}", label=f"Rule {int(row[1]) + 1}", message=message)
    if pointer.startswith("/trigger"):
        return _wrong("every" if "interval" in message else "expression", message)
    parts = pointer.split("/")
    found = _POINTERS.get(pointer) or _POINTERS.get(f"/{parts[1]}" if len(parts) > 1 else "")
    for part in parts:
        if part in _WORDS and part != "name":
            found = part
    return Problem(field=found, label=_WORDS.get(found or "", ""), message=message)


def _wrong(name: str, message: str) -> Problem:
    return Problem(field=name, label=_WORDS[name], message=message)


def values_of(spec: RsyncSpec) -> BackupForm:
    """Fill the builder with what another backup does."""
    options = spec.options
    values = dict(OWN_DEFAULTS)
    for name in SWITCHES:
        values[name] = "on" if getattr(options, name) else ""
    for name in PARTS:
        chosen: bool | None = getattr(options, name)
        values[name] = {None: "", True: "yes", False: "no"}[chosen]
    contents = spec.source.endswith("/")
    values |= {
        "source": spec.source.rstrip("/") or "/",
        "destination": spec.destination,
        "into": "contents" if contents else "itself",
        "host": spec.host or "",
        "host_side": spec.host_side,
        "incomplete": spec.incomplete,
        "delete_when": options.delete_when,
        "backup_dir": options.backup_dir,
        "partial_dir": options.partial_dir,
        "link_dest": "\n".join(options.link_dest),
        "bandwidth_limit": _text(options.bandwidth_limit),
        "max_delete": _text(options.max_delete),
        "timeout_seconds": write_seconds(options.timeout_seconds),
    }
    return BackupForm(values=values, rows=_rows(options))


def labels_text(labels: Mapping[str, str]) -> str:
    """Write labels as they are typed."""
    return " ".join(f"{name}={value}" for name, value in labels.items())


def _rows(options: RsyncOptions) -> tuple[Row, ...]:
    rows = [(row.rule, row.pattern) for row in options.filters]
    rows += [("include", pattern) for pattern in options.include]
    rows += [("exclude", pattern) for pattern in options.exclude]
    return tuple(rows[:MAX_ROWS])


def _text(value: int | str | None) -> str:
    return "" if value is None else str(value)


def rows_after(rows: tuple[Row, ...], asked: str) -> tuple[Row, ...]:
    """Give the rules after one of the buttons beside them: `up:2`, `down:0`, `remove:1`."""
    act, _, place = asked.partition(":")
    if not place.isdecimal() or len(place) > 4 or int(place) >= len(rows):  # noqa: PLR2004 -- more than there can be
        return rows
    n, found = int(place), list(rows)
    if act == "remove":
        del found[n]
    elif act == "up" and n > 0:
        found[n - 1], found[n] = found[n], found[n - 1]
    elif act == "down" and n + 1 < len(found):
        found[n + 1], found[n] = found[n], found[n + 1]
    return tuple(found)


def filters_of(form: BackupForm) -> tuple[FilterRow, ...]:
    """Give the rules as they count; one that is none of the three is left out."""
    kinds = {"include", "exclude", "protect"}
    return tuple(
        FilterRow(rule=rule, pattern=pattern)  # type: ignore[arg-type]  # one of the three
        for rule, pattern in form.rows
        if rule in kinds
    )
