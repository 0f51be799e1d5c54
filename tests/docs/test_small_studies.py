"""The commands of findings' pages, at reduced size: fewer seeds, epochs and images."""

from pathlib import Path

import pytest

from tests.builders import make_pictures
from tests.conftest import QUICK, Dropexp, run_dropexp

pytestmark = pytest.mark.slow

REDUCED = ("seed=range(2)", *(word for word in QUICK if "train_size" not in word))


def test_the_study_of_learning_curves(dropexp_process: Dropexp, tmp_path: Path) -> None:
    study = "study=learning_curve"
    done = dropexp_process("sweep", study, *REDUCED, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    chart = str(tmp_path / "curves.svg")
    shown = run_dropexp(tmp_path, "learning-curve", study, "--plot", chart, "--metric", "test_acc")
    assert shown.returncode == 0, shown.stderr
    assert "dropout2d p=0.3" in shown.stdout
    assert "2 seeds with a result at every size in common; a worth needs 6" in shown.stdout
    assert Path(chart).stat().st_size > 5_000
    assert run_dropexp(tmp_path, "compare", study).returncode == 0


def test_the_study_of_interactions(dropexp_process: Dropexp, tmp_path: Path) -> None:
    study = "study=interactions"
    done = dropexp_process("sweep", study, *REDUCED, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    chart = str(tmp_path / "effects.svg")
    shown = run_dropexp(tmp_path, "effects", study, "--plot", chart)
    assert shown.returncode == 0, shown.stderr
    assert "2 × 2 × 2 × 2 combinations on 2 seeds" in shown.stdout
    assert "dropout2d p=0.3 × augment=crop" in shown.stdout
    assert Path(chart).stat().st_size > 5_000


def test_the_study_of_early_stopping(dropexp_process: Dropexp, tmp_path: Path) -> None:
    study = "study=early_stopping"
    done = dropexp_process("sweep", study, *REDUCED, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    for metric in ("test_loss", "test_acc"):
        shown = run_dropexp(tmp_path, "early-stopping", study, "--metric", metric)
        assert shown.returncode == 0, shown.stderr
        assert "stochastic_depth p=0.5" in shown.stdout
    for at in ("best", "last", "matched"):
        assert run_dropexp(tmp_path, "compare", study, "--at", at).returncode == 0


def test_the_study_of_max_norm(dropexp_process: Dropexp, tmp_path: Path) -> None:
    # Digits, as MNIST is not on every machine.
    size = ("data=digits", "data.train_size=100", "data.val_size=100", "model.hidden=[32,32]")
    reduced = [word for word in REDUCED if not word.startswith("model.width")]
    done = dropexp_process("sweep", "study=max_norm", *reduced, *size, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    baseline = "regulariser=dropout optimiser.weight_decay=0.0003 optimiser.max_norm=null"
    shown = run_dropexp(
        tmp_path, "compare", "study=max_norm", "regulariser=dropout", "--baseline", baseline
    )
    assert shown.returncode == 0, shown.stderr
    assert "max_norm=0.8" in shown.stdout


@pytest.mark.parametrize("study", ["natural_images", "natural_images_cnn"])
def test_the_studies_of_natural_images(
    study: str, dropexp_process: Dropexp, tmp_path: Path
) -> None:
    make_pictures(tmp_path / "pictures", per_class=20)
    sizes = ("data.train_size=20", "data.val_size=10")
    done = dropexp_process(
        "sweep", f"study={study}", "data.root=pictures", *REDUCED, *sizes, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    columns = "setting,test_acc,difference,verdict,seconds_per_epoch"
    shown = run_dropexp(tmp_path, "compare", f"study={study}", "--columns", columns)
    assert shown.returncode == 0, shown.stderr
    assert ("stochastic_depth" if study == "natural_images" else "spatial_dropout") in shown.stdout
    if study == "natural_images":
        chart = str(tmp_path / "effects.svg")
        shown = run_dropexp(tmp_path, "effects", f"study={study}", "--plot", chart)
        assert shown.returncode == 0, shown.stderr
        assert "stochastic_depth p=0.5 × depth=32" in shown.stdout
        assert Path(chart).stat().st_size > 5_000


def test_the_study_of_batch_norm(dropexp_process: Dropexp, tmp_path: Path) -> None:
    study = "study=batch_norm"
    done = dropexp_process("sweep", study, *REDUCED, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 runs" in done.stdout  # none is one run of each seed, whatever the site
    shown = run_dropexp(tmp_path, "compare", study, "--metric", "variance_shift")
    assert shown.returncode == 0, shown.stderr
    for setting in ("dropout p=0.5 model.dropout_site=before_norm", "dropout p=0.5"):
        assert setting in shown.stdout
    chart = str(tmp_path / "shift.svg")
    drawn = run_dropexp(tmp_path, "compare", study, "--plot", chart, "--chart", "differences")
    assert drawn.returncode == 0, drawn.stderr
    assert Path(chart).stat().st_size > 5_000
