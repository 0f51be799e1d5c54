"""model.dropout_site: where noise on activations stands beside batch norm, and nothing else."""

import pytest
import torch
from torch import Tensor, nn

from dropexp import models
from dropexp.config.compose import compose_run
from dropexp.errors import SitesError
from dropexp.randomness import global_stream
from dropexp.regularisers import Dropout, Regulariser, SiteRecorder, find_noise_modules
from tests.builders import build_parts

SITES = ("after_norm", "before_norm", "last")
RESNET = ("model=resnet", "model.depth=8")


class Marking(Regulariser):
    """Puts a dropout at every activation site."""

    def activation(self, depth: float, *, spatial: bool = True) -> nn.Module:
        return Dropout(0.5)


def build(site: str, regulariser: Regulariser | None = None) -> nn.Module:
    with global_stream(3, "init"):
        return models.build(
            "resnet",
            (1, 8, 8),
            10,
            regulariser or Regulariser(),
            depth=8,
            width=4,
            dropout_site=site,
        )


def record_tensors(model: nn.Module, *names: str) -> dict[str, tuple[Tensor, Tensor]]:
    """Return the input and the output of modules in one training pass."""
    seen = {}
    for name in names:

        def keep(_: nn.Module, inputs: tuple[Tensor, ...], out: Tensor, name: str = name) -> None:
            seen[name] = (inputs[0], out)

        model.get_submodule(name).register_forward_hook(keep)
    model(torch.randn(4, 1, 8, 8))
    return seen


def test_after_norm_is_between_the_norm_and_its_relu() -> None:
    seen = record_tensors(
        build("after_norm", Marking()), "blocks.1.bn1", "blocks.1.dropout", "blocks.1.conv2"
    )
    assert seen["blocks.1.dropout"][0] is seen["blocks.1.bn1"][1]
    assert torch.equal(seen["blocks.1.conv2"][0], seen["blocks.1.dropout"][1].relu())


def test_before_norm_is_between_the_convolution_and_its_norm() -> None:
    seen = record_tensors(
        build("before_norm", Marking()), "blocks.1.conv1", "blocks.1.dropout", "blocks.1.bn1"
    )
    assert seen["blocks.1.dropout"][0] is seen["blocks.1.conv1"][1]
    assert seen["blocks.1.bn1"][0] is seen["blocks.1.dropout"][1]


def test_last_is_one_site_on_the_input_of_the_head() -> None:
    model = build("last", Marking())
    assert list(find_noise_modules(model)) == ["dropout"]
    seen = record_tensors(model, "dropout", "head")
    assert seen["dropout"][0].shape == (4, 16)
    assert seen["head"][0] is seen["dropout"][1]


@pytest.mark.parametrize(
    ("site", "sites"),
    [
        ("after_norm", "3 activations (maps), 6 weights (convolution), 3 branches"),
        ("before_norm", "3 activations (maps), 6 weights (convolution), 3 branches"),
        ("last", "1 activation (vectors), 6 weights (convolution), 3 branches"),
    ],
)
def test_the_sites_that_are_announced(site: str, sites: str) -> None:
    recorder = SiteRecorder()
    build(site, recorder)
    assert recorder.describe() == sites


@pytest.mark.parametrize("site", SITES)
def test_weights_and_evaluation_do_not_depend_on_the_site(site: str) -> None:
    plain, noisy = build("after_norm"), build(site, Marking())
    before, now = plain.state_dict(), noisy.state_dict()
    assert list(before) == list(now)
    assert all(torch.equal(before[name], now[name]) for name in before)
    images = torch.randn(4, 1, 8, 8)
    assert torch.equal(plain.eval()(images), noisy.eval()(images))
    assert torch.equal(plain.train()(images), build(site).train()(images))


def test_ids_without_noise_or_at_the_default_do_not_know_the_site() -> None:
    def run_id(*overrides: str) -> str:
        return compose_run([*RESNET, *overrides]).run_id

    assert run_id("model.dropout_site=after_norm") == run_id()
    assert {run_id(f"model.dropout_site={site}") for site in SITES} == {run_id()}
    noisy = ("regulariser=dropout", "p=0.5")
    assert run_id(*noisy, "model.dropout_site=after_norm") == run_id(*noisy)
    assert len({run_id(*noisy, f"model.dropout_site={site}") for site in SITES}) == 3


@pytest.mark.parametrize(
    ("regulariser", "site", "reason"),
    [
        ("dropconnect", "before_norm", "has no effect: regulariser=dropconnect acts on weights"),
        ("stochastic_depth", "last", "has no effect: regulariser=stochastic_depth acts on resid"),
        ("mixup", "last", "has no effect: regulariser=mixup acts on the input"),
        ("dropconnect+cutout", "last", "has no effect: regulariser=.* acts on .* and "),
        ("dropout2d", "last", r"1 activation \(vectors\).*or another model.dropout_site"),
        ("dropblock", "last", "acts on activations with height and width"),
    ],
)
def test_a_site_at_which_nothing_acts_is_refused(regulariser: str, site: str, reason: str) -> None:
    with pytest.raises(SitesError, match=reason):
        build_parts(*RESNET, f"regulariser={regulariser}", "p=0.3", f"model.dropout_site={site}")


def test_one_regulariser_of_a_combination_may_use_the_site() -> None:
    chosen = (*RESNET, "regulariser=dropout+stochastic_depth", "p=0.3", "model.dropout_site=last")
    _, _, state, _ = build_parts(*chosen)
    assert [name for name in find_noise_modules(state.model) if "gate" not in name] == ["dropout"]
