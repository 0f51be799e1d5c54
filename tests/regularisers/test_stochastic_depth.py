"""Stochastic depth skips branches, for rows or batches, and agrees with torchvision."""

import pytest
import torch
from torch import Tensor, nn

from dropexp.data.torchvision_import import import_torchvision
from dropexp.errors import AuditError
from dropexp.regularisers import StochasticDepth, StochasticDepthRegulariser
from dropexp.regularisers.base import DepthSchedule
from dropexp.regularisers.stochastic_depth import Mode, Scaling


class CountingBranch(nn.Module):
    """A row-wise branch that remembers how many rows it was given, call by call."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3, padding=1)
        self.rows: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.rows.append(len(x))
        return self.conv(x).tanh()  # type: ignore[no-any-return]


def images(n: int = 16) -> Tensor:
    return torch.randn(n, 3, 6, 6)


@pytest.mark.parametrize("mode", ["row", "batch"])
@pytest.mark.parametrize("p", [0.0, 0.2, 0.9])
def test_it_agrees_with_torchvision(mode: Mode, p: float) -> None:
    import_torchvision()
    from torchvision.ops import StochasticDepth as Published

    branch, x, gate = CountingBranch(), images(), StochasticDepth(p, mode)
    for seed in range(20):
        for training in (True, False):
            torch.manual_seed(seed)
            expected = Published(p, mode).train(training)(branch(x))
            torch.manual_seed(seed)
            ours = gate.train(training)(branch, x) + torch.zeros_like(expected)
            torch.testing.assert_close(ours, expected)


def test_only_kept_rows_are_computed() -> None:
    branch, gate = CountingBranch(), StochasticDepth(0.5)
    for _ in range(20):
        branch.rows.clear()
        out = gate(branch, images())
        kept = int((out.flatten(1) != 0).any(1).sum()) if out.dim() else 0
        assert branch.rows == ([kept] if kept else [])


@pytest.mark.parametrize("mode", ["row", "batch"])
def test_a_branch_without_kept_rows_is_not_called(mode: Mode) -> None:
    branch, x = CountingBranch(), images(2)
    gate = StochasticDepth(0.999999, mode)
    out = torch.ones(2, 5, 6, 6) + gate(branch, x)
    assert not branch.rows
    assert torch.equal(out, torch.ones(2, 5, 6, 6))


def test_in_batch_mode_the_branch_sees_all_rows_or_none() -> None:
    branch, gate = CountingBranch(), StochasticDepth(0.5, "batch")
    for _ in range(40):
        gate(branch, images(4))
    assert set(branch.rows) == {4}
    assert 8 < len(branch.rows) < 32


@pytest.mark.parametrize("scaling", ["train", "eval"])
def test_training_and_evaluation_agree_in_expectation(scaling: Scaling) -> None:
    gate, x = StochasticDepth(0.3, scaling=scaling), torch.ones(20_000, 1)
    mean = gate(torch.clone, x).mean()
    assert mean == pytest.approx(float(gate.eval()(torch.clone, x).mean()), rel=0.03)
    assert mean == pytest.approx(1.0 if scaling == "train" else 0.7, rel=0.03)


def test_the_published_scaling_is_unscaled_in_training() -> None:
    out = StochasticDepth(0.3, scaling="eval")(torch.clone, torch.ones(100, 1))
    assert out.unique().tolist() == [0, 1]


def test_gradients_are_those_of_the_masked_branch() -> None:
    branch, x, gate = CountingBranch(), images().requires_grad_(), StochasticDepth(0.4)
    torch.manual_seed(5)
    out = gate(branch, x)
    kept = (out.detach().flatten(1) != 0).any(1).float().view(-1, 1, 1, 1)
    wanted = [x, *branch.parameters()]
    ours = torch.autograd.grad(out.square().sum(), wanted)
    expected = torch.autograd.grad((branch(x) * kept / 0.6).square().sum(), wanted)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


def test_runs_in_deterministic_mode_and_keeps_channels_last() -> None:
    branch, gate = CountingBranch(), StochasticDepth(0.5)
    branch.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = images().to(memory_format=torch.channels_last).requires_grad_()
    torch.use_deterministic_algorithms(True)
    try:
        torch.manual_seed(0)
        out = gate(branch, x)
        out.sum().backward()
    finally:
        torch.use_deterministic_algorithms(False)
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert x.grad is not None


@pytest.mark.parametrize(("schedule", "expected"), [("linear", 0.1), ("uniform", 0.4)])
def test_the_depth_schedule_sets_the_p_of_a_branch(
    schedule: DepthSchedule, expected: float
) -> None:
    gate = StochasticDepthRegulariser(0.4, depth_schedule=schedule).branch(0.25)
    assert isinstance(gate, StochasticDepth)
    assert gate.p == pytest.approx(expected)


@pytest.mark.parametrize(
    "options", [{"mode": "rows"}, {"scaling": "none"}, {"depth_schedule": "square"}]
)
def test_unknown_choices_are_refused(options: dict[str, str]) -> None:
    (option, value), *_ = options.items()
    with pytest.raises(ValueError, match=f"{option}='{value}'.*allowed"):
        StochasticDepthRegulariser(0.1, **options)  # type: ignore[arg-type]


class RowsInsteadOfBatch(StochasticDepth):
    def forward(self, branch: object, x: Tensor) -> Tensor:
        return x * x.new_empty(len(x), 1).bernoulli_(0.5) if self.training else x


def test_a_batch_gate_that_draws_for_each_row_is_an_audit_error() -> None:
    with pytest.raises(AuditError, match="another shape"):
        RowsInsteadOfBatch(0.5, "batch").draws(torch.ones(8, 3))
