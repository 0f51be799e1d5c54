"""The command that trains a finished run again and compares the numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from dropexp.cli.exit_codes import ExitCode
from dropexp.cli.options import Overrides, RunId, RunsDir
from dropexp.errors import UserError
from dropexp.terminal.numbers import format_count
from dropexp.terminal.tables import Column, format_table

if TYPE_CHECKING:
    from dropexp.runs.write import RunFolder
    from dropexp.training.agreement import Agreement, MetricDifference
    from dropexp.training.rerun import RerunResult

RERUN_HELP = (
    "Train a finished run again and compare the numbers.\n\n"
    "[bold]dropexp rerun 6f3a0c1e device=cuda[/bold]\n\n"
    "ID may be a run folder, for example one that was copied from another machine. Overrides may "
    "set device, threads, deterministic, data.root, data.download and tensorboard.*. Exit code 0: "
    "the numbers are identical or agree within rounding; 1: they do not agree."
)


def rerun(
    run_id: RunId,
    overrides: Overrides = None,
    into: Annotated[Path | None, typer.Option(help="Keep the new run in this folder.")] = None,
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
        from dropexp.cli.run_console import print_error

        print_error("interrupted; nothing was compared")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if not agrees:
        raise typer.Exit(ExitCode.FAILED)


def _rerun(folder: "RunFolder", overrides: list[str], into: Path, *, is_kept: bool) -> bool:
    from dropexp.cli.run_console import RunConsole
    from dropexp.training.agreement import AgreementVerdict
    from dropexp.training.rerun import (
        build_rerun_config,
        list_caveats,
        read_recorded_run,
        rerun,
    )

    recorded = read_recorded_run(folder)
    config = build_rerun_config(recorded, overrides, into, is_kept=is_kept)
    with RunConsole() as console:
        for caveat in list_caveats(recorded):
            console.warn(caveat)
        done = rerun(recorded, config, console)
    console.print_lines(format_rerun(done))
    return done.agreement.verdict is not AgreementVerdict.DIFFERS


def format_rerun(done: "RerunResult") -> list[Text]:
    """Return the verdict in words; where numbers differ, with the largest differences."""
    from dropexp.training.agreement import AgreementVerdict

    agreement = done.agreement
    lines = [_verdict_line(agreement)]
    recorded, now = agreement.epochs
    if recorded != now:
        lines.append(Text(f"  epochs: {recorded} recorded, {now} now"))
    if agreement.best_epochs[0] != agreement.best_epochs[1]:
        before, after = (epoch or "none" for epoch in agreement.best_epochs)
        lines.append(Text(f"  best epoch: {before} recorded, {after} now"))
    if agreement.differences and agreement.verdict is AgreementVerdict.DIFFERS:
        lines += [Text(), *_difference_table(agreement.differences)]
    if agreement.verdict is not AgreementVerdict.IDENTICAL:
        lines += [Text(), *_environment_table(done.environment)]
    return lines


def _verdict_line(agreement: "Agreement") -> Text:
    from dropexp.training.agreement import ACCURACY_TOLERANCE, RELATIVE_TOLERANCE, AgreementVerdict

    epochs = format_count(agreement.epochs[0], "epoch")
    if agreement.verdict is AgreementVerdict.IDENTICAL:
        return Text.assemble(
            ("identical", "bold green"), f": every number of {epochs} is as recorded"
        )
    if agreement.verdict is AgreementVerdict.DIFFERS:
        return Text.assemble(
            ("does not agree", "bold red"),
            f": a loss may differ by {RELATIVE_TOLERANCE:g} of its value, "
            f"an accuracy by {ACCURACY_TOLERANCE:g}",
        )
    largest = agreement.largest
    if largest is None:
        return Text.assemble(
            ("agrees", "bold green"), f": every number of {epochs} but the best epoch"
        )
    return Text.assemble(
        ("agrees", "bold green"),
        f" to within {largest.size:.2g} over {epochs} "
        f"(the largest difference: {largest.metric}, {largest.where})",
    )


def _difference_table(differences: "Sequence[MetricDifference]") -> list[Text]:
    columns: tuple[Column[MetricDifference], ...] = (
        Column("largest difference in", lambda each: each.metric, align="left"),
        Column("at", lambda each: each.where, align="left"),
        Column("recorded", lambda each: f"{each.recorded:.6g}"),
        Column("now", lambda each: f"{each.now:.6g}"),
        Column("difference", lambda each: f"{each.size:.2g}"),
        Column("", lambda each: "" if each.is_tolerable else "too large", align="left"),
    )
    return format_table(columns, differences, indent=2)


def _environment_table(differing: Mapping[str, tuple[Any, Any]]) -> list[Text]:
    if not differing:
        return [Text("the recorded machine and versions are the same as these")]
    columns: tuple[Column[tuple[str, tuple[Any, Any]]], ...] = (
        Column("environment", lambda item: item[0], align="left"),
        Column("recorded", lambda item: str(item[1][0]), align="left"),
        Column("now", lambda item: str(item[1][1]), align="left"),
    )
    return format_table(columns, list(differing.items()), indent=2)
