"""What a sweep is to do: its runs by what their folders hold, and the study they make up."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dropexp.config.run_config import RunConfig
from dropexp.config.setting import drop_default_data_seeds, extract_setting
from dropexp.errors import ConfigError, StoreError
from dropexp.runs import studies
from dropexp.runs.studies import Study, StudyMember
from dropexp.runs.write import FolderStatus, RunFolder, open_runs_dir
from dropexp.sweep.grammar import SweepRequest


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep by what is to be done with them, each in launching order."""

    new: tuple[RunConfig, ...]
    interrupted: tuple[RunConfig, ...]
    failed: tuple[RunConfig, ...]
    finished: tuple[RunConfig, ...]
    elsewhere: tuple[RunConfig, ...]  # another process is training them now
    unmeasured: tuple[RunConfig, ...]  # finished, without the passes of mc_dropout asked for

    def to_launch(self, *, retry_failed: bool) -> list[RunConfig]:
        """What is left to do, seed by seed."""
        failed = self.failed if retry_failed else ()
        left = (*self.new, *self.interrupted, *self.elsewhere, *self.unmeasured, *failed)
        return sorted(left, key=lambda config: config.seed)


def runs_dir_of(configs: Sequence[RunConfig]) -> Path:
    """The folder of a sweep's run folders, made if it is not there.

    Raises:
        RunsDirError: it cannot be made.
    """
    return open_runs_dir(configs[0].runs_dir).resolve()


def plan_of(configs: Sequence[RunConfig], runs_dir: Path) -> Plan:
    """Sort runs by what their folders hold; with ``force=true`` all are new.

    A run whose summary is damaged or of another version has failed.

    Raises:
        ConfigError: a folder holds a run of another configuration with the same short id.
    """
    found: dict[str, list[RunConfig]] = {kind: [] for kind in Plan.__dataclass_fields__}
    for config in configs:
        found[_kind(config, RunFolder(runs_dir, config.run_id))].append(config)
    return Plan(**{kind: tuple(members) for kind, members in found.items()})


def _kind(config: RunConfig, folder: RunFolder) -> str:
    status = folder.status
    if status is not FolderStatus.FINISHED and folder.is_held:
        return "elsewhere"
    if config.force or status is FolderStatus.NEW:
        return "new"
    if status is not FolderStatus.FINISHED:
        return status.value
    try:
        summary = folder.read_summary()
    except StoreError:
        return "failed"
    if summary.config_hash != config.config_hash:
        raise ConfigError(
            f"{folder.path} holds a run of another configuration with the same short id; "
            f"choose another runs_dir."
        )
    return "unmeasured" if summary.lacks_mc_dropout(config.mc_dropout) else status.value


def study_of(request: SweepRequest) -> Study:
    """The sweep as a study: its name, words, settings and runs."""
    fields = drop_default_data_seeds(
        [(config.seed, extract_setting(config.to_mapping())) for config in request.configs]
    )
    settings = [dict(one) for one in {repr(one): one for one in fields}.values()]
    members = tuple(
        StudyMember(config.run_id, settings.index(dict(one)), config.seed, config.train.epochs)
        for config, one in zip(request.configs, fields, strict=True)
    )
    name = request.study or studies.make_study_name(settings)
    return Study(name, (request.words,), tuple(settings), members)
