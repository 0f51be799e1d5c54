"""Images and labels as arrays, from a file or from a function of the user's."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dropexp.config.compose import compose_run
from dropexp.data import arrays, check, load
from dropexp.data.arrays import make_source
from dropexp.errors import ConfigError, DataError

LABELS = np.arange(30) % 3
GREY = np.random.default_rng(0).integers(0, 256, (30, 4, 5), dtype=np.uint8)


def compose(path: Path, *overrides: str) -> Any:
    return compose_run(["data=arrays", f"data.root='{path}'", *overrides]).data


def save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_a_file_without_splits_is_split_by_the_seed(tmp_path: Path) -> None:
    config = compose(save(tmp_path / "x.npz", images=GREY, labels=LABELS), "data.test_size=6")
    splits = load(config)
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [19, 5, 6]
    assert (splits.image_shape, splits.class_names) == ((1, 4, 5), ("0", "1", "2"))
    assert torch.equal(load(config).train.images, splits.train.images)
    check([config])


def test_given_splits_and_class_names_are_used(tmp_path: Path) -> None:
    names = np.array(["cat", "dog", "owl"])
    own = {"val_images": GREY[:4], "val_labels": names[LABELS[:4]]}
    file = save(
        tmp_path / "x.npz",
        images=GREY,
        labels=names[LABELS],
        test_images=GREY[:2],
        test_labels=names[:2],
        **own,
    )
    splits = load(compose(file))
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [30, 4, 2]
    assert splits.class_names == ("cat", "dog", "owl")
    assert splits.test.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((30, 2, 3), (1, 2, 3)), ((30, 3, 6, 8), (3, 6, 8)), ((30, 6, 8, 3), (3, 6, 8))],
)
def test_channels_stand_first_or_last(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    source = make_source({"images": np.zeros(shape, np.uint8), "labels": LABELS}, "x")
    assert tuple(source.train.select_all().images.shape[1:]) == expected


def test_floating_point_images_are_used_as_they_are() -> None:
    images = np.random.default_rng(1).normal(5, 2, (30, 2, 3, 3))
    images[:, 1] = 4
    given = torch.from_numpy(images)
    source = make_source({"images": given, "labels": torch.from_numpy(LABELS)}, "x")
    assert source.train.select_all().images.dtype == torch.float32
    torch.testing.assert_close(
        source.train.select_all().images.double(), given, rtol=1e-6, atol=1e-6
    )


def test_normalising_floating_point_images_leaves_them_alone(tmp_path: Path) -> None:
    images = np.random.default_rng(1).normal(5, 2, (30, 3, 3)).astype(np.float32)
    splits = load(compose(save(tmp_path / "x.npz", images=images, labels=LABELS)))
    before = splits.train.images.clone()
    normal = splits.normalise(splits.train.images)
    assert torch.equal(splits.train.images, before)
    assert abs(float(normal.mean())) < 1e-5
    assert float(normal.std(correction=0)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": GREY}, ["has no labels"]),
        ({"image": GREY, "labels": LABELS}, ["image is not known", "images"]),
        ({"images": GREY, "labels": LABELS[:-1]}, ["labels has the shape (29,)", "(30,)"]),
        ({"images": GREY[0], "labels": LABELS}, ["images has the shape (4, 5)", "(N, H, W)"]),
        ({"images": GREY.astype(int), "labels": LABELS}, ["images has the type int64", "uint8"]),
        (
            {"images": np.full((30, 2, 2), np.nan), "labels": LABELS},
            ["images has values that are not finite"],
        ),
        ({"images": GREY, "labels": LABELS / 2}, ["labels has the type float64"]),
        ({"images": GREY, "labels": LABELS - 1}, ["labels goes from -1 to 1"]),
        ({"images": GREY, "labels": LABELS + 10**9}, ["labels go up to 1000000002"]),
        ({"images": GREY, "labels": LABELS, "class_names": ["a", "b"]}, ["from 0 to 2", "2 class"]),
        ({"images": GREY, "labels": LABELS, "val_images": GREY}, ["val_labels need each other"]),
        (
            {"images": GREY, "labels": LABELS, "test_images": GREY[:, :2], "test_labels": LABELS},
            ["test_images are torch.uint8 of (1, 2, 5)", "alike"],
        ),
        (
            {
                "images": GREY,
                "labels": np.array(["a", "b", "c"])[LABELS],
                "val_images": GREY[:1],
                "val_labels": np.array(["d"]),
            },
            ["val_labels has the class 'd'"],
        ),
    ],
)
def test_what_is_wrong_is_named(arrays: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(DataError) as error:
        make_source(arrays, "data.root=x.npz")
    assert all(word in str(error.value) for word in ["data.root=x.npz", *words]), error.value


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no archive")
    np.save(tmp_path / "one.npy", GREY)
    np.savez(tmp_path / "objects.npz", images=np.array([{}], dtype=object), labels=LABELS)
    for name, word in (
        ("text.npz", "numpy.savez"),
        ("one.npy", "single array"),
        ("objects.npz", ""),
    ):
        with pytest.raises(DataError, match=rf"{name}.*{word}"):
            load(compose(tmp_path / name))
    with pytest.raises(ConfigError, match=r"absent\.npz cannot be read: No such file"):
        compose(tmp_path / "absent.npz")


def pack(path: Path, header: tuple[int, ...], *, values: int = 0, kind: str = "|u1") -> Path:
    """Write a compressed file whose images have a header, and zeros as values."""
    labels = io.BytesIO()
    np.save(labels, LABELS)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.npy", labels.getvalue())
        with archive.open("images.npy", "w", force_zip64=True) as file:
            plain = {"descr": kind, "fortran_order": False, "shape": header}
            np.lib.format.write_array_header_1_0(file, plain)
            file.write(bytes(values))
    return path


def test_a_file_that_asks_for_more_memory_than_it_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    liar = pack(tmp_path / "liar.npz", (10**12, 8, 8))
    with pytest.raises(DataError, match="images says that it has 64,000,000,000,000 bytes"):
        load(compose(liar))
    monkeypatch.setattr(arrays, "_MOST_PACKED", 10_000)
    bomb = pack(tmp_path / "bomb.npz", (30, 100, 100), values=300_000)
    with pytest.raises(DataError, match=r"bytes unpack to 300,\d+. Write it with numpy.savez"):
        load(compose(bomb))
    monkeypatch.undo()
    load(compose(bomb))


def test_an_encrypted_file_is_refused(tmp_path: Path) -> None:
    raw = bytearray(save(tmp_path / "x.npz", images=GREY, labels=LABELS).read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(mark) + place] |= 1
    (tmp_path / "x.npz").write_bytes(raw)
    with pytest.raises(DataError, match="is encrypted"):
        load(compose(tmp_path / "x.npz"))


def test_a_file_of_an_unknown_packing_is_refused(tmp_path: Path) -> None:
    raw = bytearray(save(tmp_path / "x.npz", images=GREY, labels=LABELS).read_bytes())
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):  # where the method stands
        raw[raw.index(mark) + place] = 99
    (tmp_path / "x.npz").write_bytes(raw)
    with pytest.raises(DataError, match="method is not supported"):
        load(compose(tmp_path / "x.npz"))


def test_values_that_float32_cannot_hold_are_refused() -> None:
    with pytest.raises(DataError, match="not finite as float32"):
        make_source({"images": np.full((30, 4, 5), 1e300), "labels": LABELS}, "x")


def test_the_content_of_the_file_is_part_of_the_identity(tmp_path: Path) -> None:
    file = save(tmp_path / "x.npz", images=GREY, labels=LABELS)
    run = compose_run(["data=arrays", f"data.root='{file}'"])
    moved = compose_run(["data=arrays", f"data.root='{file.rename(tmp_path / 'y.npz')}'"])
    assert moved.run_id == run.run_id
    save(tmp_path / "y.npz", images=GREY[:, ::-1], labels=LABELS)
    changed = compose_run(["data=arrays", f"data.root='{tmp_path / 'y.npz'}'"])
    assert changed.run_id != run.run_id
    with pytest.raises(DataError, match=r"data\.fingerprint=.* it has changed since"):
        load(moved.data)


LOADER = """
import numpy as np
import torch


