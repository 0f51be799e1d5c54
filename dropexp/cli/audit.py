"""The command that audits a regulariser on its model without training."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from dropexp.cli.exit_codes import ExitCode
from dropexp.cli.options import ConfigDirOption, Overrides, TrustOption

AUDIT_DETAILS = (
    "[bold]dropexp audit model=resnet regulariser=stochastic_depth p=0.4[/bold]\n\n"
    "Overrides are those of [bold]dropexp train[/bold], which runs the same checks before it "
    "trains. Lists the sites that the regulariser fills, with their measured drop rates, and "
    "each check with its value and its bound. Exit code 1: a check failed."
)


class AuditFormat(StrEnum):
    """How an audit is written."""

    TABLE = "table"
    JSON = "json"


def audit(
    overrides: Overrides = None,
    _config_dir: ConfigDirOption = None,
    trust: TrustOption = False,
    format_: Annotated[
        AuditFormat, typer.Option("--format", "-f", help="json is as in audit.json.")
    ] = AuditFormat.TABLE,
) -> None:
    from dropexp import data
    from dropexp.runs.trust import compose_typed
    from dropexp.training.build import (
        audit_model,
        build_model,
        describe_data_and_model,
        describe_sites,
    )
    from dropexp.training.compiling import refuse_unavailable
    from dropexp.training.environment import configure_torch, select_device
    from dropexp.training.threads import choose_threads

    config = compose_typed(overrides or [], trust=trust)
    device = select_device(config.device)
    refuse_unavailable(config, device)
    configure_torch(device, choose_threads(config), config.deterministic, config.precision)
    splits = data.load(config.data).to(device)
    model = build_model(config, splits)
    report = audit_model(config, splits, model)
    if format_ is AuditFormat.JSON:
        typer.echo(json.dumps(report.to_json(), indent=2))
    else:
        from rich.text import Text

        from dropexp.cli.audit_table import format_audit, format_sites
        from dropexp.cli.console import CommandConsole

        console = CommandConsole()
        description = [
            f"{config.regulariser.name} p={config.regulariser.p:g}, seed {config.seed}",
            *describe_data_and_model(config, splits, model),
            f"sites  {describe_sites(config, splits)}; {len(report.sites)} filled",
        ]
        classes = {name: type(model.get_submodule(name)).__name__ for name in report.sites}
        sites = format_sites(report, classes)
        checks = format_audit(report.to_json()["checks"], console.width)
        console.print_lines([*map(Text, description), Text(), *sites, Text(), *checks])
    if not report.passed:
        raise typer.Exit(ExitCode.FAILED)
