"""The audit catches what can go wrong in each regulariser of the wider family."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dropexp import data
from dropexp.regularisers import (
    AlphaDropout,
    ConcreteDropout,
    CutMix,
    Cutout,
    DropBlock2d,
    GaussianDropout,
    Mixup,
    ShakeDrop,
    StochasticDepth,
    UnitScaling,
    find_noise_modules,
)
from dropexp.training.audit_report import AuditReport
from dropexp.training.build import audit_model, build_model
from tests.builders import compose_tiny


def audit_with(
    sabotage: type | None, regulariser: str, *overrides: str, seed: int = 0
) -> AuditReport:
    """Audit a regulariser whose noise modules have got another class."""
    shortcut = ["model.shortcut=true"] if regulariser in ("shakedrop", "stochastic_depth") else []
    composed = compose_tiny(f"regulariser={regulariser}", *shortcut, *overrides)
    config = composed.model_copy(update={"seed": seed})
    splits = data.load(config.data)
    model = build_model(config, splits)
    for noise in find_noise_modules(model).values():
        if sabotage is not None:
            noise.__class__ = sabotage
    return audit_model(config, splits, model)


class Off:
    def forward(self, x: Tensor, *targets: Tensor) -> Any:
        return (x, *targets) if targets else x


def weaker(noise: Any) -> Any:
    """The same noise at half its p."""

    class Weaker(noise):  # type: ignore[misc]
        def forward(self, *arguments: Any) -> Any:
            module: Any = self
            p = module.p
            module.p = p / 2
            try:
                return super().forward(*arguments)
            finally:
                module.p = p

    return Weaker


class UnscaledAlpha(AlphaDropout):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * (1 - self.p if self.training else 1)


class ZerosInsteadOfNormal(GaussianDropout):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.training)


class NotLearned(ConcreteDropout):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout2d(x, self.p, self.training)


class SinglePositions(DropBlock2d):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.training)


class AlwaysPositive(ShakeDrop):
    def forward(self, branch: Any, x: Tensor) -> Tensor:
        out: Tensor = branch(x)
        shape = (len(out), *[1] * (out.dim() - 1))
        keep = out.new_empty(shape).bernoulli_(1 - self.p) == 1
        factor = torch.where(keep, 1.0, torch.rand(shape)) / (1 - self.p)
        return out * factor if self.training else out


class OrdinaryGradient(ShakeDrop):
    def forward(self, branch: Any, x: Tensor) -> Tensor:
        out: Tensor = branch(x)
        if not self.training or self.p == 0:
            return out
        shape = (len(out), *[1] * (out.dim() - 1))
        keep = out.new_empty(shape).bernoulli_(1 - self.p) == 1
        return out * torch.where(keep, 1.0, 2 * torch.rand(shape) - 1) / (1 - self.p)


class HalfTheSquare(Cutout):
    def _change(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        size, self.size = self.size, self.size / 2
        try:
            return super()._change(images, targets)
        finally:
            self.size = size


class LabelsNotMixed(Mixup):
    def _change(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        mixed, probabilities = super()._change(images, targets)
        if probabilities.dim() == 2:
            probabilities = F.one_hot(targets, self.num_classes).float()
        return mixed, probabilities


@pytest.mark.parametrize(
    ("sabotage", "regulariser", "p"),
    [
        *(
            (type("Off", (Off, noise), {}), noise.kind, 0.2)
            for noise in (
                AlphaDropout,
                ConcreteDropout,
                Cutout,
                CutMix,
                DropBlock2d,
                GaussianDropout,
                Mixup,
                UnitScaling,
            )
        ),
        *(
            (weaker(noise), noise.kind, 0.3)
            for noise in (
                AlphaDropout,
                Cutout,
                CutMix,
                GaussianDropout,
                Mixup,
                ShakeDrop,
                StochasticDepth,
                UnitScaling,
            )
        ),
        (UnscaledAlpha, "alpha_dropout", 0.2),
        (ZerosInsteadOfNormal, "gaussian_dropout", 0.3),
        (NotLearned, "concrete_dropout", 0.3),
        (SinglePositions, "dropblock", 0.2),
        (AlwaysPositive, "shakedrop", 0.3),
        (OrdinaryGradient, "shakedrop", 0.3),
        (HalfTheSquare, "cutout", 0.5),
        (LabelsNotMixed, "mixup", 0.3),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_wrong_regulariser_is_caught(sabotage: type, regulariser: str, p: float) -> None:
    report = audit_with(sabotage, regulariser, f"p={p}")
    assert not report.passed


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("regulariser", "alpha"), [("cutmix", 1), ("cutmix", 0.2), ("mixup", 0.1), ("mixup", 1)]
)
def test_the_published_mixing_raises_no_false_alarm(
    regulariser: str, alpha: float, seed: int
) -> None:
    report = audit_with(None, regulariser, "p=1", f"regulariser.alpha={alpha}", seed=seed)
    assert report.passed, report.summarise()