def load(n=30, form="pair"):
    images, labels = torch.rand(n, 4, 4), torch.arange(n) % 3
    if form == "pair":
        return images, labels
    return {"images": images, "labels": labels, "class_names": ["a", "b", "c"]} if form else 3


def broken(path):
    raise OSError("no such instrument")
"""


def compose_custom(folder: Path, target: str, *overrides: str) -> Any:
    return compose_run(["data=custom", f"data.target={folder.name}.data:{target}", *overrides])


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the module data, of a name that no other test imports."""
    folder = tmp_path / f"package_{tmp_path.name}"
    folder.mkdir()
    (folder / "data.py").write_text(LOADER)
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_function_returns_a_pair_or_a_mapping(package: Path) -> None:
    plain = compose_custom(package, "load")
    assert len(load(plain.data).test) == 6
    assert torch.equal(load(plain.data).train.images, load(plain.data).train.images)
    named = compose_custom(package, "load", "+data.options.form=named", "+data.options.n=60")
    assert load(named.data).class_names == ("a", "b", "c")
    assert named.run_id != plain.run_id
    (package / "data.py").write_text(f"{LOADER}\n# changed\n")
    assert compose_custom(package, "load").run_id != plain.run_id
    with pytest.raises(ConfigError, match=r"data\.fingerprint=.* has changed since"):
        load(plain.data)


