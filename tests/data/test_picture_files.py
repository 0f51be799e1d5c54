"""Folders of pictures as anybody may have made them: each is read safely, or refused by name."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dropexp.config.fingerprints import fingerprint_pictures
from dropexp.config.picture_files import MOST_NESTED, list_pictures
from dropexp.errors import DataError
from tests.conftest import Dropexp
from tests.data.examples import write_picture


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes of three pictures."""
    for name in ("cat", "dog"):
        for number in range(3):
            write_picture(tmp_path / "pictures" / "train" / name / f"{number}.png")
    return tmp_path / "pictures"


@contextmanager
def nested(folder: Path, levels: int) -> Iterator[None]:
    """Make folders in each other, deeper than a path can name; remove them, as pytest cannot."""
    with contextlib.chdir(folder):
        for _ in range(levels):
            os.mkdir("d")  # noqa: PTH102
            os.chdir("d")
        try:
            yield
        finally:
            for _ in range(levels):
                os.chdir("..")
                os.rmdir("d")  # noqa: PTH106


def test_linked_folders_and_pictures_are_read(root: Path, tmp_path: Path) -> None:
    write_picture(tmp_path / "elsewhere" / "one.png")
    (root / "train" / "cat" / "more").symlink_to(tmp_path / "elsewhere")
    (root / "train" / "cat" / "again.png").symlink_to(root / "train" / "cat" / "0.png")
    (root / "train" / "fox").symlink_to(tmp_path / "elsewhere")
    names = [path.name for path in list_pictures(root / "train" / "cat")]
    assert names == ["0.png", "1.png", "2.png", "again.png", "one.png"]
    assert len(list_pictures(root / "train" / "fox")) == 1
    assert list_pictures(root / "val") == []


@pytest.mark.parametrize("target", [".", "..", "../dog"])
def test_a_folder_that_links_lead_to_twice_is_refused(root: Path, target: str) -> None:
    (root / "train" / "cat" / "loop").symlink_to(target)
    with pytest.raises(DataError, match=r"are one folder, by a link"):
        fingerprint_pictures(root)


def test_links_that_double_with_every_level_end_at_once(root: Path) -> None:
    place = root / "train" / "cat"
    for level in range(30):
        (place / f"{level}").mkdir()
        for name in ("left", "right"):
            (place / f"{level}" / name).symlink_to(place / f"{level + 1}")
    with pytest.raises(DataError, match=r"are one folder, by a link"):
        list_pictures(place)


def test_folders_that_are_nested_too_deep_are_refused(root: Path) -> None:
    cat = root / "train" / "cat"
    with nested(cat, MOST_NESTED):
        assert len(list_pictures(cat)) == 3
    with (
        nested(cat, 3_000),
        pytest.raises(DataError, match=f"nested more than {MOST_NESTED} deep"),
    ):
        list_pictures(cat)


@pytest.mark.parametrize("kind", ["pipe", "broken link", "link to itself"])
def test_what_is_no_file_is_no_picture(root: Path, kind: str) -> None:
    odd = root / "train" / "cat" / "odd.png"
    if kind == "pipe":
        os.mkfifo(odd)
    else:
        odd.symlink_to("nowhere.png" if kind == "broken link" else "odd.png")
    with pytest.raises(DataError, match=r"odd\.png (is no picture|cannot be read)"):
        fingerprint_pictures(root)


def test_names_cannot_control_the_terminal(root: Path, dropexp: Dropexp) -> None:
    for number, odd in enumerate((b"\x1b]0;owned\x07", b"a\nb\x9b2J", b"\xff\xfe")):
        name = os.fsdecode(odd)
        (root / "val" / name).mkdir(parents=True)
        done = dropexp("train", "data=image_folder", "data.root=pictures")
        assert done.returncode == 2, number
        assert " is a class that " in done.stderr
        assert not set(done.stderr) & set("\x1b\x07\x9b")
        assert len(done.stderr.splitlines()) == 1
        done.stderr.encode()
        (root / "val" / name).rmdir()


def test_a_class_with_an_odd_name_is_trained(root: Path, dropexp: Dropexp) -> None:
    (root / "train" / "cat").rename(root / "train" / os.fsdecode(b"\x1b[2J\xff\n"))
    words = ("data.root=pictures", "data.image_size=8", "data.val_size=2", "data.test_size=2")
    done = dropexp("train", "data=image_folder", *words, "train.epochs=1", "model.width=4")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert dropexp("runs", "show", "none").returncode == 0
