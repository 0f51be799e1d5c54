import csv
import io
import json

from dropexp.runs.export import to_csv, to_json
from dropexp.runs.listed_run import ListedRun


def test_csv_and_json_hold_every_field_and_result(study: list[ListedRun]) -> None:
    rows = json.loads(to_json(study, study))
    for run, row, text in zip(
        study, rows, csv.DictReader(io.StringIO(to_csv(study, study))), strict=True
    ):
        assert {key: row[key] for key in run.values} == run.values
        assert row.keys() == text.keys()
        assert float(text["p"]) == row["p"]
        assert text["best.test_loss"] == ("" if run.summary is None else str(row["best.test_loss"]))
    assert {row["regulariser.mask"] for row in rows} == {"batch", None}
    assert json.loads(to_json([], study)) == []
    assert to_csv([], study).count("\n") == 1
