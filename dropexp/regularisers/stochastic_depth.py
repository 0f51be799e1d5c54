"""Stochastic depth: drops whole residual branches.

Shapes: N examples; a branch may have any further dimensions.
"""

from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor
from torch.autograd import Function

from dropexp.regularisers.base import (
    Branch,
    DepthSchedule,
    DepthScheduled,
    Gate,
    Noise,
    check_choice,
)
from dropexp.regularisers.draws import Draws, take_one_per_unit
from dropexp.regularisers.masks import bernoulli
from dropexp.regularisers.memory_format import memory_format_of
from dropexp.regularisers.modes import run_in_both_modes

Mode = Literal["row", "batch"]
Scaling = Literal["train", "eval"]

_BATCH_GATE_PASSES = 256
"""Passes in which the audit probes a gate that draws once per batch."""

ROW_GATE_BATCHES = 64
"""Batches in the single pass in which the audit probes a gate that draws for each row."""


class RandomGate(Gate, Noise):
    """A gate that changes its branch at random, for each row or for the whole batch.

    Args:
        p: the probability that the branch is changed, in [0, 1).
        mode: "row": one draw for each example; "batch": one draw for all.
        scaling: "train": training divides by the expectation 1 − p, and evaluation is plain;
            "eval": training does not, and evaluation multiplies the branch by 1 − p.

    Raises:
        ValueError: p is outside [0, 1), or an option has an unknown value.
    """

    def __init__(self, p: float, mode: Mode = "row", scaling: Scaling = "train") -> None:
        super().__init__()
        check_choice("mode", mode, get_args(Mode))
        check_choice("scaling", scaling, get_args(Scaling))
        self.p = p
        self.mode: Mode = mode
        self.scaling: Scaling = scaling

    @property
    def draws_once_per_batch(self) -> bool:
        """See Noise."""
        return self.mode == "batch"

    @property
    def is_plain_in_eval(self) -> bool:
        """See Noise."""
        return self.scaling == "train"

    def extra_repr(self) -> str:
        return f"p={self.p}, mode={self.mode}, scaling={self.scaling}"


class StochasticDepth(RandomGate):
    """A gate that skips its residual branch at random: ``x + gate(f, x)``.

    Huang et al. 2016, "Deep networks with stochastic depth", equations 2 (training) and 5
    (evaluation). For dropped rows neither f nor its gradient is computed. If no row is kept, the
    branch's parameters get no gradient and its batch statistics no update. In mode "row", batch
    statistics are those of the kept rows.

    Under the same seed the kept rows are those of ``torchvision.ops.StochasticDepth``.

    Args:
        p: drop probability of this branch in [0, 1).
        mode: "row": one draw for each example; "batch": one draw for all, as published.
        scaling: "train": f(x) / (1 − p) where kept, f(x) in eval; "eval", as published: f(x)
            where kept, (1 − p) · f(x) in eval.

    Raises:
        ValueError: p is outside [0, 1), or an option has an unknown value.
    """

    kind: ClassVar[str] = "stochastic_depth"

    def forward(self, branch: Branch, x: Tensor) -> Tensor:
        """Return what is added to the shortcut.

        Args:
            branch: maps (n, …) to (n, …); in mode "row" n is the number of kept rows, so rows may
                affect one another through batch statistics only.
            x: (N, …), floating point.

        Returns:
            A tensor of the branch's shape for N rows; a single zero, which broadcasts, if no row
            is kept.
        """
        if self.p == 0:
            return branch(x)
        if not self.training:
            out = branch(x)
            return out * (1 - self.p) if self.scaling == "eval" else out
        draws = len(x) if self.mode == "row" else 1
        kept = bernoulli(x, (draws,), 1 - self.p).nonzero().squeeze(1)
        if len(kept) == 0:
            return x.new_zeros(())
        scale = 1 / (1 - self.p) if self.scaling == "train" else 1.0
        if len(kept) == draws:
            return branch(x) * scale if scale != 1 else branch(x)
        return _scatter(branch(_gather(x, kept)), kept, len(x), scale)

    def draws(self, x: Tensor) -> Draws:
        """See Noise. The branch is the identity, the probe ones: see probe_gate.

        Raises:
            AuditError: in mode "batch", rows of a batch differ.
        """
        return Draws.from_bernoulli(probe_gate(self, x), self.p, passes=ROW_GATE_BATCHES)


