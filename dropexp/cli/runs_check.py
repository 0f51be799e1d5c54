"""The command that checks run folders byte by byte, and repairs them. It imports no torch."""

import json
import time
from collections import Counter
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dropexp.cli.exit_codes import ExitCode
from dropexp.cli.options import RunsDir
from dropexp.errors import DropexpError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.text import Text

    from dropexp.cli.console import CommandConsole
    from dropexp.runs.checking import Checked
    from dropexp.runs.write import RunFolder

CHECK_HELP = (
    "Check that runs are whole: every file against the checksums that were written with it.\n\n"
    "[bold]dropexp runs check[/bold]\n\n"
    "Names each run whose config, metrics, weights, audit or summary is not as it was written, and "
    "files that a crash has left behind. With [bold]--repair[/bold], leftovers are removed, a "
    "config is rebuilt from a run of another seed where its checksum proves that it is the same, "
    "and any other damaged run is moved to .set-aside in the folder of runs, and trained again by "
    "its command. Nothing else is deleted. The exit code is 1 if a run is damaged and was not "
    "repaired."
)
_SECONDS_BETWEEN_UPDATES = 0.1
_MOST_COMMANDS = 5
_TRAINED_AGAIN = "the command that trained it trains it again"
_REMEDIES = {
    "newer": "update dropexp",
    "leftovers": "--repair removes them",
}


class CheckFormat(StrEnum):
    """How the results of a check are written."""

    TABLE = "table"
    JSON = "json"


def check(
    ids_or_filters: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IDS|FILTERS", help="Run ids, or key=value; all runs.", show_default=False
        ),
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Repair what is wrong.")] = False,
    format_: Annotated[
        CheckFormat, typer.Option("--format", "-f", help="Output format.")
    ] = CheckFormat.TABLE,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    from dropexp.cli.console import CommandConsole, print_text, print_warning
    from dropexp.terminal.plain_text import escape_in_json

    folders = _select(ids_or_filters or [], runs_dir)
    console = CommandConsole()
    checked = _check_all(folders, console)
    repairs = {one.run_id: _repair(one) for one in checked} if repair else {}
    shared = [] if ids_or_filters else _check_shared(runs_dir, repair=repair)
    if format_ is CheckFormat.JSON:
        rows = [_to_mapping(one, repairs.get(one.run_id, "")) for one in checked]
        print_text(escape_in_json(json.dumps(rows, indent=2, ensure_ascii=False)) + "\n")
        for sentence in shared:
            print_warning(sentence)
    else:
        _print_table(checked, repairs, shared, console)
    is_wrong = any(one.is_wrong and not _is_repaired(repairs.get(one.run_id)) for one in checked)
    if is_wrong or (shared and not repair):
        raise typer.Exit(ExitCode.FAILED)


def _select(ids_or_filters: list[str], runs_dir: Path) -> "Sequence[RunFolder]":
    from dropexp.cli.runs import select_by_ids_or_filters
    from dropexp.runs.listing import list_run_ids
    from dropexp.runs.write import RunFolder

    if not ids_or_filters:
        return [RunFolder(runs_dir, run_id) for run_id in list_run_ids(runs_dir)]
    return [run.folder for run, _ in select_by_ids_or_filters(ids_or_filters, runs_dir)]


def _check_all(folders: "Sequence[RunFolder]", console: "CommandConsole") -> "list[Checked]":
    """Check folders; on a terminal, show how far it is."""
    from dropexp.cli.live_block import make_bar_line
    from dropexp.runs.checking import check_runs

    checked: list[Checked] = []
    shown_at = time.monotonic()
    with console:
        for one in check_runs(folders):
            checked.append(one)
            if console.interactive and time.monotonic() - shown_at > _SECONDS_BETWEEN_UPDATES:
                shown_at = time.monotonic()
                counts = f"{len(checked)}/{len(folders)} runs"
                width = console.block_width
                bar = make_bar_line("checking", len(checked), len(folders), counts, width)
                console.show_block(bar, transient=True)
    return checked


def _repair(one: "Checked") -> str:
    """Repair a run; return what was done, or why nothing could be."""
    from dropexp.runs.repairing import Repair, repair_run

    try:
        done = repair_run(one)
    except DropexpError as error:
        return f"not repaired: {error}"
    if done is Repair.NOTHING:
        return _TRAINED_AGAIN if one.condition == "damaged" else ""
    return done.value


def _is_repaired(done: str | None) -> bool:
    from dropexp.runs.repairing import Repair

    return done in {Repair.REBUILT, Repair.RETRAIN, Repair.SET_ASIDE, Repair.UNLINKED}


def _check_shared(runs_dir: Path, *, repair: bool) -> list[str]:
    """Return what is wrong with the files that runs share, each with what was or can be done."""
    from dropexp.runs.checking import check_studies
    from dropexp.runs.repairing import remove_half_written_studies, set_study_aside

    if repair:
        remove_half_written_studies(runs_dir)
    found = []
    for path, reason in check_studies(runs_dir).items():
        if repair:
            set_study_aside(runs_dir, path)
            reason = f"{path} was damaged, and is set aside; the study's sweeps make it anew."
        found.append(reason)
    return found


