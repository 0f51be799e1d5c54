"""Properties that every regulariser must have."""

from inspect import signature
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dropexp import models
from dropexp.config.compose import compose_run
from dropexp.config.groups import list_groups
from dropexp.contracts import checks
from dropexp.contracts.network import MakeNetwork
from dropexp.errors import ConfigError
from dropexp.regularisers import (
    REGISTRY,
    DropConnectConv2d,
    DropConnectLinear,
    Gate,
    Noise,
    SiteRecorder,
    build,
    find_noise_modules,
)
from tests.regularisers.networks import (
    NOISY,
    ON_INPUTS,
    VARIANTS,
    Network,
    network,
    probe,
    under_seed,
)


def make(name: str, options: dict[str, object]) -> MakeNetwork:
    return lambda p: network(name, p, **options)


every_variant = pytest.mark.parametrize(("name", "options"), VARIANTS)
every_noisy_variant = pytest.mark.parametrize(("name", "options"), NOISY)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(16, 3, 6, 6, generator=torch.Generator().manual_seed(1))


@every_variant
def test_evaluation_is_the_plain_model(name: str, options: dict[str, object]) -> None:
    if options.get("scaling") == "eval":
        pytest.skip("its evaluation form is another by design")
    checks.check_evaluation(make(name, options))


@every_variant
@pytest.mark.parametrize("training", [True, False])
def test_at_p_0_it_is_the_plain_model_bit_for_bit(
    name: str, options: dict[str, object], training: bool
) -> None:
    checks.check_p_of_zero(make(name, options), training=training)


@every_variant
def test_building_draws_the_same_initial_weights_as_the_plain_model(
    name: str, options: dict[str, object]
) -> None:
    checks.check_initial_weights(make(name, options))


@every_noisy_variant
def test_the_seed_alone_determines_the_masks(name: str, options: dict[str, object]) -> None:
    checks.check_seed(make(name, options))


@every_noisy_variant
def test_training_is_noisy_and_evaluation_draws_nothing(
    name: str, options: dict[str, object]
) -> None:
    checks.check_modes(make(name, options))


@every_noisy_variant
def test_p_may_change_at_any_time(name: str, options: dict[str, object]) -> None:
    checks.check_changing_p(make(name, options))


@every_noisy_variant
def test_expectation_is_preserved_and_p_is_the_drop_rate(
    name: str, options: dict[str, object]
) -> None:
    is_input = name in ON_INPUTS
    checks.check_drop_rate_and_expectation(make(name, options), is_input=is_input)


@pytest.mark.parametrize("name", [name for name in REGISTRY if name not in ("none", *ON_INPUTS)])
def test_what_is_dropped_has_no_gradient(name: str) -> None:
    noises: list[Any] = list(find_noise_modules(network(name, 0.5)).values())
    for noise in noises:
        x = torch.randn_like(probe(noise)).requires_grad_()
        if isinstance(noise, DropConnectLinear | DropConnectConv2d):
            # Summed over a batch of ones, a weight's gradient is the number of its survivors.
            noise.mask = "batch"
            noise(torch.ones_like(x)).sum().backward()
            gradient: Tensor = noise.weight.grad  # type: ignore[assignment]
            rate = 1 - int(gradient.count_nonzero()) / gradient.numel()
            assert rate == pytest.approx(0.5, abs=0.25)
            continue
        outs = []
        for scale in (1, 2):
            torch.manual_seed(1)
            outs.append(
                noise(torch.clone, x * scale) if isinstance(noise, Gate) else noise(x * scale)
            )
        outs[0].sum().backward()
        assert x.grad is not None
        assert torch.equal(x.grad != 0, outs[0] != outs[1]), "what depends on x has a gradient"


@pytest.mark.parametrize(
    "name", [name for name in REGISTRY if "depth_schedule" in signature(REGISTRY[name]).parameters]
)
def test_a_linear_depth_schedule_reaches_p_at_the_last_site(name: str) -> None:
    def site_p(depth_schedule: str) -> list[float]:
        regulariser = build(name, 0.4, depth_schedule=depth_schedule)
        model = models.build("small_cnn", (1, 8, 8), 10, regulariser, width=4, shortcut=True)
        return [noise.p for noise in find_noise_modules(model).values()]

    assert set(site_p("uniform")) == {0.4}
    linear = site_p("linear")
    assert linear == sorted(linear)
    assert set(linear) <= {0.2, 0.4}, "the network's sites are at half and at full depth"
    assert linear[-1] == 0.4
    with pytest.raises(ValueError, match="depth_schedule='exponential'"):
        build(name, 0.4, depth_schedule="exponential")