def probe_gate(gate: Gate, x: Tensor) -> Tensor:
    """Return the ratio of training to evaluation for each row of an identity branch.

    Args:
        gate: a noise module.
        x: (N, …); only N, dtype and device matter.

    Returns:
        (64 N,), the rows of one pass over 64 batches; or, for a gate that draws once per batch,
        (256,), one ratio for each of 256 passes.

    Raises:
        AuditError: a gate that draws once per batch treated rows differently.
    """
    assert isinstance(gate, Noise)
    rows = len(x) * (1 if gate.draws_once_per_batch else ROW_GATE_BATCHES)
    ones = x.new_ones(rows, 1)

    def probe() -> Tensor:
        # A dropped batch is a single zero, which broadcasts.
        contribution: Tensor = gate(torch.clone, ones)
        return torch.zeros_like(ones) + contribution

    if not gate.draws_once_per_batch:
        evaluated, trained = run_in_both_modes(gate, probe)
        return (trained / evaluated).squeeze(1)
    pairs = [run_in_both_modes(gate, probe) for _ in range(_BATCH_GATE_PASSES)]
    return take_one_per_unit(
        torch.stack([(trained / evaluated).squeeze(1) for evaluated, trained in pairs])
    )


class RandomGateRegulariser(DepthScheduled):
    """A random gate on every residual branch.

    Args:
        p: see RandomGate; with "linear", that of the last branch.
        mode: see RandomGate.
        scaling: see RandomGate.
        depth_schedule: "linear", as published for both gates: p · l/L for branch l of L;
            "uniform": p for every branch.

    Raises:
        ValueError: p is outside [0, 1), or an option has an unknown value.
    """

    needs: ClassVar[str] = "residual branches"
    gate: ClassVar[type[RandomGate]]

    def __init__(
        self,
        p: float,
        mode: Mode = "row",
        scaling: Scaling = "train",
        depth_schedule: DepthSchedule = "linear",
    ) -> None:
        super().__init__(p, depth_schedule)
        self.gate(p, mode, scaling)  # checks the options, even if the model has no branch
        self.mode: Mode = mode
        self.scaling: Scaling = scaling

    def branch(self, depth: float) -> Gate:
        return self.gate(self.p_at(depth), self.mode, self.scaling)


class StochasticDepthRegulariser(RandomGateRegulariser):
    """StochasticDepth on every residual branch; arguments as RandomGateRegulariser's.

    The linear depth schedule is equation 4 of Huang et al. 2016.
    """

    name: ClassVar[str] = "stochastic_depth"
    gate: ClassVar[type[RandomGate]] = StochasticDepth


# Selection and insertion of distinct rows. torch's index_select adds up the gradients of repeated
# rows; here no row is repeated, and copying is faster.


class _Gather(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kept: Tensor) -> Tensor:
        ctx.save_for_backward(kept)
        ctx.rows = len(x)
        return x.index_select(0, kept)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (kept,) = ctx.saved_tensors
        return _scatter(grad, kept, ctx.rows, 1.0), None


class _Scatter(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kept: Tensor, rows: int, scale: float) -> Tensor:
        ctx.save_for_backward(kept)
        ctx.scale = scale
        # Gathering all rows, the dropped ones from a row of zeros, takes half the time of zeroing
        # the result and writing the kept rows into it.
        with_zeros = torch.cat([x, torch.zeros_like(x[:1])])
        if scale != 1:
            with_zeros.mul_(scale)  # in place: another result would cost another pass over memory
        source = torch.full((rows,), len(x), device=x.device)
        source[kept] = torch.arange(len(x), device=x.device)
        return with_zeros.index_select(0, source).contiguous(memory_format=memory_format_of(x))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (kept,) = ctx.saved_tensors
        # _gather returns a copy, so scaling in place is safe.
        return _gather(grad, kept).mul_(ctx.scale), None, None, None


def _gather(x: Tensor, kept: Tensor) -> Tensor:
    """Return the rows of x at n distinct indices: (N, …) to (n, …)."""
    out: Tensor = _Gather.apply(x, kept)  # type: ignore[no-untyped-call]
    return out


def _scatter(x: Tensor, kept: Tensor, rows: int, scale: float) -> Tensor:
    """Return N rows: the rows of x times ``scale`` at n distinct indices, zeros elsewhere."""
    out: Tensor = _Scatter.apply(x, kept, rows, scale)  # type: ignore[no-untyped-call]
    return out
