"""The variance shift of batch norm: laws of dropout, and nothing that it changes."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from dropexp import data
from dropexp.config.compose import compose_run
from dropexp.regularisers import Dropout, Dropout2d
from dropexp.training.build import build_model
from dropexp.training.evaluation import evaluate
from dropexp.training.run import run
from dropexp.training.variance_shift import MOST_IMAGES, mean_shift, measure_variance_shifts
from tests.builders import RecordingView, build_parts, compose_tiny

CONFIG = compose_tiny("data.train_size=300")
SPLITS = data.load(CONFIG.data)
IMAGES = SPLITS.normalise(SPLITS.train.images)
RESNET = ("model=resnet", "model.depth=8", "threads=1", "tensorboard.enabled=false")


class Shaped(nn.Module):
    """Batch norm of pixels, each with the same mean over the training images, after a noise."""

    def __init__(self, noise: nn.Module, mean: float = 0.0, *, as_vectors: bool = True) -> None:
        super().__init__()
        self.noise, self.mean, self.as_vectors = noise, mean, as_vectors
        kind = nn.BatchNorm1d if as_vectors else nn.BatchNorm2d
        # Without momentum the statistics are the means over all batches.
        self.norm = kind(64 if as_vectors else 16, momentum=None)

    def shape(self, images: Tensor) -> Tensor:
        x = images.flatten(1) - IMAGES.flatten(1).mean(dim=0) + self.mean
        return x if self.as_vectors else x.reshape(len(images), 16, 2, 2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.norm(self.noise(self.shape(images))).flatten(1)[:, :10]
        return logits


def collect_statistics(model: Shaped, passes: int = 60) -> Shaped:
    torch.manual_seed(0)
    model.train()
    with torch.no_grad():
        for _ in range(passes):
            model(IMAGES)
    return model


@pytest.mark.parametrize("p", [0.1, 0.5])
@pytest.mark.parametrize("mean", [0.0, 1.5])
@pytest.mark.parametrize(
    ("kind", "as_vectors"), [(Dropout, True), (Dropout, False), (Dropout2d, False)]
)
def test_dropout_before_a_norm_shifts_by_its_law(
    kind: type[nn.Module], as_vectors: bool, mean: float, p: float
) -> None:
    model = collect_statistics(Shaped(kind(p), mean, as_vectors=as_vectors))
    x = model.shape(IMAGES).double()
    over = [axis for axis in range(x.dim()) if axis != 1]
    variance = float(x.var(over, correction=0).mean())
    # E[(m / (1 − p))²] = 1 / (1 − p): the noise adds p / (1 − p) of the mean square.
    law = 1 + p / (1 - p) * (variance + mean**2) / variance
    assert mean or law == pytest.approx(1 / (1 - p))
    assert measure_variance_shifts(model, SPLITS) == pytest.approx({"norm": law}, rel=0.02)


@pytest.mark.parametrize("as_vectors", [True, False])
def test_without_noise_the_shift_is_1(as_vectors: bool) -> None:
    model = collect_statistics(Shaped(nn.Identity(), 1.5, as_vectors=as_vectors), passes=1)
    count = 300 if as_vectors else 1200  # of which the statistics have the unbiased variance
    expected = {"norm": count / (count - 1)}
    assert measure_variance_shifts(model, SPLITS) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_shift_either_way_is_above_1(factor: float) -> None:
    model = collect_statistics(Shaped(nn.Identity()), passes=1)
    variances = model.norm.running_var
    assert isinstance(variances, Tensor)
    variances *= factor
    assert measure_variance_shifts(model, SPLITS)["norm"] == pytest.approx(2, rel=0.01)


def test_a_dead_layer_has_no_shift() -> None:
    linear, norm = nn.Linear(64, 10), nn.BatchNorm1d(10)
    nn.init.zeros_(linear.weight)
    assert norm.running_var is not None
    norm.running_var.zero_()  # of both variances only the eps of the norm is left
    model = nn.Sequential(nn.Flatten(), linear, norm)
    assert measure_variance_shifts(model, SPLITS) == {"2": 1.0}


def test_channels_are_averaged_before_the_ratio_as_published() -> None:
    model = collect_statistics(Shaped(nn.Identity()), passes=1)
    variances = model.norm.running_var
    assert isinstance(variances, Tensor)
    variances.copy_(variances.flip(0))  # each channel expects another's
    assert measure_variance_shifts(model, SPLITS)["norm"] == pytest.approx(1, rel=0.01)


def test_it_leaves_randomness_weights_statistics_and_modes() -> None:
    _, splits, state, _ = build_parts(*RESNET, "regulariser=dropout", "p=0.5")
    model = state.model
    model.train()
    model.get_submodule("bn").eval()
    modes = {name: module.training for name, module in model.named_modules()}
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random = torch.get_rng_state()
    first = measure_variance_shifts(model, splits)
    assert torch.equal(torch.get_rng_state(), random)
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert all(torch.equal(tensors[name], now) for name, now in model.state_dict().items())
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert measure_variance_shifts(model, splits) == first
    assert list(first) == [
        name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)
    ]


def test_no_more_images_are_measured_than_the_first_ones() -> None:
    counts = []
    model = Shaped(nn.Identity())
    model.norm.register_forward_pre_hook(lambda _, inputs: counts.append(len(inputs[0])))
    many = SPLITS.train.select(torch.arange(300).repeat(5))
    measure_variance_shifts(model, replace(SPLITS, train=many))
    assert sum(counts) == MOST_IMAGES


def test_frozen_layers_and_those_without_statistics_are_left_out() -> None:
    _, splits, state, _ = build_parts(*RESNET, "model.freeze=[stem.*,bn.*,blocks.0.*]")
    names = [f"blocks.{block}.bn{norm}" for block in (1, 2) for norm in (1, 2)]
    assert list(measure_variance_shifts(state.model, splits)) == names
    plain = Shaped(nn.Identity())
    plain.norm = nn.BatchNorm1d(64, track_running_stats=False)
    assert measure_variance_shifts(plain, SPLITS) == {}
    assert mean_shift({}) is None


def test_networks_without_batch_norm_have_none() -> None:
    assert measure_variance_shifts(build_model(CONFIG, SPLITS), SPLITS) == {}


def test_what_is_not_finite_is_not_measured() -> None:
    model = Shaped(nn.Identity(), math.inf)
    assert measure_variance_shifts(model, SPLITS) == {}


def test_bfloat16_measures_the_same_but_for_rounding() -> None:
    _, splits, state, _ = build_parts(*RESNET)
    exact = measure_variance_shifts(state.model, splits)
    rounded = measure_variance_shifts(state.model, splits, "bfloat16")
    assert rounded == pytest.approx(exact, rel=0.02)
    assert rounded != exact


# A network of torchvision takes more than a second to build and to train, and so does a compiler.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's compiler
@pytest.mark.parametrize(
    ("overrides", "layers"),
    [
        (("model=torchvision", "model.arch=resnet18"), 20),
        (("model=torchvision", "model.arch=resnet18", "model.train=head"), 0),
        (("model=resnet", "model.depth=8", "model.width=4", "train.compile=true"), 7),
    ],
)
def test_other_networks_and_compiled_ones_are_measured(
    overrides: tuple[str, ...], layers: int, tmp_path: Path
) -> None:
    size = ("data.train_size=70", "data.val_size=50", "threads=1", "tensorboard.enabled=false")
    config = compose_run([*size, *overrides, "train.epochs=1", f"runs_dir={tmp_path}"])
    shifts = run(config, RecordingView()).summary.variance_shifts
    assert len(shifts) == layers
    assert all(shift >= 1 for shift in shifts.values())


def test_a_run_has_the_shift_at_its_best_and_its_last_epoch(tmp_path: Path) -> None:
    chosen = (*RESNET, "regulariser=dropout", "p=0.5", "model.dropout_site=before_norm")
    # A rate at which the validation loss does not fall to the last epoch.
    config = compose_tiny(*chosen, "optimiser.lr=0.3", "train.epochs=4", f"runs_dir={tmp_path}")
    finished = run(config, RecordingView())
    summary = finished.summary
    assert summary.best is not None
    assert summary.best.epoch < summary.last.epoch
    assert summary.last.variance_shift == mean_shift(summary.variance_shifts)
    splits = data.load(config.data)
    model = build_model(config, splits)
    model.load_state_dict(load_file(finished.folder / "model.safetensors"))
    assert evaluate(model, splits, splits.val).loss == pytest.approx(summary.best.val_loss)
    at_best = mean_shift(measure_variance_shifts(model, splits))
    assert summary.best.variance_shift == pytest.approx(at_best)
    assert summary.best.variance_shift != summary.last.variance_shift
