from pathlib import Path

import pytest

from dropexp.config.fingerprints import fingerprint_pictures
from dropexp.data import load
from dropexp.errors import DataError
from tests.data.examples import folder_config, in_a_new_process, write_picture


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        for number in range(4):
            write_picture(tmp_path / f"train/{name}/{number}.png")
    return tmp_path


def test_a_fingerprint_is_twelve_hexadecimal_digits_and_stays(pictures: Path) -> None:
    first = fingerprint_pictures(pictures)
    assert len(first) == 12
    assert int(first, 16) >= 0
    assert fingerprint_pictures(str(pictures)) == first


def test_a_fingerprint_does_not_depend_on_where_the_folder_is(pictures: Path) -> None:
    first = fingerprint_pictures(pictures)
    assert fingerprint_pictures(pictures.rename(pictures.with_name("moved"))) == first


def test_a_fingerprint_changes_with_the_pictures_and_with_nothing_else(pictures: Path) -> None:
    seen = [fingerprint_pictures(pictures)]
    (pictures / "train/cat/notes.txt").write_text("not a picture")
    (pictures / "train/empty").mkdir()
    assert fingerprint_pictures(pictures) == seen[0]

    write_picture(pictures / "train/cat/new.png")
    seen.append(fingerprint_pictures(pictures))
    (pictures / "train/cat/new.png").rename(pictures / "train/cat/newer.png")
    seen.append(fingerprint_pictures(pictures))
    (pictures / "train/cat/newer.png").rename(pictures / "train/dog/newer.png")
    seen.append(fingerprint_pictures(pictures))
    write_picture(pictures / "train/dog/newer.png", size=(300, 300))
    seen.append(fingerprint_pictures(pictures))
    write_picture(pictures / "val/dog/0.png")
    seen.append(fingerprint_pictures(pictures))
    assert len(set(seen)) == len(seen)


def test_a_folder_that_is_not_there_has_no_fingerprint(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        fingerprint_pictures(tmp_path / "absent")


def test_a_run_is_not_made_with_other_pictures_than_it_says(pictures: Path) -> None:
    config = folder_config(pictures, fingerprint=fingerprint_pictures(pictures), test_size=2)
    load(config)
    write_picture(pictures / "train/cat/new.png")
    with pytest.raises(DataError, match="are not those that this run was made with"):
        load(config)


def test_a_fingerprint_costs_no_torch(pictures: Path) -> None:
    printed = in_a_new_process(f"""
import sys
from dropexp.config.fingerprints import fingerprint_pictures
fingerprint_pictures({str(pictures)!r})
print(sorted({{"torch", "numpy", "PIL", "torchvision"}} & set(sys.modules)))
""")
    assert printed == "[]"
