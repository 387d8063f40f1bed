"""What was asked for, exactly: the command as it is executed, the rules, the request as JSON."""

from msgspec import to_builtins

from perdure_api.kinds import kind
from perdure_api.pages.calls import words_of
from perdure_api.pages.definition_contexts import Definition
from perdure_api.pages.preview import longest_waits
from perdure_api.pages.rendering import pretty
from perdure_api.pages.words import counted, duration, number, plain, size
from perdure_contract.objects import RunView
from perdure_contract.specs import BatchSpec, BlobRef, CommandSpec, PythonSpec, Spec

REASON_WORDS = {
    "exit": "a non-zero exit code",
    "signal": "a signal",
    "error": "an error",
    "timeout": "the time limit",
    "stuck": "standing still",
    "lost": "loss of its executor",
}


def definition_of(run: RunView, script: str | None) -> Definition:
    """Show the request of a run; `script` is its text, when it is still kept."""
    command = kind.command_in(run.spec)
    kept_apart = kind.texts_of(run.spec).get("script")
    if not isinstance(kept_apart, BlobRef):
        kept_apart = None
    has_script = command is not None and command.argv is None
    return Definition(
        title=_title(run.spec),
        argv=None if has_script else words_of(run.spec),
        hint=_hint(run.spec),
        items=_items(run.spec) if isinstance(run.spec, BatchSpec) else (),
        script=script,
        script_bytes=kept_apart.bytes if kept_apart is not None else 0,
        script_sha256=kept_apart.sha256 if kept_apart is not None else "",
        rules=rules_of(run),
        env_names=() if command is None else tuple(command.env),
        json=pretty(plain(_request(run))),
    )


def _title(spec: Spec) -> str:
    match spec:
        case PythonSpec():
            return "Function call"
        case BatchSpec():
            return f"For each item: {_title(spec.each).lower()}"
        case CommandSpec(argv=None):
            return f"Script for {spec.shell}"
        case _:
            return "Program and arguments"


def _hint(spec: Spec) -> str:
    match spec:
        case PythonSpec():
            return "Called in a warm worker process of the executor."
        case BatchSpec():
            return "A value that is exactly a name in braces becomes that of the item, as one argument."
        case _:
            return "Exactly what is executed: one argument a line, no shell in between."


def _items(spec: BatchSpec) -> tuple[tuple[str, str], ...]:
    found = []
    if spec.file is not None:
        found.append(("From", spec.file))
    elif spec.upload is not None:
        found.append(("From", "an upload"))
    if spec.input is not None:
        found.append(("Items", f"{number(spec.input.total)}, stored with the run"))
        if spec.input.fields:
            found.append(("Fields", ", ".join(spec.input.fields)))
        found.append(("SHA-256", spec.input.sha256))
    found.append(("At once", number(spec.concurrency)))
    found.append(("Kept", f"every {counted(spec.checkpoint_every, 'item')} and every 5 s"))
    retry = spec.item_retry
    tries = "one" if retry is None else f"at most {number(retry.max_attempts)}"
    found.append(("Tries", f"{tries} an item"))
    if spec.stop_after_failures is not None:
        found.append(("Stops after", counted(spec.stop_after_failures, "failed item")))
    found.append(("Passed over", f"after {counted(spec.park_after, 'broken attempt')}"))
    return tuple(found)


def rules_of(run: RunView) -> tuple[tuple[str, str], ...]:
    """Say retries and limits in words."""
    retry, limits = run.retry, run.limits
    rules = [("Attempts", "one" if retry.max_attempts == 1 else f"at most {retry.max_attempts}")]
    if retry.max_attempts > 1:
        waits = longest_waits(retry)
        shown = ", ".join(duration(wait) for wait in waits[:4]) + (", …" if len(waits) > 4 else "")  # noqa: PLR2004 -- enough to see the rule
        rules.append(("Waits", f"{shown}, each up to {retry.jitter * 100:g} % shorter or longer"))
        rules.append(("Tried again after", ", ".join(REASON_WORDS[reason] for reason in retry.on)))
    if retry.not_exit_codes:
        codes = ", ".join(map(str, retry.not_exit_codes))
        rules.append(("Never again after", f"exit code {codes}"))
    rules += [
        ("Time limit", duration(limits.timeout_seconds)),
        (
            "Stuck after",
            duration(limits.stuck_after_seconds) if limits.stuck_after_seconds else "the default",
        ),
        ("Grace", f"{duration(limits.grace_seconds)} between TERM and KILL"),
        ("Memory", size(limits.memory_bytes)),
        ("Output kept", f"{size(limits.log_bytes)}, its head and tail"),
        (
            "Cut off",
            "the attempt is ended before its lease ends"
            if limits.when_cut_off == "end"
            else "the attempt works on",
        ),
    ]
    if run.labels:
        rules.append(
            ("Executor", "must have " + ", ".join(f"{k}={v}" for k, v in run.labels.items()))
        )
    if run.tags:
        rules.append(("Tags", ", ".join(run.tags)))
    return tuple(rules)


def _request(run: RunView) -> dict[str, object]:
    request = {
        "name": run.name,
        "spec": kind.shown(run.spec),
        "queue": run.queue,
        "priority": run.priority,
        "tags": run.tags,
        "labels": run.labels,
        "unique_key": run.unique_key,
        "retry": to_builtins(run.retry),
        "limits": to_builtins(run.limits),
    }
    return {name: value for name, value in request.items() if value not in (None, (), {}, [])}
