"""Plan a sweep: what is to be done with each of its runs, and the study that they form."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from dropexp.config.planned_runs import PlannedRun, plan_configs
from dropexp.config.run_config import RunConfig
from dropexp.config.setting import Fields, drop_default_data_seeds
from dropexp.errors import ConfigError, NewerFormatError, StoreError
from dropexp.runs import studies
from dropexp.runs.attempts import Attempt, read_attempt
from dropexp.runs.index import RunIndex
from dropexp.runs.read import FolderStatus
from dropexp.runs.studies import Study, StudyMember
from dropexp.runs.write import RunFolder, open_runs_dir
from dropexp.sweep.grammar import SweepRequest
from dropexp.sweep.plan_status import PlanStatus
from dropexp.sweep.sweep_dirs import list_living_sweeps
from dropexp.training.work import estimate_layer_work


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep, in launching order, each with what is to be done with it.

    Attributes:
        runs: of the sweep.
        statuses: run id → what is to be done.
        stale: run id → the attempt whose end does not count, where the run is to be trained or
            measured again if it is launched.
    """

    runs: tuple[PlannedRun, ...]
    statuses: Mapping[str, PlanStatus]
    stale: Mapping[str, Attempt] = field(default_factory=dict)

    @cached_property
    def counts(self) -> Counter[PlanStatus]:
        """How many runs have each status."""
        return Counter(self.statuses[run.run_id] for run in self.runs)

    def select(self, *statuses: PlanStatus) -> list[PlannedRun]:
        """Return the runs of these statuses, seed by seed."""
        chosen = [run for run in self.runs if self.statuses[run.run_id] in statuses]
        return sorted(chosen, key=lambda run: run.seed)

    def select_to_launch(self, *, retry_failed: bool) -> list[RunConfig]:
        """Return the configs of the runs that are left to train or measure, seed by seed.

        Of a seed the longest come first, so that the cores run out of work together at the end.
        """
        left = set(PlanStatus) - {PlanStatus.FINISHED}
        chosen = self.select(*(left if retry_failed else left - {PlanStatus.FAILED}))
        orders = {setting: _order(setting.config) for setting in {run.setting for run in chosen}}
        chosen.sort(key=lambda run: (run.seed, *orders[run.setting]))
        return [run.make_config() for run in chosen]


def _order(config: RunConfig) -> tuple[float, bool]:
    """Return what puts long runs before short ones as far as their configs tell."""
    size = config.data.train_size
    images = size if isinstance(size, int) else 1  # a share, of a number that is not known yet
    work = estimate_layer_work(config) / config.train.batch_size * images * config.train.epochs
    return -work, all(part.p == 0 for part in config.parts)


def open_sweep_runs_dir(configs: Sequence[RunConfig]) -> Path:
    """Return the folder of a sweep's run folders, absolute; make it if it does not exist.

    Raises:
        RunsDirError: it cannot be made.
    """
    return open_runs_dir(configs[0].runs_dir).resolve()


def make_plan(configs: Sequence[RunConfig], runs_dir: Path) -> Plan:
    """Return what is to be done with each run, by its folder; with ``force=true`` all are new.

    A run that a later dropexp has trained counts as failed.

    Args:
        configs: of the runs.
        runs_dir: the folder of run folders.

    Raises:
        ConfigError: a folder holds a run of another configuration with the same short id.
        RunsDirError: a run's folder is a link.
    """
    statuses, stale = {}, {}
    living: frozenset[str] | None = None
    planned = plan_configs(configs)
    finished = _find_finished(planned.runs, runs_dir)
    for run in planned.runs:
        if run.run_id in finished:
            statuses[run.run_id] = PlanStatus.FINISHED
            continue
        folder = RunFolder(runs_dir, run.run_id)
        status = statuses[run.run_id] = _find_status(run, folder)
        held = _find_stale(run.setting.config, folder, status)
        if held is None:
            continue
        if living is None:
            living = list_living_sweeps(runs_dir)
        # What another sweep that still lives has done is not done again: both get it.
        if held.sweep not in living or status is PlanStatus.UNMEASURED:
            stale[run.run_id] = held
    return Plan(planned.runs, statuses, stale)


def _find_finished(runs: Sequence[PlannedRun], runs_dir: Path) -> set[str]:
    """Return the ids of runs of which nothing is left to do, by the index; it may miss some."""
    wanted = {run.run_id: run for run in runs if not run.setting.config.force}
    finished = set()
    for packed in RunIndex(runs_dir).check(wanted.keys(), with_weights=True):
        columns = zip(
            packed.run_ids, packed.read("config_hash"), packed.read("best.mc_passes"), strict=True
        )
        for run_id, config_hash, passes in columns:
            run = wanted[run_id]
            # A network without noise needs no passes, and its summary tells.
            lacks_passes = run.setting.config.mc_dropout not in (0, passes)
            if config_hash == run.config_hash and not lacks_passes:
                finished.add(run_id)
    return finished


def _find_stale(config: RunConfig, folder: RunFolder, status: PlanStatus) -> Attempt | None:
    """Return the attempt whose end does not count if the run is launched; None: any end counts."""
    if config.force:
        return read_attempt(folder).without_end()
    is_again = status in (PlanStatus.FAILED, PlanStatus.DAMAGED, PlanStatus.UNMEASURED)
    return read_attempt(folder) if is_again else None


def _find_status(run: PlannedRun, folder: RunFolder) -> PlanStatus:
    folder.refuse_link()
    config = run.setting.config
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
    if summary.config_hash != run.config_hash:
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
    runs = request.planned.runs
    fields = _list_fields(runs)
    # Runs of one setting have one object as their fields, unless their data is fixed.
    keys = {id(one): repr(dict(one)) for one in {id(one): one for one in fields}.values()}
    by_key = {keys[id(one)]: one for one in fields}
    places = {key: place for place, key in enumerate(by_key)}
    settings = [dict(one) for one in by_key.values()]
    members = tuple(
        StudyMember(run.run_id, places[keys[id(one)]], run.seed, run.setting.epochs)
        for run, one in zip(runs, fields, strict=True)
    )
    name = request.study or studies.make_study_name(settings)
    return Study(
        name,
        (request.run_overrides,),
        tuple(settings),
        members,
        request.question,
        request.files,
    )


def _list_fields(runs: Sequence[PlannedRun]) -> list[Fields]:
    """Return the fields of each run, without data.seed where it follows the run's seed."""
    settings = dict.fromkeys(run.setting for run in runs)
    if not all(setting.data_follows for setting in settings):
        return drop_default_data_seeds([(run.seed, run.fields) for run in runs])
    one_of_each = [setting.make_run(setting.config.seed) for setting in settings]
    fields = drop_default_data_seeds([(run.seed, run.fields) for run in one_of_each])
    by_setting = dict(zip(settings, fields, strict=True))
    return [by_setting[run.setting] for run in runs]
