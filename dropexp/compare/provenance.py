"""The commands that reproduce a comparison's runs, and the versions that the runs recorded."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from dropexp import __version__
from dropexp.compare.results import Comparison
from dropexp.config.run_config import RunConfig
from dropexp.config.setting import P_KEY
from dropexp.errors import DropexpError, StoreError, UserError
from dropexp.runs.overrides import find_overrides
from dropexp.runs.searches import read_search
from dropexp.runs.studies import Study, list_studies_as_asked, read_study
from dropexp.runs.write import RunFolder


@dataclass(frozen=True)
class Provenance:
    """What a reader needs to reproduce a comparison.

    Attributes:
        commands: the shell commands, in the order in which to run them.
        versions: what the runs recorded of their environment: name → values, separated by commas.
    """

    commands: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


def trace_provenance(
    folders: Iterable[Path], comparison: Comparison, arguments: Iterable[str]
) -> Provenance:
    """Find the commands behind a comparison, and the versions that its runs recorded.

    Args:
        folders: the run folders.
        comparison: the comparison of these runs.
        arguments: the command line of the comparison itself, without ``dropexp``.
    """
    by_run_id = {folder.name: folder for folder in folders}
    sweeps, swept = find_sweeps(by_run_id)
    rest = {run_id: folder for run_id, folder in by_run_id.items() if run_id not in swept}
    commands = [*sweeps, *_reconstruct_commands(comparison, rest), _format_command(*arguments)]
    return Provenance(tuple(dict.fromkeys(commands)), _collect_versions(by_run_id.values()))


def find_sweeps(by_run_id: Mapping[str, Path]) -> tuple[list[str], set[str]]:
    """Return the sweep commands of the studies with any of the runs, and these studies' run ids."""
    commands, swept = [], set()
    for runs_dir in dict.fromkeys(folder.parent for folder in by_run_id.values()):
        for study in _read_studies(runs_dir):
            members = {member.run_id for member in study.members}
            if members & by_run_id.keys():
                swept |= members
                commands += _list_study_commands(runs_dir, study)
    return commands, swept


def _list_study_commands(runs_dir: Path, study: Study) -> list[str]:
    """Return the commands of a study's sweeps, and of its search."""
    search = None
    with suppress(StoreError):  # then only its command is wrong here
        search = read_search(runs_dir, study.name)
    return [
        _format_command(*search.command)
        if search is not None and overrides == search.overrides
        else _format_command("sweep", *overrides, f"study={study.name}")
        for overrides in study.sweeps
    ]


def _read_studies(runs_dir: Path) -> Iterable[Study]:
    for name in list_studies_as_asked(runs_dir):
        try:
            yield read_study(runs_dir, name)
        except DropexpError:
            continue  # only its commands are missing here; `dropexp runs` reports the damage


def _reconstruct_commands(comparison: Comparison, folders: Mapping[str, Path]) -> list[str]:
    """Return the commands of runs outside of studies; settings that differ only in p share one."""
    by_fields: dict[tuple[object, ...], list[list[Path]]] = {}
    for row in comparison.rows:
        runs = row.setting.runs
        known = [run for run in zip(runs.seeds, runs.run_ids, strict=True) if run[1] in folders]
        known.sort()
        others = [item for item in row.setting.fields.items() if item[0] != P_KEY]
        if known:
            same = by_fields.setdefault((repr(others), *(seed for seed, _ in known)), [])
            same.append([folders[run_id] for _, run_id in known])
    return [command for same in by_fields.values() for command in _reconstruct_command(same)]


def _reconstruct_command(settings: Sequence[Sequence[Path]]) -> list[str]:
    """Return the command of settings with the same seeds; none if a config is unreadable."""
    configs = []
    try:
        for folder in (folder for folders in settings for folder in folders):
            mapping = RunFolder(folder.parent, folder.name).read_config()
            configs.append(RunConfig.from_mapping(mapping))
        overrides = find_overrides(configs[0])
    except (UserError, StoreError):
        return []
    if len(configs) == 1:
        return [_format_command("train", *overrides)]
    strengths = dict.fromkeys(f"{config.regulariser.p!r}" for config in configs)
    seeds = dict.fromkeys(str(config.seed) for config in configs)
    kept = [each for each in overrides if each.partition("=")[0] not in ("p", "seed")]
    if configs[0].regulariser.name != "none":
        kept.append(f"p={','.join(strengths)}")
    return [_format_command("sweep", *kept, f"seed={','.join(seeds)}")]


def _format_command(*arguments: str) -> str:
    return " ".join(["dropexp", *(quote(argument) for argument in arguments)])


_RECORDED = ("dropexp", "python", "platform", "device", "device_name", "git_commit")


def _collect_versions(folders: Iterable[Path]) -> dict[str, str]:
    """Return what the runs recorded of their environment, the most frequent value first."""
    counts: dict[str, Counter[str]] = {}
    for folder in folders:
        recorded = RunFolder(folder.parent, folder.name).read_environment()
        packages = recorded.get("packages")
        values = {key: recorded.get(key) for key in _RECORDED}
        if isinstance(packages, dict):
            values |= {name: packages.get(name) for name in ("torch", "torchvision")}
        for name, value in values.items():
            if value:
                counts.setdefault(name.replace("_", " "), Counter())[str(value)] += 1
    versions = {
        name: ", ".join(value for value, _ in values.most_common())
        for name, values in counts.items()
    }
    return {**versions, "report by": f"dropexp {__version__}"}
