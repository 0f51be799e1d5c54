"""The runs that a sweep has left in a folder."""

import json
from pathlib import Path

ONE_AT_A_TIME = "hydra.launcher.n_jobs=1"  # where it makes no difference: one start of torch


def folders(tmp_path: Path, runs: str = "runs") -> dict[str, Path]:
    return {path.name: path for path in (tmp_path / runs).iterdir() if path.name[0] != "."}


def summaries(tmp_path: Path) -> dict[str, dict[str, object]]:
    """All finished runs, by id."""
    return {
        name: json.loads((path / "summary.json").read_text())
        for name, path in folders(tmp_path).items()
        if (path / "summary.json").exists()
    }


def settings(tmp_path: Path) -> set[tuple[str, float, int]]:
    found = summaries(tmp_path).values()
    return {(str(s["regulariser"]), float(str(s["p"])), int(str(s["seed"]))) for s in found}