def _to_mapping(one: "Checked", done: str) -> dict[str, Any]:
    return {
        "run_id": one.run_id,
        "folder": str(one.folder.path),
        "condition": one.condition.value,
        "damage": one.damage or None,
        "leftovers": list(one.leftovers),
        "note": one.note or None,
        "repair": done or None,
    }


def _print_table(
    checked: "Sequence[Checked]",
    repairs: "Mapping[str, str]",
    shared: "Sequence[str]",
    console: "CommandConsole",
) -> None:
    from rich.text import Text

    from dropexp.terminal.tables import Column, format_table

    def what(one: "Checked") -> str:
        left = f"left over: {', '.join(one.leftovers)}" if one.leftovers else ""
        return "; ".join(filter(None, (one.damage, left, one.note)))

    def remedy(one: "Checked") -> str:
        if one.folder.path.is_symlink():
            return "--repair removes the link, never what it leads to"
        return repairs.get(one.run_id, "" if repairs else _propose(one))

    columns: tuple[Column[Checked], ...] = (
        Column("run", lambda one: one.run_id, align="left", is_required=True),
        Column("what", what, align="left", is_required=True, wrap_to=30),
        Column("to do" if not repairs else "done", remedy, align="left", wrap_to=20),
    )
    told = [one for one in checked if what(one)]
    if told:
        table = format_table(columns, told, width=console.width, row_style=_style)
        console.print_lines([*table, Text()])
    for sentence in shared:
        console.print_sentence(Text(sentence, "red"))
    console.print_line(_count(checked, repairs))
    console.print_lines(_list_commands(checked, repairs))


def _propose(one: "Checked") -> str:
    """Return what --repair will do about a run, or what its user can."""
    from dropexp.runs.files import CONFIG

    if one.condition != "damaged":
        return _REMEDIES.get(one.condition, "")
    if one.folder.path.is_symlink():
        return "remove the link"
    if not one.folder.is_finished:
        return _TRAINED_AGAIN
    # Nothing but the config can be told from other runs.
    is_config = one.damage.startswith(CONFIG) and "," not in one.damage
    rebuilds = "rebuilds it from a run of another seed, or " if is_config else ""
    return f"--repair {rebuilds}sets the run aside; {_TRAINED_AGAIN}"


def _list_commands(checked: "Sequence[Checked]", repairs: "Mapping[str, str]") -> "list[Text]":
    """Return the commands that train the runs again that were set aside."""
    from rich.text import Text

    from dropexp.compare.provenance import find_sweeps
    from dropexp.runs.overrides import find_training_command
    from dropexp.runs.repairing import Repair

    again = [one.folder for one in checked if repairs.get(one.run_id) == Repair.RETRAIN]
    sweeps, swept = find_sweeps({folder.run_id: folder.path for folder in again})
    others = (find_training_command(folder) for folder in again if folder.run_id not in swept)
    commands = [*sweeps, *filter(None, islice(others, _MOST_COMMANDS + 1))]
    lines = [
        f"{'' if number else 'next':<8}{command}"
        for number, command in enumerate(commands[:_MOST_COMMANDS])
    ]
    if len(commands) > _MOST_COMMANDS:
        lines.append("        and more: dropexp runs status=interrupted lists the runs")
    return list(map(Text, lines))


def _style(one: "Checked") -> str:
    return "red" if one.is_wrong else ""


def _count(checked: "Sequence[Checked]", repairs: "Mapping[str, str]") -> "Text":
    """Return how many runs are in which condition; what was repaired counts as what was done."""
    from rich.text import Text

    from dropexp.runs.checking import Condition
    from dropexp.runs.repairing import SET_ASIDE, Repair
    from dropexp.terminal.numbers import format_count

    words: dict[str, str] = {
        Condition.LEFTOVERS: "with leftovers",
        Condition.NEWER: "of a later dropexp",
        Repair.TIDIED: "tidied",
        Repair.REBUILT: "rebuilt",
        Repair.SET_ASIDE: "set aside",
    }
    conditions = [*Condition, Repair.TIDIED, Repair.REBUILT, Repair.SET_ASIDE]
    same = {Repair.RETRAIN: Repair.SET_ASIDE}
    done = {each.value: same.get(each, each) for each in Repair if each is not Repair.NOTHING}
    counts = Counter(done.get(repairs.get(one.run_id, ""), one.condition) for one in checked)
    parts = [f"{counts[each]} {words.get(each, each)}" for each in conditions if counts[each]]
    places = {str(one.folder.path.parent / SET_ASIDE) for one in checked}
    if counts[Repair.SET_ASIDE]:
        parts[-1] += f" in {', '.join(sorted(places))}"
    return Text(f"{format_count(len(checked), 'run')} checked: {', '.join(parts) or 'none'}")
