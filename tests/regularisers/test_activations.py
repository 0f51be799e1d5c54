"""Dropout and dropout2d equal torch's; spatial dropout drops positions."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dropexp.errors import AuditError
from dropexp.regularisers import Dropout, Dropout2d, SpatialDropout2d
from tests.regularisers.networks import under_seed


@settings(deadline=None, max_examples=30)
@given(
    p=st.floats(0, 1, exclude_max=True, width=32),
    seed=st.integers(0, 2**31),
    n=st.integers(0, 5),
    c=st.integers(1, 7),
    inplace=st.booleans(),
)
def test_dropout2d_is_torchs_bit_for_bit(
    p: float, seed: int, n: int, c: int, inplace: bool
) -> None:
    x = torch.randn(n, c, 3, 4)
    torch.manual_seed(seed)
    expected = F.dropout2d(x, p)
    assert torch.equal(under_seed(seed, Dropout2d(p, inplace), x.clone()), expected)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_is_torchs_bit_for_bit(p: float) -> None:
    x = torch.randn(6, 5)
    torch.manual_seed(3)
    expected = F.dropout(x, p)
    assert torch.equal(under_seed(3, Dropout(p), x), expected)


@pytest.mark.parametrize("noise", [Dropout2d(0.5, inplace=True), Dropout(0.5, inplace=True)])
def test_inplace_overwrites_the_input(noise: nn.Module) -> None:
    x = torch.ones(8, 8, 2, 2)
    assert noise(x) is x
    assert (x == 0).any()


def test_spatial_dropout_is_channel_dropout_of_the_transposed_layout() -> None:
    # dropout1d drops whole rows of (N, positions, C). Same support, and the same law: its two
    # values, and the drop rate within five standard errors.
    p, shape = 0.3, (50, 4, 20, 20)
    positions = F.dropout1d(torch.ones(50, 400, 4), p).mT.reshape(shape)
    ours = SpatialDropout2d(p)(torch.ones(shape))
    for out in (positions, ours):
        assert torch.equal(out, out[:, :1].expand(shape))
    assert torch.equal(ours.unique(), positions.unique())
    standard_error = (p * (1 - p) / 20_000) ** 0.5
    assert abs((ours[:, 0] == 0).float().mean() - p) < 5 * standard_error
    # Every position and every example draws for itself.
    assert (ours[:, 0].var(0) > 0).all()
    assert (ours[:, 0].flatten(1).var(1) > 0).all()


@pytest.mark.parametrize("noise", [Dropout2d(0.4), SpatialDropout2d(0.4)])
@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 5), (1, 2, 3, 4, 5)])
def test_an_input_that_is_not_a_map_is_refused(noise: nn.Module, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
        noise(torch.ones(shape))


def test_only_kept_activations_have_a_gradient() -> None:
    for noise in (Dropout2d(0.5), SpatialDropout2d(0.5), Dropout(0.5)):
        x = torch.ones(4, 4, 4, 4, requires_grad=True)
        out = noise(x)
        out.sum().backward()
        assert x.grad is not None
        assert torch.equal(x.grad, out)


class DropsElementsInstead(Dropout2d):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.training)


def test_a_mask_of_the_wrong_shape_is_an_audit_error() -> None:
    with pytest.raises(AuditError, match="another shape"):
        DropsElementsInstead(0.5).draws(torch.ones(4, 4, 4, 4))
