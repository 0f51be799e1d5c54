"""Monte Carlo dropout: the test set by several stochastic passes, beside the deterministic one.

Gal & Ghahramani 2016, "Dropout as a Bayesian approximation", equation 6 and section 4: the
predictive distribution is the mean of the probabilities that the network gives with its noise on.
What is sampled is the noise only: every other module, normalisation above all, stays in eval mode.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import isclose

import torch
from torch import Tensor, nn

from dropexp.config.run_config import RunConfig
from dropexp.data import Split, Splits
from dropexp.randomness import global_stream
from dropexp.regularisers import noise_modules, read_p, scale_p
from dropexp.runs.records import RunSummary, SampledTest
from dropexp.training.build import build_model
from dropexp.training.evaluation import calibration_error, mode, over_chunks, predictive_entropy

_ROUNDING = 1e-6
"""How far, relatively, sums of the same numbers in another order may be apart."""


def sampled(
    config: RunConfig, splits: Splits, weights: Mapping[str, Tensor], epoch: int
) -> SampledTest:
    """The passes that a config asks for, with the weights and the noise of one epoch.

    A function of its arguments alone: a run gets the same numbers when it ends and any time later.

    Args:
        config: of the run; ``mc_dropout`` is at least 1.
        splits: on the device to measure on; the test images are.
        weights: the model's state at the epoch.
        epoch: from 1; says what share of p is in force (``regulariser.time_schedule``).

    Raises:
        RuntimeError: the weights are not those of the config's model.
    """
    model = build_model(config, splits)
    model.load_state_dict(weights)
    noises = noise_modules(model)
    scale_p(noises, read_p(noises), config.p_factors(epoch))
    return evaluate_by_sampling(
        model, splits, splits.test, config.mc_dropout, config.seed, config.precision
    )


def with_mc_dropout(
    config: RunConfig, summary: RunSummary, splits: Splits, weights: Mapping[str, Tensor]
) -> RunSummary:
    """A run's summary with the passes that its config asks for, if it lacks them.

    Args:
        config: of the run.
        summary: of the run.
        splits: on the device to measure on.
        weights: at the best epoch.
    """
    if summary.best is None or not summary.lacks_mc_dropout(config.mc_dropout):
        return summary
    return replace(summary, mc_dropout=sampled(config, splits, weights, summary.best.epoch))


def remark(config: RunConfig, summary: RunSummary) -> str:
    """Why passes that were asked for say nothing new, in a sentence; empty where they do."""
    by_passes, best = summary.mc_dropout, summary.best
    if not config.mc_dropout or best is None:
        return ""
    if by_passes is None:
        return "mc_dropout: this network has no noise, its deterministic evaluation is all there is"
    if not isclose(by_passes.test_loss, best.test_loss, rel_tol=_ROUNDING):
        return ""
    return (
        f"mc_dropout: no noise was met at epoch {best.epoch}; the passes give what the "
        f"deterministic evaluation gives"
    )


def evaluate_by_sampling(
    model: nn.Module,
    splits: Splits,
    split: Split,
    passes: int,
    seed: int,
    precision: str = "float32",
) -> SampledTest:
    """Results on a split by the mean probabilities of passes with the noise on.

    The draws are those of the stream (seed, "mc_dropout"), whatever was drawn before; the first
    of more passes are the same as those of fewer. Memory is that of one pass's probabilities.

    Args:
        model: takes normalised images (N, C, H, W), gives logits (N, K); its noise modules are in
            training mode and all others in eval mode for the duration.
        splits: gives the normalisation of the training set.
        split: images to measure on, on the model's device.
        passes: at least 1.
        seed: the run's.
        precision: ``float32`` or ``bfloat16``; means are taken in float32.

    Raises:
        ValueError: passes is below 1.
        AuditError: a module does not take its mode.
    """
    if passes < 1:
        raise ValueError(f"passes={passes} is not allowed: at least one is needed")
    device = split.images.device
    with mode(model, training=False, noise=True), global_stream(seed, "mc_dropout", device=device):
        total = _log_probabilities(model, splits, split, precision)
        for _ in range(passes - 1):
            more = _log_probabilities(model, splits, split, precision)
            # As logarithms, so that no probability of a confident network becomes 0.
            total = torch.logaddexp(total, more)
    # Sums that were rounded in float32 are divided by themselves, and not by how many they are of.
    mean = total.cpu().double().log_softmax(dim=1)
    return _measured(mean, split.labels.cpu(), passes)


def _log_probabilities(model: nn.Module, splits: Splits, split: Split, precision: str) -> Tensor:
    """One pass: float32 (N, K)."""

    def measure(logits: Tensor, _labels: Tensor) -> Tensor:
        return logits.float().log_softmax(dim=1)

    return torch.cat(over_chunks(model, splits, split, precision, measure))


def _measured(log_probabilities: Tensor, labels: Tensor, passes: int) -> SampledTest:
    """From the logarithms of mean probabilities, (N, K), and labels, (N,), on the CPU."""
    probabilities = log_probabilities.exp()
    of_the_label = log_probabilities.gather(1, labels[:, None])
    return SampledTest(
        passes=passes,
        test_loss=-of_the_label.mean().item(),
        test_acc=(log_probabilities.argmax(dim=1) == labels).double().mean().item(),
        test_ece=calibration_error(probabilities, labels),
        test_entropy=predictive_entropy(probabilities),
    )
