"""How many threads a run gets, and when it may use a second core."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dropexp import data, models
from dropexp.config.compose import compose_run
from dropexp.regularisers import Regulariser
from dropexp.training.build import NOT_OF_NETWORKS
from dropexp.training.threads import choose_threads, count_cores, has_free_core
from dropexp.training.work import estimate_layer_work, find_image_shape

CORES = "dropexp.training.threads.count_cores"


@pytest.mark.parametrize(
    ("limit", "cores"),
    [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1), ("", 8)],
)
def test_a_container_has_the_cores_that_its_limit_gives_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: str, cores: int
) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text(limit)
    monkeypatch.setattr("dropexp.training.threads._CGROUP_QUOTA", quota)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert count_cores() == cores


@pytest.mark.parametrize(
    ("overrides", "threads"),
    [
        ([], 1),
        (["model=mlp"], 1),
        (["data=cifar10", "model=resnet"], 1),
        (["data=fashion_mnist"], 5),
        (["data=fashion_mnist", "data.train_size=20"], 1),
        (["data=cifar10", "model=torchvision", "train.batch_size=128"], 8),
        (["data=fashion_mnist", "threads=3"], 3),
    ],
)
def test_threads_are_those_that_the_work_is_worth(
    monkeypatch: pytest.MonkeyPatch, overrides: list[str], threads: int
) -> None:
    monkeypatch.setattr(CORES, lambda: 8)
    assert choose_threads(compose_run(overrides)) == threads
    monkeypatch.setattr(CORES, lambda: 1)
    assert choose_threads(compose_run(overrides)) == (3 if "threads=3" in overrides else 1)


@pytest.mark.parametrize(
    ("name", "overrides", "tolerance"),
    [
        ("small_cnn", [], 0.01),
        ("small_cnn", ["model.head=gap", "model.width=8", "train.batch_size=30"], 0.01),
        ("mlp", ["model.hidden=[300,20]"], 0.01),
        ("resnet", ["model.depth=14"], 0.3),
        pytest.param(
            "torchvision", ["data=cifar10", "model.arch=resnet18"], 0.1, marks=pytest.mark.slow
        ),
    ],
)
def test_the_estimated_work_is_that_of_the_layers(
    name: str, overrides: list[str], tolerance: float
) -> None:
    config = compose_run([f"model={name}", *overrides])
    shape = find_image_shape(config.data)
    options = config.model.model_dump(exclude={*NOT_OF_NETWORKS, "shortcut", "small_images"})
    model = models.build(name, shape, 10, Regulariser(), **options).eval()
    work: list[int] = []

    def count(layer: nn.Conv2d | nn.Linear, _inputs: tuple[Tensor], output: Tensor) -> None:
        work.append(output.numel() * layer.weight[0].numel())

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.inference_mode():
        model(torch.zeros(1, *shape))
    mean = config.train.batch_size * sum(work) / len(work)
    assert estimate_layer_work(config) == pytest.approx(mean, rel=tolerance)


def test_the_shape_of_images_is_that_of_the_data() -> None:
    config = compose_run([])
    assert find_image_shape(config.data) == data.load(config.data).image_shape


@pytest.mark.parametrize(
    ("load", "shares_cores", "expected"),
    [
        ("0.5 0.4 0.3 3/120 999", True, True),
        ("0.5 0.4 0.3 4/120 999", True, False),
        ("0.5 0.4 0.3 9/120 999", False, True),
        ("", True, False),
    ],
)
def test_a_run_that_shares_the_cores_uses_only_idle_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, load: str, shares_cores: bool, expected: bool
) -> None:
    path = tmp_path / "loadavg"
    path.write_text(load)
    monkeypatch.setattr("dropexp.training.threads._LOAD", path)
    monkeypatch.setattr(CORES, lambda: 4)
    assert has_free_core(1, shares_cores=shares_cores) is expected
    assert not has_free_core(3, shares_cores=False)
