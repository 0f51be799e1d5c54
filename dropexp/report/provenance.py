"""Where a report's numbers come from: the commands that make them again, and the versions."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from dropexp import __version__
from dropexp.compare.results import Comparison
from dropexp.config.run_config import RunConfig
from dropexp.errors import DropexpError, StoreError, UserError
from dropexp.runs.overrides import find_overrides
from dropexp.runs.studies import read_study, study_names
from dropexp.runs.write import ENVIRONMENT, RunFolder


@dataclass(frozen=True)
class Provenance:
    """What a reader needs to make the numbers again."""

    commands: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)  # of the runs; several with commas


def provenance(
    folders: Iterable[Path], comparison: Comparison, arguments: Iterable[str]
) -> Provenance:
    """The commands behind a comparison and the versions noted by its runs.

    Args:
        folders: of the runs.
        comparison: of these runs.
        arguments: the words after ``dropexp`` that made the report.
    """
    places = {folder.name: folder for folder in folders}
    left = set(places)
    commands = []
    for runs_dir in dict.fromkeys(folder.parent for folder in places.values()):
        for name, words, members in _sweeps(runs_dir):
            if members & places.keys():
                left -= members
                commands.append(_command("sweep", *words, f"study={name}"))
    alone: dict[tuple[object, ...], list[list[Path]]] = {}
    for row in comparison.rows:
        runs = (*row.setting.members, *row.setting.diverged)
        missing = {run.seed: places[run.run_id] for run in runs if run.run_id in left}
        others = [item for item in row.setting.fields.items() if item[0] != "regulariser.p"]
        if missing:
            same = alone.setdefault((repr(others), *sorted(missing)), [])
            same.append([missing[seed] for seed in sorted(missing)])
    commands += [command for same in alone.values() for command in _made_by(same)]
    commands.append(_command(*arguments))
    return Provenance(tuple(dict.fromkeys(commands)), _versions(places.values()))


def _sweeps(runs_dir: Path) -> list[tuple[str, tuple[str, ...], set[str]]]:
    """Name, words and run ids of each sweep of a folder's studies."""
    found = []
    for name in reversed(study_names(runs_dir)):
        try:
            study = read_study(runs_dir, name)
        except DropexpError:
            continue
        members = {run.run_id for run in study.runs}
        found += [(name, words, members) for words in study.sweeps]
    return found


def _command(*words: str) -> str:
    return " ".join(["dropexp", *(quote(word) for word in words)])


def _made_by(settings: Sequence[Sequence[Path]]) -> list[str]:
    """One command for runs of settings that differ in p only, each with the same seeds."""
    configs = []
    try:
        for folder in (folder for folders in settings for folder in folders):
            mapping = RunFolder(folder.parent, folder.name).read_config()
            configs.append(RunConfig.from_mapping(mapping))
        words = find_overrides(configs[0])
    except (UserError, StoreError):
        return []
    if len(configs) == 1:
        return [_command("train", *words)]
    strengths = dict.fromkeys(f"{config.regulariser.p!r}" for config in configs)
    seeds = dict.fromkeys(str(config.seed) for config in configs)
    kept = [word for word in words if word.partition("=")[0] not in ("p", "seed")]
    if any(word.startswith("p=") for word in words):
        kept.append(f"p={','.join(strengths)}")
    return [_command("sweep", *kept, f"seed={','.join(seeds)}")]


def _versions(folders: Iterable[Path]) -> dict[str, str]:
    """What the runs noted of their machines: name → the versions found, the most frequent first."""
    found: dict[str, dict[str, int]] = {}
    for folder in folders:
        try:
            noted = json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8"))
            packages = {name: noted["packages"][name] for name in ("torch", "torchvision")}
            keys = ("dropexp", "python", "platform", "device", "device_name", "git_commit")
            values = {**{key: noted.get(key) for key in keys}, **packages}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        for name, version in values.items():
            if version:
                counts = found.setdefault(name.replace("_", " "), {})
                counts[str(version)] = counts.get(str(version), 0) + 1
    versions = {
        name: ", ".join(sorted(counts, key=lambda version: -counts[version]))
        for name, counts in found.items()
    }
    return {**versions, "report by": f"dropexp {__version__}"}
