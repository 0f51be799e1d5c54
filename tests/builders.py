"""Builds the parts of a tiny run, with the code that a real run uses."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dropexp import data
from dropexp.config.compose import compose_run
from dropexp.config.groups import list_groups
from dropexp.config.run_config import RunConfig
from dropexp.data import Splits
from dropexp.runs.records import EpochRecord
from dropexp.training.build import build_plan, build_state
from dropexp.training.progress import EpochProgress
from dropexp.training.state import TrainingPlan, TrainingState

REGULARISERS = [name for name in list_groups()["regulariser"] if name != "custom"]
"""The names that need no class of the user's."""

TINY = ("train.epochs=3", "data.train_size=70", "data.val_size=50")


@cache
def compose_tiny(*overrides: str) -> RunConfig:
    """Compose a config of 3 epochs on 70 images, unless the overrides say otherwise."""
    size = "model.hidden=[20,20]" if "model=mlp" in overrides else "model.width=4"
    return compose_run([*TINY, size, *overrides])


def make_pictures(root: Path, per_class: int = 4, classes: Sequence[str] = ("cat", "dog")) -> Path:
    """Write pictures of 16×16 random pixels to root/train and root/test; return root."""
    chance = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in classes:
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(per_class):
                pixels = chance.integers(0, 256, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


def ask_for_study(name: str, folder: Path) -> list[str]:
    """Return the overrides of a ready study, which has pictures in the folder if it needs some."""
    if not name.startswith("natural_images"):
        return [f"study={name}"]
    return [f"study={name}", f"data.root={make_pictures(folder / 'pictures')}"]


def build_parts(*overrides: str) -> tuple[RunConfig, Splits, TrainingState, TrainingPlan]:
    """Build all that the trainer needs for compose_tiny's config."""
    config = compose_tiny(*overrides)
    splits = data.load(config.data)
    state = build_state(config, splits)
    return config, splits, state, build_plan(config, splits, state.model)


def forge_checkpoint(plain: dict[str, object]) -> bytes:
    """Return a checkpoint that dropexp has not made."""
    buffer = io.BytesIO()
    torch.save(plain, buffer)
    return buffer.getvalue()


def hash_tensors(*tensors: Tensor) -> str:
    """Return a hash that two lists of tensors share only if they are equal bit for bit."""
    return hashlib.sha256(b"".join(t.numpy(force=True).tobytes() for t in tensors)).hexdigest()


def without_seconds(records: Sequence[EpochRecord]) -> list[EpochRecord]:
    """Return the records with the only number that differs between two equal trainings as 0."""
    return [replace(record, seconds=0.0) for record in records]


class RecordingView:
    """Keeps a run's messages, and interrupts the run after an epoch if it should."""

    def __init__(self, interrupt_after: int | None = None) -> None:
        self.messages: list[str] = []
        self.epochs: list[int] = []
        self.steps: list[EpochProgress] = []
        self._interrupt_after = interrupt_after

    def start(self, run_id: str, lines: Sequence[str]) -> None:
        self.messages += [run_id, *lines]

    def note(self, message: str) -> None:
        self.messages.append(message)

    def warn(self, message: str) -> None:
        self.messages.append(message)

    def report_audit(self, line: str) -> None:
        self.messages.append(line)

    def report_step(self, progress: EpochProgress) -> None:
        self.steps.append(progress)

    def report_epoch(self, record: EpochRecord, epochs: int) -> None:
        self.epochs.append(record.epoch)
        if record.epoch == self._interrupt_after:
            raise KeyboardInterrupt

    @property
    def text(self) -> str:
        return "\n".join(self.messages)
