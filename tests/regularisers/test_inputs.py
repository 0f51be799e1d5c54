"""Cutout, mixup and CutMix change training batches and nothing else."""

import pytest
import torch

from dropexp.data.torchvision_import import import_torchvision
from dropexp.regularisers import CutMix, Cutout, Mixup, apply_input_noise, attach_input_noise
from dropexp.regularisers.inputs import InputNoise, InputNoiseSequence
from tests.data.examples import in_a_new_process


def batch(n: int = 64, side: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, 3, side, side, generator=generator), torch.arange(n) % 4


def test_a_cut_is_a_square_whose_centre_is_anywhere() -> None:
    torch.manual_seed(1)
    images = torch.ones(4000, 2, 8, 8)
    cut, targets = Cutout(1.0, size=0.5)(images, torch.zeros(4000, dtype=torch.int64))
    gone = (cut == 0)[:, 0]
    assert torch.equal(gone, (cut == 0)[:, 1]), "all channels"
    heights, widths = gone.any(2).sum(1), gone.any(1).sum(1)
    assert torch.equal(gone.flatten(1).sum(1), heights * widths), "a rectangle"
    assert set(heights.tolist()) == {2, 3, 4}, "clipped at the edges"
    # Along one axis position i is covered by the centres whose square of 4 reaches it.
    covered = torch.tensor([3, 4, 4, 4, 4, 4, 3, 2]) / 8
    assert torch.allclose(gone.double().mean(0), torch.outer(covered, covered).double(), atol=0.03)
    assert targets.dtype == torch.int64
    assert (images == 1).all(), "the batch itself is left alone"


def test_p_is_the_share_of_images_that_are_cut() -> None:
    torch.manual_seed(2)
    cut, _ = Cutout(0.3)(torch.ones(3000, 1, 4, 4), torch.zeros(3000))
    assert float((cut == 0).flatten(1).any(1).double().mean()) == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize(("noise", "transform"), [(Mixup, "MixUp"), (CutMix, "CutMix")])
def test_mixing_is_torchvisions(noise: type[Mixup], transform: str) -> None:
    import_torchvision()
    from torchvision.transforms import v2

    images, labels = batch()
    torch.manual_seed(3)
    torch.rand(())  # whether to mix
    expected = getattr(v2, transform)(alpha=0.4, num_classes=4)(images, labels)
    torch.manual_seed(3)
    mixed, targets = noise(1.0, 4, alpha=0.4)(images, labels)
    assert torch.equal(mixed, expected[0])
    assert torch.equal(targets, expected[1])
    assert torch.allclose(targets.sum(1), torch.ones(64))


def test_the_first_batch_that_is_mixed_imports_nothing() -> None:
    """A sweep takes the time of a first epoch for that of all."""
    program = """
import sys, torch
from dropexp.regularisers import Mixup
noise, images = Mixup(1.0, 4), torch.zeros(2, 1, 2, 2)
before = set(sys.modules)
noise(images, torch.tensor([0, 1]))
print(len(set(sys.modules) - before))
"""
    assert in_a_new_process(program) == "0"


@pytest.mark.parametrize("noise", [Cutout(0.5), Mixup(0.5, 4), CutMix(0.5, 4)])
def test_evaluation_leaves_the_batch_alone(noise: InputNoise) -> None:
    images, labels = batch()
    changed, targets = noise.eval()(images, labels)
    assert changed is images
    assert targets is labels


def test_several_are_applied_one_after_another() -> None:
    images, labels = batch()
    torch.manual_seed(4)
    noise = InputNoiseSequence([Mixup(1.0, 4), CutMix(1.0, 4), Cutout(1.0)])
    changed, targets = noise(images, labels)
    assert targets.shape == (64, 4)
    assert torch.allclose(targets.sum(1), torch.ones(64))
    assert (changed == 0).flatten(1).any(1).all()


@pytest.mark.parametrize("noise", [Cutout(0.9), InputNoiseSequence([Cutout(0.9), Cutout(0.5)])])
def test_a_sequential_model_does_not_call_it_as_a_layer(noise: torch.nn.Module) -> None:
    """nn.Sequential calls all of its children, and the noise is one of them."""
    images, targets = batch()
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 64, 4))
    expected = model(images)
    attach_input_noise(model, noise)
    assert torch.equal(model(images), expected)
    assert not torch.equal(apply_input_noise(model, images, targets)[0], images)


def test_a_model_without_noise_on_its_input_gets_the_batch_itself() -> None:
    model = torch.nn.Linear(2, 2)
    images, labels = batch()
    attach_input_noise(model, None)
    assert apply_input_noise(model, images, labels)[0] is images
    attach_input_noise(model, Cutout(1.0))
    assert apply_input_noise(model, images, labels)[0] is not images
    model.eval()
    assert apply_input_noise(model, images, labels)[0] is images


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cutout(0.5, size=0), "size=0"),
        (lambda: Cutout(0.5, size=1.5), "size=1.5"),
        (lambda: Mixup(0.5, 4, alpha=0), "alpha=0"),
        (lambda: CutMix(1.5, 4), "p=1.5.*at most 1"),
    ],
)
def test_options_outside_their_range_are_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()
