"""ShakeDrop: scales residual branches at random instead of dropping them.

Shapes: N examples; a branch may have any further dimensions.
"""

from typing import ClassVar

import torch
from torch import Tensor

from dropexp.errors import AuditError
from dropexp.regularisers.base import Branch
from dropexp.regularisers.draws import Draws
from dropexp.regularisers.masks import bernoulli
from dropexp.regularisers.modes import preserve_modes
from dropexp.regularisers.stochastic_depth import (
    ROW_GATE_BATCHES,
    RandomGate,
    RandomGateRegulariser,
    probe_gate,
)


class ShakeDrop(RandomGate):
    """A gate that multiplies its branch by b + α − bα, and the branch's gradient by b + β − bβ.

    Yamada et al. 2018, "ShakeDrop regularization for deep residual learning", equation 6: b is 1
    with probability 1 − p, α is uniform in [−1, 1] and β in [0, 1], the best ranges in their
    section 4. Where b is 1 the branch is plain; otherwise its output is scaled by α, which
    may be negative, and its gradient by β. The branch is always computed.

    Args:
        p: the probability that a branch is shaken, in [0, 1).
        mode: "row": each example has its own draw; "batch": one draw for all. The paper has both.
        scaling: "train": the factors are divided by 1 − p, the expectation of the forward one, in
            training, and the branch is plain in eval mode; "eval", as published: the branch is
            multiplied by 1 − p in eval mode.

    Raises:
        ValueError: p is outside [0, 1), or an option has an unknown value.
    """

    kind: ClassVar[str] = "shakedrop"

    @property
    def chance_of_repeat(self) -> float:
        """See Noise; two draws agree only if neither shakes the branch."""
        return 1 - self.p

    def forward(self, branch: Branch, x: Tensor) -> Tensor:
        """Return ``branch(x)``, shaken in training.

        Args:
            branch: maps (N, …) to (N, …).
            x: (N, …), floating point.
        """
        out = branch(x)
        if self.p == 0:
            return out
        if not self.training:
            return out * (1 - self.p) if self.scaling == "eval" else out
        shape = (len(out) if self.mode == "row" else 1, *[1] * (out.dim() - 1))
        # In float32: half precision would round the factor of a kept branch.
        wide = torch.empty(0, device=out.device)
        keep = bernoulli(wide, shape, 1 - self.p) == 1
        alpha, beta = torch.rand(2, *shape, device=out.device)
        scale = 1 / (1 - self.p) if self.scaling == "train" else 1.0
        forward = (torch.where(keep, 1.0, 2 * alpha - 1) * scale).to(out.dtype)
        backward = (torch.where(keep, 1.0, beta) * scale).to(out.dtype)
        # The value is that of out · forward, the gradient that of out · backward.
        return out * backward + (out * (forward - backward)).detach()

    def draws(self, x: Tensor) -> Draws:
        """See Noise. The branch is the identity, the probe ones: see probe_gate.

        Raises:
            AuditError: a kept branch's gradient is scaled, or a shaken one's is scaled by α.
        """
        ratios = probe_gate(self, x).float()
        high = 1 / (1 - self.p)
        is_shaken = (ratios - high).abs() > 1e-6 * high
        self._check_gradients(x)
        return Draws(is_shaken.float(), ratios, low=-high, high=high, passes=ROW_GATE_BATCHES)

    def _check_gradients(self, x: Tensor) -> None:
        ones = x.new_ones(len(x), 1, dtype=torch.float32).requires_grad_()
        with preserve_modes(self), torch.enable_grad():
            self.train()
            out = self(torch.clone, ones)
            (gradient,) = torch.autograd.grad(out.sum(), ones)
        highest = 1 / (1 - self.p) if self.scaling == "train" else 1.0
        shaken = (out - highest).abs() > 1e-6 * highest
        is_in_range = bool((gradient >= 0).all() and (gradient <= highest + 1e-6).all())
        uses_alpha = bool(shaken.any() and torch.equal(gradient[shaken], out.detach()[shaken]))
        if (
            not is_in_range
            or uses_alpha
            or not torch.equal(gradient[~shaken], out.detach()[~shaken])
        ):
            raise AuditError("the gradient of a branch is not scaled by its own β")


class ShakeDropRegulariser(RandomGateRegulariser):
    """ShakeDrop on every residual branch; arguments as RandomGateRegulariser's."""

    name: ClassVar[str] = "shakedrop"
    gate: ClassVar[type[RandomGate]] = ShakeDrop
