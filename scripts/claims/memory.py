"""Measure the memory of a training step: claims 4 and 8."""

import json
import os
import tempfile
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from claims.finding import ClaimVerdict, Finding, decide, decide_either_way, format_mib
from dropexp import models, regularisers

IMAGES = (32, 3, 32, 32)
_CLASSES = 10
_WORTH_NAMING = 0.005  # of the peak: a smaller difference is called none


@dataclass(frozen=True)
class StepMemory:
    """The memory that a training step needs beside the model and the batch, in bytes.

    Attributes:
        held: of tensors that the backward pass needs, at the end of the forward pass.
        peak: the largest sum of allocations at any time.
    """

    held: int
    peak: int


def measure_inplace() -> Finding:
    """Measure claim 4."""
    plain, overwriting = (
        measure_step(_build_small_cnn(inplace=inplace)) for inplace in (False, True)
    )
    alone, alone_inplace = (_measure_peak_without_gradients(inplace) for inplace in (False, True))
    return Finding(
        4,
        f"saved: {plain.peak - overwriting.peak:,} bytes of the peak of {format_mib(plain.peak)}, "
        f"{plain.held - overwriting.held:,} bytes of the {format_mib(plain.held)} held for the "
        f"backward pass; after a batch normalisation without gradients: "
        f"{format_mib(alone - alone_inplace)} of {format_mib(alone)}",
        judge_inplace((plain.peak, overwriting.peak), (alone, alone_inplace)),
        f"training step of the small CNN with dropout2d on {IMAGES}; allocations from "
        f"`torch.profiler`, held storages from `saved_tensors_hooks`. Neither convolution nor "
        f"channel dropout holds its output for the backward pass, only the {IMAGES[0]} × C mask: "
        f"without inplace that output is freed before the peak. Holds if the peak of both is "
        f"lower by {_WORTH_NAMING:.1%}, depends if that of one is.",
    )


def judge_inplace(of_step: tuple[int, int], alone: tuple[int, int]) -> ClaimVerdict:
    """Apply claim 4's rule to peaks (without, with inplace), of a step and of the layer alone."""
    saves = [peak - inplace >= _WORTH_NAMING * peak for peak, inplace in (of_step, alone)]
    return decide_either_way(all(saves), not any(saves))


def _measure_peak_without_gradients(inplace: bool) -> int:
    """Return the peak of a batch normalisation and dropout2d when no backward pass follows."""
    model = nn.Sequential(nn.BatchNorm2d(64), nn.Dropout2d(0.5, inplace))
    images = torch.randn(IMAGES[0], 64, *IMAGES[2:])

    def forward() -> None:
        with torch.no_grad():
            model(images)

    forward()
    return measure_peak_bytes(forward)


def measure_module() -> Finding:
    """Measure claim 8."""
    of_module, of_functional = (measure_step(_build_article_cnn(use)) for use in (True, False))
    difference = of_module.peak - of_functional.peak
    objects = measure_object_bytes(nn.Dropout2d)
    return Finding(
        8,
        f"tensors: {difference:+,} bytes of the peak of {format_mib(of_functional.peak)}, "
        f"{of_module.held - of_functional.held:+,} held for the backward pass; the module itself: "
        f"a Python object of {objects:,} bytes",
        judge_module(difference),
        f"training step of the article's network on {IMAGES}, measured as for claim 4, and "
        f"`tracemalloc` for the object. Holds if the module takes more memory for tensors. Bytes "
        f"of a Python object, once for each layer, are no reason to choose: they do not grow with "
        f"images or channels.",
    )


def judge_module(more_for_tensors: int) -> ClaimVerdict:
    """Apply claim 8's rule."""
    return decide(more_for_tensors > 0)


class _ArticleCNN(nn.Module):
    """The article's network with a head, and dropout2d as a module or as a function."""

    def __init__(self, *, modules: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(IMAGES[1], 64, 3, padding=1)
        self.conv2 = nn.Conv2d(64, 128, 3, padding=1)
        self.head = nn.Linear(128 * IMAGES[2] * IMAGES[3], _CLASSES)
        self.dropout1: Callable[[Tensor], Tensor] = nn.Dropout2d() if modules else self._functional
        self.dropout2: Callable[[Tensor], Tensor] = nn.Dropout2d() if modules else self._functional

    def _functional(self, x: Tensor) -> Tensor:
        return F.dropout2d(x, training=self.training)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.dropout1(self.conv1(x)))
        x = F.relu(self.dropout2(self.conv2(x)))
        return self.head(x.flatten(1))  # type: ignore[no-any-return]


def _build_article_cnn(modules: bool) -> nn.Module:
    return _ArticleCNN(modules=modules)


def _build_small_cnn(*, inplace: bool) -> nn.Module:
    regulariser = regularisers.build("dropout2d", 0.5, inplace=inplace)
    return models.build("small_cnn", IMAGES[1:], _CLASSES, regulariser)


def measure_step(model: nn.Module) -> StepMemory:
    """Return the memory of one training step on IMAGES, gradients included."""
    images, labels = torch.randn(IMAGES), torch.randint(_CLASSES, IMAGES[:1])

    def forward() -> Tensor:
        return F.cross_entropy(model(images), labels)

    def step() -> None:
        torch.autograd.backward(forward())

    step()  # what is allocated in the first step only must not count
    model.zero_grad()
    held = measure_held_bytes(forward, without=[*model.parameters(), images, labels])
    return StepMemory(held, measure_peak_bytes(step))


def measure_held_bytes(forward: Callable[[], Tensor], without: list[Tensor]) -> int:
    """Return the bytes that the backward pass needs, counting each storage once."""
    storages: dict[int, int] = {}

    def pack(saved: Tensor) -> Tensor:
        storage = saved.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        loss = forward()
    for known in without:
        storages.pop(known.untyped_storage().data_ptr(), None)
    del loss  # while the graph is alive no address is used twice
    return sum(storages.values())


def measure_peak_bytes(action: Callable[[], None]) -> int:
    """Return the peak of bytes allocated by torch's CPU allocator during an action."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # otherwise the profiler prints to stderr
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        action()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(file))
        events = json.loads(file.read_text())["traceEvents"]
    allocations = [event for event in events if event.get("name") == "[memory]"]
    allocated = peak = 0
    for event in sorted(allocations, key=lambda event: event["ts"]):
        allocated += event["args"]["Bytes"]
        peak = max(peak, allocated)
    return peak


def measure_object_bytes(make: Callable[[], object], count: int = 200) -> int:
    """Return the Python memory of one object, as a mean over several."""
    make()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = [make() for _ in range(count)]
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return taken // len(kept)
