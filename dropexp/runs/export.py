"""Listed runs as CSV and JSON."""

import csv
import io
import json
from collections.abc import Sequence

from dropexp.runs.listed_run import ListedRun, list_keys
from dropexp.terminal.plain_text import escape_in_json, make_csv_cell, make_csv_text


def to_csv(runs: Sequence[ListedRun], all_runs: Sequence[ListedRun]) -> str:
    """Return every value of every run as CSV; a cell is empty where a run has no value.

    A text that a spreadsheet program would run as a formula has an apostrophe before it.

    Args:
        runs: in the order to write.
        all_runs: all runs of the folder: their fields are the columns whichever runs are written.
    """
    columns = list_keys(all_runs)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([make_csv_text(column) for column in columns])
    for run in runs:
        writer.writerow([make_csv_cell(run.get(column)) for column in columns])
    return file.getvalue()


def to_json(runs: Sequence[ListedRun], all_runs: Sequence[ListedRun]) -> str:
    """Return every value of every run as a JSON list of flat objects; null where it has none.

    Args:
        runs: in the order to write.
        all_runs: all runs of the folder, as for ``to_csv``.
    """
    columns = list_keys(all_runs)
    rows = [{column: run.get(column) for column in columns} for run in runs]
    return escape_in_json(json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"
