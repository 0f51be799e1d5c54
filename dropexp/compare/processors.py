"""Find pairs whose two runs were trained on different processors.

Another processor rounds sums in another order, and training amplifies that. The processor stands in
environment.json only, so these files are read for tables of ordinary size and not for large ones.
"""

from collections.abc import Mapping, Sequence

from dropexp.compare.compared_runs import ComparedRuns
from dropexp.compare.found_runs import FoundBatch
from dropexp.compare.results import Row
from dropexp.runs.run_block import list_rows
from dropexp.terminal.numbers import format_count, list_few

MOST_RUNS = 500
"""The largest number of runs whose environment.json is read: 50 ms."""


def describe_unlike_processors(rows: Sequence[Row], found: Sequence[FoundBatch]) -> list[str]:
    """Return the sentence on pairs that were trained on different processors; else none.

    Runs of which no processor is recorded, as those of older versions, are not flagged.

    Args:
        rows: the rows of the table.
        found: the runs of the table, with their folders.
    """
    if not 1 < sum(map(len, found)) <= MOST_RUNS:
        return []
    processors = {
        run.run_id: run.folder.read_environment().get("processor")
        for run in list_rows(batch.listed for batch in found)
    }
    if len(set(processors.values()) - {None}) < 2:
        return []
    settings = {row.setting.name: row.setting for row in rows}
    unlike: dict[str, int] = {}
    names: set[str] = set()
    for row in rows:
        baseline = settings.get(row.baseline or "")
        of_baseline = _by_seed(baseline.runs, processors) if baseline else {}
        for seed, processor in _by_seed(row.setting.runs, processors).items():
            pair = {processor, of_baseline.get(seed)} - {None}
            if len(pair) == 2:
                unlike[row.setting.name] = unlike.get(row.setting.name, 0) + 1
                names |= {name for name in pair if name is not None}
    if not unlike:
        return []
    rows_named = [f"{name} ({format_count(count, 'pair')})" for name, count in unlike.items()]
    return [
        f"Trained on another processor than the baseline ({'; '.join(sorted(names))}): "
        f"{list_few(rows_named, noun='setting')}. Sums are rounded in another order, so these "
        f"pairs differ by more than the regulariser; force=true trains runs again on this machine."
    ]


def _by_seed(runs: ComparedRuns, processors: Mapping[str, str | None]) -> dict[int, str | None]:
    """Return the processor of each run by its seed; None where none is recorded."""
    return {
        seed: processors.get(run_id) for seed, run_id in zip(runs.seeds, runs.run_ids, strict=True)
    }
