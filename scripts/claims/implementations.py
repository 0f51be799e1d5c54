"""Measure how simple the regularisers are to implement: claim 20.

Each own implementation below is one expression. Shapes: N examples, C channels, H × W positions.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from claims.finding import ClaimVerdict, Finding, decide_either_way

P = 0.5
_ROWS = 4096


def dropout2d(x: Tensor) -> Tensor:
    """Drop channels: x is (N, C, H, W)."""
    return x * torch.empty(*x.shape[:2], 1, 1).bernoulli_(1 - P) / (1 - P)


def spatial_dropout(x: Tensor) -> Tensor:
    """Drop positions: x is (N, C, H, W)."""
    return x * torch.empty(len(x), 1, *x.shape[2:]).bernoulli_(1 - P) / (1 - P)


def dropconnect(x: Tensor, weight: Tensor) -> Tensor:
    """Drop weights (O, I) for each example of x, (N, I)."""
    return torch.einsum(
        "noi,ni->no", weight * torch.empty(len(x), *weight.shape).bernoulli_(1 - P) / (1 - P), x
    )


def stochastic_depth(x: Tensor, branch: Callable[[Tensor], Tensor]) -> Tensor:
    """Drop a residual branch for each example of x, (N, C, H, W)."""
    return x + branch(x) * torch.empty(len(x), 1, 1, 1).bernoulli_(1 - P) / (1 - P)


def measure_implementations() -> Finding:
    """Measure claim 20."""
    errors = {
        "dropout2d": measure_mean_error(dropout2d(torch.ones(_ROWS, 1, 1, 1))),
        "spatial_dropout": measure_mean_error(spatial_dropout(torch.ones(_ROWS, 1, 1, 1))),
        "dropconnect": measure_mean_error(dropconnect(torch.ones(_ROWS, 1), torch.ones(1, 1))),
        "stochastic_depth": measure_mean_error(
            stochastic_depth(torch.zeros(_ROWS, 1, 1, 1), lambda x: x + 1)
        ),
    }
    computed = count_computed_rows()
    weight = nn.Conv2d(64, 128, 3).weight
    return Finding(
        20,
        f"one expression each; mean of the output − the input over {_ROWS:,} draws: "
        f"{', '.join(f'{name} {error:+.3f}' for name, error in errors.items())}. But this "
        f"stochastic_depth computes its branch for {computed} of 100 rows at p = {P}, and this "
        f"dropconnect holds {64 * weight.numel():,} masked weights for a batch of 64 and a "
        f"convolution 64→128, which has {weight.numel():,}",
        judge_implementations(max(map(abs, errors.values())), computed),
        "the expressions are in scripts/claims/implementations.py. Huang et al. 2016 leave out "
        "the branches that are dropped, which is what saves time. Holds if one expression gives "
        "the mean of the input (within 0.1) and computes only what is kept, depends if it gives "
        "the mean alone.",
    )


def measure_mean_error(output: Tensor) -> float:
    """Return the mean of an output − 1, the value of its input."""
    return output.mean().item() - 1


def count_computed_rows() -> int:
    """Return for how many of 100 rows the branch of stochastic_depth is computed."""
    rows: list[int] = []

    def branch(x: Tensor) -> Tensor:
        rows.append(len(x))
        return F.relu(x)

    stochastic_depth(torch.ones(100, 1, 1, 1), branch)
    return sum(rows)


def judge_implementations(largest_error: float, computed_rows: int) -> ClaimVerdict:
    """Apply claim 20's rule: computed_rows of 100 at p = 0.5."""
    is_unbiased = largest_error < 0.1
    return decide_either_way(is_unbiased and computed_rows < 100, not is_unbiased)
