from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dropexp.data import check, load
from dropexp.data.image_folder import decode
from dropexp.errors import DataError
from tests.data.examples import folder_config, write_picture


def fill(root: Path, part: str, per_class: int, classes: tuple[str, ...] = ("cat", "dog")) -> None:
    for number, name in enumerate(classes):
        for index in range(per_class):
            colour = (40 * number, 10 * index, 0)
            write_picture(root / part / name / f"{index}.png", colour)


def test_test_and_validation_images_are_taken_from_train_where_there_are_none(
    tmp_path: Path,
) -> None:
    fill(tmp_path, "train", 10)
    splits = load(folder_config(tmp_path, test_size=0.2, val_size=0.25))
    assert (len(splits.train), len(splits.val), len(splits.test)) == (12, 4, 4)
    assert splits.class_names == ("cat", "dog")
    assert splits.image_shape == (3, 8, 8)
    for part in (splits.train, splits.val, splits.test):
        assert torch.bincount(part.labels).tolist() == [len(part) // 2] * 2
        assert torch.equal(part.images[:, 0, 0, 0].long(), 40 * part.labels)


def test_folders_for_validation_and_test_are_used_as_they_are(tmp_path: Path) -> None:
    fill(tmp_path, "train", 10)
    fill(tmp_path, "val", 3)
    fill(tmp_path, "test", 2, classes=("dog",))
    splits = load(folder_config(tmp_path))
    assert (len(splits.train), len(splits.val), len(splits.test)) == (20, 6, 2)
    assert splits.test.labels.tolist() == [1, 1]


def test_upper_case_pictures_are_read_and_hidden_and_other_files_ignored(tmp_path: Path) -> None:
    fill(tmp_path, "train", 5)
    fill(tmp_path, "val", 1)
    fill(tmp_path, "test", 1)
    (tmp_path / "train/cat/notes.txt").write_text("not a picture")
    (tmp_path / "train/cat/._0.png").write_text("macOS leaves these")
    (tmp_path / "train/.cache").mkdir()
    write_picture(tmp_path / "train/cat/LOUD.PNG")
    write_picture(tmp_path / "train/cat/deeper/one.png")
    assert len(load(folder_config(tmp_path)).train) == 12


def test_grayscale_pictures_have_one_channel(tmp_path: Path) -> None:
    fill(tmp_path, "train", 10)
    assert load(folder_config(tmp_path, grayscale=True)).image_shape == (1, 8, 8)


def test_loading_twice_gives_the_same(tmp_path: Path) -> None:
    fill(tmp_path, "train", 10)
    one, other = (load(folder_config(tmp_path, label_noise=0.2)) for _ in range(2))
    assert torch.equal(one.train.images, other.train.images)
    assert torch.equal(one.train.labels, other.train.labels)


# --- decoding -----------------------------------------------------------------------------


def test_the_shorter_side_is_resized_and_the_centre_is_cropped(tmp_path: Path) -> None:
    pixels = np.zeros((20, 60, 3), dtype=np.uint8)
    pixels[:, 20:40] = 255
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    wide = decode(tmp_path / "wide.png", 10, grayscale=False)
    Image.fromarray(pixels.transpose(1, 0, 2).copy()).save(tmp_path / "tall.png")
    tall = decode(tmp_path / "tall.png", 10, grayscale=False)
    for square in (wide, tall):
        assert (square[:, 1:-1, 1:-1] == 255).all()
        assert (square > 200).all(), "the outermost pixels mix with what was cut off"


def test_a_small_picture_is_enlarged(tmp_path: Path) -> None:
    write_picture(tmp_path / "small.png", (9, 8, 7), size=(2, 3))
    pixels = decode(tmp_path / "small.png", 8, grayscale=False)
    assert pixels.shape == (3, 8, 8)
    assert pixels[:, 4, 4].tolist() == [9, 8, 7]


def test_a_reduced_picture_is_the_mean_of_its_pixels_not_a_choice_among_them(
    tmp_path: Path,
) -> None:
    checked = np.indices((64, 64)).sum(0) % 2 * 255
    Image.fromarray(checked.astype(np.uint8)).save(tmp_path / "checked.png")
    pixels = decode(tmp_path / "checked.png", 8, grayscale=True)
    assert abs(pixels.astype(int) - 127).max() <= 8


def test_a_picture_is_turned_upright_by_its_exif_orientation(tmp_path: Path) -> None:
    pixels = np.zeros((16, 16), dtype=np.uint8)
    pixels[:, :8] = 255  # bright on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90° clockwise: bright at the top
    Image.fromarray(pixels).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    upright = decode(tmp_path / "turned.jpg", 8, grayscale=True)[0]
    assert upright[:3].min() > 200
    assert upright[-3:].max() < 50


@pytest.mark.parametrize("grayscale", [False, True])
def test_every_mode_becomes_rgb_or_grey(grayscale: bool, tmp_path: Path) -> None:
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK"):
        path = tmp_path / f"{mode}.{'tif' if mode == 'CMYK' else 'png'}"
        Image.new("RGB", (9, 9), (255, 255, 255)).convert(mode).save(path)
        pixels = decode(path, 4, grayscale=grayscale)
        assert pixels.shape == (1 if grayscale else 3, 4, 4)
        assert (pixels == 255).all()


def test_a_palette_with_transparency_is_read_without_a_warning(tmp_path: Path) -> None:
    picture = Image.new("P", (9, 9), 1)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    picture.save(tmp_path / "clear.png", transparency=b"\x00\xff")
    assert decode(tmp_path / "clear.png", 4, grayscale=False)[:, 0, 0].tolist() == [10, 20, 30]


def test_sixteen_bits_are_scaled_to_eight_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.full((9, 9), 0x4020, dtype=np.uint16)).save(tmp_path / "deep.png")
    assert (decode(tmp_path / "deep.png", 4, grayscale=True) == 0x40).all()


