"""The commands that list, show, check and remove runs. None of them imports torch."""

import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.exit_codes import ExitCode
from dropexp.cli.help_layout import ListsByDefault, PlainHelpCommand
from dropexp.cli.options import RunId, RunsDir, complete_filter, complete_run_id
from dropexp.cli.runs_check import CHECK_HELP, check
from dropexp.errors import FilterError, RunIdError, UserError
from dropexp.training.startup import keep

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dropexp.cli.run_console import RunConsole
    from dropexp.runs.listed_run import ListedRun


class ListFormat(StrEnum):
    """How a list of runs is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


_FILTER_HELP = (
    "A filter is [bold]key=value[/bold]. The key is a field of the config, a group, p, seed, "
    "study, status, changed or a result. A run must pass all filters:\n\n"
    "[bold]regulariser=dropout2d[/bold]  the choice of a group\n"
    "[bold]data.train_size=400[/bold]    a field of the config\n"
    "[bold]p=0.1,0.3[/bold]              one of these values; p!=0.1,0.3: none of them\n"
    "[bold]'test_acc>=0.9'[/bold]        a result at the best epoch; quote < and > in a shell\n"
    "[bold]'last.val_loss<1'[/bold]      a result at the last epoch\n"
    "[bold]'changed<2026-01-31'[/bold]   before a day; 2026-01-31T18:30, today, yesterday\n"
    "[bold]status=failed[/bold]          or finished, diverged, interrupted, running, damaged\n"
    "[bold]study=first[/bold]            the runs of a study"
)
RUNS_DETAILS = (
    "[bold]dropexp runs regulariser=dropout2d 'p>=0.3' --sort test_loss[/bold]\n\n"
    f"Without a command, runs are listed. {_FILTER_HELP}\n\n"
    "[bold]dropexp runs list --help[/bold] describes sorting and formats."
)
_LIST_HELP = (
    "List runs of every status; filter and sort them.\n\n"
    "[bold]dropexp runs list regulariser=dropout2d 'p>=0.3' --format csv[/bold]\n\n"
    f"{_FILTER_HELP}\n\n"
    "On a narrow terminal the table drops its last columns. csv and json hold every field of the "
    "config and every result."
)
_SHOW_HELP = (
    "Show one run: config, results, curves, audit, machine, files.\n\n"
    "[bold]dropexp runs show 6f3a0c1e[/bold]"
)
_RM_HELP = (
    "Remove runs by id or by filter, after asking.\n\n"
    "[bold]dropexp runs rm status=failed[/bold]\n\n"
    "Only folders of runs in --runs-dir are removed, and none that a process is training.\n\n"
    f"{_FILTER_HELP}"
)

runs = typer.Typer(
    cls=ListsByDefault,
    no_args_is_help=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@runs.command("list", cls=PlainHelpCommand, help=_LIST_HELP)
def list_(
    filters: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILTERS",
            help="key=value.",
            show_default=False,
            autocompletion=complete_filter,
        ),
    ] = None,
    sort: Annotated[
        str,
        typer.Option("--sort", "-s", metavar="KEY", help="Field to sort by; -KEY: descending."),
    ] = "changed",
    reverse: Annotated[bool, typer.Option("--reverse", help="Reverse the order.")] = False,
    format_: Annotated[
        ListFormat, typer.Option("--format", "-f", help="Output format.")
    ] = ListFormat.TABLE,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    from dropexp.cli.console import print_text
    from dropexp.runs.selection import explain_no_match, select_runs, sort_runs

    _refuse_late_command(filters or [])
    needs_ledger = format_ is ListFormat.TABLE and not filters
    all_runs = keep(_list_runs(runs_dir, with_ledger=needs_ledger))
    selected = []
    if all_runs:
        selected = select_runs(sort_runs(all_runs, sort, reverse=reverse), filters or [])
    if not selected and all_runs and format_ is ListFormat.TABLE:
        print_text(f"{explain_no_match(all_runs, filters or [], str(runs_dir))}\n")
        return
    _print_list(selected, all_runs, format_, runs_dir)
    if needs_ledger:
        _print_unfinished(all_runs, runs_dir)


@runs.command(cls=PlainHelpCommand, help=_SHOW_HELP)
def show(run_id: RunId, runs_dir: RunsDir = Path("runs")) -> None:
    from rich.text import Text

    from dropexp.cli.run_console import RunConsole
    from dropexp.cli.run_details import (
        format_changed_fields,
        format_error,
        format_files,
        format_fine_tuning,
        format_stored_audit,
        format_stored_environment,
        format_variance_shifts,
    )
    from dropexp.cli.run_lists import STATUS_STYLES
    from dropexp.runs.listing import find_run, read_run
    from dropexp.runs.overrides import find_changed_fields, find_training_command
    from dropexp.terminal.numbers import format_time

    folder = find_run(runs_dir, run_id)
    run = read_run(folder)
    if run is None:
        raise RunIdError(f"{folder.path} is empty: nothing has been written to it yet.")
    console = RunConsole()
    status = (run.status.value, STATUS_STYLES[run.status])
    heading = Text.assemble((run.run_id, "bold"), "  ", status, f" {format_time(run.changed)}")
    console.print_lines([heading, Text()])
    if run.config:
        console.print_lines(format_changed_fields(find_changed_fields(run.config)))
    _show_results(run, console)
    for section in (
        format_error(run),
        format_stored_audit(folder, console.width),
        format_variance_shifts(folder),
        format_fine_tuning(folder),
        format_stored_environment(folder),
        format_files(folder),
    ):
        console.print_lines([Text(), *section] if section else [])
    command = find_training_command(folder)
    if command is not None:
        console.print_lines([Text(), Text.assemble("trained by  ", (command, "bold"))])


def _show_results(run: "ListedRun", console: "RunConsole") -> None:
    from rich.text import Text

    from dropexp.cli.run_tables import describe_divergence
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
            console.print_lines([Text(), Text(describe_divergence(records), style="red")])
        console.show_results(run.summary, records)
        return
    epochs = run.config.get("train.epochs")
    console.print_lines([Text(), Text(f"{len(records)} of {epochs} epochs")] if epochs else [])
    console.show_curves(records)


runs.command(cls=PlainHelpCommand, help=CHECK_HELP)(check)


@runs.command(cls=PlainHelpCommand, help=_RM_HELP)
def rm(
    ids_or_filters: Annotated[
        list[str],
        typer.Argument(
            metavar="IDS|FILTERS",
            help="Run ids, or key=value.",
            show_default=False,
            autocompletion=complete_run_id,
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    from rich.text import Text

    from dropexp.cli.console import CommandConsole
    from dropexp.cli.run_lists import format_removals
    from dropexp.runs.listing import list_runs
    from dropexp.runs.removal import compute_folder_size, explain_refusal, remove_run
    from dropexp.runs.selection import explain_no_match
    from dropexp.terminal.numbers import format_count, format_size

    chosen = select_by_ids_or_filters(ids_or_filters, runs_dir)
    selected = [run for run, _ in chosen]
    if not selected:
        reason = explain_no_match(list_runs(runs_dir), ids_or_filters, str(runs_dir))
        CommandConsole().print_sentence(Text(f"{reason} Nothing was removed."))
    refusals = {run.run_id: explain_refusal(run.folder, runs_dir) for run in selected}
    kept = _print_errors(refusals.values())
    removable = [run for run in selected if not refusals[run.run_id]]
    if removable:
        reasons = {run.run_id: reason for run, reason in chosen}
        sizes = {run.run_id: compute_folder_size(run.folder.path) for run in removable}
        console = CommandConsole()
        console.print_lines(format_removals(removable, sizes, reasons, console.width))
        total = f"{format_count(len(removable), 'run')}, {format_size(sum(sizes.values()))}"
        if not yes and not _confirm_removal(total):
            typer.echo("nothing was removed")
            return
        failed = _print_errors(remove_run(run.folder) for run in removable)
        removed = len(removable) - failed
        typer.echo(f"{removed} of {format_count(len(selected), 'run')} removed")
        kept += failed
    if kept:
        raise typer.Exit(ExitCode.FAILED)


# --- parts -------------------------------------------------------------------------------


def _list_runs(runs_dir: Path, *, with_ledger: bool = False) -> "list[ListedRun]":
    """Return all runs of a folder; print a warning for each damaged one.

    Args:
        runs_dir: the folder.
        with_ledger: whether its ledger is read afterwards, which may be done meanwhile.
    """
    from dropexp.cli.console import print_warning
    from dropexp.runs.ledger import read_ledger
    from dropexp.runs.listing import list_runs

    meanwhile = partial(read_ledger, runs_dir) if with_ledger else None
    all_runs = list_runs(runs_dir, meanwhile=meanwhile)
    for run in all_runs:
        if run.problem:
            print_warning(run.problem)
    return all_runs


def _refuse_late_command(filters: list[str]) -> None:
    for word in filters:
        if word in ("list", "show", "check", "rm"):
            raise FilterError(f"{word} goes right after runs: dropexp runs {word} …")


def _print_unfinished(all_runs: "list[ListedRun]", runs_dir: Path) -> None:
    """Say which studies have runs that wait, which have no folder yet."""
    from rich.text import Text

    from dropexp.cli.console import CommandConsole
    from dropexp.runs.ledger import read_ledger
    from dropexp.runs.unfinished import describe_unfinished

    finished = {run.run_id for run in all_runs if run.has_results}
    others = [run for run in all_runs if not run.has_results]
    ledgers = {runs_dir: read_ledger(runs_dir)}
    for sentence in describe_unfinished(finished, others, ledgers, None):
        CommandConsole().print_sentence(Text(sentence))


def _print_list(
    selected: "list[ListedRun]", all_runs: "list[ListedRun]", format_: ListFormat, runs_dir: Path
) -> None:
    from dropexp.cli.console import CommandConsole, print_text
    from dropexp.cli.run_lists import format_run_list
    from dropexp.runs.export import to_csv, to_json

    if format_ is ListFormat.CSV:
        print_text(to_csv(selected, all_runs))
    elif format_ is ListFormat.JSON:
        print_text(to_json(selected, all_runs))
    elif selected:
        console = CommandConsole()
        console.print_lines(format_run_list(selected, console.width))
    else:
        print_text(f"{runs_dir} holds no runs; dropexp train makes one.\n")


def select_by_ids_or_filters(
    ids_or_filters: list[str], runs_dir: Path
) -> "list[tuple[ListedRun, str]]":
    """Return the runs with these ids, or those that pass these filters, each with what chose it.

    Raises:
        UserError: ids and filters are mixed, an id is unknown, or a filter is not one.
    """
    from dropexp.runs.listing import find_run, read_run
    from dropexp.runs.selection import is_filter, select_runs

    filters = [word for word in ids_or_filters if is_filter(word)]
    if filters and len(filters) < len(ids_or_filters):
        raise FilterError(
            f"{' '.join(ids_or_filters)} has both ids and filters; give one or the other."
        )
    if filters:
        reason = " ".join(filters)
        return [(run, reason) for run in select_runs(_list_runs(runs_dir), filters)]
    named = [(find_run(runs_dir, run_id), run_id) for run_id in ids_or_filters]
    folders = {folder.path.absolute(): (folder, run_id) for folder, run_id in named}
    selected = []
    for folder, run_id in folders.values():
        run = read_run(folder)
        if run is None:
            raise RunIdError(f"{folder.path} is empty and not a run.")
        selected.append((run, run_id))
    return selected


def _print_errors(reasons: "Iterable[str]") -> int:
    """Print each reason that is not empty as an error; return how many there were."""
    from dropexp.cli.console import print_error

    errors = [reason for reason in reasons if reason]
    for reason in errors:
        print_error(reason)
    return len(errors)


def _confirm_removal(what: str) -> bool:
    """Ask on the terminal whether to remove ``3 runs, 1.2 MB``.

    Raises:
        UserError: there is no terminal to ask on.
    """
    if not sys.stdin.isatty():
        raise UserError(f"there is no terminal to ask on; --yes removes {what} without asking.")
    return typer.confirm(f"Remove {what}?", default=False)
