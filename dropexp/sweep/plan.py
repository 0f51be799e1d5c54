"""Plan a sweep: what is to be done with each of its runs, and the study that they form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from dropexp.config.run_config import RunConfig
from dropexp.config.setting import drop_default_data_seeds, extract_setting
from dropexp.errors import ConfigError, NewerFormatError, StoreError
from dropexp.runs import studies
from dropexp.runs.attempts import Attempt, read_attempt
from dropexp.runs.damage import has_empty_weights
from dropexp.runs.index import RunIndex
from dropexp.runs.listing import find_indexed
from dropexp.runs.read import FolderStatus
from dropexp.runs.studies import Study, StudyMember
from dropexp.runs.write import RunFolder, open_runs_dir
from dropexp.sweep.grammar import SweepRequest
from dropexp.sweep.sweep_dirs import list_living_sweeps
from dropexp.training.work import estimate_layer_work


class PlanStatus(StrEnum):
    """What is to be done with a run."""

    NEW = "new"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    FINISHED = "finished"
    ELSEWHERE = "elsewhere"  # another process is training it
    DAMAGED = "damaged"  # it says that it is finished, and is not whole: it is trained again
    UNMEASURED = "unmeasured"  # finished, without the mc_dropout passes that the config asks for


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep, in launching order, each with what is to be done with it.

    Attributes:
        configs: of the runs.
        statuses: run id → what is to be done.
        stale: run id → the attempt whose end does not count, where the run is to be trained or
            measured again if it is launched.
    """

    configs: tuple[RunConfig, ...]
    statuses: Mapping[str, PlanStatus]
    stale: Mapping[str, Attempt] = field(default_factory=dict)

    def select(self, *statuses: PlanStatus) -> list[RunConfig]:
        """Return the runs of these statuses, seed by seed."""
        chosen = [config for config in self.configs if self.statuses[config.run_id] in statuses]
        return sorted(chosen, key=lambda config: config.seed)

    def select_to_launch(self, *, retry_failed: bool) -> list[RunConfig]:
        """Return the runs that are left to train or measure, seed by seed.

        Of a seed the longest come first, so that the cores run out of work together at the end.
        """
        left = set(PlanStatus) - {PlanStatus.FINISHED}
        chosen = self.select(*(left if retry_failed else left - {PlanStatus.FAILED}))
        return sorted(chosen, key=_order)


def _order(config: RunConfig) -> tuple[int, float, bool]:
    """Return the seed, and what puts long runs before short ones as far as their configs tell."""
    size = config.data.train_size
    images = size if isinstance(size, int) else 1  # a share, of a number that is not known yet
    work = estimate_layer_work(config) / config.train.batch_size * images * config.train.epochs
    return config.seed, -work, all(part.p == 0 for part in config.parts)


def open_sweep_runs_dir(configs: Sequence[RunConfig]) -> Path:
    """Return the folder of a sweep's run folders, absolute; make it if it does not exist.

    Raises:
        RunsDirError: it cannot be made.
    """
    return open_runs_dir(configs[0].runs_dir).resolve()


def make_plan(configs: Sequence[RunConfig], runs_dir: Path) -> Plan:
    """Return what is to be done with each run, by its folder; with ``force=true`` all are new.

    A run that a later dropexp has trained counts as failed.

    Raises:
        ConfigError: a folder holds a run of another configuration with the same short id.
    """
    statuses, stale = {}, {}
    living: frozenset[str] | None = None
    index = RunIndex(runs_dir)
    for config in configs:
        if not config.force and _is_indexed_as_finished(index, config, runs_dir):
            statuses[config.run_id] = PlanStatus.FINISHED
            continue
        folder = RunFolder(runs_dir, config.run_id)
        status = statuses[config.run_id] = _find_status(config, folder)
        held = _find_stale(config, folder, status)
        if held is None:
            continue
        if living is None:
            living = list_living_sweeps(runs_dir)
        # What another sweep that still lives has done is not done again: both get it.
        if held.sweep not in living or status is PlanStatus.UNMEASURED:
            stale[config.run_id] = held
    return Plan(tuple(configs), statuses, stale)


def _is_indexed_as_finished(index: RunIndex, config: RunConfig, runs_dir: Path) -> bool:
    """Return whether nothing is left to do for a run, by the index; False if it does not tell."""
    run = find_indexed(index, runs_dir, config.run_id)
    if run is None or run.get_result("config_hash") != config.config_hash:
        return False
    if config.mc_dropout and config.mc_dropout != run.get_result("best.mc_passes"):
        return False  # a network without noise needs no passes, and its summary tells
    return not has_empty_weights(runs_dir, config.run_id)


def _find_stale(config: RunConfig, folder: RunFolder, status: PlanStatus) -> Attempt | None:
    """Return the attempt whose end does not count if the run is launched; None: any end counts."""
    if config.force:
        return read_attempt(folder).without_end()
    is_again = status in (PlanStatus.FAILED, PlanStatus.DAMAGED, PlanStatus.UNMEASURED)
    return read_attempt(folder) if is_again else None


def _find_status(config: RunConfig, folder: RunFolder) -> PlanStatus:
    status = folder.status
    if status is not FolderStatus.FINISHED and folder.is_held:
        return PlanStatus.ELSEWHERE
    if config.force or status is FolderStatus.NEW:
        return PlanStatus.NEW
    if status is not FolderStatus.FINISHED:
        return PlanStatus(status.value)
    try:
        summary = folder.read_summary()
    except NewerFormatError:
        return PlanStatus.FAILED
    except StoreError:
        return PlanStatus.DAMAGED
    if summary.config_hash != config.config_hash:
        raise ConfigError(
            f"{folder.path} holds a run of another configuration with the same short id; "
            f"choose another runs_dir."
        )
    if folder.find_damage(summary, whole=False):
        return PlanStatus.DAMAGED
    lacks_passes = summary.lacks_mc_dropout(config.mc_dropout)
    return PlanStatus.UNMEASURED if lacks_passes else PlanStatus.FINISHED


@lru_cache(maxsize=1)
def make_study(request: SweepRequest) -> Study:
    """Return the sweep as a study: its name, overrides, settings and runs."""
    fields = drop_default_data_seeds(
        [(config.seed, extract_setting(config.to_mapping())) for config in request.configs]
    )
    keys = [repr(one) for one in fields]
    by_key = dict(zip(keys, fields, strict=True))
    places = {key: place for place, key in enumerate(by_key)}
    settings = [dict(one) for one in by_key.values()]
    members = tuple(
        StudyMember(config.run_id, places[key], config.seed, config.train.epochs)
        for config, key in zip(request.configs, keys, strict=True)
    )
    name = request.study or studies.make_study_name(settings)
    return Study(name, (request.run_overrides,), tuple(settings), members, request.question)
