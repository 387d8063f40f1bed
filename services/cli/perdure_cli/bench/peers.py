"""Other systems under the same work, measured by scripts that live outside of this program.

A peer's folder holds `run_peer.sh`, which is called with the peer's name and what to measure (`w1`
requests one by one, `w1b` in bulk, `w2` no-op functions, `w3` idle latency, `w4` /bin/true) and leaves
numbers in
`results/<name>.json`. Their environments and servers are theirs; see the folder's own README.
"""

import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from perdure_cli.stops import WrongUse

SCRIPTS: Final = {"request": "w1", "bulk": "w1b", "drain": "w2", "function": "w3", "true": "w4"}
"""Our measures → the scripts' words for the same work."""
LONGEST_SECONDS: Final = 900

TRANSLATED: Final = {
    ("w1", "jobs_s"): "request",
    ("w1b", "jobs_s"): "bulk",
    ("w2", "jobs_s"): "drain",
    ("w3", "p50"): "function_p50",
    ("w3", "p99"): "function_p99",
    ("w4", "jobs_s"): "true",
}
"""The scripts' numbers → our figures."""

_Rounds = list[dict[str, float | int | str | bool | dict[str, float] | None]]


@dataclass(frozen=True, slots=True)
class Peer:
    """One other system."""

    name: str
    home: Path

    def measure(self, measures: Sequence[str]) -> dict[str, float]:
        """Take those of our measures that it has, once.

        Raises:
            RuntimeError: when its script fails.
        """
        words = [SCRIPTS[measure] for measure in measures if measure in SCRIPTS]
        answer = subprocess.run(  # noqa: S603 - the script that was named
            [str(self.home / "run_peer.sh"), self.name, *words, "--reps", "1"],
            stdout=subprocess.DEVNULL,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        if answer.returncode != 0:
            message = f"The script of {self.name} failed with code {answer.returncode}."
            raise RuntimeError(message)
        return translate((self.home / "results" / f"{self.name}.json").read_bytes(), words)


def translate(results: bytes, words: Collection[str]) -> dict[str, float]:
    """Give our figures from a peer's results; what was not asked or not measured is left out."""
    told = msgspec.json.decode(results, type=dict[str, msgspec.Raw])
    measured = {}
    for (measure, number), figure in TRANSLATED.items():
        if measure in words and measure in told:
            rounds = msgspec.json.decode(told[measure], type=_Rounds)
            values = [
                value for each in rounds if isinstance(value := each.get(number), int | float)
            ]
            if values:
                measured[figure] = float(values[-1])
    return measured


def find(names: str | None, home: str | None) -> list[Peer]:
    """Give the peers that were asked for."""
    if not names:
        return []
    if home is None or not (Path(home) / "run_peer.sh").exists():
        message = "Say where the peers' scripts are: --peers-home FOLDER (with run_peer.sh in it)."
        raise WrongUse(message)
    return [Peer(name.strip(), Path(home)) for name in names.split(",")]