@pytest.mark.parametrize(
    ("target", "overrides", "words"),
    [
        ("laod", [], ["has no laod"]),
        ("load", ["+data.options.m=3"], ["data.options.m is not an argument"]),
        ("load", ["+data.options.form=''"], ["returns a int", "images and labels"]),
        ("broken", [], ["needs path", "+data.options.path="]),
        ("broken", ["+data.options.path=x"], ["OSError: no such instrument", "data.py, line"]),
    ],
)
def test_a_function_that_does_not_fit_is_explained(
    package: Path, target: str, overrides: list[str], words: list[str]
) -> None:
    with pytest.raises((ConfigError, DataError)) as error:
        load(compose_custom(package, target, *overrides).data)
    assert all(word in str(error.value) for word in words), error.value


def test_a_module_that_is_not_there_is_named_before_anything_is_read(package: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.target=nowhere:load is not found"):
        compose_run(["data=custom", "data.target=nowhere:load"])
    with pytest.raises(ConfigError, match=r"data\.target=nowhere is not allowed"):
        compose_run(["data=custom", "data.target=nowhere"])


@pytest.mark.parametrize(
    "images",
    [
        [[1, 2], [3]],
        torch.zeros(30, 4, 5).to_sparse(),
        torch.zeros(30, 4, 5, device="meta"),
        np.ma.masked_array(GREY, mask=GREY > 100),
    ],
)
def test_what_is_no_whole_array_is_refused(images: Any) -> None:
    with pytest.raises(DataError, match=r"x: images (cannot be read as an array|has masked)"):
        make_source({"images": images, "labels": LABELS}, "x")


def test_bfloat16_images_and_names_of_bytes_are_read() -> None:
    names = np.array([b"cat", b"dog", b"owl"])
    images = torch.zeros(30, 4, 5, dtype=torch.bfloat16)
    arrays_of_them = {"images": images, "labels": names[LABELS], "class_names": names}
    source = make_source(arrays_of_them, "x")
    assert source.class_names == ("cat", "dog", "owl")
    assert source.train.select_all().images.dtype == torch.float32


def test_a_function_that_seeds_nothing_returns_the_same_at_every_call(package: Path) -> None:
    (package / "data.py").write_text(
        "import random\nimport numpy as np\n\ndef load():\n"
        "    images = np.random.randint(0, 256, (40, 4, 4)).astype(np.uint8)\n"
        "    return images, np.array([random.randrange(3) for _ in images])\n"
    )
    config = compose_custom(package, "load").data
    first, second = load(config).train, load(config).train
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.labels, second.labels)