# --- errors -------------------------------------------------------------------------------


def refused(root: Path, message: str, **config: object) -> None:
    with pytest.raises(DataError, match=message):
        load(folder_config(root, **config))


def test_a_missing_root_is_named(tmp_path: Path) -> None:
    refused(tmp_path / "absent", r"data\.root=.*absent is not a folder")


def test_a_root_without_train_is_named(tmp_path: Path) -> None:
    refused(tmp_path, "has no folder train")


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    fill(tmp_path, "train", 3, classes=("cat",))
    refused(tmp_path, "at least two classes; it has 1")


def test_a_class_without_pictures_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "train", 3)
    (tmp_path / "train/emu").mkdir()
    (tmp_path / "train/emu/emu.gif").touch()
    refused(tmp_path, "emu holds no pictures")


@pytest.mark.parametrize("part", ["val", "test"])
def test_a_class_that_train_does_not_have_is_named(part: str, tmp_path: Path) -> None:
    fill(tmp_path, "train", 3)
    fill(tmp_path, part, 1, classes=("cat", "emu"))
    refused(tmp_path, rf"{part}.emu is a class that .*train does not have.* cat, dog")


@pytest.mark.parametrize("part", ["val", "test"])
def test_a_split_folder_without_pictures_is_named(part: str, tmp_path: Path) -> None:
    fill(tmp_path, "train", 3)
    (tmp_path / part).mkdir()
    refused(tmp_path, f"{part} holds no pictures")


def test_a_picture_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "train", 3)
    broken = tmp_path / "train/dog/broken.jpg"
    broken.write_bytes(b"no picture")
    refused(tmp_path, r"broken\.jpg cannot be decoded")
    whole = write_picture(tmp_path / "whole.png", size=(50, 50)).read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    refused(tmp_path, r"broken\.jpg cannot be decoded")


