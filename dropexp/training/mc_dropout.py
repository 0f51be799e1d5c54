"""Monte Carlo dropout: the test set by several stochastic passes, beside the deterministic one.

Gal & Ghahramani 2016, "Dropout as a Bayesian approximation", equation 6 and section 4: the
predictive distribution is the mean of the probabilities that the network gives with its noise on.
Only the noise is sampled: every other module, normalisation above all, stays in eval mode.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import isclose

import torch
from torch import Tensor, nn

from dropexp.config.run_config import RunConfig
from dropexp.data import Split, Splits
from dropexp.randomness import global_stream
from dropexp.regularisers import find_noise_modules, read_p, scale_p
from dropexp.runs.records import RunSummary, SampledTest
from dropexp.training.build import build_model
from dropexp.training.evaluation import calibration_error, map_chunks, predictive_entropy
from dropexp.training.modes import in_mode

_ROUNDING = 1e-6
"""The relative difference that another order of summing may make."""


def add_mc_dropout(
    config: RunConfig, summary: RunSummary, splits: Splits, weights: Mapping[str, Tensor]
) -> RunSummary:
    """Return a run's summary with the results of MC dropout that its config asks for.

    Args:
        config: of the run.
        summary: of the run; returned as it is where it has these results or has no best epoch.
        splits: on the device to measure on.
        weights: the model's state_dict at the best epoch.
    """
    if summary.best is None or not summary.lacks_mc_dropout(config.mc_dropout):
        return summary
    return replace(summary, mc_dropout=sample_test_set(config, splits, weights, summary.best.epoch))


def explain_no_effect(config: RunConfig, summary: RunSummary) -> str:
    """Return a sentence on why mc_dropout changed no result; empty where it did or is off.

    Args:
        config: of the run.
        summary: from add_mc_dropout.
    """
    sampled, best = summary.mc_dropout, summary.best
    if not config.mc_dropout or best is None:
        return ""
    if sampled is None:
        return (
            "mc_dropout has no effect: this network has no noise, so its evaluation is "
            "deterministic"
        )
    if not isclose(sampled.test_loss, best.test_loss, rel_tol=_ROUNDING):
        return ""
    return (
        f"mc_dropout has no effect: the noise was off at epoch {best.epoch}, so every pass equals "
        f"the deterministic evaluation"
    )


def sample_test_set(
    config: RunConfig, splits: Splits, weights: Mapping[str, Tensor], epoch: int
) -> SampledTest:
    """Measure the test set by as many passes as a config asks for, with one epoch's weights.

    The result depends on the arguments only: a run gets the same numbers at its end and later.

    Args:
        config: of the run; ``mc_dropout`` is at least 1.
        splits: on the device to measure on.
        weights: the model's state_dict at the epoch.
        epoch: from 1; decides the factor of p (``regulariser.time_schedule``).

    Raises:
        RuntimeError: the weights are not those of the config's model.
    """
    model = build_model(config, splits)
    model.load_state_dict(weights)
    noises = find_noise_modules(model)
    scale_p(noises, read_p(noises), config.p_factors(epoch))
    return evaluate_by_sampling(
        model, splits, splits.test, config.mc_dropout, config.seed, config.precision
    )


def evaluate_by_sampling(
    model: nn.Module,
    splits: Splits,
    split: Split,
    passes: int,
    seed: int,
    precision: str = "float32",
) -> SampledTest:
    """Measure a split by the mean probabilities of several passes with the noise on.

    The draws are those of the stream (seed, "mc_dropout"), whatever was drawn before. The first
    n passes are the same for any number of passes. Memory does not grow with that number.

    Args:
        model: takes normalised images (N, C, H, W), returns logits (N, K). Its noise modules are
            in training mode and all others in eval mode meanwhile.
        splits: whose training set gives the normalisation.
        split: images to measure on, on the model's device.
        passes: at least 1.
        seed: the run's.
        precision: ``float32``, ``tf32`` or ``bfloat16``; means are taken in float32.

    Raises:
        ValueError: passes is below 1.
        AuditError: a module does not take its mode.
    """
    if passes < 1:
        raise ValueError(f"passes={passes} is not allowed; it must be at least 1")
    device = split.images.device
    with (
        in_mode(model, training=False, noise=True),
        global_stream(seed, "mc_dropout", device=device),
    ):
        total = _log_probabilities(model, splits, split, precision)
        for _ in range(passes - 1):
            more = _log_probabilities(model, splits, split, precision)
            # As logarithms, so that no probability of a confident network becomes 0.
            total = torch.logaddexp(total, more)
    # Normalised by each row's sum and not by the number of passes: the sum has float32 rounding.
    mean = total.cpu().double().log_softmax(dim=1)
    return _measure(mean, split.labels.cpu(), passes)


def _log_probabilities(model: nn.Module, splits: Splits, split: Split, precision: str) -> Tensor:
    """Return the log probabilities of one pass, float32 (N, K)."""

    def measure(logits: Tensor, _labels: Tensor) -> Tensor:
        return logits.float().log_softmax(dim=1)

    return torch.cat(map_chunks(model, splits, split, precision, measure))


def _measure(log_probabilities: Tensor, labels: Tensor, passes: int) -> SampledTest:
    """Return the results of mean log probabilities, (N, K), and labels, (N,), on the CPU."""
    probabilities = log_probabilities.exp()
    of_labels = log_probabilities.gather(1, labels[:, None])
    return SampledTest(
        passes=passes,
        test_loss=-of_labels.mean().item(),
        test_acc=(log_probabilities.argmax(dim=1) == labels).double().mean().item(),
        test_ece=calibration_error(probabilities, labels),
        test_entropy=predictive_entropy(probabilities),
    )
