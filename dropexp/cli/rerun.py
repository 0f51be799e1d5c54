"""The command that trains a finished run again and compares the numbers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.exit_codes import ExitCode
from dropexp.cli.options import ConfigDirOption, Overrides, RunId, RunsDir, TrustOption
from dropexp.errors import UserError

if TYPE_CHECKING:
    from dropexp.runs.write import RunFolder

RERUN_DETAILS = (
    "[bold]dropexp rerun 6f3a0c1e device=cuda[/bold]\n\n"
    "ID may be a run folder, for example one that was copied from another machine. Overrides may "
    "set device, threads, deterministic, data.root, data.download, model.weights and "
    "tensorboard.*. Exit code 0: the numbers are identical or agree within rounding; 1: they do "
    "not agree. Another processor or number of threads rounds sums in another order, and training "
    "amplifies that.\n\n"
    "A folder from somebody else may name code to run or files to read. What you have not used on "
    "this machine is shown and refused, unless you say --trust."
)


def rerun(
    run_id: RunId,
    overrides: Overrides = None,
    _config_dir: ConfigDirOption = None,
    into: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep the new run in this folder.")
    ] = None,
    trust: TrustOption = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    from tempfile import TemporaryDirectory

    from dropexp.runs.listing import find_run

    folder = find_run(runs_dir, run_id)
    try:
        if into is not None:
            if into.resolve() == folder.path.resolve().parent:
                raise UserError(f"--into {into} is the folder that the run is in; choose another.")
            agrees = _rerun(folder, overrides or [], into, is_kept=True, trust=trust)
        else:
            with TemporaryDirectory(prefix="dropexp-rerun-") as temporary:
                place = Path(temporary)
                agrees = _rerun(folder, overrides or [], place, is_kept=False, trust=trust)
    except KeyboardInterrupt:
        from dropexp.cli.console import print_notice

        print_notice("interrupted; nothing was compared")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if not agrees:
        raise typer.Exit(ExitCode.FAILED)


def _rerun(
    folder: "RunFolder", overrides: list[str], into: Path, *, is_kept: bool, trust: bool
) -> bool:
    from dropexp.cli.agreement_table import format_rerun
    from dropexp.cli.run_console import RunConsole
    from dropexp.training.agreement import AgreementVerdict
    from dropexp.training.rerun import (
        build_rerun_config,
        list_caveats,
        read_recorded_run,
        rerun,
    )

    recorded = read_recorded_run(folder)
    config = build_rerun_config(recorded, overrides, into, is_kept=is_kept, trust=trust)
    with RunConsole() as console:
        for caveat in list_caveats(recorded):
            console.warn(caveat)
        done = rerun(recorded, config, console)
    console.print_lines(format_rerun(done))
    if is_kept:
        from rich.text import Text

        console.print_line(Text(f"kept in {into / config.run_id}"))
    return done.agreement.verdict is not AgreementVerdict.DIFFERS
