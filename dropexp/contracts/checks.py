"""The contracts of noise: each function checks one of them, and raises AssertionError.

dropexp's own tests call them for every regulariser, and the plugin for a class of the user's.
"""

import copy
from statistics import fmean

import pytest
import torch
from torch import nn

from dropexp.contracts.network import (
    MakeNetwork,
    make_images,
    make_network,
    make_probe,
    run_under_seed,
)
from dropexp.regularisers import Draws, Noise, find_noise_modules, group_parameters


def check_evaluation(make: MakeNetwork) -> None:
    """In eval mode the network computes what the plain one computes."""
    x = make_images()
    assert torch.equal(make(0.5).eval()(x), make_network().eval()(x)), (
        "in eval mode the output differs from the plain network's"
    )


def check_p_of_zero(make: MakeNetwork, *, training: bool) -> None:
    """At p = 0 output and gradients are those of the plain network, bit for bit."""
    x = make_images()
    model, plain = make(0).train(training), make_network().train(training)
    out, expected = model(x), plain(x)
    assert torch.equal(out, expected), "at p = 0 the output differs from the plain network's"
    out.square().sum().backward()
    expected.square().sum().backward()
    ours = dict(model.named_parameters())
    for key, theirs in plain.named_parameters():
        mine = ours.pop(key).grad
        assert mine is not None
        assert theirs.grad is not None
        assert torch.equal(mine, theirs.grad), f"at p = 0 the gradient of {key} differs"
    assert all(learned.grad is None for learned in ours.values()), "at p = 0 it learns something"


def check_initial_weights(make: MakeNetwork) -> None:
    """Building draws the same random numbers as the plain network, under the same names."""
    model = make(0.5)
    state = torch.get_rng_state()
    plain = make_network()
    assert torch.equal(torch.get_rng_state(), state), "its constructor draws random numbers"
    keys = [key for key in model.state_dict() if key in plain.state_dict()]
    assert keys == list(plain.state_dict()), "plain weights have other names in state_dict()"
    groups = group_parameters(model)
    learned = groups[1]["params"] if len(groups) > 1 else []
    assert len(model.state_dict()) == len(keys) + len(learned)
    assert all(group.get("weight_decay") == 0 for group in groups[1:])
    for key, value in plain.state_dict().items():
        assert torch.equal(model.state_dict()[key], value), f"the initial {key} differs"


def check_seed(make: MakeNetwork) -> None:
    """The seed of torch's generator alone determines the masks."""
    x, model = make_images(), make(0.5)
    first, again, other = (run_under_seed(seed, model, x) for seed in (1, 1, 4))
    assert torch.equal(first, again), "the same seed gives other masks"
    # A gate for the whole batch decides one bit: of more seeds some must differ.
    others = [other, *(run_under_seed(seed, model, x) for seed in range(5, 15))]
    assert not all(torch.equal(first, out) for out in others), "other seeds give the same masks"


def check_modes(make: MakeNetwork) -> None:
    """Training passes differ, and evaluation draws no random number."""
    x, model = make_images(), make(0.5)
    outs = torch.stack([run_under_seed(seed, model, x) for seed in range(8)])
    assert (outs != outs[0]).any(), "training passes are all equal"
    state = torch.get_rng_state()
    model.eval()(x)
    assert torch.equal(torch.get_rng_state(), state), "evaluation draws random numbers"


def collect_draws(noise: Noise, units: int) -> list[Draws]:
    """Return the draws of probes that together have at least so many units."""
    found = [noise.draws(make_probe(noise))]
    found += [noise.draws(make_probe(noise)) for _ in range(-(-units // found[0].units) - 1)]
    return found


def check_changing_p(make: MakeNetwork) -> None:
    """The attribute p takes effect at the next pass."""
    x, model = make_images(), make(0.5)
    noises = find_noise_modules(model).values()
    assert noises, "it fills no site of the network"
    for noise in noises:
        noise.p = 0.0
    assert torch.equal(model(x), make_network()(x)), "p = 0 is not taken over"
    for noise in noises:
        noise.p = 0.9
        rate = fmean(each.drop_rate for each in collect_draws(noise, 500))
        assert rate == pytest.approx(0.9, abs=0.1), "p = 0.9 is not taken over"


def check_drop_rate_and_expectation(make: MakeNetwork, *, is_input: bool = False) -> None:
    """The drop rate is p, and the expectation in training is the value in evaluation.

    Args:
        make: see MakeNetwork.
        is_input: whether it changes images, which have no counterpart in evaluation.
    """
    model, p = make(0.3), 0.3
    torch.manual_seed(5)
    for noise in find_noise_modules(model).values():
        found = collect_draws(noise, 3000)
        units = sum(each.units for each in found)
        error = (p * (1 - p) / units) ** 0.5
        rate = fmean(each.drop_rate for each in found)
        assert abs(rate - p) < 5 * error / (1 - p), f"the drop rate is {rate:.3f} at p = {p}"
        assert isinstance(noise, nn.Module)
        assert noise.training
        if is_input:
            assert found[0].ratios is None, "a changed image has no counterpart in evaluation"
            continue
        ratios = torch.cat([each.ratios for each in found if each.ratios is not None])
        assert ratios.dim() == 1
        assert ratios.dtype == torch.float32
        spread = float(ratios.double().std()) / len(ratios) ** 0.5
        mean = float(ratios.double().mean())
        assert abs(mean - 1) < 5 * spread + found[0].bias, (
            f"the mean in training is {mean:.3f} times that in evaluation; divide by 1 - p"
        )
        lowest, highest = float(ratios.min()), float(ratios.max())
        assert found[0].low - 1e-5 <= lowest
        assert highest <= found[0].high + 1e-5


def check_bfloat16(make: MakeNetwork) -> None:
    """It keeps the type of activations under autocast."""
    x, model = make_images(), make(0.3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = run_under_seed(2, model, x)
    assert out.dtype == torch.bfloat16, f"under autocast the output is {out.dtype}"
    plain = run_under_seed(2, copy.deepcopy(model), x)
    torch.testing.assert_close(out.float(), plain, rtol=0.1, atol=0.1)
    out.float().square().sum().backward()
    assert isinstance(model.head.weight, torch.Tensor)
    assert model.head.weight.grad is not None
    assert model.head.weight.grad.dtype == torch.float32


def check_deterministic_mode(make: MakeNetwork) -> None:
    """It trains where torch refuses operations that are not deterministic."""
    torch.use_deterministic_algorithms(True)
    try:
        run_under_seed(3, make(0.4), make_images()).sum().backward()
    finally:
        torch.use_deterministic_algorithms(False)


def check_copies(make: MakeNetwork) -> None:
    """A copy, and a network with a loaded state, draw the same masks."""
    x, model = make_images(), make(0.4)
    twin, other = copy.deepcopy(model), make(0.4)
    other.load_state_dict(model.state_dict())
    outs = [run_under_seed(9, each, x) for each in (model, twin, other)]
    assert torch.equal(outs[0], outs[1]), "a copy draws other masks"
    assert torch.equal(outs[0], outs[2]), "a loaded state draws other masks"
