"""Processor time and memory of the commands that read many runs, over the number of runs."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from illustrations.png import write_png

NUMBERS = (1_000, 10_000, 30_000, 100_000)
_SETTINGS, _STUDY = 1_000, "large"
_COLOURS = {"runs": "#4269d0", "compare": "#d1495b", "watch": "#3a9a5b", "sweep": "#b8860b"}
_WIDTH, _HEIGHT, _LEFT, _TOP = 330, 220, 60, 50
_LIMITS = (3.0, 300.0)  # seconds, MB
_TITLES = ("seconds of a processor", "MB")

# From a small process: the peak of a child begins with the memory of the process that forks it.
_MEASURE = """
import os, sys
child = os.fork()
if not child:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execv(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(child, 0)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True)
class Cost:
    """What one command over a number of runs takes: seconds of a processor, and MB at most.

    On an idle machine that is the time on the clock; on a busy one the clock says nothing.
    """

    command: str
    runs: int
    seconds: float
    megabytes: float


def draw_growth(stores: Sequence[Path], picture: Path) -> None:
    """Measure the commands over stores, and draw what they take.

    Args:
        stores: folders of runs as run_folders.py writes them; none: they are written first.
        picture: the PNG to write; the numbers are written beside it as JSON.
    """
    with tempfile.TemporaryDirectory() as folder:
        costs = measure(list(stores) or _make_stores(Path(folder)))
    picture.with_suffix(".json").write_text(
        json.dumps([vars(cost) for cost in costs], indent=1) + "\n", encoding="utf-8"
    )
    write_png(make_chart(costs), picture, 2)


def measure(stores: Sequence[Path]) -> list[Cost]:
    """Return what each command takes over each store, the second time that it is given."""
    costs = []
    for store in stores:
        runs = sum(1 for entry in os.scandir(store) if not entry.name.startswith("."))
        for name, arguments in _list_commands(store, runs).items():
            _run(arguments)  # what is read stays in the file system's cache
            costs.append(Cost(name, runs, *_run(arguments)))
            sys.stdout.write(f"{costs[-1]}\n")
    return costs


def _list_commands(store: Path, runs: int) -> dict[str, list[str]]:
    from baselines.run_folders import EFFECTS, STRENGTHS, list_overrides

    study = json.loads((store / ".studies" / f"{_STUDY}.json").read_text(encoding="utf-8"))
    seeds = 1 + max(member["seed"] for member in study["members"])
    _, *others = list_overrides(STRENGTHS[::2] if runs <= 25 * seeds else STRENGTHS, seeds)
    # Without none, of which each p makes the same runs.
    words = [f"regulariser={','.join(list(EFFECTS)[1:])}", *others, f"study={_STUDY}"]
    place = ["--runs-dir", str(store)]
    return {
        "runs": ["runs", *place],
        "compare": ["compare", str(store)],
        "watch": ["watch", _STUDY, "--once", *place],
        "sweep": ["sweep", *words, f"runs_dir={store}", "--dry-run"],
    }


def _run(arguments: Sequence[str]) -> tuple[float, float]:
    """Return the processor seconds and the MB of a command; what it prints is not kept."""
    command = [sys.executable, "-c", _MEASURE, sys.executable, "-m", "dropexp", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    seconds, peak = map(float, done.stdout.split())
    return seconds, peak / (1e6 if sys.platform == "darwin" else 1e3)  # it is in bytes there


def _make_stores(folder: Path) -> list[Path]:
    from baselines.run_folders import make_runs

    for number in NUMBERS:
        make_runs(folder / str(number), number, number // _SETTINGS, _STUDY)
    return [folder / str(number) for number in NUMBERS]


def make_chart(costs: Sequence[Cost]) -> str:
    """Return an SVG of two panels, seconds and MB over runs, both from 0."""
    most = max(cost.runs for cost in costs)
    width, height = 2 * (_WIDTH + _LEFT) + 30, _HEIGHT + _TOP + 45
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
    ]
    for panel, (title, limit) in enumerate(zip(_TITLES, _LIMITS, strict=True)):
        values = [(cost, (cost.seconds, cost.megabytes)[panel]) for cost in costs]
        top = 1.1 * max(limit, *(value for _, value in values))
        left = _LEFT + panel * (_WIDTH + _LEFT)
        parts += _frame(left, title, limit, top, most)
        for name, colour in _COLOURS.items():
            points = sorted((cost.runs, value) for cost, value in values if cost.command == name)
            places = [_place(left, runs / most, value / top) for runs, value in points]
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}"/>')
            parts += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places
            ]
    for index, (name, colour) in enumerate(_COLOURS.items()):
        x = _LEFT + 130 * index
        parts.append(f'<text x="{x}" y="20" fill="{colour}">dropexp {name}</text>')
    return "".join([*parts, "</svg>"])


def _place(left: float, right: float, up: float) -> tuple[float, float]:
    return left + right * _WIDTH, _TOP + (1 - up) * _HEIGHT


def _frame(left: float, title: str, limit: float, top: float, most: int) -> list[str]:
    bottom = _TOP + _HEIGHT
    _, at_limit = _place(left, 0, limit / top)
    parts = [
        f'<path d="M{left},{_TOP}V{bottom}H{left + _WIDTH}" fill="none" stroke="#888"/>',
        f'<text x="{left}" y="{_TOP - 8}">{title}</text>',
        f'<path d="M{left},{at_limit:.1f}H{left + _WIDTH}" stroke="#888" stroke-dasharray="4"/>',
        f'<text x="{left - 6}" y="{at_limit + 4:.1f}" text-anchor="end">{limit:g}</text>',
        f'<text x="{left - 6}" y="{bottom + 4}" text-anchor="end">0</text>',
    ]
    for share in (0, 0.5, 1):
        x, _ = _place(left, share, 0)
        text = f"{round(share * most):,}"
        parts.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{text}</text>')
    x, _ = _place(left, 0.5, 0)
    parts.append(f'<text x="{x}" y="{bottom + 36}" text-anchor="middle">runs in the folder</text>')
    return parts
