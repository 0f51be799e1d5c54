"""The commands that look after runs: list, show, remove, run again.

Everything heavy is imported by the command that needs it; only rerun needs torch.
"""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from dropexp.cli.exit_codes import ExitCode
from dropexp.cli.options import RunsDir
from dropexp.errors import FilterError, NoSuchRunError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dropexp.cli.run_console import RunConsole
    from dropexp.runs.listing import ListedRun
    from dropexp.runs.write import RunFolder


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
RERUN_HELP = (
    "Train a finished run once more, and say whether the numbers agree.\n\n"
    "[bold]dropexp rerun 6f3a0c1e device=cuda[/bold]\n\n"
    "It works with a folder copied from another machine, too: give its path. Where and how to "
    "train may be overridden: device, threads, deterministic, data.root, data.download, "
    "tensorboard.*. Exit code 0: identical, or agrees but for rounding; 1: does not agree."
)

RunId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="The beginning of a run's id or of its last eight digits, or the path of its folder.",
        show_default=False,
    ),
]

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
    from dropexp.runs.selection import ordered, select

    _refuse_late_command(filters or [])
    found = _listed(runs_dir)
    chosen = select(ordered(found, sort, reverse=reverse), filters or []) if found else []
    _print_list(chosen, found, format_, runs_dir)


@runs.command()
def show(run_id: RunId, runs_dir: RunsDir = Path("runs")) -> None:
    """Show all about one run: configuration, results, curves, audit, machine, files."""
    from rich.text import Text

    from dropexp.cli.run_console import RunConsole
    from dropexp.runs.details import (
        audit_lines,
        difference_lines,
        differences,
        environment_lines,
        error_lines,
        file_lines,
        training_command,
    )
    from dropexp.runs.listing import find_run, listed
    from dropexp.runs.tables import STYLES, minute

    folder = find_run(runs_dir, run_id)
    run = listed(folder)
    if run is None:
        raise NoSuchRunError(f"{folder.path} is empty: nothing has been written to it yet.")
    console = RunConsole()
    status = Text.assemble((run.status.value, STYLES[run.status]), f" {minute(run.changed)}")
    console.lines([Text.assemble((run.run_id, "bold"), "  ", status), Text()])
    if run.config:
        console.lines(difference_lines(differences(run.config)))
    _show_results(run, console)
    sections = [
        error_lines(run),
        audit_lines(folder, console.width),
        environment_lines(folder.read_environment()),
    ]
    for section in [*sections, file_lines(folder)]:
        console.lines([Text(), *section] if section else [])
    command = training_command(folder)
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
            console.warning(str(error))
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
    from dropexp.runs.removal import folder_size, refusal, remove
    from dropexp.runs.tables import removal_list, size

    chosen = _meant(words, runs_dir)
    if not chosen:
        typer.echo(f"no run in {runs_dir} matches {' '.join(words)}; nothing was removed")
    refusals = {run.run_id: refusal(run.folder, runs_dir) for run in chosen}
    kept = _said(refusals.values())
    removable = [run for run in chosen if not refusals[run.run_id]]
    if removable:
        sizes = {run.run_id: folder_size(run.folder.path) for run in removable}
        RunConsole().lines(removal_list(sizes, removable))
        if not yes and not _agreed(f"{_count(removable)}, {size(sum(sizes.values()))}"):
            typer.echo("nothing was removed")
            return
        failed = _said(remove(run.folder) for run in removable)
        typer.echo(f"{len(removable) - failed} of {_count(chosen)} removed")
        kept += failed
    if kept:
        raise typer.Exit(ExitCode.FAILED)


def rerun(
    run_id: RunId,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="OVERRIDES", show_default=False)
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(help="Train in this folder and keep it; without, nothing is kept."),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    from tempfile import TemporaryDirectory

    from dropexp.runs.listing import find_run

    folder = find_run(runs_dir, run_id)
    try:
        if into is not None:
            if into.resolve() == folder.path.resolve().parent:
                raise UserError(f"--into {into} is the folder that the run is in; choose another.")
            agrees = _rerun(folder, overrides or [], into, is_kept=True)
        else:
            with TemporaryDirectory(prefix="dropexp-rerun-") as temporary:
                agrees = _rerun(folder, overrides or [], Path(temporary), is_kept=False)
    except KeyboardInterrupt:
        from dropexp.cli.run_console import error

        error("interrupted; nothing was compared")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if not agrees:
        raise typer.Exit(ExitCode.FAILED)


def _rerun(folder: "RunFolder", overrides: list[str], into: Path, *, is_kept: bool) -> bool:
    from dropexp.cli.run_console import RunConsole
    from dropexp.training.agreement import Verdict
    from dropexp.training.rerun import config_to_rerun, doubts, recorded, rerun, verdict_lines

    known = recorded(folder)
    config = config_to_rerun(known, overrides, into, is_kept=is_kept)
    with RunConsole() as console:
        for doubt in doubts(known):
            console.warning(doubt)
        done = rerun(known, config, console)
    console.lines(verdict_lines(done))
    return done.agreement.verdict is not Verdict.DIFFERS


# --- parts -------------------------------------------------------------------------------


def _listed(runs_dir: Path) -> "list[ListedRun]":
    """All runs of a folder; what is damaged is said on stderr."""
    from dropexp.cli.run_console import warning
    from dropexp.runs.listing import listed_runs

    found = listed_runs(runs_dir)
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
    from dropexp.runs.tables import as_csv, as_json, table

    if format_ is not Format.TABLE:
        typer.echo((as_csv if format_ is Format.CSV else as_json)(chosen, found), nl=False)
    elif chosen:
        console = RunConsole()
        console.lines(table(chosen, console.width))
    elif found:
        typer.echo(f"none of the {len(found)} runs in {runs_dir} passes the filters")
    else:
        typer.echo(f"{runs_dir} holds no runs; dropexp train makes one.")


def _meant(words: list[str], runs_dir: Path) -> "list[ListedRun]":
    """The runs that ids or filters mean.

    Raises:
        UserError: ids and filters are mixed, an id is unknown, or a filter is not one.
    """
    from dropexp.runs.listing import find_run, listed
    from dropexp.runs.selection import is_filter, select

    filters = [word for word in words if is_filter(word)]
    if filters and len(filters) < len(words):
        raise FilterError(f"{' '.join(words)} has both ids and filters; give one or the other.")
    if filters:
        return select(_listed(runs_dir), filters)
    folders = {folder.path.absolute(): folder for folder in (find_run(runs_dir, w) for w in words)}
    found = {folder: listed(folder) for folder in folders.values()}
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


def _count(runs: "list[ListedRun]") -> str:
    return f"{len(runs)} run{'' if len(runs) == 1 else 's'}"
