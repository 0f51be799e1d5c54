"""The commands that look after runs: list, show, remove.

Everything heavy is imported by the command that needs it; only rerun needs torch.
"""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from dropexp.cli.exit_codes import ExitCode
from dropexp.cli.options import RunId, RunsDir
from dropexp.errors import FilterError, NoSuchRunError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dropexp.cli.run_console import RunConsole
    from dropexp.runs.listing import ListedRun


class _ListsByDefault(TyperGroup):
    """``runs p=0.3`` is ``runs list p=0.3``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in {*self.commands, "-h", "--help"}:
            args = ["list", *args]
        return super().parse_args(ctx, args)


class Format(StrEnum):
    """How a list is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


_FILTER_HELP = (
    "A filter is [bold]key=value[/bold]: any field of the configuration "
    "([bold]data.train_size=400[/bold]), a group ([bold]regulariser=dropout2d model=mlp[/bold]), "
    "p, seed, study, a result ([bold]test_acc[/bold], [bold]last.val_loss[/bold]), changed, or "
    "status (finished, diverged, interrupted, running, failed, damaged). [bold]p=0.1,0.3[/bold] "
    "means either value, [bold]p!=0.1,0.3[/bold] neither. What has < or > must be quoted in a "
    "shell: [bold]'p>=0.3'[/bold], [bold]'changed<2026-01-31'[/bold]. Runs must pass all filters."
)
_RUNS_HELP = (
    "List, show and remove runs; without a further command, list them.\n\n"
    "[bold]dropexp runs regulariser=dropout2d 'p>=0.3' --sort test_loss --format csv[/bold]\n\n"
    f"{_FILTER_HELP}\n\n[bold]dropexp runs list --help[/bold] tells about sorting and formats."
)
_LIST_HELP = (
    "List runs of every status, the one changed last at the end.\n\n"
    f"{_FILTER_HELP}\n\n"
    "The table leaves out columns that a narrow terminal has no room for, and none where its "
    "output goes to a file or another command; csv and json hold every result and every field."
)
_RM_HELP = (
    "Remove runs, given by their ids or by filters, after asking.\n\n"
    "Only run folders that lie in the folder of run folders are removed, and none that a process "
    f"is training.\n\n{_FILTER_HELP}"
)
runs = typer.Typer(
    name="runs",
    cls=_ListsByDefault,
    no_args_is_help=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help=_RUNS_HELP,
)


