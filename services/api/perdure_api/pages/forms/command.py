"""The part for a command: a program with arguments, or a script."""

from typing import Final

from perdure_api.pages.forms.reader import Reader
from perdure_contract.specs import BlobRef, CommandSpec

LABELS: Final = {
    "mode": "Kind of command",
    "argv": "Program and arguments",
    "script": "Script",
    "shell": "Shell",
    "cwd": "Directory",
    "env": "Environment",
    "stdin": "Standard input",
}
DEFAULTS: Final = {**dict.fromkeys(LABELS, ""), "mode": "argv", "shell": "/bin/sh"}
POINTERS: Final = (
    ("/spec/argv", "argv"),
    ("/spec/script", "script"),
    ("/spec/shell", "shell"),
    ("/spec/env", "env"),
    ("/spec/cwd", "cwd"),
    ("/spec/stdin", "stdin"),
)


def spec_of(reader: Reader) -> dict[str, object]:
    """Turn what was typed into the spec that a program would send."""
    spec: dict[str, object] = {"kind": "command"}
    if reader.text("mode") == "script":
        spec["script"] = reader.text("script")
        spec["shell"] = reader.text("shell") or DEFAULTS["shell"]
    else:
        spec["argv"] = reader.lines("argv")
    if cwd := reader.text("cwd"):
        spec["cwd"] = cwd
    if stdin := reader.text("stdin"):
        spec["stdin"] = stdin
    if reader.text("env").strip():
        spec["env"] = reader.pairs("env", reader.text("env").split("\n"))
    return spec


def values_of(spec: CommandSpec) -> dict[str, str]:
    """Fill the fields with a spec; what was kept apart stays empty."""
    return {
        "mode": "argv" if spec.argv is not None else "script",
        "argv": "\n".join(spec.argv or ()),
        "script": "" if spec.script is None or isinstance(spec.script, BlobRef) else spec.script,
        "stdin": "" if spec.stdin is None or isinstance(spec.stdin, BlobRef) else spec.stdin,
        "shell": spec.shell,
        "cwd": spec.cwd or "",
        "env": "\n".join(f"{name}={value}" for name, value in spec.env.items()),
    }
