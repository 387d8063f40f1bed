"""What was asked for, exactly: the command as it is executed, the rules, the request as JSON."""

from msgspec import to_builtins

from perdure_api.pages.contexts import Definition
from perdure_api.pages.preview import longest_waits
from perdure_api.pages.rendering import pretty
from perdure_api.pages.words import duration, size
from perdure_contract.objects import RunView
from perdure_contract.specs import BlobRef

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
    spec = run.spec
    kept_apart = spec.script if isinstance(spec.script, BlobRef) else None
    return Definition(
        argv=spec.argv,
        shell=spec.shell,
        script=script,
        script_bytes=kept_apart.bytes if kept_apart is not None else 0,
        script_sha256=kept_apart.sha256 if kept_apart is not None else "",
        rules=rules_of(run),
        env_names=tuple(spec.env),
        json=pretty(_request(run)),
    )


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
    spec = to_builtins(run.spec)
    if run.spec.env:
        spec["env"] = dict.fromkeys(run.spec.env, "•••")
    request = {
        "name": run.name,
        "spec": spec,
        "queue": run.queue,
        "priority": run.priority,
        "tags": run.tags,
        "labels": run.labels,
        "unique_key": run.unique_key,
        "retry": to_builtins(run.retry),
        "limits": to_builtins(run.limits),
    }
    return {name: value for name, value in request.items() if value not in (None, (), {}, [])}
