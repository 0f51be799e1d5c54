"""The command ``dropexp compare`` on runs that were trained."""

import csv
import io
import json
from pathlib import Path

from tests.conftest import QUICK, Dropexp


def test_a_study_of_real_runs_is_compared_and_written(dropexp: Dropexp, tmp_path: Path) -> None:
    for regulariser in ("none", "dropout2d"):
        for seed in (0, 1):
            done = dropexp("train", f"regulariser={regulariser}", "p=0.3", f"seed={seed}", *QUICK)
            assert done.returncode == 0, done.stderr
    table = dropexp("compare")
    assert table.returncode == 0, table.stderr
    assert "too few seeds" in table.stdout
    lead, _, rest = table.stdout.partition("\n\n")
    assert len(lead.splitlines()) == 3
    assert "Verdicts: anytime test, Holm over 1 row, p <= 0.05." in lead
    assert rest.index("setting") < rest.index("e-process")
    plain = json.loads(dropexp("compare", "--format", "json").stdout)
    none, dropout = plain["rows"]
    summaries = [
        json.loads((tmp_path / "runs" / run_id / "summary.json").read_text())
        for run_id in none["runs"].values()
    ]
    mean = sum(summary["best"]["test_loss"] for summary in summaries) / 2
    assert abs(none["estimates"]["test_loss"]["value"] - mean) < 1e-12
    assert {"test_ece", "noisy_label_acc", "rise", "area"} <= none["estimates"].keys()
    assert len(dropout["pairs"]) == 2

    written = dropexp("compare", "seed=0", "-o", "table.csv")
    assert written.returncode == 0, written.stderr
    lines = list(csv.DictReader(io.StringIO((tmp_path / "table.csv").read_text())))
    assert [line["n"] for line in lines] == ["1", "1"]
    here = dropexp("compare", "-f", "md", "-o", "-")
    assert "\n| dropout2d p=0.3 |" in here.stdout
    chosen = dropexp("compare", "-f", "csv", "--columns", "n,test loss", "--sort", "-name")
    assert chosen.stdout.startswith("setting,n,test_loss\ndropout2d p=0.3,2,2.")
    labelled = dropexp("compare", "-f", "latex", "--label", "tab:x", "--caption", "$p$ at 0.3")
    assert "\\caption{$p$ at 0.3}\n  \\label{tab:x}\n" in labelled.stdout
    for name, word in (("t.md", "| setting |"), ("t.tex", r"\toprule"), ("t.txt", "verdict")):
        assert dropexp("compare", "runs", "--output", name).returncode == 0
        assert word in (tmp_path / name).read_text()


def test_a_wrong_option_is_refused_with_one_sentence(dropexp: Dropexp, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    for arguments, word in (
        (["compare"], "no finished run"),
        (["compare", "elsewhere"], "elsewhere"),
        (["compare", "--at", "matched", "--metric", "test_loss"], "matched"),
        (["compare", "--margin", "1%"], "error: --margin 1% is no number"),
        (["compare", "--test", "foo"], "error: --test foo is not known. Allowed: auto, planned"),
        (["report", "--correction", "foo"], "error: --correction foo is not known"),
        (["study", "register", "x", "--at", "first"], "error: --at first is not known"),
        (["compare", "--at", "matched", "--metric", "train_loss"], "are equal"),
        (["compare", "-o", "table.xlsx"], "table.xlsx has no known suffix"),
        (["report", "-o", "report.pdf"], ".html"),
        (["compare", "--format", "x"], "error: --format x is not known. Allowed: table, csv, json"),
        (
            ["report", "-f", "x"],
            "error: --format x is not known. Allowed: html, md. dropexp report",
        ),
        (["runs", "list", "--nope"], "--nope. dropexp runs list --help shows what it takes."),
        (["runs", "show"], "error: ID is missing. dropexp runs show --help"),
        (["comprae"], "dropexp --help shows what it takes."),
        (["compare", "--label", "tab:x"], "--label is for --format latex"),
        (["compare", "-f", "json", "--columns", "n"], "--columns is for table, csv"),
    ):
        done = dropexp(*arguments)
        assert done.returncode == 2, done.stdout
        assert word in done.stderr
        assert "Traceback" not in done.stderr
        assert "╭" not in done.stderr


def test_an_unknown_epoch_is_refused_without_types_of_python(dropexp: Dropexp) -> None:
    done = dropexp("compare", "--at", "foo")
    assert done.returncode == 2
    assert done.stderr == "error: --at foo is not known. Allowed: best, last, matched.\n"
