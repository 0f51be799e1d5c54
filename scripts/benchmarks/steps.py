"""Rows for the epoch loop and for single training steps."""

from functools import partial
from pathlib import Path

from benchmarks.timing import Action, BenchRow, Pair, repeat, start_process


def _epoch_loop(*options: str) -> Pair:
    script = str(Path(__file__).parent / "epoch_loop.py")
    return (
        start_process(script, "dropexp", *options, states_seconds=True),
        start_process(script, "handwritten", *options, states_seconds=True),
    )


def _dropconnect_step() -> Pair:
    """Time a 64→128 convolution on 8×8 maps, batch 64: forward, and backward to both inputs."""
    import torch
    from torch import nn

    from dropexp.regularisers import DropConnectConv2d

    plain = nn.Conv2d(64, 128, 3, padding=1)
    noisy = DropConnectConv2d(64, 128, 3, padding=1, p=0.5)
    x = torch.randn(64, 64, 8, 8, requires_grad=True)
    gradient = torch.randn(64, 128, 8, 8)

    def step(layer: nn.Module) -> Action:
        return repeat(lambda: layer(x).backward(gradient), 20)

    return step(noisy), step(plain)


def _stochastic_depth_step(mode: str) -> Pair:
    """Time ResNet-20 on 28×28 images, batch 64, uniform p = 0.25."""
    import torch
    import torch.nn.functional as F

    from dropexp import models, regularisers

    x, y = torch.randn(64, 1, 28, 28), torch.randint(0, 10, (64,))

    def step(regulariser: regularisers.Regulariser) -> Action:
        model = models.build("resnet", (1, 28, 28), 10, regulariser, depth=20, width=16)
        return repeat(lambda: F.cross_entropy(model(x), y).backward(), 4)

    noisy = regularisers.build(
        "stochastic_depth", p=0.25, mode=mode, scaling="train", depth_schedule="uniform"
    )
    return step(noisy), step(regularisers.Regulariser())


def _regulariser_step(name: str) -> Pair:
    """Time the small CNN with a shortcut on 28×28 images, batch 64, p = 0.3."""
    import torch
    import torch.nn.functional as F

    from dropexp import models, regularisers

    x, y = torch.randn(64, 1, 28, 28), torch.randint(0, 10, (64,))
    nonlinearity = "selu" if name == "alpha_dropout" else "relu"

    def step(regulariser: regularisers.Regulariser) -> Action:
        model = models.build(
            "small_cnn", (1, 28, 28), 10, regulariser, shortcut=True, nonlinearity=nonlinearity
        )
        regularisers.attach_input_noise(model, regulariser.input(10))

        def one() -> None:
            seen, targets = regularisers.apply_input_noise(model, x, y)
            F.cross_entropy(model(seen), targets).backward()

        return repeat(one, 4)

    return step(regularisers.build(name, p=0.3)), step(regularisers.Regulariser())


def _regulariser_names() -> list[str]:
    from dropexp.config.groups import list_groups

    return [name for name in list_groups()["regulariser"] if name not in ("none", "custom")]


def _bfloat16_step() -> Pair:
    """Time the small CNN's training step on 28×28 images, batch 64."""
    import torch
    import torch.nn.functional as F

    from dropexp import models, regularisers
    from dropexp.training.evaluation import autocast

    x, y = torch.randn(64, 1, 28, 28), torch.randint(0, 10, (64,))

    def step(precision: str) -> Action:
        model = models.build("small_cnn", (1, 28, 28), 10, regularisers.Regulariser())

        def one() -> None:
            with autocast(torch.device("cpu"), precision):
                logits = model(x)
            F.cross_entropy(logits.float(), y).backward()

        return repeat(one, 5)

    return step("bfloat16"), step("float32")


ROWS = (
    BenchRow("loop", "epoch loop with its files ÷ hand-written loop", _epoch_loop, 1.02),
    BenchRow(
        "loop work",
        "the same, the processor's seconds with one thread each",
        partial(_epoch_loop, "--work"),
        1.02,
    ),
    BenchRow(
        "dropconnect step",
        "DropConnect step, mask per example ÷ plain convolution",
        _dropconnect_step,
        2.5,
    ),
    *(
        BenchRow(
            f"stochastic depth step, {mode}",
            f"stochastic depth's step at mean drop 0.25, {mode} ÷ full step",
            partial(_stochastic_depth_step, mode),
            0.80,
        )
        for mode in ("row", "batch")
    ),
    BenchRow("bfloat16 step", "bfloat16 step ÷ float32 step at 28×28", _bfloat16_step, 0.5),
    *(
        BenchRow(
            f"regulariser {name}",
            f"small CNN's step with {name} ÷ without",
            partial(_regulariser_step, name),
        )
        for name in _regulariser_names()
    ),
)
