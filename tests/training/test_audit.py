"""The audit passes what is sound and catches every way published work has gone wrong."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dropexp import data
from dropexp.config.run_config import RunConfig
from dropexp.data import Splits
from dropexp.errors import AuditError
from dropexp.randomness import global_stream
from dropexp.regularisers import Dropout2d
from dropexp.training.audit import audit
from dropexp.training.audit_report import AuditReport
from dropexp.training.build import build_model
from tests.builders import build_parts, compose_tiny

SOUND = [
    ("small_cnn", "none"),
    ("small_cnn", "dropout2d"),
    ("small_cnn", "dropout"),
    ("small_cnn", "spatial_dropout"),
    ("small_cnn", "dropconnect"),
    ("small_cnn", "stochastic_depth"),
    ("mlp", "dropout"),
    ("mlp", "dropconnect"),
    ("resnet", "dropout2d"),
    ("resnet", "spatial_dropout"),
    ("resnet", "dropconnect"),
    ("resnet", "stochastic_depth"),
    ("small_cnn", "dropblock"),
    ("resnet", "dropblock"),
    ("small_cnn", "gaussian_dropout"),
    ("mlp", "gaussian_dropout"),
    ("small_cnn", "alpha_dropout"),
    ("mlp", "alpha_dropout"),
    ("small_cnn", "concrete_dropout"),
    ("mlp", "concrete_dropout"),
    ("resnet", "shakedrop"),
    ("small_cnn", "unit_scaling"),
    ("mlp", "unit_scaling"),
    ("small_cnn", "cutout"),
    ("mlp", "mixup"),
    ("small_cnn", "cutmix"),
    ("resnet", "dropout2d+stochastic_depth"),
    ("small_cnn", "dropconnect+dropout2d+mixup"),
    ("resnet", "shakedrop+stochastic_depth"),
    ("mlp", "cutout+dropout+mixup"),
]


def audit_tiny(*overrides: str, seed: int = 0) -> AuditReport:
    config = compose_tiny(*overrides)
    splits = data.load(config.data)
    return audit_with(build_model(config, splits), config, splits, seed=seed)


def audit_with(
    model: nn.Module, config: RunConfig, splits: Splits, *, p: float | None = None, seed: int = 0
) -> AuditReport:
    """Audit a model as that of a config, or as one of dropout2d with another p."""
    plain = build_model(config, splits, plain=True)
    images = splits.normalise(splits.train.images[:64])
    expected = config.p_by_regulariser if p is None else {"dropout2d": p}
    with global_stream(seed, "audit"):
        return audit(model, plain, images, expected, config.precision)


@pytest.mark.parametrize(("model", "regulariser"), SOUND)
@pytest.mark.parametrize("p", [0.05, 0.9])
def test_every_regulariser_passes_on_every_model_that_has_its_sites(
    model: str, regulariser: str, p: float
) -> None:
    depth = ["model.depth=8"] if model == "resnet" else []
    report = audit_tiny(f"model={model}", f"regulariser={regulariser}", f"p={p}", *depth)
    assert report.passed, report.summarise()
    assert (len(report.sites) > 0) == (regulariser != "none")


@pytest.mark.parametrize(
    "overrides",
    [
        ["regulariser=dropconnect", "regulariser.mask=batch"],
        ["regulariser=dropconnect", "regulariser.inference=gaussian"],
        ["regulariser=stochastic_depth", "regulariser.mode=batch"],
        ["regulariser=stochastic_depth", "regulariser.scaling=eval"],
        ["regulariser=stochastic_depth", "regulariser.depth_schedule=uniform"],
        ["regulariser=stochastic_depth", "regulariser.mode=batch", "p=0.01"],
        ["regulariser=dropout2d", "regulariser.inplace=true"],
        ["regulariser=dropout2d", "precision=bfloat16"],
        ["regulariser=dropout2d", "p=0"],
        ["regulariser=dropout2d", "p=0.001"],
        ["regulariser=dropconnect", "p=0.99"],
        ["regulariser=dropblock", "regulariser.mask=shared", "regulariser.block_size=2"],
        ["regulariser=alpha_dropout", "regulariser.featurewise=true"],
        ["regulariser=shakedrop", "regulariser.mode=batch"],
        ["regulariser=shakedrop", "regulariser.scaling=eval"],
        ["regulariser=mixup", "p=1"],
        ["regulariser=cutmix", "p=0.99"],
        ["regulariser=cutout", "p=1", "precision=bfloat16"],
        ["regulariser=concrete_dropout", "p=0.01"],
        ["regulariser=concrete_dropout", "precision=bfloat16"],
        ["regulariser=unit_scaling", "precision=bfloat16"],
        ["regulariser=dropout2d+stochastic_depth", "regulariser.dropout2d.p=0"],
    ],
)
def test_every_option_passes(overrides: list[str]) -> None:
    report = audit_tiny(*overrides)
    assert report.passed, report.summarise()


@pytest.mark.parametrize("seed", range(20))
def test_a_sound_regulariser_passes_with_every_seed(seed: int) -> None:
    assert audit_tiny("regulariser=dropout2d", "p=0.3", seed=seed).passed


class SilentlyOff(Dropout2d):
    def forward(self, x: Tensor) -> Tensor:
        return x


class OnInEvaluation(Dropout2d):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout2d(x, self.p)


class Unscaled(Dropout2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * (1 - self.p if self.training else 1)


class OtherStrength(Dropout2d):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout2d(x, self.p / 2, self.training)


class NotOffAtZero(Dropout2d):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout2d(x, max(self.p, 0.2), self.training)


class SinglePositions(Dropout2d):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.training)


class AlwaysTraining(Dropout2d):
    def train(self, mode: bool = True) -> "AlwaysTraining":
        self.training = True
        return self


def audit_dropout(make: Callable[[float], nn.Module], p: float = 0.5) -> AuditReport:
    config, splits, state, _ = build_parts("regulariser=dropout2d", f"p={p}")
    state.model.dropout1 = make(p)
    return audit_with(state.model, config, splits)


@pytest.mark.parametrize(
    ("sabotage", "caught_by"),
    [
        (SilentlyOff, "drop_rate"),
        (OnInEvaluation, "evaluation_passes"),
        (OnInEvaluation, "evaluation_equals_none"),
        (Unscaled, "expectation"),
        (OtherStrength, "drop_rate"),
        (NotOffAtZero, "p0_equals_none"),
    ],
)
def test_a_wrong_dropout_is_caught(sabotage: Callable[[float], nn.Module], caught_by: str) -> None:
    report = audit_dropout(sabotage)
    assert caught_by in {check.name for check in report.failures}
    assert caught_by in report.summarise()


class ScaledInEvaluationInstead(Dropout2d):
    def forward(self, x: Tensor) -> Tensor:
        out = F.dropout2d(x, self.p, self.training)
        return out * (1 - self.p)


@pytest.mark.parametrize("p", [0.05, 0.15, 0.5])
def test_a_site_whose_output_is_thrown_away_is_caught(p: float) -> None:
    config, splits, state, _ = build_parts("regulariser=dropout2d", f"p={p}")
    model: Any = state.model

    class Careless(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.dropout1 = model.conv1, model.dropout1
            self.conv2, self.dropout2 = model.conv2, model.dropout2
            self.head = model.head

        def forward(self, x: Tensor) -> Tensor:
            self.dropout1(self.conv1(x))
            x = F.relu(self.conv1(x))
            x = F.relu(self.dropout2(self.conv2(x)))
            logits: Tensor = self.head(x.flatten(1))
            return logits

    report = audit_with(Careless(), config, splits)
    assert {check.name for check in report.failures} == {"training_passes"}
    assert "dropout1" in report.summarise()


def test_another_p_than_that_of_the_config_is_caught() -> None:
    config, splits, state, _ = build_parts("regulariser=dropout2d", "p=0.1")
    report = audit_with(state.model, config, splits, p=0.5)
    assert {check.name for check in report.failures} == {"strength"}


def test_an_evaluation_that_is_not_the_plain_models_is_caught() -> None:
    names = {check.name for check in audit_dropout(ScaledInEvaluationInstead).failures}
    assert "evaluation_equals_none" in names


def test_a_sound_replacement_passes() -> None:
    assert audit_dropout(Dropout2d).passed


def test_a_mask_of_another_shape_is_caught() -> None:
    with pytest.raises(AuditError):
        _raise_if_failed(audit_dropout(SinglePositions))


def test_a_module_that_stays_in_training_mode_is_caught() -> None:
    with pytest.raises(AuditError, match="AlwaysTraining"):
        _raise_if_failed(audit_dropout(AlwaysTraining))


def _raise_if_failed(report: AuditReport) -> None:
    """Some sabotage cannot even be measured and is refused before there is a report."""
    if not report.passed:
        raise AuditError(report.summarise())


def test_other_initial_weights_are_caught() -> None:
    config, splits, state, _ = build_parts("regulariser=dropout2d")
    with torch.no_grad():
        state.model.head.bias[0] += 1e-6  # type: ignore[union-attr, operator, index]
    report = audit_with(state.model, config, splits)
    assert "initial_weights" in {check.name for check in report.failures}


def test_a_regulariser_without_sites_is_caught() -> None:
    config, splits, _, _ = build_parts("regulariser=none")
    report = audit_with(build_model(config, splits), config, splits, p=0.5)
    assert "sites_served" in {check.name for check in report.failures}


def test_the_audit_leaves_the_model_as_it_was() -> None:
    config = compose_tiny("model=resnet", "model.depth=8", "regulariser=stochastic_depth")
    splits = data.load(config.data)
    model, plain = build_model(config, splits), build_model(config, splits, plain=True)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    audit(
        model, plain, splits.normalise(splits.train.images[:64]), config.p_by_regulariser, "float32"
    )
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert modes == [module.training for module in model.modules()]


def test_the_report_is_plain_json_with_bound_and_value() -> None:
    plain = json.loads(json.dumps(audit_tiny("regulariser=dropout2d").to_json(), allow_nan=False))
    assert plain["passed"] is True
    keys = {"name", "passed", "value", "bound", "meaning", "relation", "usual_cause"}
    assert set(plain["checks"][0]) == keys
    assert set(plain["realised_drop_rate"]) == {"dropout1", "dropout2"}
