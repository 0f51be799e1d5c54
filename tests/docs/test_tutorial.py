"""The tutorial shows what its commands print."""

import re
from pathlib import Path

import pytest

from dropexp.sweep.grammar import compose_sweep
from pages.blocks import find_blocks, find_commands
from pages.sessions import PAGES, find_steps, run_in_terminal, run_session

[TUTORIAL] = PAGES
CONSOLES = [block for block in find_blocks(TUTORIAL) if block.language == "console"]
STEPS = [step for block in CONSOLES for step in find_steps(block)]


def without_numbers(text: str) -> list[str]:
    """A page's lines without what depends on the processor and its load, in no order.

    Numbers and the spaces that line them up go; the runs of a sweep finish in any order.
    """
    text = re.sub(r"\b(none|dropout2d)-p[\d.]+-s\d+-[0-9a-f]{8}", r"\1", text)
    text = re.sub(r"[-+−]?\d+(?:[.,:]\d+)*(?: (?:s|min|kB|MB)\b)?", "#", text)
    return sorted(re.sub(r"[ \t]+", " ", line) for line in text.splitlines())


def test_every_command_has_its_output() -> None:
    assert [step.command for step in STEPS if not step.output.strip()] == []


def test_the_runs_are_those_of_its_commands() -> None:
    commands = [
        words[2:]
        for block in CONSOLES
        for words in find_commands(block)
        if words[1] in ("train", "sweep") and "--dry-run" not in words
    ]
    assert len(commands) == 3
    ids = {config.run_id for words in commands for config in compose_sweep(words).configs}
    shown = set(re.findall(r"\b(?:none|dropout2d)-p[\d.]+-s\d+-[0-9a-f]{8}", TUTORIAL.read_text()))
    assert shown == ids


def test_the_configuration_does_not_change_what_the_first_run_is() -> None:
    [first, *_] = STEPS
    assert first.command == "dropexp train threads=1"
    [config] = compose_sweep(["regulariser=none"]).configs
    assert first.output.startswith(config.run_id)


def test_a_command_is_run_in_a_terminal_of_80_columns(tmp_path: Path) -> None:
    printed = run_in_terminal("test -t 1 && stty size < /dev/tty; echo 'two  '; pwd", tmp_path)
    assert printed.endswith(f"two\n{tmp_path}\n")


@pytest.mark.slow
def test_running_it_again_prints_the_same_but_for_numbers(tmp_path: Path) -> None:
    again = run_session(TUTORIAL, tmp_path)
    assert without_numbers(again) == without_numbers(TUTORIAL.read_text(encoding="utf-8"))
