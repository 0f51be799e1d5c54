"""Measure torch's dropout2d: claims 1, 2, 3, 5, 6, 7, 9 and 19.

Shapes: N examples, C channels, H × W positions.
"""

import inspect
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from claims.finding import ClaimVerdict, Finding, decide, decide_either_way, format_numbers

STRENGTHS = (0.1, 0.3, 0.5, 0.7, 0.9)
FALSE_ALARM = 1e-3  # probability that claim 1's bound rejects a true p
_PROBE = (256, 128, 4, 4)  # 32,768 channels of 16 positions
_LAYOUTS = {1: "C", 2: "NC", 3: "NCL", 4: "NCHW", 5: "NCDHW"}


class ArticleModel(nn.Module):
    """The article's example: conv 3→64, dropout2d, ReLU, conv 64→128, dropout2d, ReLU.

    Args:
        modules: whether channels are dropped by modules, as in its MyModel. If not, F.dropout2d is
            called as in its snippet, without ``training=``.
    """

    def __init__(self, *, modules: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1)
        self.conv2 = nn.Conv2d(64, 128, 3, padding=1)
        self.dropout1: Callable[[Tensor], Tensor] = nn.Dropout2d(0.5) if modules else F.dropout2d
        self.dropout2: Callable[[Tensor], Tensor] = nn.Dropout2d(0.5) if modules else F.dropout2d

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, 128, H, W)."""
        x = F.relu(self.dropout1(self.conv1(x)))
        return F.relu(self.dropout2(self.conv2(x)))


def measure_channels() -> Finding:
    """Measure claim 1."""
    shares, parts = [], 0
    for p in STRENGTHS:
        dropped = F.dropout2d(torch.ones(_PROBE), p) == 0
        whole, any_ = dropped.flatten(2).all(2), dropped.flatten(2).any(2)
        shares.append(whole.float().mean().item())
        parts += int((whole != any_).sum())
    count = _PROBE[0] * _PROBE[1]
    bound = compute_hoeffding_bound(count, FALSE_ALARM / len(STRENGTHS))
    return Finding(
        1,
        f"zeroed at p = {format_numbers(STRENGTHS, 1)}: {format_numbers(shares, 4)} of the "
        f"channels (bound ±{bound:.4f}); channels zeroed in part: {parts}",
        judge_channels(shares, STRENGTHS, parts, bound),
        f"`F.dropout2d` on ones {_PROBE}, {count:,} channels at each p. Holds if no channel is "
        f"zeroed in part and every share is within Hoeffding's bound "
        f"({1 - FALSE_ALARM:.1%} for all five).",
    )


def compute_hoeffding_bound(n: int, false_alarm: float) -> float:
    """Return Hoeffding's two-sided bound on a mean of n draws from [0, 1].

    The mean differs from its expectation by more with a probability of at most ``false_alarm``
    (Hoeffding 1963, theorem 2).
    """
    return math.sqrt(math.log(2 / false_alarm) / (2 * n))


def judge_channels(
    shares: Sequence[float], strengths: Sequence[float], parts: int, bound: float
) -> ClaimVerdict:
    """Apply claim 1's rule."""
    within = all(abs(share - p) <= bound for share, p in zip(shares, strengths, strict=True))
    return decide(within and parts == 0)


def measure_scale() -> Finding:
    """Measure claim 2."""
    x = torch.randn(_PROBE)
    ratios = []
    for p in STRENGTHS:
        out = F.dropout2d(x, p)
        kept = out != 0
        ratios.append(out[kept].double() / x[kept].double())
    means = [ratio.mean().item() for ratio in ratios]
    spread = max((r.max() - r.min()).item() for r in ratios)
    return Finding(
        2,
        f"what survives is the input × {format_numbers(means, 3)} at p = "
        f"{format_numbers(STRENGTHS, 1)}: 1/(1−p), not 1",
        judge_scale(means),
        f"output ÷ input of `F.dropout2d` on normal numbers {_PROBE}, where the output is not 0; "
        f"within one p the ratios differ by at most {spread:.0e}. Holds if every ratio is 1.",
    )


