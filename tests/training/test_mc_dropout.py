"""Monte Carlo dropout: the test set by stochastic passes, of the right weights and noise."""

import math
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from torch import Tensor, nn

from dropexp import data
from dropexp.data import Split
from dropexp.errors import AuditError
from dropexp.randomness import global_stream
from dropexp.regularisers import REGISTRY, Dropout, find_noise_modules
from dropexp.regularisers.inputs import InputNoise
from dropexp.runs.records import SampledTest
from dropexp.runs.write import RunFolder
from dropexp.statistics import expected_calibration_error, negative_log_likelihood
from dropexp.training.build import build_model
from dropexp.training.evaluation import evaluate, evaluate_final, predictive_entropy
from dropexp.training.mc_dropout import evaluate_by_sampling, sample_test_set
from dropexp.training.modes import in_mode
from dropexp.training.run import run
from tests.builders import RecordingView, build_parts, compose_tiny

NOISY = [name for name in REGISTRY if name != "none"]
SPLITS = data.load(compose_tiny().data)


def build_network(regulariser: str = "dropout2d", p: float = 0.5, *overrides: str) -> nn.Module:
    return build_model(compose_tiny(f"regulariser={regulariser}", f"p={p}", *overrides), SPLITS)


def sample(model: nn.Module, passes: int, seed: int = 0) -> SampledTest:
    return evaluate_by_sampling(model, SPLITS, SPLITS.test, passes, seed)


class Unmoved(nn.Module):
    """Logits that are given; its noise has nothing to act on."""

    def __init__(self, logits: Tensor, *, p: float = 0.0) -> None:
        super().__init__()
        self.logits, self.noise = logits, Dropout(p)

    def forward(self, images: Tensor) -> Tensor:
        moved: Tensor = self.noise(self.logits.expand(len(images), -1))
        return moved


# --- what the passes measure ----------------------------------------------------------------


@pytest.mark.parametrize("regulariser", NOISY)
def test_without_noise_the_passes_are_the_deterministic_evaluation(regulariser: str) -> None:
    model = build_network(regulariser, 0.5)
    for noise in find_noise_modules(model).values():
        noise.p = 0.0
    plain, by_passes = evaluate_final(model, SPLITS), sample(model, 3)
    assert by_passes.test_loss == pytest.approx(plain.test.loss, rel=1e-6)
    assert by_passes.test_acc == plain.test.acc
    assert by_passes.test_ece == pytest.approx(plain.test_ece, abs=1e-6)
    assert by_passes.test_entropy == pytest.approx(plain.test_entropy, rel=1e-6)


@pytest.mark.parametrize("regulariser", NOISY)
def test_one_pass_is_a_training_pass_under_the_same_stream(regulariser: str) -> None:
    model = build_network(
        regulariser
    )  # without normalisation, nothing but the noise knows its mode
    with in_mode(model, training=True), torch.no_grad(), global_stream(3, "mc_dropout"):
        chunks = [model(SPLITS.normalise(x)) for x in SPLITS.test.images.split(128)]
    probabilities = torch.cat(chunks).double().softmax(dim=1).numpy()
    found, labels = sample(model, 1, seed=3), SPLITS.test.labels.numpy()
    assert found.test_loss == pytest.approx(negative_log_likelihood(probabilities, labels))
    assert found.test_acc == (probabilities.argmax(axis=1) == labels).mean()
    ece = expected_calibration_error(probabilities, labels)
    assert found.test_ece == pytest.approx(ece, abs=1e-5)
    plain = evaluate(model, SPLITS, SPLITS.test).loss
    of_the_network = any(
        not isinstance(each, InputNoise) for each in find_noise_modules(model).values()
    )
    assert (found.test_loss != pytest.approx(plain, rel=1e-4)) == of_the_network


def test_more_passes_are_the_mean_of_the_probabilities_of_each() -> None:
    model, seen = build_network(), []
    model.register_forward_hook(lambda _module, _inputs, logits: seen.append(logits.clone()))
    found = sample(model, 5)
    chunks = len(SPLITS.test.images.split(128))
    passes = [torch.cat(seen[i * chunks : (i + 1) * chunks]).double() for i in range(5)]
    each = torch.stack([one.softmax(dim=1) for one in passes]).numpy()
    mean, labels = each.mean(axis=0), SPLITS.test.labels.numpy()
    assert found.passes == 5
    assert found.test_loss == pytest.approx(negative_log_likelihood(mean, labels), rel=1e-6)
    assert found.test_acc == (mean.argmax(axis=1) == labels).mean()
    assert found.test_entropy == pytest.approx(-(mean * np.log(mean)).sum(axis=1).mean())
    # Jensen: the mean predicts no worse than the passes do on average, and is no more certain.
    assert found.test_loss <= np.mean([negative_log_likelihood(one, labels) for one in each])
    assert found.test_entropy >= -(each * np.log(each)).sum(axis=2).mean()


@given(st.lists(st.floats(-300, 300), min_size=2, max_size=12), st.integers(1, 4))
@examples(max_examples=40)
def test_confident_networks_have_finite_losses_and_entropies(
    row: Sequence[float], passes: int
) -> None:
    logits, images = torch.tensor([row]), SPLITS.test.images[:3]
    split = Split(images, torch.zeros(3, dtype=torch.int64))
    found = evaluate_by_sampling(Unmoved(logits), SPLITS, split, passes, 0)
    plain = logits.double().log_softmax(dim=1)[0]
    assert found.test_loss == pytest.approx(-float(plain[0]), rel=1e-4, abs=1e-4)
    assert found.test_entropy is not None
    assert 0 <= found.test_entropy <= math.log(len(row)) + 1e-6
    assert found.test_entropy == pytest.approx(float(-(plain.exp() * plain).sum()), abs=1e-4)


