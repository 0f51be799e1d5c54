"""Properties that every regulariser must have."""

import copy
from inspect import signature
from statistics import fmean
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dropexp import models
from dropexp.config.compose import compose_run
from dropexp.config.groups import list_groups
from dropexp.errors import ConfigError
from dropexp.regularisers import (
    REGISTRY,
    Draws,
    DropConnectConv2d,
    DropConnectLinear,
    Gate,
    Noise,
    SiteRecorder,
    build,
    find_noise_modules,
    group_parameters,
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

every_variant = pytest.mark.parametrize(("name", "options"), VARIANTS)
every_noisy_variant = pytest.mark.parametrize(("name", "options"), NOISY)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(16, 3, 6, 6, generator=torch.Generator().manual_seed(1))


@every_variant
def test_evaluation_is_the_plain_model(name: str, options: dict[str, object], x: Tensor) -> None:
    if options.get("scaling") == "eval":
        pytest.skip("its evaluation form is another by design")
    assert torch.equal(network(name, 0.5, **options).eval()(x), network("none", 0).eval()(x))


@every_variant
@pytest.mark.parametrize("training", [True, False])
def test_at_p_0_it_is_the_plain_model_bit_for_bit(
    name: str, options: dict[str, object], training: bool, x: Tensor
) -> None:
    model, plain = network(name, 0, **options).train(training), network("none", 0).train(training)
    out, expected = model(x), plain(x)
    assert torch.equal(out, expected)
    out.square().sum().backward()
    expected.square().sum().backward()
    ours = dict(model.named_parameters())
    for key, theirs in plain.named_parameters():
        assert torch.equal(ours.pop(key).grad, theirs.grad)  # type: ignore[arg-type]
    assert all(learned.grad is None for learned in ours.values()), "off, it learns nothing"


@every_variant
def test_building_draws_the_same_initial_weights_as_the_plain_model(
    name: str, options: dict[str, object]
) -> None:
    model = network(name, 0.5, **options)
    state = torch.get_rng_state()
    plain = network("none", 0)
    assert torch.equal(torch.get_rng_state(), state)
    keys = [key for key in model.state_dict() if key in plain.state_dict()]
    assert keys == list(plain.state_dict())
    groups = group_parameters(model)
    learned = groups[1]["params"] if len(groups) > 1 else []
    assert len(model.state_dict()) == len(keys) + len(learned)
    assert all(group.get("weight_decay") == 0 for group in groups[1:])
    for key, value in plain.state_dict().items():
        assert torch.equal(model.state_dict()[key], value)


@every_noisy_variant
def test_the_seed_alone_determines_the_masks(
    name: str, options: dict[str, object], x: Tensor
) -> None:
    model = network(name, 0.5, **options)
    first, again, other = (under_seed(seed, model, x) for seed in (1, 1, 4))
    assert torch.equal(first, again)
    # A gate for the whole batch decides one bit: of three more seeds some must differ.
    others = [other, *(under_seed(seed, model, x) for seed in range(5, 15))]
    assert not all(torch.equal(first, out) for out in others)


@every_noisy_variant
def test_training_is_noisy_and_evaluation_draws_nothing(
    name: str, options: dict[str, object], x: Tensor
) -> None:
    model = network(name, 0.5, **options)
    outs = torch.stack([under_seed(seed, model, x) for seed in range(8)])
    assert (outs != outs[0]).any()
    state = torch.get_rng_state()
    model.eval()(x)
    assert torch.equal(torch.get_rng_state(), state)


def collect_draws(noise: Noise, units: int) -> list[Draws]:
    """Return the draws of probes that together have at least so many units."""
    found = [noise.draws(probe(noise))]
    found += [noise.draws(probe(noise)) for _ in range(-(-units // found[0].units) - 1)]
    return found


@every_noisy_variant
def test_p_may_change_at_any_time(name: str, options: dict[str, object], x: Tensor) -> None:
    model = network(name, 0.5, **options)
    for noise in find_noise_modules(model).values():
        noise.p = 0.0
    assert torch.equal(model(x), network("none", 0)(x))
    for noise in find_noise_modules(model).values():
        noise.p = 0.9
        drop_rate = fmean(each.drop_rate for each in collect_draws(noise, 500))
        assert drop_rate == pytest.approx(0.9, abs=0.1)


@every_noisy_variant
def test_expectation_is_preserved_and_p_is_the_drop_rate(
    name: str, options: dict[str, object]
) -> None:
    model, p = network(name, 0.3, **options), 0.3
    torch.manual_seed(5)
    for noise in find_noise_modules(model).values():
        found = collect_draws(noise, 3000)
        units = sum(each.units for each in found)
        error = (p * (1 - p) / units) ** 0.5
        assert abs(fmean(each.drop_rate for each in found) - p) < 5 * error / (1 - p)
        assert isinstance(noise, nn.Module)
        assert noise.training
        if name in ON_INPUTS:
            assert found[0].ratios is None, "a changed image has no counterpart in evaluation"
            continue
        ratios = torch.cat([each.ratios for each in found if each.ratios is not None])
        assert ratios.dim() == 1
        assert ratios.dtype == torch.float32
        spread = float(ratios.double().std()) / len(ratios) ** 0.5
        assert abs(float(ratios.double().mean()) - 1) < 5 * spread + found[0].bias
        lowest, highest = float(ratios.min()), float(ratios.max())
        assert found[0].low - 1e-5 <= lowest
        assert highest <= found[0].high + 1e-5


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
def test_runs_in_bfloat16_autocast(name: str, options: dict[str, object], x: Tensor) -> None:
    model = network(name, 0.3, **options)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = under_seed(2, model, x)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(
        out.float(), under_seed(2, copy.deepcopy(model), x), rtol=0.1, atol=0.1
    )
    out.float().square().sum().backward()
    assert model.head.weight.grad.dtype == torch.float32  # type: ignore[union-attr]


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
def test_trains_in_deterministic_mode(name: str, options: dict[str, object], x: Tensor) -> None:
    torch.use_deterministic_algorithms(True)
    try:
        model = network(name, 0.4, **options)
        under_seed(3, model, x).sum().backward()
    finally:
        torch.use_deterministic_algorithms(False)


@every_noisy_variant
def test_a_copy_and_a_loaded_state_draw_the_same_masks(
    name: str, options: dict[str, object], x: Tensor
) -> None:
    model = network(name, 0.4, **options)
    twin = copy.deepcopy(model)
    other = network(name, 0.4, **options)
    other.load_state_dict(model.state_dict())
    outs = [under_seed(9, each, x) for each in (model, twin, other)]
    assert torch.equal(outs[0], outs[1])
    assert torch.equal(outs[0], outs[2])


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
    of_time = {"time_schedule", "switch_after"}
    for name, regulariser in REGISTRY.items():
        section = compose_run([f"regulariser={name}"]).regulariser
        options = set(signature(regulariser).parameters)
        assert set(type(section).model_fields) - {"name"} - of_time == options
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
