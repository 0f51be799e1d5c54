"""Warnings about what was typed: a name, a value that does nothing or costs time.

Everything heavy is imported when they are called.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dropexp.config.setting import DROPOUT_SITE_KEY
from dropexp.terminal.numbers import format_count

IDLE_WITHOUT_NOISE = ("p", "regulariser.p", DROPOUT_SITE_KEY)
"""The keys that say how much noise, or where, and nothing where there is none."""

if TYPE_CHECKING:
    from dropexp.config.run_config import RunConfig
    from dropexp.sweep.grammar import SweepRequest
    from dropexp.sweep.plan import Plan


def warn_of_idle_keys(request: "SweepRequest") -> None:
    """Warn where p, the site of noise or the size of a split is given, and nothing has one."""
    from dropexp.cli.console import print_warning

    keys = {text.lstrip("+").partition("=")[0] for text in request.run_overrides}
    settings = request.planned.one_of_each_setting
    if all(config.regulariser.name == "none" for config in settings):
        for key in filter(keys.__contains__, IDLE_WITHOUT_NOISE):
            print_warning(explain_idle(key, "regulariser=none,dropout2d"))
    for text in explain_idle_sizes(keys, settings):
        print_warning(text)


def warn_of_new_study(request: "SweepRequest", runs_dir: Path) -> None:
    """Warn where a study's name is new and close to that of another one."""
    from dropexp.cli.console import print_warning
    from dropexp.runs.study_names import explain_new_study

    if request.study is None or request.study_file is not None:
        return
    if text := explain_new_study(request.study, runs_dir):
        print_warning(text)


def explain_idle(key: str, remedy: str) -> str:
    """Return the sentence on an option that nothing uses without a regulariser.

    Args:
        key: as typed.
        remedy: an override that names a regulariser.
    """
    return f"{key} is ignored because regulariser=none; {remedy}, for example, uses it"


def explain_idle_sizes(keys: Collection[str], configs: Sequence["RunConfig"]) -> Iterator[str]:
    """Yield a sentence on each size of a split that is a folder of pictures, used as it is.

    Args:
        keys: of the overrides.
        configs: of all runs that are asked for.
    """
    from dropexp.config.data_section import ImageFolderConfig
    from dropexp.config.paths import parse_path

    roots = {
        parse_path(config.data.root, f"data.root={config.data.root}")
        for config in configs
        if isinstance(config.data, ImageFolderConfig)
    }
    if len({config.data.name for config in configs}) > 1:
        return
    for part in ("val", "test"):
        if f"data.{part}_size" in keys and roots and all((root / part).is_dir() for root in roots):
            yield (
                f"data.{part}_size is ignored because data.root has a folder {part}, of which all "
                f"pictures are used"
            )


def warn_of_slow_bfloat16(configs: Sequence["RunConfig"]) -> None:
    """Warn once where runs in bfloat16 train on a processor that imitates it."""
    from dropexp.cli.console import print_warning
    from dropexp.sweep.slots import list_cuda_devices
    from dropexp.training.bfloat16 import explain_slow_bfloat16

    on_cpu = [
        config
        for config in configs
        if config.precision == "bfloat16" and config.device in ("auto", "cpu")
    ]
    if on_cpu and not list_cuda_devices(on_cpu) and (text := explain_slow_bfloat16("bfloat16")):
        print_warning(text)


def warn_of_registration(runs_dir: Path, study: str) -> None:
    """Warn that more seeds are no part of what was registered."""
    from dropexp.cli.console import print_warning
    from dropexp.runs.registration import read_registration
    from dropexp.runs.studies import list_study_names

    registration = read_registration(runs_dir, study)
    if registration is not None and study in list_study_names(runs_dir):
        print_warning(
            f"{study} was registered on {registration.on} with its seeds; with others it differs "
            f"from that, and compare and report will say so"
        )


def warn_of_untracked(plan: "Plan", runs_dir: Path) -> None:
    """Say which finished runs keep no record of the examples that the request asks for."""
    from dropexp.cli.console import print_warning
    from dropexp.runs.files import EXAMPLES
    from dropexp.sweep.plan_status import PlanStatus

    asked = [each for each in plan.runs if each.setting.config.track_examples]
    finished = [each for each in asked if plan.statuses[each.run_id] is PlanStatus.FINISHED]
    without = sum(not (runs_dir / each.run_id / EXAMPLES).exists() for each in finished)
    if without:
        print_warning(
            f"{format_count(without, 'finished run')} trained without track_examples=true, and "
            f"which images were learned after each epoch cannot be measured later; force=true "
            f"trains all runs again"
        )