def judge_scale(ratios: Sequence[float]) -> ClaimVerdict:
    """Apply claim 2's rule."""
    return decide(all(math.isclose(ratio, 1.0, rel_tol=1e-3) for ratio in ratios))


def measure_ranks() -> Finding:
    """Measure claim 3."""
    outcomes = {rank: describe_outcome(rank) for rank in _LAYOUTS}
    text = "; ".join(f"{rank}-D {outcome}" for rank, outcome in outcomes.items() if rank != 4)
    return Finding(
        3,
        text,
        judge_ranks(outcomes),
        f"`F.dropout2d` of torch {torch.__version__} on ones; what is dropped together is read off "
        f"the zeros. Holds if every rank but 4 raises. (dropexp's `Dropout2d` does refuse them.)",
    )


def describe_outcome(rank: int) -> str:
    """Describe what F.dropout2d does with an input of that many dimensions."""
    x = torch.ones(*(32, 32, 5, 5, 5)[:rank])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            out = F.dropout2d(x, 0.5)
        except (RuntimeError, ValueError) as error:
            return f"raises {type(error).__name__}"
    shared = [axis for axis in range(rank) if torch.equal(out, _repeat_first(out, axis))]
    own = ", ".join(_LAYOUTS[rank][axis] for axis in range(rank) if axis not in shared)
    return f"{'works but warns' if caught else 'works'}, one draw for each ({own})"


def _repeat_first(out: Tensor, axis: int) -> Tensor:
    return out.narrow(axis, 0, 1).expand_as(out)


def judge_ranks(outcomes: dict[int, str]) -> ClaimVerdict:
    """Apply claim 3's rule."""
    return decide(all("raises" in outcome for rank, outcome in outcomes.items() if rank != 4))


def measure_inplace() -> Finding:
    """Measure claim 5."""
    x = torch.randn(8, 16, 4, 4)
    with torch.random.fork_rng([]):
        expected = F.dropout2d(x, 0.5)
    same_memory, before = x.data_ptr(), x.clone()
    out = nn.Dropout2d(0.5, inplace=True)(x)
    overwrites = out.data_ptr() == same_memory and not torch.equal(x, before)
    return Finding(
        5,
        f"`nn.Dropout2d(inplace=True)` {'overwrites' if overwrites else 'keeps'} its input; its "
        f"output {'equals' if torch.equal(out, expected) else 'differs from'} the functional's",
        judge_inplace(overwrites),
        "address of the output's memory and the input before and after. Holds if the module "
        "leaves its input as it was.",
    )


def judge_inplace(module_overwrites: bool) -> ClaimVerdict:
    """Apply claim 5's rule."""
    return decide(not module_overwrites)


def measure_evaluation() -> Finding:
    """Measure claim 6."""
    default = inspect.signature(F.dropout2d).parameters["training"].default
    model = ArticleModel(modules=False).eval()
    share = measure_dropped_share(model)
    by_modules = measure_dropped_share(ArticleModel(modules=True).eval())
    calls = [model(torch.ones(1, 3, 8, 8)) for _ in range(2)]
    agree = "agree" if torch.equal(*calls) else "differ"
    return Finding(
        6,
        f"in eval mode the article's functional call zeroes {share:.1%} of conv2's channels, and "
        f"two calls on one image {agree}; MyModel's modules zero {by_modules:.1%}; `training` of "
        f"the functional form is {default} by default",
        judge_evaluation(share),
        "the article's functional snippet has no `training=self.training`; its MyModel uses "
        "modules, which follow `eval()`. One network with either. Channels of dropout's output "
        "that are all zero, p = 0.5, 64 images. Holds if the functional form zeroes none.",
    )


@torch.no_grad()
def measure_dropped_share(model: ArticleModel) -> float:
    """Return the share of conv2's channels that are dropped in the model's current mode.

    A large bias keeps ReLU from zeroing a channel by itself.
    """
    nn.init.constant_(model.conv2.bias, 1e3)  # type: ignore[arg-type]
    out: Tensor = model(torch.randn(64, 3, 16, 16))
    return (out == 0).flatten(2).all(2).float().mean().item()


