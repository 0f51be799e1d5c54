"""dropexp forgetting: which training images runs forgot, as a table, files, a page and a chart."""

import csv
import io
import json
import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import QUICK, Dropexp, run_dropexp

TRAIN = ("train", *QUICK, "train.epochs=4", "tensorboard.enabled=false")
NOISE = "data.label_noise=0.1"
IMAGES = 60


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two settings with two seeds each, all tracked, and a run that is not."""
    folder = tmp_path_factory.mktemp("forgetting")
    for regulariser in ("none", "dropout2d"):
        for seed in (0, 1):
            run = (f"regulariser={regulariser}", f"seed={seed}", NOISE, "track_examples=true")
            done = run_dropexp(folder, *TRAIN, *run)
            assert done.returncode == 0, done.stderr
    assert run_dropexp(folder, *TRAIN, NOISE, "seed=2").returncode == 0
    return folder


@pytest.fixture
def command(trained: Path) -> Dropexp:
    return partial(run_dropexp, trained, "forgetting")


def test_the_table_pairs_settings_and_says_how_well_wrong_labels_are_found(
    command: Dropexp,
) -> None:
    done = command()
    assert done.returncode == 0, done.stderr
    assert re.search(r"^none +3 ", done.stdout, flags=re.M)
    assert re.search(r"^dropout2d p=0\.5 +2 .*too few seeds", done.stdout, flags=re.M)
    for words in ("right-label", "times", "never", "1 of 3 runs have no results"):
        assert words in done.stdout
    assert "none-p0-s2-" in done.stderr
    assert "trained without track_examples=true" in done.stderr


def test_a_notice_says_that_an_earlier_order_of_equal_images_is_not_shown(
    trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained / "runs", tmp_path / "runs")
    for path in tmp_path.glob("runs/none-*/summary.json"):
        plain = json.loads(path.read_text()) | {"format": 6}
        del plain["files"]["summary.json"]  # the checksum of the values as they were written
        path.write_text(json.dumps(plain))
    done = run_dropexp(tmp_path, "forgetting", "-f", "md")
    assert done.returncode == 0, done.stderr
    rows = {
        line.split("|")[1].strip(): line.split("|")
        for line in done.stdout.splitlines()
        if "|" in line
    }
    heading = [cell.strip() for cell in rows["setting"]]
    place = heading.index("times chance")
    assert rows["none"][place].strip() == ""
    assert rows["dropout2d p=0.5"][place].strip() != ""
    assert "2 runs of an earlier dropexp" in done.stderr
    assert "force=true" in done.stderr


def test_csv_has_a_row_for_each_image_of_each_run(command: Dropexp) -> None:
    rows = list(csv.DictReader(io.StringIO(command("-f", "csv").stdout)))
    assert len(rows) == 4 * IMAGES
    assert {row["setting"] for row in rows} == {"none", "dropout2d p=0.5"}
    wrong = [row for row in rows if row["label"] != row["true_label"]]
    assert len(wrong) == 4 * 6
    for row in rows:
        assert (row["learned_at"] == "") <= (row["forgetting_events"] == "0")
    first = rows[:IMAGES]
    assert len({row["run_id"] for row in first}) == 1
    ranks = [float(row["rank"]) for row in first]
    assert ranks == sorted(ranks, reverse=True)
    assert np.mean(ranks) == pytest.approx(0.5)


def test_json_has_the_same_rows(command: Dropexp, tmp_path: Path) -> None:
    file = tmp_path / "images.json"
    assert "written to" in command("seed=1", "-o", str(file)).stdout
    rows = json.loads(file.read_text())
    assert len(rows) == 2 * IMAGES
    assert {type(row["fitted_at_end"]) for row in rows} == {bool}
    assert {row["learned_at"] for row in rows} <= {None, 1, 2, 3, 4}
    files = ("--plot", str(tmp_path / "chart.svg"), "--page", str(tmp_path / "page.html"))
    done = command("seed=1", "-f", "json", *files)
    assert json.loads(done.stdout) == rows
    assert done.stderr.count("written to") == 2


def test_markdown_has_the_settings(command: Dropexp) -> None:
    text = command("-f", "md").stdout
    assert "| setting | n |" in text
    assert "| none | 3 |" in text


def test_compare_shows_and_tests_the_same_numbers(trained: Path) -> None:
    shown = run_dropexp(trained, "compare", "--metric", "forgetting_events", "-f", "csv")
    (none,) = [row for row in csv.DictReader(io.StringIO(shown.stdout)) if row["n"] == "3"]
    summaries = [json.loads(file.read_text()) for file in trained.glob("runs/none-*/summary.json")]
    values = [each["forgetting"]["forgetting_events"] for each in summaries if each["forgetting"]]
    assert float(none["forgetting_events"]) == pytest.approx(np.mean(values))
    # From the index, too: the second command reads no summary.
    again = run_dropexp(trained, "compare", "--metric", "forgetting_events", "-f", "csv")
    assert again.stdout == shown.stdout
    listed = run_dropexp(trained, "runs", "never_learned>=0", "--format", "json")
    assert len(json.loads(listed.stdout)) == 4


def test_the_page_shows_the_pictures_and_needs_nothing_else(
    command: Dropexp, tmp_path: Path
) -> None:
    page = tmp_path / "forgotten.html"
    done = command("--page", str(page), "--top", "7")
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert text.count("data:image/png;base64,") == 2 * 7
    assert text.count("<h2>") == 2 + 2
    assert "labelled" in text
    assert "most forgotten images ha" in text
    assert not re.search(r"(src|href)=.(?!data:|#)", text.replace("xlink:href", ""))
    assert "<svg" in text


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_chart_is_drawn(suffix: str, command: Dropexp, tmp_path: Path) -> None:
    file = tmp_path / f"chart.{suffix}"
    assert command("--plot", str(file)).returncode == 0
    start = {"png": b"\x89PNG", "svg": b"<svg", "pdf": b"%PDF"}[suffix]
    assert file.read_bytes().startswith(start)
    if suffix == "svg":
        assert all(text in file.read_text() for text in ("wrong label", "never learned", "none"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("seed=2",), "trained without track_examples=true; force=true track_examples=true"),
        (("--page", "x.pdf"), "--page x.pdf has no known suffix. Allowed: .html"),
        (("--plot", "x.gif"), "--plot x.gif is no picture"),
        (("-o", "x.tex"), "--output x.tex has no known suffix"),
        (("--page", "no/such/folder.html"), "cannot be written"),
        (("--top", "0"), "--top"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    arguments: tuple[str, ...], words: str, command: Dropexp
) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_sweep_says_which_finished_runs_have_no_history(trained: Path) -> None:
    asked = ("sweep", *TRAIN[1:], NOISE, "seed=1,2", "track_examples=true", "--dry-run")
    done = run_dropexp(trained, *asked)
    assert done.returncode == 0, done.stderr
    assert "2 finished" in done.stdout
    assert "1 finished run trained without track_examples=true" in done.stderr
    assert "trained without" not in run_dropexp(trained, *asked, "seed=0,1").stderr


def test_tracking_makes_no_other_run(dropexp: Dropexp) -> None:
    refused = dropexp("sweep", *TRAIN[1:], "track_examples=true,false")
    assert refused.returncode == 2
    assert "track_examples does not make another run" in refused.stderr


def test_a_study_remembers_to_track(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "# @package _global_\nhydra: {sweeper: {params: {track_examples: 'true', seed: '0,1'}}}\n"
    )
    done = run_dropexp(tmp_path, "sweep", "study=mine.yaml", *QUICK, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "2 runs: 2 new" in done.stdout


def test_a_damaged_history_is_left_out(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "runs", tmp_path / "runs")
    (file,) = tmp_path.glob("runs/none-p0-s0-*/examples.safetensors")
    file.write_bytes(file.read_bytes()[:-8])
    done = run_dropexp(tmp_path, "forgetting", "regulariser=none", "-f", "csv")
    assert done.returncode == 0
    assert "does not agree with its checksum" in done.stderr
    assert len(done.stdout.splitlines()) == IMAGES + 1
    file.unlink()
    assert "was removed" in run_dropexp(tmp_path, "forgetting", "regulariser=none").stderr
    checked = run_dropexp(tmp_path, "runs", "check")
    assert checked.returncode == 0, checked.stdout


def test_other_images_under_the_same_name_are_refused(dropexp: Dropexp, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    images = chance.integers(0, 256, (200, 4, 4), dtype=np.uint8)
    np.savez(tmp_path / "mine.npz", images=images, labels=np.arange(200) % 2)
    mine = ("data=arrays", "data.root=mine.npz", "data.val_size=50", "data.test_size=50")
    done = dropexp(*TRAIN, *mine, "track_examples=true")
    assert done.returncode == 0, done.stderr
    assert dropexp("forgetting", "--page", "page.html").returncode == 0
    np.savez(tmp_path / "mine.npz", images=images, labels=np.arange(200) % 3)
    refused = dropexp("forgetting", "--page", "page.html")
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr


@pytest.mark.slow
def test_the_study_finds_wrong_labels_at_reduced_size(dropexp_process: Dropexp) -> None:
    """Wrong labels are found at more than chance after few epochs; two seeds decide nothing."""
    small = ("train.epochs=8", "seed=1,2", "regulariser=none,dropout2d", "data.label_noise=0.1")
    done = dropexp_process("sweep", "study=memorisation", *small, "threads=1")
    assert done.returncode == 0, done.stdout
    table = dropexp_process("forgetting", "study=memorisation", "--page", "p.html")
    assert table.returncode == 0, table.stderr
    assert "too few seeds" in table.stdout
    compared = dropexp_process("compare", "study=memorisation", "-f", "json")
    rows = json.loads(compared.stdout)["rows"]
    assert json.loads(compared.stdout)["metric"] == "right_label_forgetting_events"
    assert all(row["estimates"]["wrong_label_lift"]["value"] > 1.5 for row in rows)
