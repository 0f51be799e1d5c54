"""Monte Carlo dropout: the test set by stochastic passes, of the right weights and noise."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
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
from dropexp.cli.run_console import RunConsole
from dropexp.compare import FoundRun, Question, compare
from dropexp.compare.table import format_comparison
from dropexp.data import Split
from dropexp.errors import AuditError, UserError
from dropexp.randomness import global_stream
from dropexp.regularisers import REGISTRY, Dropout, noise_modules
from dropexp.regularisers.inputs import InputNoise
from dropexp.report import plot
from dropexp.report.answer import answer
from dropexp.runs.metrics import METRIC_REGISTRY, Metric, Source, deciding_metrics
from dropexp.runs.records import SampledTest
from dropexp.statistics import expected_calibration_error, negative_log_likelihood
from dropexp.training.build import build_model
from dropexp.training.evaluation import evaluate, evaluate_final, predictive_entropy
from dropexp.training.mc_dropout import evaluate_by_sampling, sample_test_set
from dropexp.training.modes import in_mode
from dropexp.training.run import run
from tests.builders import build_parts, compose_tiny
from tests.conftest import QUICK, Dropexp
from tests.made_up import AROUND, make_run


@pytest.fixture
def dropexp(dropexp_process: Dropexp) -> Dropexp:
    """Sweeps start processes of their own: each command has one, as for a user."""
    return dropexp_process


NOISY = [name for name in REGISTRY if name != "none"]
SPLITS = data.load(compose_tiny().data)


def network(regulariser: str = "dropout2d", p: float = 0.5, *overrides: str) -> nn.Module:
    return build_model(compose_tiny(f"regulariser={regulariser}", f"p={p}", *overrides), SPLITS)


def measured(model: nn.Module, passes: int, seed: int = 0) -> SampledTest:
    return evaluate_by_sampling(model, SPLITS, SPLITS.test, passes, seed)


class Unmoved(nn.Module):
    """Logits that are given; its noise has nothing to act on."""

    def __init__(self, logits: Tensor, *, p: float = 0.0) -> None:
        super().__init__()
        self.logits, self.noise = logits, Dropout(p)

    def forward(self, images: Tensor) -> Tensor:
        moved: Tensor = self.noise(self.logits.expand(len(images), -1))
        return moved


# --- what the passes come to --------------------------------------------------------------


@pytest.mark.parametrize("regulariser", NOISY)
def test_without_noise_the_passes_are_the_deterministic_evaluation(regulariser: str) -> None:
    model = network(regulariser, 0.5)
    for noise in noise_modules(model).values():
        noise.p = 0.0
    plain, by_passes = evaluate_final(model, SPLITS), measured(model, 3)
    assert by_passes.test_loss == pytest.approx(plain.test.loss, rel=1e-6)
    assert by_passes.test_acc == plain.test.acc
    assert by_passes.test_ece == pytest.approx(plain.test_ece, abs=1e-6)
    assert by_passes.test_entropy == pytest.approx(plain.test_entropy, rel=1e-6)


@pytest.mark.parametrize("regulariser", NOISY)
def test_one_pass_is_a_training_pass_under_the_same_stream(regulariser: str) -> None:
    model = network(regulariser)  # without normalisation, nothing but the noise knows its mode
    with in_mode(model, training=True), torch.no_grad(), global_stream(3, "mc_dropout"):
        chunks = [model(SPLITS.normalise(x)) for x in SPLITS.test.images.split(128)]
    probabilities = torch.cat(chunks).double().softmax(dim=1).numpy()
    found, labels = measured(model, 1, seed=3), SPLITS.test.labels.numpy()
    assert found.test_loss == pytest.approx(negative_log_likelihood(probabilities, labels))
    assert found.test_acc == (probabilities.argmax(axis=1) == labels).mean()
    ece = expected_calibration_error(probabilities, labels)
    assert found.test_ece == pytest.approx(ece, abs=1e-5)
    plain = evaluate(model, SPLITS, SPLITS.test).loss
    of_the_network = any(not isinstance(each, InputNoise) for each in noise_modules(model).values())
    assert (found.test_loss != pytest.approx(plain, rel=1e-4)) == of_the_network


def test_more_passes_are_the_mean_of_the_probabilities_of_each() -> None:
    model, seen = network(), []
    model.register_forward_hook(lambda _module, _inputs, logits: seen.append(logits.clone()))
    found = measured(model, 5)
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
def test_confident_networks_have_finite_numbers_that_are_what_they_say(
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
def test_entropy_is_that_of_guessing_or_of_knowing(classes: int, images: int) -> None:
    uniform = torch.full((images, classes), 1 / classes, dtype=torch.float64)
    assert predictive_entropy(uniform) == pytest.approx(math.log(classes))
    assert predictive_entropy(torch.eye(classes)) == 0


def test_logits_that_are_no_numbers_have_no_entropy() -> None:
    found = measured(Unmoved(torch.full((1, 10), math.nan)), 2)
    assert math.isnan(found.test_loss)
    assert (found.test_ece, found.test_entropy) == (None, None)


def test_no_passes_are_refused() -> None:
    with pytest.raises(ValueError, match="passes=0"):
        measured(network(), 0)


# --- what is left alone -------------------------------------------------------------------


def test_the_same_seed_gives_the_same_numbers_whatever_was_drawn_before() -> None:
    model = network("dropconnect", 0.3)
    first = measured(model, 2)
    torch.rand(17)
    before = torch.get_rng_state()
    assert measured(model, 2) == first
    assert torch.equal(torch.get_rng_state(), before)
    assert measured(model, 2, seed=1) != first


@pytest.mark.parametrize("training", [True, False])
def test_normalisation_stays_in_eval_and_every_module_gets_its_mode_back(training: bool) -> None:
    model = network("dropout2d", 0.3, "model=resnet", "model.depth=8")
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
    noisy = {type(model.get_submodule(name)) for name in noise_modules(model)}
    measured(model, 2)
    assert seen[nn.BatchNorm2d] == {False}
    assert all(found == {kind in noisy} for kind, found in seen.items())
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


def test_noise_that_leaves_its_mode_is_refused() -> None:
    model = network()

    def switch_off(module: nn.Module, _inputs: object) -> None:
        for name in noise_modules(module):
            module.get_submodule(name).eval()

    model.register_forward_pre_hook(switch_off)
    with pytest.raises(AuditError, match="not in training mode"):
        measured(model, 1)


# --- of a run -----------------------------------------------------------------------------


def best_of(*overrides: str) -> tuple[SampledTest, float]:
    config, splits, state, _ = build_parts("regulariser=dropout2d", "p=0.4", *overrides)
    weights = state.model.state_dict()
    plain = evaluate(state.model, splits, splits.test).loss
    return sample_test_set(config, splits, weights, 2), plain


def test_the_noise_is_that_of_the_epoch() -> None:
    constant, _ = best_of("mc_dropout=4")
    half, _ = best_of("mc_dropout=4", "regulariser.time_schedule=linear_up")  # epoch 2 of 3
    same, _ = best_of("mc_dropout=4", "p=0.2")
    assert half == same != constant
    early = ("regulariser.time_schedule=early", "regulariser.switch_after=1")
    off, plain = best_of("mc_dropout=4", *early)
    assert off.test_loss == pytest.approx(plain, rel=1e-6)


def test_a_run_is_measured_alike_at_its_end_and_later(tmp_path: Path) -> None:
    words = ["regulariser=dropout2d", "p=0.4", "train.epochs=4", "optimiser.lr=0.03"]
    here = compose_tiny(*words, "mc_dropout=4", f"runs_dir={tmp_path / 'a'}")
    later = compose_tiny(*words, f"runs_dir={tmp_path / 'b'}")
    assert here.run_id == later.run_id
    at_its_end = run(here, RunConsole())
    first = run(later, RunConsole())
    assert first.summary.mc_dropout is None
    again = run(later.model_copy(update={"mc_dropout": 4}), RunConsole())
    assert again.reused
    assert again.summary.mc_dropout == at_its_end.summary.mc_dropout is not None
    assert at_its_end.summary.last.test_loss == first.summary.last.test_loss
    with patch(
        "dropexp.training.mc_dropout.sample_test_set", side_effect=AssertionError("measured again")
    ):
        run(later.model_copy(update={"mc_dropout": 4}), RunConsole())
        assert run(later, RunConsole()).summary.mc_dropout == again.summary.mc_dropout


@pytest.mark.parametrize(
    ("words", "said"),
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
def test_where_there_is_no_noise_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    config = compose_tiny(*words, "mc_dropout=2", f"runs_dir={tmp_path}")
    for _ in range(2):  # trained, then reused
        summary = run(config, RunConsole()).summary
        assert said in capsys.readouterr().out
        assert not summary.lacks_mc_dropout(config.mc_dropout)
    assert (summary.mc_dropout is None) == (summary.p == 0)


# --- the commands -------------------------------------------------------------------------

SWEEP = ("sweep", "regulariser=none,dropout2d", "p=0.3", "seed=0,1", *QUICK)
ONE_AT_A_TIME = "hydra.launcher.n_jobs=1"


@pytest.mark.slow
def test_train_measures_and_measures_anew_without_training(
    dropexp: Dropexp, tmp_path: Path
) -> None:
    command = ("train", "regulariser=dropout2d", "p=0.3", *QUICK)
    done = dropexp(*command, "mc_dropout=8")
    assert done.returncode == 0, done.stderr
    assert "mean probabilities of 8 passes" in done.stdout
    (folder,) = (tmp_path / "runs").iterdir()

    def passes() -> int:
        found: int = json.loads((folder / "summary.json").read_text())["mc_dropout"]["passes"]
        return found

    trained = {n: (folder / n).read_bytes() for n in ("metrics.csv", "model.safetensors")}
    summary = (folder / "summary.json").stat().st_mtime_ns
    for same in (("mc_dropout=8",), ()):
        assert "8 passes" in dropexp(*command, *same).stdout
    assert (folder / "summary.json").stat().st_mtime_ns == summary
    assert "16 passes" in dropexp(*command, "mc_dropout=16").stdout
    assert passes() == 16
    assert {name: (folder / name).read_bytes() for name in trained} == trained
    assert "16 passes" in dropexp("runs", "show", folder.name).stdout
    assert "identical" in dropexp("rerun", folder.name).stdout

    (folder / "model.safetensors").unlink()
    refused = dropexp(*command, "mc_dropout=3")
    assert refused.returncode == 1
    assert "model.safetensors, which mc_dropout needs" in refused.stderr
    assert passes() == 16
    assert not (folder / "error.txt").exists()


def test_a_sweep_measures_what_is_finished_and_compare_pairs_it_with_none(
    dropexp: Dropexp, tmp_path: Path
) -> None:
    dropexp(*SWEEP, ONE_AT_A_TIME)
    unmeasured = dropexp("compare", "--metric", "mc_test_loss")
    assert unmeasured.returncode == 2
    assert "no run has results of mc_dropout" in unmeasured.stderr
    listed = dropexp(*SWEEP, "mc_dropout=4", "--dry-run").stdout
    assert listed.count("unmeasured") == 2
    done = dropexp(*SWEEP, "mc_dropout=4", ONE_AT_A_TIME)
    assert done.returncode == 0, done.stdout
    assert "2 finished, 0 interrupted, 0 failed, 2 finished but to be measured" in done.stdout
    assert "none trained, 2 measured" in done.stdout
    assert "4 finished, 0 interrupted, 0 failed\n" in dropexp(*SWEEP, "mc_dropout=4").stdout

    plain = json.loads(dropexp("compare", "--metric", "mc_test_loss", "-f", "json").stdout)
    none, dropout = plain["rows"]
    assert none["estimates"]["mc_test_loss"] == none["estimates"]["test_loss"]
    assert dropout["estimates"]["mc_test_loss"] != dropout["estimates"]["test_loss"]
    assert [pair["seed"] for pair in dropout["pairs"]] == [0, 1]
    assert plain["left_out"] == []
    refused = dropexp("compare", "--metric", "mc_test_acc", "--at", "last")
    assert (refused.returncode, "best epoch only" in refused.stderr) == (2, True)
    sorted_runs = dropexp("runs", "--sort", "mc_test_loss", "-f", "json")
    assert json.loads(sorted_runs.stdout)[0]["best.mc_passes"] == 4


@pytest.mark.parametrize(("value", "said"), [("-1", "at least 0"), ("True", "number"), ("2.5", "")])
def test_a_number_of_passes_that_is_none_is_refused(
    dropexp: Dropexp, value: str, said: str
) -> None:
    refused = dropexp("train", *QUICK, f"mc_dropout={value}")
    assert refused.returncode == 2
    assert f"mc_dropout={value}" in refused.stderr
    assert said in refused.stderr


# --- compared -----------------------------------------------------------------------------


def made(regulariser: str, seed: int, passes: int | None) -> FoundRun:
    strength = 0.0 if regulariser == "none" else 0.3
    fields = {**AROUND, "regulariser.name": regulariser, "regulariser.p": strength}
    found = make_run(fields, seed, 20)
    by_passes = None if passes is None else SampledTest(passes, 0.4 + seed / 10, 0.9, 0.03, 0.5)
    summary = replace(found.compared.summary, mc_dropout=by_passes)
    return replace(found, compared=replace(found.compared, summary=summary))


def test_what_was_not_measured_makes_no_pair_and_is_said() -> None:
    runs = [made("none", seed, None) for seed in range(3)]
    runs += [made("dropout2d", 0, 8), made("dropout2d", 1, 16), made("dropout2d", 2, None)]
    table = compare(runs, Question(metric=METRIC_REGISTRY["mc_test_loss"]))
    row = table.row("dropout2d p=0.3")
    assert [(pair.seed, pair.value) for pair in row.pairs] == [(0, 0.4), (1, 0.5)]
    summaries = [run.compared.summary.best for run in runs[:2]]
    assert [pair.baseline for pair in row.pairs] == [best and best.test_loss for best in summaries]
    lacking, numbers = table.left_out
    assert lacking.startswith("dropout2d p=0.3: 1 of 3 runs have no results of mc_dropout")
    assert "(8, 16)" in numbers
    # Of another question these are no concern.
    assert compare(runs, Question()).left_out == ()


def test_passes_that_nobody_made_are_no_column_of_none() -> None:
    runs = [made(name, seed, None) for name in ("none", "dropout2d") for seed in range(2)]
    assert "mc_test_loss" not in compare(runs).row("none").estimates
    with pytest.raises(UserError, match="no run has results of mc_dropout"):
        compare(runs, Question(metric=METRIC_REGISTRY["mc_test_entropy"]))


@pytest.mark.parametrize(
    "metric", [each for each in deciding_metrics() if each.source is Source.MC_DROPOUT]
)
def test_every_metric_of_the_passes_can_be_reported(metric: Metric, tmp_path: Path) -> None:
    runs = [made(name, seed, 8) for name in ("none", "dropout2d") for seed in range(6)]
    table = compare(runs, Question(metric=metric))
    text = "\n".join(line.plain for line in format_comparison(table, None))
    assert metric.name in text
    assert ("right or wrong" in text) == (metric is METRIC_REGISTRY["mc_test_entropy"])
    (sentence, *_) = answer(table)
    assert "MC dropout" in sentence
    assert ("nats" in sentence) == (
        metric in (METRIC_REGISTRY["mc_test_loss"], METRIC_REGISTRY["mc_test_entropy"])
    )
    plot(table, tmp_path / "charts.html")
