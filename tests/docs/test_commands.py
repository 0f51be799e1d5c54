"""Every command in a page works: it is composed, or parsed by its own program."""

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

from dropexp.cli.commands import build_app, import_command, list_commands
from dropexp.config.compose import compose_run
from dropexp.config.setting import flatten
from dropexp.runs.files import WEIGHTS
from dropexp.runs.listed_run import ListedRun, ListedStatus
from dropexp.runs.run_block import RunBlock
from dropexp.runs.selection import is_filter, list_filter_keys
from dropexp.sweep.budget import parse_budget
from dropexp.sweep.grammar import compose_sweep
from dropexp.sweep.registering import compose_study
from dropexp.sweep.tuning.space import parse_request
from pages.blocks import PAGES, ROOT, Block, find_blocks, find_commands

COMMANDS = {
    tuple(words): block.name
    for page in PAGES
    for block in find_blocks(page)
    for words in find_commands(block)
}
"""Each command once, with a place where it stands."""
NONE = "none"
HALVES = [f"halves/{half}/train/{name}" for half in ("low", "high") for name in ("a", "b")]


def find_weights(words: tuple[str, ...]) -> list[str]:
    """The files that a command starts networks from; of a run folder its own."""
    given = [word.partition("=")[2] for word in words if word.startswith("model.weights=")]
    files = [name for name in given if not name.isupper()]
    return [name if Path(name).suffix else f"{name}/{WEIGHTS}" for name in files]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages speak of: pictures, weights, and the network of nets/mine.py."""
    folder = tmp_path_factory.mktemp("working folder")
    chance = np.random.default_rng(0)
    for name in ("pictures/train/cat", "pictures/train/dog", *HALVES):
        pictures = folder / name
        pictures.mkdir(parents=True)
        for index in range(4):
            pixels = chance.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(pictures / f"{index}.png")
    for file in {folder / name for words in COMMANDS for name in find_weights(words)}:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"weights")
    for name in ("shapes.npz", "mnist_5k.npz"):
        np.savez(folder / name, images=chance.random((30, 4, 4)), labels=np.arange(30) % 2)
    for block in (block for page in PAGES for block in find_blocks(page)):
        if block.language in ("python", "yaml") and block.title:
            file = folder / block.title
            file.parent.mkdir(exist_ok=True, parents=True)
            file.write_text(block.text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "words", COMMANDS, ids=lambda words: f"{COMMANDS[words]} {' '.join(words)}"
)
def test_command_is_valid(
    words: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    program, *arguments = words
    match program:
        case "dropexp":
            check_dropexp(arguments)
        case "pip" | "python" | "python3":
            check_installation(arguments)
        case _ if program.startswith("scripts/"):
            assert os.access(ROOT / program, os.X_OK)
        case "pytest" if arguments[0] == "--dropexp-contracts":
            module, _, name = arguments[1].split()[0].partition(":")
            assert f"class {name}(" in Path(f"{module}.py").read_text(encoding="utf-8")
        case "pytest":
            assert all((ROOT / path).exists() for path in arguments)
        case _:
            assert program in ("mkdocs", "mlflow", "tensorboard", "jq", "head", ".", "source")


# --- dropexp --------------------------------------------------------------------------------------


def check_dropexp(arguments: list[str]) -> None:
    name, values = parse(arguments)
    match name:
        case "train" | "audit" if not {"-m", "--multirun"} & set(arguments):
            compose_run(values["overrides"] or [])
        case "train" | "sweep":
            compose_for_one_seed(values["overrides"] or [])
        case "register":
            compose_study(values["name"], values["overrides"] or [], values["seeds"])
        case "tune":
            parse_request(values["overrides"] or [])
            parse_budget(values["budget"])
        case _:
            check_filters([word for word in lists(values) if is_filter(word)])
            baseline = values.get("baseline")
            if baseline not in (None, NONE):
                check_filters(baseline.split())


def compose_for_one_seed(overrides: list[str]) -> None:
    """Compose a sweep without its other seeds, which would be composed alike."""
    seeds = [override for override in overrides if override.startswith("seed=")]
    assert all(re.fullmatch(r"seed=(range\(\d+(,\d+)?\)|[\d,]+)", each) for each in seeds)
    compose_sweep([*(each for each in overrides if each not in seeds), "seed=0"])


def parse(arguments: list[str]) -> tuple[str, dict[str, Any]]:
    """The command's name and the values of its parameters, as typer parses them; nothing is run."""
    called: list[tuple[str, dict[str, Any]]] = []
    root: Any = typer.main.get_command(build_app())
    root.commands = {name: import_command(name) for name in list_commands()}

    def replace_callbacks(command: Any) -> None:
        for name, sub in getattr(command, "commands", {}).items():
            replace_callbacks(sub)
            if not hasattr(sub, "commands"):
                sub.callback = lambda _name=name, **values: called.append((_name, values))

    replace_callbacks(root)
    root.main(args=arguments, prog_name="dropexp", standalone_mode=False)
    return called[0]


def lists(values: dict[str, Any]) -> Iterator[str]:
    for value in values.values():
        if isinstance(value, list):
            yield from value


def check_filters(filters: list[str]) -> None:
    """Every filter names a field that a run has: of small_cnn, of mlp or of resnet."""
    runs = [
        ListedRun(
            Path("runs"),
            "none-p0-s0-00000000",
            ListedStatus.RUNNING,
            0.0,
            flatten(compose_run(overrides).to_mapping()),
            None,
        )
        for overrides in ([], ["model=mlp"], ["model=resnet"])
    ]
    list_filter_keys(filters, list(map(RunBlock.of, runs)))


# --- others ---------------------------------------------------------------------------------------


def check_installation(arguments: list[str]) -> None:
    """Extras that are named exist, and so do files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for argument in arguments:
        if extras := re.search(r"\[(.*)\]", argument):
            assert set(extras[1].split(",")) <= project["optional-dependencies"].keys()
        if argument.endswith(".txt"):
            assert (ROOT / argument).is_file()


def test_commands_are_found_in_blocks() -> None:
    text = "$ dropexp train p=0.3  # why\noutput\n$ dropexp runs | head -n 3 && dropexp watch\n"
    block = Block(ROOT / "README.md", 1, "console", "", text)
    assert list(find_commands(block)) == [
        ["dropexp", "train", "p=0.3"],
        ["dropexp", "runs"],
        ["head", "-n", "3"],
        ["dropexp", "watch"],
    ]


def test_commands_that_need_other_machines_are_left_out() -> None:
    block = Block(
        ROOT / "README.md", 1, "bash", "", "# Needs several machines.\nray start --head\n"
    )
    assert not list(find_commands(block))


def test_pages_have_commands() -> None:
    assert len(COMMANDS) > 100
