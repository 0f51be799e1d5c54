"""The command train."""

from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from dropexp.config.run_config import RunConfig

TRAIN_HELP = """Train one run and measure how well it generalises.

[bold]dropexp train regulariser=dropout2d p=0.3[/bold]

Overrides are Hydra's: [bold]group=choice[/bold] picks a file of conf/, [bold]key=value[/bold] sets
a value. A run that is finished is not trained again, one that was interrupted goes on.

{groups}

Often used keys: p, seed, train.epochs, train.batch_size, optimiser.lr, data.train_size,
data.label_noise, device, runs_dir, force. [bold]--cfg[/bold] shows them all.
"""


def groups_in_lines() -> str:
    from dropexp.config.groups import list_groups

    return "\n\n".join(
        f"[bold]{group}[/bold]: {', '.join(names)}" for group, names in list_groups().items()
    )


def train(
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[OVERRIDES]...", show_default=False)
    ] = None,
    cfg: Annotated[
        bool, typer.Option("--cfg", "-c", help="Show the composed configuration, train nothing.")
    ] = False,
    _multirun: Annotated[
        bool, typer.Option("--multirun", "-m", help="The same as dropexp sweep.")
    ] = False,
) -> None:
    from dropexp.config.compose import compose_run, to_yaml

    overrides = overrides or []
    config = compose_run(overrides)
    if cfg:
        typer.echo(f"# run id: {config.run_id}\n{to_yaml(config)}", nl=False)
        return
    try:
        _train(config, p_was_given=any(override.startswith("p=") for override in overrides))
    except KeyboardInterrupt:
        from dropexp.cli.run_console import error

        error("interrupted; the same command goes on after the last finished epoch")
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _train(config: "RunConfig", *, p_was_given: bool) -> None:
    from dropexp.cli.run_console import RunConsole

    with RunConsole() as console:
        if config.regulariser.name == "none" and p_was_given:
            console.warn(
                "p has no effect: the regulariser is none. Choose one: regulariser=dropout2d"
            )
        from dropexp.runs.records import RunStatus
        from dropexp.training.run import run

        result = run(config, console)
        show = console.reused if result.reused else console.finished
        show(result.summary, result.records, result.folder, _next_commands(config))
    if result.summary.status is RunStatus.DIVERGED:
        raise typer.Exit(ExitCode.FAILED)


def _next_commands(config: "RunConfig") -> list[tuple[str, str]]:
    from shlex import quote

    runs_dir = "" if config.runs_dir == "runs" else f" {quote(config.runs_dir)}"
    return [
        (f"dropexp compare{runs_dir}", "this run beside the others"),
        (
            f"tensorboard --logdir {quote(config.runs_dir)}",
            "curves and hyperparameters of all runs",
        ),
    ]
