"""The loops that scripts/bench --gpu times: training steps on made-up images in device memory."""

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropexp.config.compose import compose_run
from dropexp.config.run_config import RunConfig
from dropexp.data import Split, Splits
from dropexp.training.build import build_plan, build_state
from dropexp.training.compiling import prepare_forward, refuse_unavailable
from dropexp.training.environment import configure_torch
from dropexp.training.evaluation import autocast
from dropexp.training.steps import EpochSteps
from dropexp.training.work import find_image_shape

_CLASSES = 10

Epoch = Callable[[], float]
"""Trains one epoch and returns its seconds."""


def _prepare(overrides: list[str], images: int, device: str) -> tuple[RunConfig, Splits]:
    config = compose_run([*overrides, f"device={device}"])
    place = torch.device(device)
    refuse_unavailable(config, place)
    configure_torch(place, None, None, config.precision)
    shape = find_image_shape(config.data)

    def draw(count: int) -> Split:
        generator = torch.Generator().manual_seed(0)
        pixels = torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8)
        return Split(pixels, torch.randint(0, _CLASSES, (count,), generator=generator))

    train = draw(images)
    splits = Splits(
        train=train,
        val=draw(64),
        test=draw(64),
        class_names=tuple(map(str, range(_CLASSES))),
        noisy=torch.zeros(images, dtype=torch.bool),
        true_labels=train.labels,
        wrong_share=0.0,
        mean=torch.full(shape[:1], 127.5),
        std=torch.full(shape[:1], 74.0),
        source_index=torch.arange(images),
    )
    return config, splits.to(place)


def _time(device: str, train: Callable[[], None]) -> float:
    """Return the seconds of an epoch, until the device has finished it."""
    _wait(device)
    start = time.perf_counter()
    train()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def ours(overrides: list[str], images: int, device: str) -> Epoch:
    """Return an epoch of dropexp's training steps."""
    config, splits = _prepare(overrides, images, device)
    state = build_state(config, splits)
    plan = build_plan(config, splits, state.model)
    forward = prepare_forward(config.train, state.model)

    def train() -> None:
        for _ in EpochSteps(state.model, state.optimiser, forward, plan, epoch=1):
            pass

    return lambda: _time(device, train)


def _build_by_hand(
    overrides: list[str], images: int, device: str
) -> tuple[RunConfig, nn.Module, Any, Callable[[], Iterator[tuple[Tensor, Tensor]]]]:
    """Return the config, its network as dropexp builds it, an Adam, and batches of an epoch."""
    config, splits = _prepare(overrides, images, device)
    model = build_state(config, splits).model.train()
    forward = prepare_forward(config.train, model)
    pixels = splits.train.images.float().sub_(127.5).div_(74.0)
    labels, batch = splits.train.labels, config.train.batch_size

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(labels), device=device)
        for chosen in order.split(batch):
            yield pixels[chosen], labels[chosen]

    return config, model, forward, batches


def by_hand(overrides: list[str], images: int, device: str) -> Epoch:
    """Return an epoch of a hand-written loop over the same network, with a fused Adam."""
    config, model, forward, batches = _build_by_hand(overrides, images, device)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    place = torch.device(device)

    def train() -> None:
        for x, y in batches():
            optimiser.zero_grad()
            with autocast(place, config.precision):
                logits = forward(x)
            F.cross_entropy(logits.float(), y).backward()
            optimiser.step()

    return lambda: _time(device, train)


def by_lightning(overrides: list[str], images: int, device: str) -> Epoch:
    """Return an epoch of Lightning's trainer over the same network and batches."""
    lightning: Any = import_module("lightning")

    config, model, forward, batches = _build_by_hand(overrides, images, device)

    class Module(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
            x, y = batch
            return F.cross_entropy(forward(x).float(), y)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=True)

    class Batches:
        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            return batches()

        def __len__(self) -> int:
            return -(-images // config.train.batch_size)

    class Stopwatch(lightning.Callback):  # type: ignore[misc]
        seconds = 0.0

        def on_train_epoch_start(self, *_: object) -> None:
            _wait(device)
            self.seconds = -time.perf_counter()

        def on_train_epoch_end(self, *_: object) -> None:
            _wait(device)
            self.seconds += time.perf_counter()

    module = Module()

    def train() -> float:
        stopwatch = Stopwatch()
        trainer = lightning.Trainer(
            max_epochs=1,
            accelerator="gpu" if device == "cuda" else device,
            devices=1,
            precision="bf16-mixed" if config.precision == "bfloat16" else "32-true",
            callbacks=[stopwatch],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            logger=False,
        )
        trainer.fit(module, Batches())
        return stopwatch.seconds

    return train