def test_floating_point_pictures_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), dtype=np.float32)).save(tmp_path / "real.tif")
    with pytest.raises(DataError, match=r"real\.tif cannot be decoded .*floating-point"):
        decode(tmp_path / "real.tif", 4, grayscale=True)


def test_too_few_pictures_to_split_are_refused_with_the_size(tmp_path: Path) -> None:
    fill(tmp_path, "train", 1)
    refused(tmp_path, r"data\.test_size=0\.2 is not allowed: that is 0 of 2 images")


def test_broken_pictures_are_left_out_and_listed_on_request(tmp_path: Path) -> None:
    fill(tmp_path, "train", 10)
    plain = load(folder_config(tmp_path, on_broken="skip"))
    assert (plain.skipped, len(plain.train)) == ((), len(load(folder_config(tmp_path)).train))
    for name in ("cat/a.png", "dog/b.png"):
        (tmp_path / "train" / name).write_text("not a picture")
    splits = load(folder_config(tmp_path, on_broken="skip"))
    assert splits.skipped == ("train/cat/a.png", "train/dog/b.png")
    for ours, theirs in ((splits.train, plain.train), (splits.test, plain.test)):
        assert torch.equal(ours.images, theirs.images)
    with pytest.raises(DataError, match=r"data\.on_broken=skip"):
        load(folder_config(tmp_path))
    for picture in (tmp_path / "train/cat").iterdir():
        picture.write_text("not a picture")
    with pytest.raises(DataError, match=r"train/cat holds no picture that can be decoded"):
        load(folder_config(tmp_path, on_broken="skip"))


def test_pictures_are_counted_without_being_decoded(tmp_path: Path) -> None:
    fill(tmp_path, "train", 5)
    (tmp_path / "train/cat/0.png").write_text("not a picture")
    enough = folder_config(tmp_path, test_size=2, val_size=2, train_size=6)
    check([enough])
    with pytest.raises(DataError, match=r"^data=image_folder: data.train_size=7 .* at most 6"):
        check([enough, folder_config(tmp_path, test_size=2, val_size=2, train_size=7)])
    with pytest.raises(DataError, match="cannot be decoded"):
        load(enough)


def test_only_pictures_that_are_drawn_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "train", 12)
    fill(tmp_path, "val", 4)
    opened: list[Path] = []

    def open_picture(path: Path) -> Image.Image:
        opened.append(path)
        return open_image(path)

    open_image = Image.open
    monkeypatch.setattr(Image, "open", open_picture)
    splits = load(folder_config(tmp_path, test_size=2, train_size=6))
    assert (len(splits.train), len(splits.val), len(splits.test)) == (6, 8, 2)
    assert len(opened) == len(set(opened)) == 16


def test_a_broken_picture_matters_only_where_it_is_drawn(tmp_path: Path) -> None:
    fill(tmp_path, "train", 6)
    sizes = {"test_size": 2, "val_size": 2, "train_size": 6}
    plain = load(folder_config(tmp_path, **sizes))
    drawn = set(plain.source_index.tolist())
    paths = [tmp_path / "train" / name / f"{n}.png" for name in ("cat", "dog") for n in range(6)]
    colours = {tuple(image[:, 0, 0].tolist()) for image in (*plain.val.images, *plain.test.images)}
    left = next(
        place
        for place in range(12)
        if place not in drawn and (40 * (place // 6), 10 * (place % 6), 0) not in colours
    )
    paths[left].write_text("not a picture")
    again = load(folder_config(tmp_path, **sizes))
    assert torch.equal(again.train.images, plain.train.images)
    skipping = load(folder_config(tmp_path, on_broken="skip", **sizes))
    assert torch.equal(skipping.train.images, plain.train.images), "the same run id"
    paths[min(drawn)].write_text("not a picture")
    assert len(load(folder_config(tmp_path, on_broken="skip", **sizes)).skipped) == 2
    with pytest.raises(DataError, match=r"\d\.png cannot be decoded"):
        load(folder_config(tmp_path, **sizes))
