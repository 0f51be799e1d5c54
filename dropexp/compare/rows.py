"""The rows that a test decides together: those of a table, and those of the same studies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dropexp.compare.asked_runs import AskedSetting
from dropexp.compare.baselines import Baselines, find_baselines
from dropexp.compare.estimates import MetricValues
from dropexp.compare.found_runs import FoundBatch, FoundRuns, MissingRun
from dropexp.compare.grouping import group_runs
from dropexp.compare.looks import RowRuns, collect_row_runs
from dropexp.compare.pairing import PairedComparison, compare_pairs
from dropexp.compare.rules import TestKind
from dropexp.compare.settings import Setting
from dropexp.compare.unmeasured import find_unmeasured
from dropexp.runs.metric_types import Metric

Grouped = Sequence[tuple[Setting, Sequence[FoundBatch]]]


@dataclass(frozen=True)
class TestedRow:
    """A setting with its baseline, and the runs of both.

    Attributes:
        setting: the setting, with all its runs.
        baseline: its baseline, with all its runs.
        runs: by seed, with what lacks.
        baseline_name: the name of the baseline in the table.
    """

    __test__ = False  # pytest would take it for a test

    setting: Setting
    baseline: Setting
    runs: RowRuns
    baseline_name: str

    def choose_seeds(self, kind: TestKind) -> list[int]:
        """Return the seeds that a test counts, in its order."""
        if kind is TestKind.PLANNED:
            return self.runs.visible_by_number
        return self.runs.before_first_hole

    def compare(self, values: MetricValues, metric: Metric, kind: TestKind) -> PairedComparison:
        """Return the pairs that a test counts, in its order."""
        seeds = self.choose_seeds(kind)
        return compare_pairs(self.setting, self.baseline, values, metric, seeds)


@dataclass(frozen=True)
class Family:
    """The rows that a test decides together.

    Attributes:
        rows: name → row. A setting of the table has its name there; others have a name that no
            setting of the table has.
        unstarted: runs that were asked for, of settings without any result.
        settings: all settings.
    """

    rows: Mapping[str, TestedRow]
    unstarted: tuple[MissingRun, ...]
    settings: tuple[Setting, ...]

    @property
    def further_tests(self) -> int:
        """How many rows were asked for and have no result, or lost all of them to a removal.

        The correction of the anytime test counts every row that was ever asked for, so that a row
        cannot be dropped for its results.
        """
        return len(
            {
                run.setting if isinstance(run.setting, str) else (run.request.study, run.setting)
                for run in self.unstarted
                if not run.is_refused
            }
        )


def collect_family(
    found: FoundRuns,
    in_view: Grouped,
    baselines: Baselines,
    metric: Metric,
) -> Family:
    """Return the rows of a table together with those of the studies that their runs belong to.

    Args:
        found: all runs.
        in_view: the settings of the table with their runs in view.
        baselines: of the settings of the table.
        metric: the deciding metric.
    """
    unmeasured = find_unmeasured(metric, (batch.compared for batch in found.batches))
    grouped = in_view if found.batches == found.in_view else group_runs(found.batches)
    by_run = {run_id: setting.name for setting, _ in grouped for run_id in setting.runs.run_ids}
    by_name = {setting.name: (setting, AskedSetting.of(batches)) for setting, batches in grouped}
    shown = {by_run[_name_first(batches)]: setting.name for setting, batches in in_view}
    pairs = _find_pairs(grouped, in_view, baselines, by_run)
    missing: dict[str, list[MissingRun]] = {}
    for run in found.missing:
        missing.setdefault(by_run[run.sibling] if run.sibling else "", []).append(run)
    rows = {}
    for name, baseline in pairs.items():
        key = shown.get(name, f"{name}, not in the table")
        (setting, own), (other, others) = by_name[name], by_name[baseline]
        of_row = collect_row_runs(
            own,
            others,
            missing.get(name, ()),
            missing.get(baseline, ()),
            unmeasured,
        )
        rows[key] = TestedRow(setting, other, of_row, shown.get(baseline, baseline))
    return Family(rows, tuple(missing.get("", ())), tuple(setting for setting, _ in grouped))


def _name_first(batches: Sequence[FoundBatch]) -> str:
    """Return the id of a setting's run that comes first by name."""
    return min(batch.listed.first_id for batch in batches)


def _find_pairs(
    grouped: Grouped, in_view: Grouped, baselines: Baselines, by_run: Mapping[str, str]
) -> dict[str, str]:
    """Return the name of each row's setting → that of its baseline, in the grouping of all runs.

    Rows of the table have the baselines that were asked for, other rows the default ones.
    """
    names = {setting.name: by_run[_name_first(batches)] for setting, batches in in_view}
    pairs = {names[row]: names[each.name] for row, each in baselines.by_setting.items()}
    if grouped is in_view:
        return pairs
    default = find_baselines(grouped).by_setting
    others = {row: each.name for row, each in default.items() if row not in names.values()}
    return pairs | others
