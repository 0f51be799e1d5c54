"""What a metric of another program is: its direction by its name, and how it is written."""

import re
from collections.abc import Sequence

from dropexp.errors import UserError
from dropexp.runs.metric_types import Direction, Metric, MetricSource, Unit

_LOWER = {
    *("loss", "losses", "error", "err", "nll", "perplexity", "ppl", "bpc", "bpd", "rmse", "mse"),
    *("mae", "mape", "rmsle", "wer", "cer", "ter", "fid", "ece", "brier", "deviance", "regret"),
    *("cost", "time", "seconds", "latency", "entropy", "gap", "distance", "divergence", "kl"),
}
_HIGHER = {
    *("acc", "accuracy", "auc", "auroc", "auprc", "f1", "bleu", "rouge", "meteor", "chrf"),
    *("precision", "recall", "sensitivity", "specificity", "map", "ap", "iou", "miou", "dice"),
    *("r2", "ndcg", "mrr", "reward", "return", "score", "psnr", "ssim", "likelihood", "elbo"),
    *("correct", "top1", "top5", "mcc", "kappa", "spearman", "pearson", "throughput"),
}
_SHARES = {"acc", "accuracy", "top1", "top5"}
"""Words of names whose values, if all are in [0, 1], are fractions: documents show percent."""


def make_metric(name: str, values: Sequence[float], *, higher_is_better: bool | None) -> Metric:
    """Return the metric of a column.

    Args:
        name: of the column.
        values: all that it has.
        higher_is_better: None asks its name.

    Raises:
        UserError: the name does not say which values are better.
    """
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    if higher_is_better is None:
        higher_is_better = _guess_direction(name, words)
    is_share = bool(_SHARES & set(words)) and all(0 <= value <= 1 for value in values)
    return Metric(
        key=name,
        heading=name,
        name=name,
        meaning=f"{name} as the file has it",
        unit=Unit.FRACTION if is_share else Unit.UNKNOWN,
        direction=Direction.HIGHER if higher_is_better else Direction.LOWER,
        source=MetricSource.SELECTED_EPOCH,
        can_decide=True,
    )


def _guess_direction(name: str, words: Sequence[str]) -> bool:
    """Return whether higher is better: the last word counts that says so, as in acc_error."""
    for word in reversed(words):
        if word in _HIGHER or word in _LOWER:
            return word in _HIGHER
    raise UserError(
        f"--metric {name} does not say which values are better; add --higher-is-better or "
        f"--lower-is-better."
    )
