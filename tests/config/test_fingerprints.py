"""Fingerprints change with the files that determine a run's numbers and with nothing else."""

import hashlib
import os
import sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from dropexp.config.compose import compose_run
from dropexp.config.fingerprints import (
    find_user_files,
    fingerprint_pictures,
    fingerprint_source,
)
from dropexp.config.run_config import RunConfig
from dropexp.config.setting import extract_setting
from dropexp.data import load
from dropexp.errors import ConfigError, DataError
from tests.data.examples import folder_config, in_a_new_process, write_picture


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        for number in range(4):
            write_picture(tmp_path / f"train/{name}/{number}.png")
    return tmp_path


def test_a_fingerprint_is_12_hexadecimal_digits_and_reproducible(pictures: Path) -> None:
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


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        fingerprint_pictures(tmp_path / "absent")


def test_data_is_not_loaded_from_pictures_with_another_fingerprint(pictures: Path) -> None:
    config = folder_config(pictures, fingerprint=fingerprint_pictures(pictures), test_size=2)
    load(config)
    write_picture(pictures / "train/cat/new.png")
    with pytest.raises(DataError, match=r"data\.fingerprint=\w+ does not match the pictures"):
        load(config)


def test_pictures_are_read_once_between_the_config_and_the_data(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    plain = hashlib.file_digest

    def count(file: Any, digest: str) -> Any:
        read.append(file.name)
        return plain(file, digest)

    monkeypatch.setattr(hashlib, "file_digest", count)
    config = compose_run(["data=image_folder", f"data.root={pictures}", "data.image_size=8"])
    load(config.data)
    assert len(read) == len(set(read)) == 8


def test_a_picture_that_is_written_with_its_old_size_and_date_has_changed(pictures: Path) -> None:
    first = fingerprint_pictures(pictures)
    picture = pictures / "train/cat/0.png"
    before = picture.stat()
    picture.write_bytes(bytes(before.st_size))
    os.utime(picture, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert fingerprint_pictures(pictures) != first


def test_a_fingerprint_imports_neither_torch_nor_numpy(pictures: Path) -> None:
    printed = in_a_new_process(f"""
import sys
from dropexp.config.fingerprints import (
    find_user_files,
    fingerprint_pictures,
    fingerprint_source,
)
fingerprint_pictures({str(pictures)!r})
print(sorted({{"torch", "numpy", "PIL", "torchvision"}} & set(sys.modules)))
""")
    assert printed == "[]"


# --- the source of a custom model ------------------------------------------------------------


def test_a_package_is_hashed_with_its_imports_and_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "package_of_a_test"
    (package / "inner").mkdir(parents=True)
    for path, text in {
        "__init__.py": "raise RuntimeError('it was imported')",
        "inner/__init__.py": "",
        "inner/net.py": "from ..parts import thing\nfrom . import other\nimport torch",
        "inner/other.py": "x = 1",
        "parts.py": "from package_of_a_test.more import y",
        "more.py": "y = 2",
        "unrelated.py": "z = 3",
    }.items():
        (package / path).write_text(text)
    seen = {fingerprint_source("package_of_a_test.inner.net:Net")}
    for path in ("__init__.py", "inner/net.py", "inner/other.py", "parts.py", "more.py"):
        (package / path).write_text((package / path).read_text() + "\n# changed")
        seen.add(fingerprint_source("package_of_a_test.inner.net:Net"))
    assert len(seen) == 6
    (package / "unrelated.py").write_text("z = 4")
    assert fingerprint_source("package_of_a_test.inner.net:Net") in seen
    (package / "more.py").write_text("from .unrelated import z")
    assert "package_of_a_test.unrelated" in find_user_files("package_of_a_test.inner.net:Net")
    with pytest.raises(ConfigError, match=r"there is no module package_of_a_test\.outer"):
        fingerprint_source("package_of_a_test.outer.net:Net")


@pytest.mark.parametrize("folder", ["lib/site-packages", "target"])
def test_an_upgrade_of_an_installed_package_makes_another_run(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / folder
    package = site / "installed_of_a_test"
    (package / "inner").mkdir(parents=True)
    info = site / "installed_of_a_test-1.0.dist-info"
    info.mkdir()
    (info / "RECORD").write_text("installed_of_a_test/__init__.py,sha256=0,0\n")
    (package / "__init__.py").write_text("import importlib")
    for path in ("inner/noise.py", "reached_by_a_computed_name.py"):
        (package / path).write_text("")
    (site / "beside_it.py").write_text("")  # as of another package
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(site)
    words = ["regulariser=custom", "regulariser.target=installed_of_a_test:Noise", "p=0.3"]
    first = compose_run(words).run_id
    (site / "beside_it.py").write_text("x = 1")
    (package / "compiled.pyc").write_text("")
    assert compose_run(words).run_id == first
    (package / "reached_by_a_computed_name.py").write_text("x = 1")
    second = compose_run(words).run_id
    (package / "new.py").write_text("")
    assert len({first, second, compose_run(words).run_id}) == 3
    assert find_user_files("installed_of_a_test:Noise") == {}


def test_own_code_beside_installed_packages_is_own_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other-1.0.dist-info").mkdir()
    (tmp_path / "other-1.0.dist-info/RECORD").write_text("other/own_net.py,sha256=0,0\n")
    (tmp_path / "own_net.py").write_text("import own_parts")
    (tmp_path / "own_parts.py").write_text("")
    assert set(find_user_files("own_net:Net")) == {"own_net", "own_parts"}


def test_a_module_that_only_a_finder_of_its_own_finds_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As setuptools makes an editable install of a package that is not in a folder src."""
    file = tmp_path / "elsewhere" / "edited_of_a_test.py"
    file.parent.mkdir()
    file.write_text("")

    class Finder:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
            return spec_from_file_location(name, file) if name == file.stem else None

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert find_user_files("edited_of_a_test:Net") == {"edited_of_a_test": file}
    assert len(fingerprint_source("edited_of_a_test:Net")) == 12


def test_what_has_no_source_file_is_refused() -> None:
    assert len(fingerprint_source("torch.nn.modules.linear:Linear")) == 12
    with pytest.raises(ConfigError, match=r"no Python source file"):
        fingerprint_source("math:sin")  # an extension module or a built-in one


OPTIONS = [
    ("data=custom data.target=own_code:load", "data.options.path"),
    ("model=custom model.target=own_code:Net", "model.options.path"),
    ("regulariser=custom regulariser.target=own_code:Noise p=0.3", "regulariser.options.path"),
    (
        "regulariser=custom+mixup regulariser.custom.target=own_code:Noise "
        "regulariser.custom.p=0.3 regulariser.mixup.p=1",
        "regulariser.custom.options.path",
    ),
]


@pytest.mark.parametrize(("target", "option"), OPTIONS)
def test_the_content_of_a_file_that_options_name_makes_another_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_code.py").write_text("")
    named = [*target.split(), f"+{option}=table.txt"]
    ids = []
    for content in ("first", "other"):
        (tmp_path / "table.txt").write_text(content)
        ids.append(compose_run(named).run_id)
    (tmp_path / "table.txt").write_text("first")
    assert ids[0] != ids[1]
    assert compose_run(named).run_id == ids[0]


@pytest.mark.parametrize(("target", "option"), OPTIONS)
def test_a_file_that_options_name_counts_by_name_and_content_and_not_by_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_code.py").write_text("")
    (tmp_path / "copies").mkdir()
    for name in ("table.txt", "other.txt", "copies/table.txt"):
        (tmp_path / name).write_text("content")

    def compose(path: str) -> RunConfig:
        return compose_run([*target.split(), f"+{option}={path}"])

    plain = compose("table.txt")
    typed = ("./table.txt", "copies/../table.txt", tmp_path / "table.txt", "copies/table.txt")
    for config in (compose(str(path)) for path in typed):
        assert config.run_id == plain.run_id
        assert RunConfig.from_mapping(config.to_mapping()).run_id == plain.run_id
        assert extract_setting(config.to_mapping()) == extract_setting(plain.to_mapping())
    # Code may read another format by another name, and a word may be a file's by chance.
    assert compose("other.txt").run_id != plain.run_id


@pytest.mark.parametrize(("target", "option"), OPTIONS)
def test_runs_that_name_no_file_and_runs_of_earlier_versions_keep_their_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_code.py").write_text("")
    (tmp_path / "table.txt").write_text("content")
    section = option.removesuffix(".options.path")

    def drop_new_field(node: Any, path: list[str]) -> Any:
        name, *rest = path
        if rest:
            return {**node, name: drop_new_field(node[name], rest)}
        return {key: value for key, value in node.items() if key != name}

    for path in ("nothing.txt", "table.txt"):
        config = compose_run([*target.split(), f"+{option}={path}"])
        before = drop_new_field(config.to_mapping(), [*section.split("."), "option_files"])
        assert RunConfig.from_mapping(before).run_id == config.run_id
        assert "option_files" not in str(config.to_identity())
    by_path = compose_run([*target.split(), f"+{option}=./table.txt"])
    before = drop_new_field(by_path.to_mapping(), [*section.split("."), "option_files"])
    assert "./table.txt" in str(RunConfig.from_mapping(before).to_identity())


def test_paths_in_lists_and_mappings_of_options_count_by_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_code.py").write_text("")
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("content")

    def compose(first: str, second: str) -> RunConfig:
        options = f"+data.options={{of:{{train:'{first}'}},parts:['{second}',3]}}"
        return compose_run(["data=custom", "data.target=own_code:load", options])

    plain, other = compose("a.txt", "b.txt"), compose("./a.txt", str(tmp_path / "b.txt"))
    assert other.run_id == plain.run_id
    assert extract_setting(other.to_mapping()) == extract_setting(plain.to_mapping())
    assert other.to_identity()["data"]["options"]["parts"] == ["b.txt", 3]


def test_a_root_is_no_argument(tmp_path: Path) -> None:
    for folder in (tmp_path / "here", tmp_path / "there"):
        folder.mkdir()
        (folder / "table.txt").write_text("content")
    ids = [
        compose_run(["data=arrays", f"data.root={tmp_path / name / 'table.txt'}"]).run_id
        for name in ("here", "there")
    ]
    assert ids[0] == ids[1]


def test_code_whose_options_name_no_file_has_the_fingerprint_of_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_code.py").write_text("")
    config = compose_run(["data=custom", "data.target=own_code:load", "+data.options.n=table"])
    assert config.to_mapping()["data"]["fingerprint"] == fingerprint_source("own_code:load")
    assert find_user_files("own_code:load") == {"own_code": tmp_path / "own_code.py"}
    assert find_user_files("torch.nn:Module") == find_user_files("absent_module:Net") == {}