@given(st.integers(2, 1000), st.integers(1, 20))
def test_entropy_is_log_k_of_a_guess_and_0_of_certainty(classes: int, images: int) -> None:
    uniform = torch.full((images, classes), 1 / classes, dtype=torch.float64)
    assert predictive_entropy(uniform) == pytest.approx(math.log(classes))
    assert predictive_entropy(torch.eye(classes)) == 0


def test_logits_that_are_not_finite_have_no_entropy() -> None:
    found = sample(Unmoved(torch.full((1, 10), math.nan)), 2)
    assert math.isnan(found.test_loss)
    assert (found.test_ece, found.test_entropy) == (None, None)


def test_zero_passes_are_refused() -> None:
    with pytest.raises(ValueError, match="passes=0"):
        sample(build_network(), 0)


# --- what they leave as it was -------------------------------------------------------------------


def test_the_same_seed_gives_the_same_numbers_whatever_was_drawn_before() -> None:
    model = build_network("dropconnect", 0.3)
    first = sample(model, 2)
    torch.rand(17)
    before = torch.get_rng_state()
    assert sample(model, 2) == first
    assert torch.equal(torch.get_rng_state(), before)
    assert sample(model, 2, seed=1) != first


@pytest.mark.parametrize("training", [True, False])
def test_normalisation_stays_in_eval_and_every_mode_is_restored(training: bool) -> None:
    model = build_network("dropout2d", 0.3, "model=resnet", "model.depth=8")
    model.train(training)
    some = next(iter(model.children()))
    some.train(not training)
    modes = {name: module.training for name, module in model.named_modules()}
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    seen: dict[type[nn.Module], set[bool]] = {}

    def look(module: nn.Module, _inputs: object) -> None:
        seen.setdefault(type(module), set()).add(module.training)

    for module in model.modules():
        module.register_forward_pre_hook(look)
    noisy = {type(model.get_submodule(name)) for name in find_noise_modules(model)}
    sample(model, 2)
    assert seen[nn.BatchNorm2d] == {False}
    assert all(found == {kind in noisy} for kind, found in seen.items())
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


def test_noise_that_leaves_training_mode_is_refused() -> None:
    model = build_network()

    def switch_off(module: nn.Module, _inputs: object) -> None:
        for name in find_noise_modules(module):
            module.get_submodule(name).eval()

    model.register_forward_pre_hook(switch_off)
    with pytest.raises(AuditError, match="not in training mode"):
        sample(model, 1)


# --- of a run -----------------------------------------------------------------------------


def best_of(*overrides: str) -> tuple[SampledTest, float]:
    config, splits, state, _ = build_parts("regulariser=dropout2d", "p=0.4", *overrides)
    weights = state.model.state_dict()
    plain = evaluate(state.model, splits, splits.test).loss
    return sample_test_set(config, splits, weights, 2), plain


def test_p_is_that_of_the_epoch() -> None:
    constant, _ = best_of("mc_dropout=4")
    half, _ = best_of("mc_dropout=4", "regulariser.time_schedule=linear_up")  # epoch 2 of 3
    same, _ = best_of("mc_dropout=4", "p=0.2")
    assert half == same != constant
    early = ("regulariser.time_schedule=early", "regulariser.switch_after=1")
    off, plain = best_of("mc_dropout=4", *early)
    assert off.test_loss == pytest.approx(plain, rel=1e-6)


def test_a_run_gets_the_same_numbers_at_its_end_and_later(tmp_path: Path) -> None:
    overrides = ["regulariser=dropout2d", "p=0.4", "train.epochs=4", "optimiser.lr=0.03"]
    here = compose_tiny(*overrides, "mc_dropout=4", f"runs_dir={tmp_path / 'a'}")
    later = compose_tiny(*overrides, f"runs_dir={tmp_path / 'b'}")
    assert here.run_id == later.run_id
    at_its_end = run(here, RecordingView())
    first = run(later, RecordingView())
    assert first.summary.mc_dropout is None
    again = run(later.model_copy(update={"mc_dropout": 4}), RecordingView())
    assert again.is_reused
    folder = RunFolder(again.folder.parent, later.run_id)
    assert folder.find_damage(whole=True) == ""  # the checksums are those of the files
    assert again.summary.mc_dropout == at_its_end.summary.mc_dropout is not None
    assert at_its_end.summary.last.test_loss == first.summary.last.test_loss
    with patch(
        "dropexp.training.mc_dropout.sample_test_set", side_effect=AssertionError("measured again")
    ):
        run(later.model_copy(update={"mc_dropout": 4}), RecordingView())
        assert run(later, RecordingView()).summary.mc_dropout == again.summary.mc_dropout


@pytest.mark.parametrize(
    ("overrides", "explanation"),
    [
        (["regulariser=none"], "this network has no noise"),
        (["regulariser=dropout2d", "p=0"], "this network has no noise"),
        (
            [
                "regulariser=dropout2d",
                "regulariser.time_schedule=early",
                "regulariser.switch_after=1",
                "train.epochs=2",
            ],
            "the noise was off at epoch 2",
        ),
    ],
)
def test_passes_without_noise_are_explained(
    tmp_path: Path, overrides: list[str], explanation: str
) -> None:
    config = compose_tiny(*overrides, "mc_dropout=2", f"runs_dir={tmp_path}")
    for _ in range(2):  # trained, then reused
        view = RecordingView()
        summary = run(config, view).summary
        assert explanation in view.text
        assert not summary.lacks_mc_dropout(config.mc_dropout)
    assert (summary.mc_dropout is None) == (summary.p == 0)
