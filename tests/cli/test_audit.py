"""dropexp audit: the real command, and what it says of a regulariser that is off."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dropexp.cli.commands import build_app
from dropexp.regularisers import REGISTRY
from dropexp.training.audit_report import AuditReport, Check
from tests.conftest import Dropexp


def test_it_shows_every_site_and_check_and_leaves_nothing(dropexp: Dropexp, tmp_path: Path) -> None:
    done = dropexp("audit", "model=resnet", "model.depth=8", "regulariser=dropout2d", "p=0.3")
    assert done.returncode == 0, done.stderr
    assert "3 activations (maps), 6 weights (convolution), 3 branches; 3 filled" in done.stdout
    line = r"^blocks\.\d\.dropout  Dropout2d  0\.3  (0\.\d+)$"
    sites = re.findall(line, done.stdout, re.MULTILINE)
    assert len(sites) == 3
    assert all(abs(float(rate) - 0.3) < 0.1 for rate in sites)
    for words in (r"ok  drop_rate .* >= ", r"ok  strength +0\.3 +== 0\.3 ", r"ok  modes +0 +<= 0 "):
        assert re.search(words, done.stdout), words
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", REGISTRY)
def test_json_is_the_audit_of_every_regulariser(name: str) -> None:
    done = CliRunner().invoke(
        build_app(), ["audit", f"regulariser={name}", "p=0.3", "model.width=8", "-f", "json"]
    )
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["passed"]
    assert bool(report["sites"]) == (name != "none")
    assert report["sites"].keys() == report["realised_drop_rate"].keys()


def test_a_failed_check_is_marked_and_exits_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = (Check("modes", 0, 0, "fine"), Check("training_passes", 1, 0, "silent"))
    report = AuditReport(checks, {}, {})
    monkeypatch.setattr("dropexp.training.build.audit_model", lambda *_: report)
    done = CliRunner().invoke(build_app(), ["audit", "regulariser=dropout2d", "p=0.3"])
    assert done.exit_code == 1
    assert re.search(r"^FAILED  training_passes +1 +<= 0  silent$", done.stdout, re.MULTILINE)
    assert re.search(r"^ok      modes", done.stdout, re.MULTILINE)
    assert "usual cause of training_passes: a noise module whose output is not" in done.stdout


def test_a_regulariser_without_a_site_is_a_sentence(dropexp: Dropexp) -> None:
    done = dropexp("audit", "model=mlp", "regulariser=dropout2d", "p=0.3")
    assert done.returncode == 2
    assert "its sites are 2 activations (vectors)" in done.stderr
