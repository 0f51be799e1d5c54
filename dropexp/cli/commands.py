"""The commands by their names; each is imported when it is called.

The help of ``dropexp`` needs a name and a summary of each command only, which saves 0.09 of 0.44 s.
"""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from dropexp import __version__
from dropexp.cli.help_layout import PlainHelpCommand, PlainHelpGroup
from dropexp.cli.options import TAKES_OVERRIDES

# No docstring, which python -OO removes.
_HELP = (
    "Which regulariser, at which strength, makes this network generalise better?\n\n"
    "[bold]dropexp train regulariser=dropout2d p=0.3[/bold]\n"
    "[bold]dropexp sweep regulariser=none,dropout2d p=0.1,0.3 'seed=range(8)'[/bold]\n"
    "[bold]dropexp compare[/bold]\n\n"
    "[bold]dropexp COMMAND --help[/bold] describes a command."
)

_PANELS = {
    "Train": {
        "train": "Train one run and measure how well it generalises.",
        "sweep": "Train every combination of several values.",
        "extend": "Add seeds to a study: where its answer is open, or to all settings.",
        "tune": "Choose the best regulariser and strength within a budget.",
        "watch": "Watch a sweep from another terminal.",
    },
    "Compare": {
        "compare": "Compare settings: which generalises better, by how much, how sure?",
        "learning-curve": "Show results against training-set size: how many more images is it "
        "worth?",
        "effects": "Show main effects and interactions of a factorial study: which effects add up?",
        "early-stopping": "Show how much of a regulariser's gain early stopping alone gives.",
        "report": "Write a report: the answer, tables and interactive charts.",
        "forgetting": "Show which training images networks forget, and which never learn.",
        "board": "Show a study in TensorBoard: means over seeds with intervals.",
    },
    "Manage and check runs": {
        "rerun": "Train a finished run again and compare the numbers.",
        "audit": "Check that the regulariser works on its model; train nothing.",
        "doctor": "Find what is wrong with the dropout of any network; train nothing.",
        "runs": "List, show, check and remove runs.",
        "study": "Register a study before it is trained; verify it afterwards.",
        "export": "Send finished runs to MLflow, W&B or Trackio.",
    },
}
"""Panel of the help → name → summary, the first line of the command's own help."""

_PASS_OPTIONS_ON = ("train", "sweep", "tune", "audit")
"""The commands that take an unknown option as an override."""


def build_app() -> typer.Typer:
    """Return the command line; a command is imported when it is called."""
    app = typer.Typer(
        name="dropexp",
        cls=_CommandLine,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(help=_HELP)(_dropexp)
    return app


def list_commands() -> dict[str, str]:
    """Return the names of the commands with their summaries, as the help lists them."""
    return {name: text for commands in _PANELS.values() for name, text in commands.items()}


def import_command(name: str) -> Any:
    """Return a command, or a group of commands, as Typer parses and calls it.

    Args:
        name: one of list_commands.
    """
    command, details = _import(name)
    help_text = f"{list_commands()[name]}\n\n{details}"
    app = typer.Typer(rich_markup_mode="rich")
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name, help=help_text)
    else:
        settings = TAKES_OVERRIDES if name in _PASS_OPTIONS_ON else None
        add = app.command(name, cls=PlainHelpCommand, help=help_text, context_settings=settings)
        add(command)
    return typer.main.get_group(app).commands[name]


class _CommandLine(PlainHelpGroup):
    """The group of all commands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for panel, commands in _PANELS.items():
            for name, summary in commands.items():
                self.add_command(_Outline(name=name, help=summary, rich_help_panel=panel))


class _Outline(PlainHelpCommand):
    """Stands for a command in the help, and is replaced by it when it is called."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **settings: Any
    ) -> Any:
        """Return the context of the command itself, whose options the arguments are."""
        command = import_command(str(self.name))
        return command.make_context(info_name, args, parent, **settings)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"dropexp {__version__}")
        raise typer.Exit


def _dropexp(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


def _import(name: str) -> tuple[Callable[..., None] | typer.Typer, str]:
    """Return a command, or a group of commands, and its help below the summary."""
    match name:
        case "train":
            from dropexp.cli.train import make_train_details, train

            return train, make_train_details()
        case "sweep":
            from dropexp.cli.sweep import make_sweep_details, sweep

            return sweep, make_sweep_details()
        case "extend":
            from dropexp.cli.sweep import EXTEND_DETAILS, extend

            return extend, EXTEND_DETAILS
        case "tune":
            from dropexp.cli.tune import TUNE_DETAILS, tune

            return tune, TUNE_DETAILS
        case "watch":
            from dropexp.cli.sweep import WATCH_DETAILS, watch

            return watch, WATCH_DETAILS
        case "compare":
            from dropexp.cli.compare import COMPARE_DETAILS, compare

            return compare, COMPARE_DETAILS
        case "learning-curve":
            from dropexp.cli.learning_curve import LEARNING_CURVE_DETAILS, learning_curve

            return learning_curve, LEARNING_CURVE_DETAILS
        case "effects":
            from dropexp.cli.effects import EFFECTS_DETAILS, effects

            return effects, EFFECTS_DETAILS
        case "early-stopping":
            from dropexp.cli.early_stopping import EARLY_STOPPING_DETAILS, early_stopping

            return early_stopping, EARLY_STOPPING_DETAILS
        case "report":
            from dropexp.cli.report import REPORT_DETAILS, report

            return report, REPORT_DETAILS
        case "forgetting":
            from dropexp.cli.forgetting import FORGETTING_DETAILS, forgetting

            return forgetting, FORGETTING_DETAILS
        case "board":
            from dropexp.cli.report import BOARD_DETAILS, board

            return board, BOARD_DETAILS
        case "rerun":
            from dropexp.cli.rerun import RERUN_DETAILS, rerun

            return rerun, RERUN_DETAILS
        case "audit":
            from dropexp.cli.audit import AUDIT_DETAILS, audit

            return audit, AUDIT_DETAILS
        case "doctor":
            from dropexp.cli.doctor import DOCTOR_DETAILS, doctor

            return doctor, DOCTOR_DETAILS
        case "runs":
            from dropexp.cli.runs import RUNS_DETAILS, runs

            return runs, RUNS_DETAILS
        case "study":
            from dropexp.cli.study import STUDY_DETAILS, study

            return study, STUDY_DETAILS
        case "export":
            from dropexp.cli.export import EXPORT_DETAILS, export

            return export, EXPORT_DETAILS
    raise KeyError(name)
