"""A row of the bench, and how its two sides are timed."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

BASELINES = Path(__file__).parents[1] / "baselines"

Action = Callable[[], object]
"""What is timed. An action that returns a float has measured its seconds itself."""

Pair = tuple[Action, Action]  # ours, theirs


@dataclass(frozen=True)
class BenchRow:
    """One ratio of dropexp's cost to what it is measured against.

    Attributes:
        name: the name that chooses the row on the command line.
        what: a description of the two sides, "ours ÷ theirs".
        make: prepares both sides and returns them; it is not timed.
        budget: the largest ratio that is allowed; None for no limit.
        needs: a module that dropexp does not depend on, and the package that has it.
        is_seconds: whether the second side is one second, so that the ratio is in seconds.
    """

    name: str
    what: str
    make: Callable[[], Pair]
    budget: float | None = None
    needs: tuple[str, str] | None = None
    is_seconds: bool = False

    @property
    def missing_package(self) -> str | None:
        """The package to install before this row can be measured; None for none."""
        return self.needs[1] if self.needs and find_spec(self.needs[0]) is None else None


def measure_medians(pair: Pair, repeats: int) -> tuple[float, float]:
    """Return the median seconds of both sides, timed in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for action, seconds in zip(pair, times, strict=True):
            start = time.perf_counter()
            stated = action()
            elapsed = time.perf_counter() - start
            seconds.append(stated if isinstance(stated, float) else elapsed)
    return statistics.median(times[0]), statistics.median(times[1])


def repeat(action: Action, count: int) -> Action:
    """Return an action that repeats this one, after a warm-up."""

    def repeats() -> None:
        for _ in range(count):
            action()

    repeats()
    return repeats


def start_process(*arguments: str, states_seconds: bool = False) -> Action:
    """Return an action that runs Python with arguments; its error has the last line printed.

    Args:
        arguments: of Python.
        states_seconds: whether the last line that the process prints is its time in seconds.
    """

    def run() -> float | None:
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
        if done.returncode:
            last_line = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise RuntimeError(f"{' '.join(arguments)} failed: {last_line}")
        return float(done.stdout.splitlines()[-1]) if states_seconds else None

    return run
