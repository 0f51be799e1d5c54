"""Images and histograms in TensorBoard's files."""

import math
from io import BytesIO
from pathlib import Path

import pytest
import torch
from PIL import Image

from dropexp.training.tensorboard import EventLog
from dropexp.training.tensorboard_values import arrange_images
from tests.training.event_logs import (
    CONFIG,
    read_events,
    read_scalars,
)


def test_small_dark_images_are_enlarged_and_stretched() -> None:
    images = torch.zeros(10, 1, 8, 8, dtype=torch.uint8)
    images[9, 0, 0, 0] = 16
    grid = arrange_images(images, columns=4)
    assert grid.shape == (1, 3 * 33 + 1, 4 * 33 + 1)
    assert grid.dtype == torch.uint8
    left, top = 33 + 1, 2 * 33 + 1  # the tenth image: third row, second column
    assert grid[0, top : top + 4, left : left + 4].unique().tolist() == [255]
    assert (grid == 255).sum() == 16


def test_colour_images_keep_their_values() -> None:
    images = torch.randint(0, 256, (3, 3, 32, 20), dtype=torch.uint8)
    images[0, 0, 0, 0] = 255
    grid = arrange_images(images)
    assert grid.shape == (3, 34, 3 * 21 + 1)
    for index, image in enumerate(images):
        assert torch.equal(grid[:, 1:33, 21 * index + 1 : 21 * index + 21], image)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_readable_pngs(tmp_path: Path, channels: int) -> None:
    images = torch.randint(0, 256, (5, channels, 28, 28), dtype=torch.uint8)
    log = EventLog(tmp_path, CONFIG)
    log.write_images(images)
    log.close()
    (value,) = [
        value
        for event in read_events(tmp_path)
        for value in event.summary.value
        if value.HasField("image")
    ]
    with Image.open(BytesIO(value.image.encoded_image_string)) as picture:
        pixels = torch.tensor(list(picture.tobytes()), dtype=torch.uint8)
        assert picture.size == (value.image.width, value.image.height)
    height, width = value.image.height, value.image.width
    grid = pixels.reshape(height, width, channels).permute(2, 0, 1)
    assert torch.equal(grid, arrange_images(images))


def test_histograms_count_finite_weights(tmp_path: Path) -> None:
    first, second = torch.nn.Linear(30, 20), torch.nn.Linear(20, 2)
    model = torch.nn.Sequential(first, second)
    with torch.no_grad():
        first.weight[0, 0] = math.nan
        second.bias.fill_(0.25)
        second.weight.fill_(math.inf)
    log = EventLog(tmp_path, CONFIG)
    log.write_weights(model.to(torch.bfloat16), epoch=7)
    log.close()
    (event,) = [event for event in read_events(tmp_path) if event.step == 7]
    histograms = {value.tag: value.histo for value in event.summary.value}
    assert set(histograms) == {f"weights/{i}/{name}" for i in "01" for name in ("weight", "bias")}
    assert [sum(histograms[tag].bucket) for tag in sorted(histograms)] == [20, 599, 2, 0]
    assert len(histograms["weights/0/weight"].bucket_limit) == 64


def test_the_p_of_sites_is_written_if_sites_differ(tmp_path: Path) -> None:
    log = EventLog(tmp_path, CONFIG)
    log.write_site_p({"dropout1": 0.3, "dropout2": 0.3}, epoch=1)
    log.write_site_p({"noise.0": 0.25, "gate": 0.5}, epoch=2)
    log.close()
    assert read_scalars(tmp_path) == [("p/noise/0", 2, 0.25), ("p/gate", 2, 0.5)]
