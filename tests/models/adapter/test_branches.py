"""Residual branches are found, really skipped, and rescaled."""

import copy

import pytest
import torch
from torch import Tensor, nn

from dropexp.errors import SitesError
from dropexp.models.adapter import find_sites, regularise
from dropexp.regularisers import find_noise_modules
from tests.models.adapter import networks
from tests.models.adapter.networks import Residual, images, network


@pytest.mark.parametrize(
    ("block", "branches"),
    [
        (networks.Residual, 1),
        (networks.PreActivated, 1),
        (networks.TwoBranches, 4),  # two of its own, and one in each of its children
        (networks.Nested, 2),
        (networks.ParallelPaths, 0),
        (networks.AddsParameter, 0),
        (networks.AddsPooled, 0),
        (networks.UsesItsBranchTwice, 0),
        (networks.OverwritesItsInput, 0),
        (networks.WithOption, 1),
        (networks.AddsWhatItTakesFromElsewhere, 0),
    ],
)
def test_a_branch_is_computed_from_the_source_of_its_shortcut_alone(
    block: type[nn.Module], branches: int
) -> None:
    torch.manual_seed(0)
    model = block()
    assert sum(site.kind == "branch" for site in find_sites(model).sites) == branches
    if branches == 0:
        return
    reference = copy.deepcopy(model)
    regularise(model, "stochastic_depth", 0.4)
    for training in (False, True):
        for noise in find_noise_modules(model).values():
            noise.p = 0.4 * (not training)
        assert torch.equal(model.train(training)(images()), reference.train(training)(images()))


def test_each_row_is_either_kept_and_rescaled_or_skipped() -> None:
    torch.manual_seed(0)
    model = Residual()
    model.add_module(
        "norm", nn.Identity()
    )  # otherwise a row's branch depends on the other kept rows
    x = images(256)
    branch = model.branch(x)
    regularise(model, "stochastic_depth", 0.25, depth_schedule="uniform")
    out = model(x)
    kept = torch.isclose(out, x + branch / 0.75, atol=1e-5).flatten(1).all(1)
    dropped = (out == x).flatten(1).all(1)
    assert (kept ^ dropped).all()
    assert float(dropped.float().mean()) == pytest.approx(0.25, abs=0.12)


@pytest.mark.parametrize("mode", ["row", "batch"])
def test_a_dropped_branch_is_not_computed(mode: str) -> None:
    model = network("resnet18")
    rows: list[int] = []
    block = model.get_submodule("layer4.1")
    block.get_submodule("conv1").register_forward_hook(lambda _, x, __: rows.append(len(x[0])))
    regularise(model, "stochastic_depth", 0.5, mode=mode, depth_schedule="uniform")
    torch.manual_seed(0)
    model.train()
    for _ in range(20):
        model(images(8))
    if mode == "batch":
        assert 3 <= len(rows) <= 17
        assert set(rows) == {8}
    else:
        assert 40 <= sum(rows) <= 120


def test_a_dropped_branch_does_not_update_its_batch_statistics() -> None:
    torch.manual_seed(0)
    model = Residual()
    regularise(model, "stochastic_depth", 0.9, mode="batch")
    for _ in range(30):
        model(images())
    assert 0 < int(model.norm.num_batches_tracked) < 15  # type: ignore[arg-type]


def test_a_single_kept_row_is_normalised_by_running_statistics() -> None:
    torch.manual_seed(0)
    model = Residual()
    regularise(model, "stochastic_depth", 0.75)
    seen: list[tuple[int, bool]] = []
    model.norm.register_forward_hook(lambda norm, x, _: seen.append((len(x[0]), norm.training)))
    for _ in range(50):
        model(images(4, (3, 1, 1)).requires_grad_()).sum().backward()
    assert {rows for rows, _ in seen} >= {1, 2}
    assert all(training is (rows > 1) for rows, training in seen)
    assert all(module.training for module in model.modules())


def test_where_the_branch_is_dropped_the_projection_remains() -> None:
    torch.manual_seed(0)
    model = network("resnet18").train()
    block = model.get_submodule("layer2.0")
    regularise(model, "stochastic_depth", 0.9, mode="batch", sites=["layer2.0"])
    x = torch.randn(4, 64, 8, 8)
    outs = [block(x) for _ in range(12)]
    shortcut: Tensor = block.get_submodule("downsample")(x).relu()
    assert any(torch.equal(out, shortcut) for out in outs)


def test_a_block_is_gated_for_the_defaults_of_its_optional_arguments() -> None:
    torch.manual_seed(0)
    model = networks.WithOption()
    reference = copy.deepcopy(model)
    regularise(model, "stochastic_depth", 0.4)
    model.eval()
    reference.eval()
    assert torch.equal(model(images(), scale=None), reference(images()))
    with pytest.raises(SitesError, match="found for scale=None"):
        model(images(), scale=2.0)
