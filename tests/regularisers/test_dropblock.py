"""DropBlock drops whole blocks, and in expectation a share p of the positions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from dropexp.data.torchvision_import import import_torchvision
from dropexp.regularisers import DropBlock2d
from dropexp.regularisers.dropblock import count_coverings, solve_block_probability


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    block=st.integers(1, 9),
    p=st.floats(0, 0.99),
)
def test_the_expected_share_is_p_for_every_map(
    height: int, width: int, block: int, p: float
) -> None:
    coverings = count_coverings(height, width, block)
    side = min(block, height, width)
    corners = torch.ones(1, 1, height - side + 1, width - side + 1, dtype=torch.float64)
    counted = F.conv_transpose2d(corners, torch.ones(1, 1, side, side, dtype=torch.float64))
    assert torch.equal(coverings, counted[0, 0])
    gamma = solve_block_probability(p, coverings)
    assert 0 <= gamma <= 1
    assert float((1 - (1 - gamma) ** coverings).mean()) == pytest.approx(p, abs=1e-9)


def test_the_published_settings_drop_what_they_should_where_torchvisions_drop_less() -> None:
    import_torchvision()
    from torchvision.ops import drop_block2d

    torch.manual_seed(0)
    x = torch.ones(64, 64, 14, 14)
    ours = float((DropBlock2d(0.1, 7)(x) == 0).double().mean())
    theirs = float((drop_block2d(x, 0.1, 7) == 0).double().mean())
    assert ours == pytest.approx(0.1, abs=0.004)
    assert theirs == pytest.approx(0.092, abs=0.004)


def test_what_is_dropped_is_made_of_whole_blocks_inside_the_map() -> None:
    torch.manual_seed(1)
    dropped = (DropBlock2d(0.2, 3)(torch.ones(16, 4, 9, 7)) == 0).double()
    # A block of zeros covers its own corner again: opening by a 3 × 3 block changes nothing.
    corners = -F.max_pool2d(-dropped, 3, stride=1)
    reopened = F.max_pool2d(F.pad(corners, (2,) * 4), 3, stride=1)
    assert torch.equal(reopened, dropped)
    assert 0 < float(dropped.mean()) < 1


def test_every_position_agrees_with_evaluation_in_expectation() -> None:
    torch.manual_seed(2)
    mean = DropBlock2d(0.3, 3)(torch.ones(4000, 8, 5, 6)).mean((0, 1))
    assert torch.allclose(mean, torch.ones(5, 6), atol=0.03)


def test_masks_are_per_channel_or_shared() -> None:
    torch.manual_seed(3)
    x = torch.ones(8, 6, 8, 8)
    shared, own = DropBlock2d(0.3, 3, "shared")(x), DropBlock2d(0.3, 3)(x)
    assert torch.equal(shared, shared[:, :1].expand_as(shared))
    assert not torch.equal(own, own[:, :1].expand_as(own))
    assert not torch.equal(shared[0], shared[1])


def test_a_block_of_one_position_is_dropout_and_a_block_as_large_as_the_map_is_dropout2d() -> None:
    torch.manual_seed(4)
    x = torch.ones(64, 32, 4, 4)
    single = DropBlock2d(0.4, 1)(x)
    assert torch.allclose(single.unique(), torch.tensor([0, 1 / 0.6]))
    whole = DropBlock2d(0.4, 9)(x)
    assert torch.equal(whole, whole[..., :1, :1].expand_as(whole))
    assert float((whole == 0).double().mean()) == pytest.approx(0.4, abs=0.06)


@pytest.mark.parametrize("size", [0, -1])
def test_a_block_size_below_1_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"block_size={size}"):
        DropBlock2d(0.1, size)


def test_a_change_of_p_or_of_the_maps_size_takes_effect() -> None:
    torch.manual_seed(5)
    noise = DropBlock2d(0.1, 3)
    for p, side in ((0.1, 8), (0.1, 12), (0.6, 12), (0.6, 8), (0.1, 8)):
        noise.p = p
        rate = float((noise(torch.ones(64, 32, side, side)) == 0).double().mean())
        assert rate == pytest.approx(p, abs=0.02)
