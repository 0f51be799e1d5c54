"""Results of other programs: the same tests as for runs, and what is not known is said."""

import csv
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from baselines import run_folders
from dropexp.compare.foreign import reading
from dropexp.compare.foreign.metric import make_metric
from dropexp.errors import UserError
from dropexp.runs.metric_types import Direction, Unit
from tests.conftest import Dropexp, assert_refused, run_dropexp

MODELS = {"none": 0.0, "dropout": -0.2, "wider": 0.01}
ASK = ("--setting", "model", "--seed", "seed", "--metric", "val_loss")


def make_rows(seeds: Iterable[int] = range(8)) -> list[dict[str, Any]]:
    """Losses whose differences are all but constant, so that every test can tell them."""
    return [
        {"model": model, "seed": seed, "val_loss": 1 + seed / 10 + effect * (1 + seed % 3 / 50)}
        for model, effect in MODELS.items()
        for seed in seeds
    ]


def write(path: Path, rows: Sequence[Mapping[str, Any]], **options: Any) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), **options)
        writer.writeheader()
        writer.writerows(rows)


def compare(folder: Path, *arguments: str) -> dict[str, Any]:
    done = run_dropexp(folder, "compare", *arguments, "-f", "json")
    assert done.returncode == 0, done.stderr
    plain: dict[str, Any] = json.loads(done.stdout)
    return plain


def list_verdicts(plain: Mapping[str, Any]) -> dict[str, str | None]:
    return {row["setting"]: row["verdict"] for row in plain["rows"]}


VERDICTS = {"none": None, "dropout": "better", "wider": "worse"}


# --- the same tests -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folders, and the same numbers as a file."""
    folder = tmp_path_factory.mktemp("both")
    run_folders.make_runs(folder / "runs", runs=32, seeds=8)
    (folder / "runs.csv").write_text(run_dropexp(folder, "runs", "-f", "csv").stdout)
    return folder


@pytest.mark.parametrize("test", ["planned", "anytime"])
def test_a_file_of_runs_gets_the_numbers_that_the_runs_get(runs: Path, test: str) -> None:
    of_file = compare(
        runs,
        "runs.csv",
        *("--setting", "regulariser.name", "--setting", "regulariser.p", "--seed", "seed"),
        *("--metric", "best.test_loss", "--test", test, "--margin", "0.05"),
        *("--baseline", "none regulariser.p=0"),
    )
    of_runs = compare(runs, "--test", test, "--margin", "0.05")
    keys = ("n", "verdict", "p_value", "adjusted_p", "evidence", "difference", "better", "pairs")
    by_name = {row["setting"].replace("regulariser.", ""): row for row in of_file["rows"]}
    assert len(by_name) == len(of_runs["rows"]) == 4
    for row in of_runs["rows"]:
        same = by_name.get(row["setting"], by_name["none p=0"])
        assert {key: same[key] for key in keys} == {key: row[key] for key in keys}


# --- shapes and formats ---------------------------------------------------------------------------


def test_long_and_wide_tables_say_the_same(tmp_path: Path) -> None:
    rows = make_rows()
    write(tmp_path / "long.csv", rows)
    by_seed = {(row["model"], row["seed"]): row["val_loss"] for row in rows}
    wide = [{"seed": s, **{m: by_seed[m, s] for m in MODELS}, "day": "x"} for s in range(8)]
    write(tmp_path / "wide.csv", wide)
    seeds = [{"model": m, **{f"seed_{s}": by_seed[m, s] for s in range(8)}} for m in MODELS]
    write(tmp_path / "seeds.csv", seeds)
    long = compare(tmp_path, "long.csv", *ASK)
    by_setting = compare(tmp_path, "wide.csv", "--seed", "seed", "--metric", "val_loss")
    across = compare(
        tmp_path, "seeds.csv", "--setting", "model", "--seed", "seed_*", "--metric", "val_loss"
    )
    assert list_verdicts(long) == VERDICTS
    for other in (by_setting, across):
        assert [row["pairs"] for row in other["rows"]] == [row["pairs"] for row in long["rows"]]
    assert by_setting["left_out"] == ["Columns without numbers are no settings: day."]