def judge_evaluation(share_dropped_in_eval: float) -> ClaimVerdict:
    """Apply claim 6's rule."""
    return decide(share_dropped_in_eval == 0)


def measure_sameness() -> Finding:
    """Measure claim 19."""
    x = torch.randn(8, 16, 4, 4)
    module = nn.Dropout2d(0.5)
    told = {
        mode: _is_same(module.train(mode), partial(F.dropout2d, training=mode), x)
        for mode in (True, False)
    }
    untold = {mode: _is_same(module.train(mode), F.dropout2d, x) for mode in (True, False)}
    names = {True: "training", False: "eval"}
    return Finding(
        19,
        "equal output from equal random numbers: with `training=self.training` in "
        f"{_list_modes(told, names)}; called without it, as the article calls it, in "
        f"{_list_modes(untold, names)}",
        judge_sameness(told, untold),
        "`nn.Dropout2d(0.5)` and `F.dropout2d(x, 0.5)` on normal numbers (8, 16, 4, 4), with the "
        "generator in one state. Holds if they are equal in both modes however the function is "
        "called, does not if they differ in both modes even with `training=self.training`.",
    )


def _is_same(module: nn.Module, function: Callable[..., Tensor], x: Tensor) -> bool:
    """Return whether a module and a function give equal output from equal random numbers."""
    with torch.random.fork_rng([]):
        expected = function(x, p=0.5)
    with torch.random.fork_rng([]):
        return torch.equal(module(x), expected)


def _list_modes(same: Mapping[bool, bool], names: Mapping[bool, str]) -> str:
    return " and ".join(names[mode] for mode in same if same[mode]) or "neither mode"


def judge_sameness(told: Mapping[bool, bool], untold: Mapping[bool, bool]) -> ClaimVerdict:
    """Apply claim 19's rule, on whether outputs are equal in training (True) and eval (False)."""
    everywhere = all(told.values()) and all(untold.values())
    return decide_either_way(everywhere, not any(told.values()))


def measure_separate_p() -> Finding:
    """Measure claim 7."""
    names = list(inspect.signature(nn.Dropout2d).parameters)
    x = torch.randn(8, 16, 4, 4)
    largest = max((nn.Dropout2d(p).eval()(x) - x).abs().max().item() for p in STRENGTHS)
    return Finding(
        7,
        f"the module's arguments are {', '.join(names)}: one p; in eval mode its output differs "
        f"from its input by {largest:g} at p = {format_numbers(STRENGTHS, 1)}",
        judge_separate_p(sum(name.startswith("p") for name in names), largest),
        "signature of `nn.Dropout2d`, and its largest difference from the identity in eval mode. "
        "Holds if there is a second p, or if p changes the output in eval mode.",
    )


def judge_separate_p(probabilities: int, largest_difference_in_eval: float) -> ClaimVerdict:
    """Apply claim 7's rule."""
    return decide(probabilities > 1 or largest_difference_in_eval > 0)


def measure_shapes() -> Finding:
    """Measure claim 9."""
    tried = [(1, 1, 1, 1), (2, 3, 32, 32), (64, 128, 8, 8), (5, 7, 1, 9), (0, 4, 6, 6)]
    kept = {
        name: sum(form(torch.randn(shape)).shape == shape for shape in tried)
        for name, form in (("module", nn.Dropout2d()), ("functional", F.dropout2d))
    }
    return Finding(
        9,
        f"the shape is kept for {kept['module']} of {len(tried)} shapes by the module, and for "
        f"{kept['functional']} by the functional form",
        judge_shapes(kept["module"], len(tried)),
        f"input shapes {', '.join(map(str, tried))}. Holds if the module keeps all; that the "
        f"functional form does too makes it no difference between them.",
    )


def judge_shapes(kept_by_module: int, tried: int) -> ClaimVerdict:
    """Apply claim 9's rule."""
    return decide_either_way(kept_by_module == tried, kept_by_module < tried)
