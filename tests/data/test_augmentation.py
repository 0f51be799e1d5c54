from typing import Literal

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from dropexp.data import augment

seeds = st.integers(0, 2**32)
Kind = Literal["flip", "crop", "crop_flip"]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int, height: int = 8, width: int = 8, seed: int = 0) -> torch.Tensor:
    shape = (count, 3, height, width)
    return torch.randint(1, 256, shape, dtype=torch.uint8, generator=generator(seed))


def test_none_returns_the_images_and_draws_nothing() -> None:
    images, draws = pictures(4), generator()
    before = draws.get_state()
    assert augment(images, "none", draws) is images
    assert torch.equal(draws.get_state(), before)


@given(seeds)
def test_flip_mirrors_some_images_and_leaves_the_others(seed: int) -> None:
    images = pictures(16)
    flipped = augment(images, "flip", generator(seed))
    for one, other in zip(images, flipped, strict=True):
        assert torch.equal(one, other) or torch.equal(one.flip(-1), other)


@given(seeds)
def test_flipping_twice_with_the_same_draws_restores_the_images(seed: int) -> None:
    images = pictures(16)
    once = augment(images, "flip", generator(seed))
    assert torch.equal(augment(once, "flip", generator(seed)), images)


def test_half_of_the_images_are_flipped() -> None:
    images = pictures(4000, 2, 2)
    images[:, :, :, 0], images[:, :, :, 1] = 1, 2
    share = (augment(images, "flip", generator())[:, 0, 0, 0] == 2).double().mean()
    # ± 0.0079; 5 standard deviations.
    assert abs(share - 0.5) <= 0.04


sizes = st.sampled_from([(8, 8), (5, 9), (16, 16), (32, 32)])
crops: st.SearchStrategy[Kind] = st.sampled_from(["crop", "crop_flip"])


@given(seeds, sizes, crops)
@settings(max_examples=40)
def test_a_crop_is_a_window_of_the_padded_image_or_with_flip_of_its_mirror_image(
    seed: int, size: tuple[int, int], kind: Kind
) -> None:
    height, width = size
    images = pictures(6, height, width)
    border = max(1, height // 8)
    cropped = augment(images, kind, generator(seed))
    assert cropped.shape == images.shape
    assert cropped.dtype == torch.uint8
    for one, crop in zip(images, cropped, strict=True):
        windows = [
            F.pad(image, (border,) * 4)[:, top : top + height, left : left + width]
            for image in ((one,) if kind == "crop" else (one, one.flip(-1)))
            for top in range(2 * border + 1)
            for left in range(2 * border + 1)
        ]
        assert any(torch.equal(crop, window) for window in windows)


@pytest.mark.parametrize("kind", ["crop", "crop_flip"])
def test_all_windows_are_equally_likely(kind: Kind) -> None:
    images = torch.zeros(9000, 1, 8, 8, dtype=torch.uint8)
    images[:, :, 4, 3:5] = 255  # two pixels, so that a mirrored image looks the same
    cropped = augment(images, kind, generator())[:, 0]
    top = cropped.amax(2).int().argmax(1)
    left = cropped.amax(1).int().argmax(1)
    counts = torch.bincount((top - 3) * 3 + (left - 2), minlength=9)
    assert len(counts) == 9
    # 9000 draws of probability 1/9: 1000 ± 29.8; 5 standard deviations.
    assert (counts - 1000).abs().max() <= 149


@pytest.mark.parametrize("kind", ["flip", "crop", "crop_flip"])
def test_draws_depend_on_the_generator_only(kind: Kind) -> None:
    images = pictures(64)
    torch.manual_seed(1)
    one = augment(images, kind, generator(7))
    torch.manual_seed(2)
    assert torch.equal(augment(images, kind, generator(7)), one)
    assert not torch.equal(augment(images, kind, generator(8)), one)
    # What is done to an image does not depend on what is in it.
    marked = images.clone()
    marked[0] = 0
    assert torch.equal(augment(marked, kind, generator(7))[1:], one[1:])


@pytest.mark.parametrize("kind", ["flip", "crop", "crop_flip"])
def test_the_images_given_are_not_written_to(kind: Kind) -> None:
    images = pictures(16)
    before = images.clone()
    augment(images, kind, generator())
    assert torch.equal(images, before)


@pytest.mark.parametrize("kind", ["flip", "crop", "crop_flip"])
def test_no_global_randomness_is_used(kind: Kind) -> None:
    before = torch.get_rng_state()
    augment(pictures(16), kind, generator())
    assert torch.equal(torch.get_rng_state(), before)
