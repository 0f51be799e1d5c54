"""The command that examines the noise of any network, without training it."""

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.exit_codes import ExitCode
from dropexp.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dropexp.doctor import DoctorReport

DOCTOR_DETAILS = (
    "[bold]dropexp doctor nets.mine:Net --input 1x28x28[/bold]\n\n"
    "Lists every dropout-like module and function call with its measured drop rate, its scale and "
    "what it drops, and whether it is silent in eval mode. Names what is wrong, such as F.dropout "
    "without training=self.training, or layers that are not registered. The class is given those "
    "of image_shape, in_channels and num_classes that it names. Exit code 1: something is wrong."
)

_MOST_ELEMENTS = 1 << 28
_MOST_BATCH = 4096


class DoctorFormat(StrEnum):
    """How a report is written."""

    TABLE = "table"
    JSON = "json"


def doctor(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:CLASS",
            help="Class or function that returns the network.",
            show_default=False,
        ),
    ],
    input_: Annotated[
        list[str],
        typer.Option(
            "--input",
            "-i",
            metavar="SHAPE",
            help="Shape of one example, such as 3x32x32; 16:int for integers.",
            show_default=False,
        ),
    ],
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", "-o", metavar="KEY=VALUE", help="Argument of the class.", show_default=False
        ),
    ] = None,
    p: Annotated[
        float | None,
        typer.Option(
            "--p", metavar="P", help="Drop probability that it should have.", show_default=False
        ),
    ] = None,
    batch: Annotated[int, typer.Option("--batch", metavar="N", help="Examples in a batch.")] = 4,
    format_: Annotated[
        DoctorFormat, typer.Option("--format", "-f", help="How to write the report.")
    ] = DoctorFormat.TABLE,
) -> None:
    options = _parse_options(option or [])
    inputs = [_parse_shape(text) for text in input_]
    if not 2 <= batch <= _MOST_BATCH:
        raise ConfigError(f"--batch {batch} is not allowed; allowed: 2 to {_MOST_BATCH}.")
    if p is not None and not 0 < p < 1:
        raise ConfigError(f"--p {p:g} is not a drop probability above 0 and below 1.")

    from dropexp.models.custom import build_any_network

    model = build_any_network(target, inputs[0][0], options)
    tensors = [_make_input((batch, *shape), is_whole) for shape, is_whole in inputs]
    shapes = ", ".join(input_)
    report = _examine(model, tensors, p, f"{target} cannot take --input {shapes}")
    if format_ is DoctorFormat.JSON:
        typer.echo(json.dumps({"target": target, **report.to_json()}, indent=2))
    else:
        parameters = sum(parameter.numel() for parameter in model.parameters())
        _print(report, f"{target}: {parameters:,} parameters, input {shapes}")
    if not report.passed:
        raise typer.Exit(ExitCode.FAILED)


def _examine(
    model: "nn.Module", tensors: list["Tensor"], p: float | None, complaint: str
) -> "DoctorReport":
    """Return the report; an error of the network's own becomes one of the user's input."""
    from dropexp.data.user_code import running_user_code
    from dropexp.doctor import diagnose

    with running_user_code(complaint):
        return diagnose(model, *tensors, p=p)


def _print(report: "DoctorReport", heading: str) -> None:
    from dropexp.cli.console import CommandConsole
    from dropexp.cli.doctor_table import format_report

    console = CommandConsole()
    console.print_lines(format_report(report, heading, console.width))


def _parse_shape(text: str) -> tuple[tuple[int, ...], bool]:
    """Return the shape of one example, and whether its values are integers."""
    sides, _, kind = text.lower().partition(":")
    shape = tuple(
        int(side) if side.isdecimal() else 0 for side in sides.replace("×", "x").split("x")
    )
    size = 1
    for side in shape:
        size *= side
    if not 0 < size <= _MOST_ELEMENTS or kind not in ("", "int"):
        raise ConfigError(
            f"--input {text} is not the shape of an example; write it as 3x32x32, or as 16:int for "
            f"16 integers."
        )
    return shape, kind == "int"


def _parse_options(texts: list[str]) -> dict[str, object]:
    import yaml

    options: dict[str, object] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name.isidentifier():
            raise ConfigError(f"--option {text} is not allowed; write it as key=value.")
        try:
            options[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--option {text} has a value that cannot be read.") from error
    return options


def _make_input(shape: tuple[int, ...], is_whole: bool) -> "Tensor":
    import torch

    generator = torch.Generator().manual_seed(0)
    if is_whole:
        return torch.randint(0, 2, shape, generator=generator)
    return torch.randn(shape, generator=generator)
