"""Study files: the ready ones, those of a path, and what is refused."""

from pathlib import Path

import pytest
import yaml

from dropexp.config.compose import compose_run, parse_study_params
from dropexp.config.groups import find_conf_dir, list_studies
from dropexp.config.study_files import (
    find_study_file,
    get_registered_path,
    read_study_file,
    refuse_study_name,
)
from dropexp.errors import ConfigError

PARAMS = {"regulariser": "none,dropout2d", "p": 0.3, "seed": "range(8)", "model.shortcut": True}
STUDY = {"hydra": {"sweeper": {"params": PARAMS}}}


def write(folder: Path, plain: object, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(plain if isinstance(plain, str) else yaml.safe_dump(plain))
    return path


def test_a_file_holds_overrides_and_a_question(tmp_path: Path) -> None:
    file = read_study_file(write(tmp_path, {**STUDY, "question": {"at": "last"}}))
    assert file.name == "mine"
    assert file.question == {"at": "last"}
    assert file.registered is None
    texts = [override.text for override in parse_study_params(file)]
    assert sorted(texts) == [
        "model.shortcut=true",
        "p=0.3",
        "regulariser=none,dropout2d",
        "seed=range(8)",
    ]


@pytest.mark.parametrize("name", list_studies())
def test_a_ready_study_is_a_study_file(name: str, tmp_path: Path) -> None:
    file = find_study_file(name, tmp_path)
    assert file is not None
    assert (file.name, file.path.parent) == (name, find_conf_dir() / "study")
    assert parse_study_params(file)


def test_a_name_means_the_registered_study_first(tmp_path: Path) -> None:
    path = get_registered_path(tmp_path, "quick")
    path.parent.mkdir()
    write(path.parent, {**STUDY, "registered": {"name": "quick"}}, path.name)
    found = find_study_file("quick", tmp_path)
    assert found is not None
    assert found.path == path
    assert find_study_file("label", tmp_path) is None
    assert find_study_file(None, tmp_path) is None


def test_the_file_of_a_registered_study_has_its_name_wherever_it_is(tmp_path: Path) -> None:
    path = write(tmp_path, {**STUDY, "registered": {"name": "mine"}}, "sent.yml")
    found = find_study_file(str(path), tmp_path)
    assert found is not None
    assert found.name == "mine"


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ("a: [", "is not YAML"),
        ("text", "must hold hydra: sweeper: params"),
        ({"question": {}}, "must hold hydra: sweeper: params"),
        ({"hydra": {"sweeper": {"params": {}}}}, "must hold hydra: sweeper: params"),
        ({"hydra": {"sweeper": {"params": "p=0.3"}}}, "must hold hydra: sweeper: params"),
        ({"hydra": {"run": {"dir": "x"}, **STUDY["hydra"]}}, "run is Hydra's own"),
        ({**STUDY, "questions": {}}, "Did you mean question"),
        ({**STUDY, "question": "test_acc"}, "question must be a mapping"),
        ({**STUDY, "registered": "yes"}, "registered must be a mapping"),
        ({**STUDY, "registered": {"name": "../x"}}, "it names a file"),
        ({"hydra": {"sweeper": {"params": {"p": [0.1, 0.3]}}}}, "0.1,0.3 for several values"),
    ],
)
def test_what_is_no_study_is_refused(tmp_path: Path, plain: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_study_file(write(tmp_path, plain))


def test_a_file_that_is_not_there_is_told_from_a_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No such file.*A name without \.yaml"):
        find_study_file("nowhere.yaml", tmp_path)


@pytest.mark.parametrize(
    ("params", "words"),
    [({"device": "cpu"}, "give it to dropexp sweep: device=cpu"), ({"p": "0.1,,"}, "mine.yaml")],
)
def test_params_that_are_no_overrides_of_runs_are_refused(
    tmp_path: Path, params: dict[str, str], words: str
) -> None:
    file = read_study_file(write(tmp_path, {"hydra": {"sweeper": {"params": params}}}))
    with pytest.raises(ConfigError, match=words):
        parse_study_params(file)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "../a", "a b"])
def test_a_name_must_be_the_name_of_a_file(name: str) -> None:
    with pytest.raises(ConfigError, match="it names a file"):
        refuse_study_name(name)


def test_one_run_has_no_study_file() -> None:
    with pytest.raises(ConfigError, match=r"dropexp sweep study=mine\.yaml"):
        compose_run(["study=mine.yaml"])