@runs.command("list", help=_LIST_HELP)
def list_(
    filters: Annotated[
        list[str] | None, typer.Argument(metavar="FILTERS", show_default=False)
    ] = None,
    sort: Annotated[
        str,
        typer.Option(
            "--sort", "-s", help="A column or field; -KEY from high to low. Missing values go last."
        ),
    ] = "changed",
    reverse: Annotated[bool, typer.Option("--reverse", help="The other way round.")] = False,
    format_: Annotated[
        Format, typer.Option("--format", "-f", help="csv and json hold everything.")
    ] = Format.TABLE,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    from dropexp.runs.selection import select_runs, sort_runs

    _refuse_late_command(filters or [])
    found = _listed(runs_dir)
    chosen = select_runs(sort_runs(found, sort, reverse=reverse), filters or []) if found else []
    _print_list(chosen, found, format_, runs_dir)


@runs.command()
def show(run_id: RunId, runs_dir: RunsDir = Path("runs")) -> None:
    """Show all about one run: configuration, results, curves, audit, machine, files."""
    from rich.text import Text

    from dropexp.cli.run_console import RunConsole
    from dropexp.cli.run_details import (
        audit_lines,
        changed_field_lines,
        environment_lines,
        error_lines,
        file_lines,
    )
    from dropexp.cli.run_lists import STATUS_STYLES
    from dropexp.runs.listing import find_run, read_run
    from dropexp.runs.overrides import find_changed_fields, find_training_command
    from dropexp.terminal.numbers import format_time

    folder = find_run(runs_dir, run_id)
    run = read_run(folder)
    if run is None:
        raise NoSuchRunError(f"{folder.path} is empty: nothing has been written to it yet.")
    console = RunConsole()
    status = (run.status.value, STATUS_STYLES[run.status])
    heading = Text.assemble((run.run_id, "bold"), "  ", status, f" {format_time(run.changed)}")
    console.lines([heading, Text()])
    if run.config:
        console.lines(changed_field_lines(find_changed_fields(run.config)))
    _show_results(run, console)
    sections = [
        error_lines(run),
        audit_lines(folder, console.width),
        environment_lines(folder.read_environment()),
    ]
    for section in [*sections, file_lines(folder)]:
        console.lines([Text(), *section] if section else [])
    command = find_training_command(folder)
    if command is not None:
        console.lines([Text(), Text.assemble("trained by  ", (command, "bold"))])


def _show_results(run: "ListedRun", console: "RunConsole") -> None:
    from rich.text import Text

    from dropexp.cli.run_tables import divergence
    from dropexp.errors import StoreError
    from dropexp.runs.records import RunStatus

    try:
        records = run.folder.read_records()
    except StoreError as error:
        records = []
        if run.summary is not None:
            console.warn(str(error))
    if run.summary is not None:
        if run.summary.status is RunStatus.DIVERGED and records:
            console.lines([Text(), Text(divergence(records), style="red")])
        console.measured(run.summary, records)
        return
    asked = run.config.get("train.epochs")
    console.lines([Text(), Text(f"{len(records)} of {asked} epochs")] if asked else [])
    console.curves(records)


@runs.command(help=_RM_HELP)
def rm(
    words: Annotated[list[str], typer.Argument(metavar="IDS|FILTERS", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    from dropexp.cli.run_console import RunConsole
    from dropexp.cli.run_lists import removal_table
    from dropexp.runs.removal import compute_folder_size, explain_refusal, remove_run
    from dropexp.terminal.numbers import format_count, format_size

    chosen = _meant(words, runs_dir)
    if not chosen:
        typer.echo(f"no run in {runs_dir} matches {' '.join(words)}; nothing was removed")
    refusals = {run.run_id: explain_refusal(run.folder, runs_dir) for run in chosen}
    kept = _said(refusals.values())
    removable = [run for run in chosen if not refusals[run.run_id]]
    if removable:
        sizes = {run.run_id: compute_folder_size(run.folder.path) for run in removable}
        RunConsole().lines(removal_table(removable, sizes))
        total = format_size(sum(sizes.values()))
        if not yes and not _agreed(f"{format_count(len(removable), 'run')}, {total}"):
            typer.echo("nothing was removed")
            return
        failed = _said(remove_run(run.folder) for run in removable)
        typer.echo(f"{len(removable) - failed} of {format_count(len(chosen), 'run')} removed")
        kept += failed
    if kept:
        raise typer.Exit(ExitCode.FAILED)


# --- parts -------------------------------------------------------------------------------


def _listed(runs_dir: Path) -> "list[ListedRun]":
    """All runs of a folder; what is damaged is said on stderr."""
    from dropexp.cli.run_console import warning
    from dropexp.runs.listing import list_runs

    found = list_runs(runs_dir)
    for run in found:
        if run.problem:
            warning(run.problem)
    return found


def _refuse_late_command(words: list[str]) -> None:
    for word in words:
        if word in ("list", "show", "rm"):
            raise FilterError(f"{word} goes right after runs: dropexp runs {word} …")


def _print_list(
    chosen: "list[ListedRun]", found: "list[ListedRun]", format_: Format, runs_dir: Path
) -> None:
    from dropexp.cli.run_console import RunConsole
    from dropexp.cli.run_lists import list_table
    from dropexp.runs.export import to_csv, to_json

    if format_ is not Format.TABLE:
        typer.echo((to_csv if format_ is Format.CSV else to_json)(chosen, found), nl=False)
    elif chosen:
        console = RunConsole()
        console.lines(list_table(chosen, console.width))
    elif found:
        typer.echo(f"none of the {len(found)} runs in {runs_dir} passes the filters")
    else:
        typer.echo(f"{runs_dir} holds no runs; dropexp train makes one.")


def _meant(words: list[str], runs_dir: Path) -> "list[ListedRun]":
    """The runs that ids or filters mean.

    Raises:
        UserError: ids and filters are mixed, an id is unknown, or a filter is not one.
    """
    from dropexp.runs.listing import find_run, read_run
    from dropexp.runs.selection import is_filter, select_runs

    filters = [word for word in words if is_filter(word)]
    if filters and len(filters) < len(words):
        raise FilterError(f"{' '.join(words)} has both ids and filters; give one or the other.")
    if filters:
        return select_runs(_listed(runs_dir), filters)
    folders = {folder.path.absolute(): folder for folder in (find_run(runs_dir, w) for w in words)}
    found = {folder: read_run(folder) for folder in folders.values()}
    for folder, run in found.items():
        if run is None:
            raise NoSuchRunError(f"{folder.path} is empty and not a run.")
    return [run for run in found.values() if run is not None]


def _said(reasons: "Iterable[str]") -> int:
    """Print what is not empty as errors; answers how many there were."""
    from dropexp.cli.run_console import error

    said = [reason for reason in reasons if reason]
    for reason in said:
        error(reason)
    return len(said)


def _agreed(what: str) -> bool:
    if not sys.stdin.isatty():
        raise UserError(f"nobody is there to be asked about removing {what}; --yes removes them.")
    return typer.confirm(f"Remove {what}?", default=False)