def test_formats_say_the_same(tmp_path: Path) -> None:
    rows = make_rows()
    write(tmp_path / "r.tsv", rows, delimiter="\t")
    write(tmp_path / "semicolons.csv", rows, delimiter=";")
    lines = [
        {"config": {"model": r["model"]}, **{k: r[k] for k in ("seed", "val_loss")}} for r in rows
    ]
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "r.json").write_text(json.dumps(rows))
    for name in ("r.tsv", "semicolons.csv", "r.jsonl", "r.json"):
        assert list_verdicts(compare(tmp_path, name, *ASK)) == VERDICTS, name


@pytest.mark.parametrize("library", ["pyarrow.parquet", "polars"])
def test_parquet_is_read_by_what_is_installed(
    tmp_path: Path, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(library)
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pandas.DataFrame(make_rows()).to_parquet(tmp_path / "r.parquet")
    if library == "polars":
        monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    assert list_verdicts(compare(tmp_path, "r.parquet", *ASK)) == VERDICTS


def test_parquet_without_a_library_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r.parquet").write_bytes(b"PAR1")
    for library in ("pyarrow.parquet", "polars"):
        monkeypatch.setitem(__import__("sys").modules, library, None)
    assert_refused(tmp_path, ["compare", "r.parquet", *ASK], ["pip install pyarrow"])


def test_an_export_of_mlflow_with_a_failed_run(tmp_path: Path) -> None:
    rows = [
        {
            "run_id": f"{r['model']}{r['seed']}",
            "status": "FINISHED",
            "params.model": r["model"],
            "params.seed": str(r["seed"]),
            "metrics.val_loss": r["val_loss"],
        }
        for r in make_rows()
    ]
    failed = {**rows[-1], "run_id": "x", "status": "FAILED", "metrics.val_loss": ""}
    write(tmp_path / "mlflow.csv", [*rows, failed])
    plain = compare(tmp_path, "mlflow.csv", *ASK)
    assert list_verdicts(plain) == VERDICTS
    assert plain["left_out"] == ["1 row left out: status is failed."]


def test_an_export_of_wandb(tmp_path: Path) -> None:
    rows = [
        {"Name": f"run-{n}", "State": "finished", "Model": r["model"], **r}
        for n, r in enumerate(make_rows())
    ]
    for row in rows:
        del row["model"]
    write(tmp_path / "wandb.csv", rows)
    assert list_verdicts(compare(tmp_path, "wandb.csv", *ASK)) == VERDICTS
    chart = [{"Step": 0, "a - val_loss": 1, "a - val_loss__MIN": 1, "a - val_loss__MAX": 1}]
    write(tmp_path / "chart.csv", chart)
    wide = ["compare", "chart.csv", "--setting", "Step", "--seed", "Step", "--metric", "val_loss"]
    assert_refused(tmp_path, wide, ["export of a chart", "table of runs"])


def test_several_columns_make_a_setting_and_a_baseline_for_each_context(tmp_path: Path) -> None:
    rows = [
        {**row, "data": data, "p": 0.0 if row["model"] == "none" else 0.5}
        for data in ("cats", "dogs")
        for row in make_rows(range(6))
    ]
    write(tmp_path / "r.csv", rows)
    both = ("--setting", "model", "--setting", "data", "--seed", "seed", "--metric", "val_loss")
    plain = compare(tmp_path, "r.csv", *both, "--baseline", "model=none")
    baselines = {row["setting"]: row["baseline"] for row in plain["rows"]}
    assert baselines["dropout cats"] == "none cats"
    assert baselines["wider dogs"] == "none dogs"
    only = compare(tmp_path, "r.csv", *ASK, "data=dogs", "model!=wider")
    assert list(list_verdicts(only)) == ["none", "dropout"]
    assert any("Filters chose the rows" in sentence for sentence in only["sentences"])


def test_folds_without_numbers_are_numbered(tmp_path: Path) -> None:
    rows = [{**row, "seed": f"fold-{row['seed']}"} for row in make_rows()]
    write(tmp_path / "r.csv", rows)
    plain = compare(tmp_path, "r.csv", *ASK)
    assert plain["left_out"] == [
        "Seeds are numbered in the order of their names: fold-0 is 0, fold-1 is 1, fold-2 is 2, …."
    ]
    assert [pair["seed"] for pair in plain["rows"][1]["pairs"]] == list(range(8))


# --- what is said ---------------------------------------------------------------------------------


def test_which_test_speaks_and_what_is_not_known_is_said(tmp_path: Path, dropexp: Dropexp) -> None:
    write(tmp_path / "r.csv", make_rows())
    printed = dropexp("compare", "r.csv", *ASK).stdout
    for words in (
        "from r.csv",
        "anytime test",
        "no ledger",
        "no audit",
        "Seeds count in the order",
    ):
        assert words in printed
    planned = dropexp("compare", "r.csv", *ASK, "--test", "planned").stdout
    assert "holds only if all of these runs were asked for before" in planned


def test_a_diverged_run_loses_its_pair_and_an_empty_cell_is_a_missing_run(tmp_path: Path) -> None:
    rows = make_rows()
    rows[8]["val_loss"], rows[9]["val_loss"] = "nan", ""
    write(tmp_path / "r.csv", rows)
    plain = compare(tmp_path, "r.csv", *ASK)
    dropout = plain["rows"][1]
    assert dropout["diverged"] == {"0": "dropout, seed 0"}
    assert dropout["missing_seeds"] == [1]
    assert [pair["seed"] for pair in dropout["pairs"]] == [0, 2, 3, 4, 5, 6, 7]
    assert dropout["pairs_better"] == 6
    assert "1 value is empty: these runs are missing." in plain["left_out"]


def test_reports_and_charts_work_and_claim_no_audit(tmp_path: Path, dropexp: Dropexp) -> None:
    write(tmp_path / "r.csv", make_rows())
    done = dropexp("report", "r.csv", *ASK)
    assert done.returncode == 0
    assert done.stdout.startswith("In r.csv, dropout, chosen by val_loss among 2 settings, lowers")
    page = (tmp_path / "report.html").read_text()
    assert "Another program trained these runs" in page
    assert "dropexp report r.csv --setting model" in page
    assert dropexp("compare", "r.csv", *ASK, "--plot", "r.svg").returncode == 0
    assert "dropout" in (tmp_path / "r.svg").read_text()
    assert dropexp("compare", "r.csv", *ASK, "-f", "latex").returncode == 0
    for arguments, word in ((["--curves"], "no epochs"), (["--at", "best"], "one value for each")):
        assert_refused(tmp_path, ["compare", "r.csv", *ASK, *arguments], [word])


def test_from_python_with_the_same_options(tmp_path: Path) -> None:
    import dropexp

    write(tmp_path / "r.csv", make_rows())
    result = dropexp.compare(tmp_path / "r.csv", setting="model", seed="seed", metric="val_loss")
    assert {row.setting.name: row.verdict for row in result.rows} == VERDICTS
    higher = dropexp.compare(
        tmp_path / "r.csv", setting=["model"], seed="seed", metric="val_loss", higher_is_better=True
    )
    assert higher.rows[1].verdict == "worse"
    assert "--higher-is-better" in higher.report(tmp_path / "r.html").read_text()


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("val_loss", Direction.LOWER),
        ("eval/perplexity", Direction.LOWER),
        ("top1_error", Direction.LOWER),
        ("test_acc", Direction.HIGHER),
        ("F1", Direction.HIGHER),
        ("sacre BLEU", Direction.HIGHER),
        ("roc_auc", Direction.HIGHER),
    ],
)
def test_the_direction_of_a_metric_by_its_name(name: str, direction: Direction) -> None:
    assert make_metric(name, [0.5], higher_is_better=None).direction is direction


