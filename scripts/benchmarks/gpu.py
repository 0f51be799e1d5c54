"""What scripts/bench --gpu measures on a CUDA device: samples per second of training.

Each network is trained by dropexp's loop and by a hand-written one on the same made-up images in
the device's memory, and by Lightning where it is installed; the small CNN also with each
regulariser; and four runs of a sweep are trained one after another and at the same time.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median

from rich.console import Console

NO_GPU = "scripts/bench --gpu needs a CUDA device, and torch finds none on this machine."

_NETWORKS = {
    "small CNN, 28×28": (["data=fashion_mnist", "train.batch_size=128"], 10_240),
    "ResNet-20, 32×32": (["data=cifar10", "model=resnet", "train.batch_size=128"], 10_240),
    "ResNet-110, 32×32": (
        ["data=cifar10", "model=resnet", "model.depth=110", "train.batch_size=128"],
        5_120,
    ),
    "resnet18, 32×32": (
        ["data=cifar10", "model=torchvision", "model.arch=resnet18", "train.batch_size=128"],
        10_240,
    ),
}
_VARIANTS = {
    "float32": [],
    "tf32": ["precision=tf32"],
    "bfloat16": ["precision=bfloat16"],
    "compiled": ["precision=tf32", "train.compile=true"],
    "CUDA graphs": ["precision=tf32", "train.compile=true", "train.cuda_graphs=true"],
}
_RUNS = 4
_WARM_UP, _TIMED = 2, 3  # epochs


@dataclass(frozen=True)
class Speeds:
    """Samples per second of training steps.

    Attributes:
        ours: of dropexp's loop.
        by_hand: of the hand-written loop; None where it is not measured.
        lightning: of Lightning's trainer; None where it is not installed or not measured.
    """

    ours: float
    by_hand: float | None = None
    lightning: float | None = None

    def __str__(self) -> str:
        text = f"{self.ours:,.0f} samples/s"
        for name, other in (("by hand", self.by_hand), ("Lightning", self.lightning)):
            text += "" if other is None else f", {self.ours / other:.3f} × {name}"
        return text


def main(repeats: int) -> int:
    """Measure all rows, print each when it is known, and return the exit code."""
    import torch

    if not torch.cuda.is_available():
        print(NO_GPU, file=sys.stderr)
        return 2
    console = Console(soft_wrap=True)
    console.print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}", markup=False)
    for name, speeds in measure_all("cuda", repeats):
        console.print(f"{name:<42}{speeds}", markup=False, highlight=False)
    return 0


def measure_all(device: str, repeats: int) -> Iterator[tuple[str, "Speeds | str"]]:
    """Yield the name of each row and what it is: speeds, or why there are none."""
    for network, (overrides, images) in _NETWORKS.items():
        for variant, more in _VARIANTS.items():
            yield f"{network}, {variant}", measure([*overrides, *more], images, device, repeats)
    overrides, images = _NETWORKS["small CNN, 28×28"]
    for regulariser in list_regularisers():
        options = [f"regulariser={regulariser}", "p=0.3", "model.shortcut=true"]
        if regulariser == "alpha_dropout":
            options.append("model.nonlinearity=selu")
        speeds = measure([*overrides, *options], images, device, repeats, only_ours=True)
        yield f"small CNN, {regulariser}", speeds
    yield f"{_RUNS} runs of a sweep", measure_sweep(device)


def list_regularisers() -> list[str]:
    """Return the names of all regularisers, the plain network first."""
    from dropexp.config.groups import list_groups

    names = list_groups()["regulariser"]
    return ["none", *(name for name in names if name not in ("none", "custom"))]


def measure(
    overrides: list[str], images: int, device: str, repeats: int, *, only_ours: bool = False
) -> "Speeds | str":
    """Return the samples per second of a config's training steps, or why it cannot be trained.

    Args:
        overrides: of the config.
        images: training images of an epoch.
        device: to train on.
        repeats: timings of each side, in turn; their medians count.
        only_ours: whether to leave out the other loops.
    """
    from benchmarks import gpu_loops

    try:
        sides: dict[str, Callable[[], float]] = {"ours": gpu_loops.ours(overrides, images, device)}
        if not only_ours:
            sides["by_hand"] = gpu_loops.by_hand(overrides, images, device)
            if find_spec("lightning") is not None:
                sides["lightning"] = gpu_loops.by_lightning(overrides, images, device)
        for _ in range(_WARM_UP):
            for side in sides.values():
                side()
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(max(repeats, _TIMED)):
            for name, side in sides.items():
                seconds[name].append(side())
    except Exception as error:  # a row that cannot be measured harms no other
        return f"not measured: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return Speeds(**{name: images / median(times) for name, times in seconds.items()})


def measure_sweep(device: str) -> str:
    """Return how much faster runs of the default job are at the same time than in turn."""

    def sweep(at_a_time: int) -> float:
        with tempfile.TemporaryDirectory() as runs:
            command = [sys.executable, "-m", "dropexp", "sweep", f"seed=range({_RUNS})"]
            command += [f"device={device}", f"runs_dir={runs}", "train.epochs=100"]
            start = time.perf_counter()
            subprocess.run(
                [*command, f"hydra.launcher.n_jobs={at_a_time}"], check=True, capture_output=True
            )
            return time.perf_counter() - start

    together, in_turn = sweep(_RUNS), sweep(1)
    return f"{together:.1f} s at the same time, {in_turn:.1f} s in turn: {in_turn / together:.2f} ×"