@every_variant
def test_runs_in_bfloat16_autocast(name: str, options: dict[str, object]) -> None:
    checks.check_bfloat16(make(name, options))


@every_variant
def test_channels_last_gives_the_same(name: str, options: dict[str, object], x: Tensor) -> None:
    model = network(name, 0.3, **options)
    maps = torch.ones(2, 8, 3, 3)
    if isinstance(model.noise1, Noise) and model.noise1.draws(maps).units == maps.numel():
        pytest.skip("one draw for each element is made in the order in which x lies in memory")
    expected = under_seed(2, model, x)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    ours = under_seed(2, model, x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


@every_variant
def test_trains_in_deterministic_mode(name: str, options: dict[str, object]) -> None:
    checks.check_deterministic_mode(make(name, options))


@every_noisy_variant
def test_a_copy_and_a_loaded_state_draw_the_same_masks(
    name: str, options: dict[str, object]
) -> None:
    checks.check_copies(make(name, options))


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, float("nan")])
def test_p_outside_its_range_is_refused(p: float) -> None:
    for name, regulariser in REGISTRY.items():
        if p == 1 and regulariser.allows_p_of_one:
            assert regulariser(p).p == 1
            continue
        with pytest.raises(ValueError, match=rf"p={p}"):
            regulariser(p)
        for noise in find_noise_modules(network(name, 0.5)).values():
            with pytest.raises(ValueError, match=rf"p={p}"):
                noise.p = p
            assert noise.p == 0.5
            assert "p=0.5" in repr(noise)


def test_none_fills_no_site_at_any_p() -> None:
    assert build("none", 0.7).p == 0
    assert not find_noise_modules(network("none", 0.7))


def test_unknown_names_and_options_are_refused_with_a_hint() -> None:
    with pytest.raises(ConfigError, match=r"dropout_2d.*Did you mean.*dropout2d"):
        build("dropout_2d", 0.1)
    with pytest.raises(ConfigError, match=r"regulariser\.masks.*dropconnect.*Did you mean mask\?"):
        build("dropconnect", 0.1, masks="batch")
    with pytest.raises(ConfigError, match="Known: depth_schedule"):
        build("spatial_dropout", 0.1, inplace=True)
    with pytest.raises(ConfigError, match="has none"):
        build("none", 0.0, inplace=True)


@every_variant
def test_a_regulariser_fills_exactly_the_sites_that_it_needs(
    name: str, options: dict[str, object]
) -> None:
    sites = {
        "nothing": set(),
        "activations": {"noise1", "noise2"},
        "activations with height and width": {"noise1"},
        "weights of linear or convolution layers": {"conv1", "conv2", "head"},
        "linear or convolution layers": {"conv1.noise", "conv2.noise", "head.noise"},
        "residual branches": {"gate"},
        "the input": {"input_noise"},
    }
    noises = find_noise_modules(network(name, 0.5, **options))
    assert set(noises) == sites[REGISTRY[name].needs]
    assert all(noise.kind == name for noise in noises.values())
    assert REGISTRY[name].name == name


def test_every_regulariser_has_a_file_and_a_section_with_its_options_and_no_other() -> None:
    assert set(list_groups()["regulariser"]) == {*REGISTRY, "custom"}
    of_a_run = {"time_schedule", "switch_after", "sites"}
    for name, regulariser in REGISTRY.items():
        section = compose_run([f"regulariser={name}"]).regulariser
        options = set(signature(regulariser).parameters)
        assert set(type(section).model_fields) - {"name"} - of_a_run == options
        defaults = {key: each.default for key, each in signature(regulariser).parameters.items()}
        for key in options - {"p"}:
            assert getattr(section, key) == defaults[key], "as published, in Python too"


def test_the_sites_of_a_model_can_be_listed() -> None:
    recorder = SiteRecorder()
    assert recorder.describe() == "0 activations, 0 weights, 0 branches"
    model = Network(recorder)
    assert not find_noise_modules(model)
    assert recorder.describe() == (
        "2 activations (1 maps, 1 vectors), 3 weights (2 convolution, 1 linear), 1 branch"
    )
    recorder = SiteRecorder()
    recorder.weight(nn.Linear(1, 1), 1.0)
    assert recorder.describe() == "0 activations, 1 weight (linear), 0 branches"