def test_a_metric_of_an_unknown_name_is_asked_for_and_shares_are_percent() -> None:
    with pytest.raises(UserError, match=r"add --higher-is-better or --lower-is-better"):
        make_metric("quality", [1.0], higher_is_better=None)
    assert make_metric("quality", [1.0], higher_is_better=True).direction is Direction.HIGHER
    assert make_metric("val_acc", [0.2, 0.9], higher_is_better=None).unit is Unit.FRACTION
    assert make_metric("val_acc", [20, 90], higher_is_better=None).unit is Unit.UNKNOWN


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--setting", "modle", "--seed", "seed", "--metric", "val_loss"], ["Did you mean model?"]),
        (["--setting", "model", "--seed", "seed", "--metric", "loss"], ["Did you mean val_loss?"]),
        (["--setting", "model", "--seed", "seed"], ["--metric is missing", "val_loss"]),
        ([], ["--metric is missing", "It has model, ", "--setting and --seed"]),
        (["--setting", "model", "--metric", "val_loss"], ["--seed is missing"]),
        (["--seed", "seed", "--metric", "val_loss"], ["--setting is missing"]),
        ([*ASK, "--baseline", "nona"], ["Did you mean none?"]),
        ([*ASK, "--baseline", "modal=none"], ["Did you mean model?"]),
        ([*ASK, "--margin", "-1"], ["--margin -1 is not allowed"]),
        ([*ASK, "seed>100"], ["no row of r.csv has seed>100"]),
        ([*ASK, "other.csv"], ["two files"]),
        (
            ["--setting", "model", "--seed", "day", "--metric", "val_loss"],
            ["several rows", "seed=1"],
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    write(tmp_path / "r.csv", [{**row, "day": "x"} for row in make_rows()])
    assert_refused(tmp_path, ["compare", "r.csv", *arguments], words)


@pytest.mark.parametrize(
    ("table", "arguments", "words"),
    [
        ("model,seed,val_loss\nnone,3,1\nnone,3.0,2\n", ASK, ["several rows", "seed=3"]),
        ("model,seed,val_loss\nnone,3,1\nnone, 03,2\n", ASK, ["several rows", "seed=3"]),
        (
            "model,p,seed,val_loss\ndrop,0.1,1,1\ndrop,0.10,1,2\n",
            (*ASK, "--setting", "p"),
            ["several rows", "p=0.1", "seed=1"],
        ),
        ("seed,none,drop\n1,1,2\n1.0,3,4\n", ASK[2:], ["several rows with seed=1"]),
        (
            "model,seed_1,seed_01\nnone,1,2\n",
            ("--setting", "model", "--seed", "seed_*", "--metric", "loss"),
            ["two columns of the seed 1"],
        ),
        (
            "model,seed,val_loss\nnone,1,1\n",
            ("--setting", "model", "--seed", "val_loss", "--metric", "val_loss"),
            ["--seed and --metric both name the column val_loss"],
        ),
    ],
)
def test_one_run_in_two_spellings_is_not_two_runs(
    tmp_path: Path, table: str, arguments: tuple[str, ...], words: list[str]
) -> None:
    (tmp_path / "r.csv").write_text(table)
    assert_refused(tmp_path, ["compare", "r.csv", *arguments], words)


def test_seeds_are_paired_by_their_value(tmp_path: Path) -> None:
    """Tools write 3 as 3.0 where a column has an empty cell; NaN is no seed."""
    rows = make_rows()
    for row in rows:
        row["seed"] = f"{row['seed']}.0" if row["model"] == "none" else row["seed"]
    write(tmp_path / "r.csv", [*rows, {"model": "none", "seed": "nan", "val_loss": 9}])
    plain = compare(tmp_path, "r.csv", *ASK, "--setting", "model")
    assert list_verdicts(plain) == VERDICTS
    assert {row["n"] for row in plain["rows"]} == {8}


def test_names_with_underscores_are_no_numbers(tmp_path: Path) -> None:
    rows = [{**row, "seed": f"1_{row['seed']}"} for row in make_rows()]
    write(tmp_path / "r.csv", [*rows, {"model": "none", "seed": "10", "val_loss": 1}])
    assert compare(tmp_path, "r.csv", *ASK)["rows"][0]["n"] == 9
    write(tmp_path / "r.csv", [{**rows[0], "val_loss": "1_0"}])
    assert_refused(tmp_path, ["compare", "r.csv", *ASK], ["'1_0', which is no number"])


def test_options_of_files_need_a_file(tmp_path: Path) -> None:
    assert_refused(tmp_path, ["compare", "--setting", "model"], ["--setting is for a file"])
    assert_refused(tmp_path, ["report", "none.csv", *ASK], ["there is no file none.csv"])


HEADING = "model,seed,val_loss\n"
HOSTILE: dict[str, tuple[bytes | str, str]] = {
    "a cell of 130 kB": (f"{HEADING}none,0,1\n{'x' * 130_000},1,1\n", "130,000 characters"),
    "a cell of 140 kB": (f"{HEADING}{'x' * 140_000},1,1\n", "field limit"),
    "too many rows": (HEADING + "a,0,1\n" * 2001, "2,002 rows, and 2,000 are allowed"),
    "ten thousand columns": (",".join(f"c{n}" for n in range(10_001)) + "\n", "10,001 columns"),
    "bytes": (bytes(range(256)), "not text in UTF-8"),
    "nothing": ("", "two columns or more"),
    "a heading": (HEADING, "it has no row"),
    "a short row": (f"{HEADING}a,0\n", "row 1 has 2 cells"),
    "an open quote": (f'{HEADING}"a,0,1\n', "unexpected end"),
    "a name twice": ("a,a\n1,2\n", "two columns have the name a"),
    "a word for a number": (f"{HEADING}none,0,1\na,0,good\n", "which is no number"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_end_in_a_sentence(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_ROWS", 2000)
    content, words = HOSTILE[name]
    raw = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "r.csv").write_bytes(raw)
    assert_refused(tmp_path, ["compare", "r.csv", *ASK], [words])


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 50_000, '{"a": [1], "a"}', "[1]", "x"])
def test_hostile_json_ends_in_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.jsonl").write_text(text)
    assert_refused(tmp_path, ["compare", "r.jsonl", *ASK], ["is no table of results"])


def test_pipes_and_folders_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    assert_refused(tmp_path, ["compare", "pipe.csv", *ASK], ["a named pipe"])
    assert_refused(tmp_path, ["compare", "folder.csv", *ASK], ["it is a folder"])


def test_control_characters_and_formulas_do_not_leave_the_file(tmp_path: Path) -> None:
    names = {"none": "none", "dropout": "\x1b[31mred", "wider": "=HYPERLINK(1)"}
    write(tmp_path / "r.csv", [{**row, "model": names[row["model"]]} for row in make_rows()])
    printed = run_dropexp(tmp_path, "compare", "r.csv", *ASK).stdout
    assert "\x1b" not in printed
    assert "\\x1b[31mred" in printed
    assert "'=HYPERLINK(1)" in run_dropexp(tmp_path, "compare", "r.csv", *ASK, "-f", "csv").stdout


def test_names_of_several_lines_or_screens_stay_one_cell(tmp_path: Path) -> None:
    names = {"none": "none", "dropout": "two\nlines", "wider": f"{'w' * 500} end"}
    write(tmp_path / "r.csv", [{**row, "model": names[row["model"]]} for row in make_rows()])
    table = run_dropexp(tmp_path, "compare", "r.csv", *ASK).stdout
    assert re.search(r"^two lines +\d", table, re.MULTILINE)
    assert re.search(r"^w{40}…w+ end +\d", table, re.MULTILINE)
    chosen = ("--baseline", names["wider"])
    table = run_dropexp(tmp_path, "compare", "r.csv", *ASK, *chosen).stdout
    assert re.search(r"^w{40}…w+ end .* baseline", table, re.MULTILINE)


def test_numbers_of_any_size_are_compared(tmp_path: Path) -> None:
    rows = make_rows()
    rows[8]["val_loss"], rows[9]["val_loss"] = 1e308, -1e308
    write(tmp_path / "r.csv", rows)
    assert len(compare(tmp_path, "r.csv", *ASK)["rows"][1]["diverged"]) == 2
