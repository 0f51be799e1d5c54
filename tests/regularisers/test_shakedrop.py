"""ShakeDrop scales the output and the gradient of a branch by its own factors."""

import pytest
import torch

from dropexp.regularisers import ShakeDrop


@pytest.mark.parametrize("scaling", ["train", "eval"])
def test_kept_branches_are_plain_and_others_shaken_forwards_and_backwards(scaling: str) -> None:
    torch.manual_seed(0)
    gate = ShakeDrop(0.4, scaling=scaling)  # type: ignore[arg-type]
    x = torch.ones(4000, 1, requires_grad=True)
    out = gate(torch.clone, x)
    out.sum().backward()
    assert x.grad is not None
    scale = 1 / 0.6 if scaling == "train" else 1.0
    forward, backward = out.detach().flatten() / scale, x.grad.flatten() / scale
    kept = (forward - 1).abs() < 1e-6
    assert float(kept.double().mean()) == pytest.approx(0.6, abs=0.04)
    assert torch.allclose(backward[kept], torch.ones(1))
    alpha, beta = forward[~kept], backward[~kept]
    assert (float(alpha.min()), float(alpha.max())) == pytest.approx((-1, 1), abs=0.02)
    assert (float(beta.min()), float(beta.max())) == pytest.approx((0, 1), abs=0.02)
    assert abs(float(torch.corrcoef(torch.stack((alpha, beta)))[0, 1])) < 0.1, "drawn apart"


def test_evaluation_is_plain_or_the_published_expectation() -> None:
    x = torch.randn(5, 3)
    assert torch.equal(ShakeDrop(0.4).eval()(torch.clone, x), x)
    assert torch.equal(ShakeDrop(0.4, scaling="eval").eval()(torch.clone, x), x * 0.6)


def test_in_batch_mode_all_rows_share_one_draw() -> None:
    torch.manual_seed(2)
    gate = ShakeDrop(0.9, mode="batch")
    outs = [gate(torch.clone, torch.ones(6, 2)) for _ in range(5)]
    assert all(torch.equal(out, out[:1, :1].expand_as(out)) for out in outs)
    assert len({float(out[0, 0]) for out in outs}) > 1
