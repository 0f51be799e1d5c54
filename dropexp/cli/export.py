"""The commands that send finished runs to MLflow, W&B and Trackio. They import no torch."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.exit_codes import ExitCode
from dropexp.cli.help_layout import PlainHelpCommand, PlainHelpGroup
from dropexp.cli.options import RunsDir
from dropexp.errors import ConfigError, FilterError

if TYPE_CHECKING:
    from dropexp.loggers.exporting import ExportResult
    from dropexp.loggers.registry import Destination
    from dropexp.runs.listed_run import ListedRun

EXPORT_DETAILS = (
    "[bold]dropexp export mlflow runs study=quick --tracking-uri sqlite:///mlflow.db[/bold]\n\n"
    "A run that is there already is not sent again. To log runs while they train: "
    "[bold]dropexp train logger=mlflow[/bold]."
)
_RUNS_HELP = (
    "RUNS are folders of runs or ids, and filters such as regulariser=dropout2d or study=quick; "
    "without any, all runs of --runs-dir. A run that is there already is not sent again."
)

export = typer.Typer(
    cls=PlainHelpGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Runs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUNS_DIR|ID|FILTER",
        help="Runs to send. Default: all runs in the runs folder.",
        show_default=False,
    ),
]


def _make_help(title: str, example: str) -> str:
    return f"Send finished runs to {title}.\n\n[bold]{example}[/bold]\n\n{_RUNS_HELP}"


@export.command(
    "mlflow",
    cls=PlainHelpCommand,
    help=_make_help("MLflow", "dropexp export mlflow runs --tracking-uri sqlite:///mlflow.db"),
)
def mlflow(
    runs: Runs = None,
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            "--tracking-uri",
            metavar="URI",
            help="Server or database. Default: MLFLOW_TRACKING_URI, or MLflow's own.",
        ),
    ] = None,
    experiment: Annotated[
        str | None,
        typer.Option(
            "--experiment",
            metavar="NAME",
            help="Experiment. Default: MLFLOW_EXPERIMENT_NAME, or dropexp.",
        ),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    section = {"tracking_uri": tracking_uri, "experiment": experiment}
    _export("mlflow", section, runs or [], runs_dir)


@export.command(
    "wandb",
    cls=PlainHelpCommand,
    help=_make_help("Weights & Biases", "dropexp export wandb runs --project mine"),
)
def wandb(
    runs: Runs = None,
    project: Annotated[
        str | None,
        typer.Option(
            "--project", metavar="NAME", help="Project. Default: WANDB_PROJECT, or dropexp."
        ),
    ] = None,
    entity: Annotated[
        str | None,
        typer.Option("--entity", metavar="NAME", help="User or team. Default: WANDB_ENTITY."),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option("--mode", metavar="MODE", help="online or offline. Default: WANDB_MODE."),
    ] = None,
    dir_: Annotated[
        str | None,
        typer.Option("--dir", metavar="FOLDER", help="Folder of W&B's files. Default: WANDB_DIR."),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    section = {"project": project, "entity": entity, "mode": mode, "dir": dir_}
    _export("wandb", section, runs or [], runs_dir)


@export.command(
    "trackio",
    cls=PlainHelpCommand,
    help=_make_help("Trackio", "dropexp export trackio runs --project mine"),
)
def trackio(
    runs: Runs = None,
    project: Annotated[
        str | None, typer.Option("--project", metavar="NAME", help="Project. Default: dropexp.")
    ] = None,
    space_id: Annotated[
        str | None,
        typer.Option(
            "--space-id",
            metavar="USER/SPACE",
            help="Hugging Face Space. Default: TRACKIO_SPACE_ID, or the local store.",
        ),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    _export("trackio", {"project": project, "space_id": space_id}, runs or [], runs_dir)


# --- parts -------------------------------------------------------------------------------


def _export(logger: str, section: dict[str, str | None], texts: list[str], runs_dir: Path) -> None:
    from rich.text import Text

    from dropexp.cli.console import CommandConsole, print_error, print_warning
    from dropexp.loggers.exporting import export_runs
    from dropexp.loggers.registry import refuse_missing_packages
    from dropexp.runs.listed_run import ListedStatus
    from dropexp.terminal.numbers import format_count

    destination = _make_destination(logger, section)
    refuse_missing_packages([destination])
    selected = _select(texts, runs_dir)
    is_over = (ListedStatus.FINISHED, ListedStatus.DIVERGED)
    finished = [run for run in selected if run.status in is_over]
    with CommandConsole() as console:

        def report(done: int) -> None:
            text = f"sending run {done + 1} of {format_count(len(finished), 'run')}"
            console.show_progress(lambda: Text(text), lambda: text, done / len(finished))

        result = export_runs([run.folder for run in finished], destination, report)
    for sentence in result.problems:
        print_warning(sentence)
    console.print_sentence(Text(_describe(result, destination, len(selected) - len(finished))))
    if result.failure:
        print_error(
            f"{destination.title} takes no more runs: {result.failure}. The same command sends "
            f"the rest."
        )
    if result.failure or result.problems:
        raise typer.Exit(ExitCode.FAILED)


def _make_destination(logger: str, section: dict[str, str | None]) -> "Destination":
    from pydantic import ValidationError

    from dropexp.config.logger_section import LoggerConfig
    from dropexp.config.messages import describe_validation_error
    from dropexp.loggers.registry import make_destination

    try:
        return make_destination(logger, section)
    except ValidationError as error:
        key = str(error.errors()[0]["loc"][-1])
        message = describe_validation_error(error, LoggerConfig)
        option = f"--{key.replace('_', '-')} "
        raise ConfigError(message.replace(f"{logger}.{key}=", option)) from None


def _select(texts: list[str], runs_dir: Path) -> "list[ListedRun]":
    """Return the runs that are named by folders or ids and pass all filters.

    Raises:
        UserError: a folder, an id or a field is unknown, or no run passes the filters.
    """
    from dropexp.runs.listing import find_run, holds_runs, list_runs, read_run
    from dropexp.runs.selection import explain_no_match, is_filter, select_runs

    filters = [text for text in texts if is_filter(text)]
    places = [text for text in texts if not is_filter(text)]
    folders = [Path(text) for text in places if holds_runs(Path(text))]
    ids = [text for text in places if not holds_runs(Path(text))]
    named = [run for text in ids if (run := read_run(find_run(runs_dir, text))) is not None]
    folders = folders if places else [runs_dir]
    found = [*named, *(run for folder in folders for run in list_runs(folder))]
    runs = list({run.folder.path.resolve(): run for run in found}.values())
    place = ", ".join(map(str, folders))
    if not runs:
        raise FilterError(f"the folder {place} holds no runs; dropexp train makes one.")
    selected = select_runs(runs, filters)
    if not selected:
        raise FilterError(explain_no_match(runs, filters, place))
    return selected


def _describe(result: "ExportResult", destination: "Destination", unfinished: int) -> str:
    """Return a sentence on what was sent and what was not."""
    from dropexp.terminal.numbers import format_count

    place = f" ({result.destination})" if result.destination else ""
    parts = [f"{format_count(result.sent, 'run')} sent to {destination.title}{place}"]
    if result.already_there:
        parts.append(f"{result.already_there} there already")
    if unfinished:
        parts.append(f"{unfinished} not finished and left out")
    return "; ".join(parts)
