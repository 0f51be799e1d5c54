"""Max-norm bounds the weights into each hidden unit after every step, and nothing else."""

import copy

import pytest
import torch
from torch import Tensor, nn

from dropexp.config.compose import compose_run
from dropexp.config.identity import hash_identity
from dropexp.errors import ConfigError
from dropexp.training.loop import train
from dropexp.training.max_norm import bound_norms, find_bounded_weights
from dropexp.training.steps import EpochSteps
from tests.builders import build_parts, without_seconds
from tests.conftest import Dropexp

BOUND = 0.3  # below the norms of fresh layers
MLP = "model=mlp"


def norms(weight: Tensor) -> Tensor:
    found: Tensor = torch.linalg.vector_norm(weight.detach().flatten(1), dim=1)
    return found


@pytest.mark.parametrize("shape", [(5, 7), (6, 3, 3, 3)], ids=["linear", "convolution"])
def test_bounding_equals_torchs_renorm_and_keeps_every_direction(shape: tuple[int, ...]) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    weight[0] *= 0.01  # a unit within the bound
    bounded = weight.clone()
    bound_norms([bounded], 1.0)
    assert torch.equal(bounded, torch.renorm(weight, p=2, dim=0, maxnorm=1.0))
    assert torch.equal(bounded[0], weight[0])
    assert norms(bounded).max() <= 1 + 1e-6
    torch.testing.assert_close(norms(bounded)[1:], torch.ones(shape[0] - 1))
    cosine = nn.functional.cosine_similarity(bounded.flatten(1), weight.flatten(1))
    torch.testing.assert_close(cosine, torch.ones(shape[0]))


@pytest.mark.parametrize(
    ("overrides", "hidden"),
    [
        ([MLP], 2),
        (["regulariser=dropconnect"], 2),
        (["model=resnet", "regulariser=stochastic_depth", "p=0.2"], None),
    ],
    ids=["mlp", "dropconnect", "resnet"],
)
@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_no_hidden_unit_exceeds_the_bound_after_any_step(
    overrides: list[str], hidden: int | None, optimiser: str
) -> None:
    chosen = [*overrides, f"optimiser={optimiser}", f"optimiser.max_norm={BOUND}"]
    _, _, state, plan = build_parts(*chosen)
    model = state.model
    weights = find_bounded_weights(model)
    assert hidden is None or len(weights) == hidden
    assert weights
    assert max(float(norms(weight).max()) for weight in weights) > BOUND
    for _ in EpochSteps(model, state.optimiser, model, plan, epoch=1):
        for weight in weights:
            assert norms(weight).max() <= BOUND * (1 + 1e-5)


def test_the_output_layer_and_biases_are_free() -> None:
    _, _, state, _ = build_parts(MLP, f"optimiser.max_norm={BOUND}")
    parameters = dict(state.model.named_parameters())
    bounded = {id(weight) for weight in find_bounded_weights(state.model)}
    free = {name for name, parameter in parameters.items() if id(parameter) not in bounded}
    assert "head.weight" in free
    assert all(name.endswith("bias") for name in free - {"head.weight"})


def test_frozen_weights_are_not_touched() -> None:
    network = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 2))
    first = network[0]
    assert isinstance(first, nn.Linear)
    assert any(weight is first.weight for weight in find_bounded_weights(network))
    first.weight.requires_grad_(False)
    assert not any(weight is first.weight for weight in find_bounded_weights(network))


def test_a_bound_that_no_unit_reaches_changes_no_number() -> None:
    plain, bounded = (
        without_seconds(list(train(state, plan)))
        for _, _, state, plan in (
            build_parts(MLP),
            build_parts(MLP, "optimiser.max_norm=1e6"),
        )
    )
    assert bounded == plain


def test_a_resumed_run_repeats_the_uninterrupted_one() -> None:
    overrides = ("regulariser=dropout", "p=0.3", f"optimiser.max_norm={BOUND}")
    _, _, state, plan = build_parts(*overrides)
    full = without_seconds(list(train(state, plan)))
    _, _, state, plan = build_parts(*overrides)
    training = train(state, plan)
    next(training)
    training.close()
    resumed = copy.deepcopy(state)
    assert len(resumed.records) == 1
    list(train(resumed, plan))
    assert without_seconds(resumed.records) == full


def test_compiled_steps_are_bounded_in_place() -> None:
    """CUDA graphs and compiled code keep the addresses of the weights."""
    _, _, state, _ = build_parts(MLP)
    weights = find_bounded_weights(state.model)
    addresses = [weight.data_ptr() for weight in weights]
    bound_norms(weights, BOUND)
    assert [weight.data_ptr() for weight in weights] == addresses
    assert all(weight.requires_grad and weight.is_leaf for weight in weights)


def test_without_a_bound_no_id_changes_and_with_one_it_does() -> None:
    plain = compose_run([])
    assert compose_run(["optimiser.max_norm=null"]).run_id == plain.run_id == "none-p0-s0-960c27d5"
    bounded = compose_run(["classic=max_norm"])
    assert bounded.run_id != plain.run_id
    assert bounded.to_identity()["optimiser"]["max_norm"] == 1.0
    without = bounded.to_identity()
    del without["optimiser"]["max_norm"]
    assert hash_identity(without) == plain.config_hash


@pytest.mark.parametrize("value", ["0", "-1", "true"])
def test_a_bound_must_be_above_0(value: str, dropexp: Dropexp) -> None:
    refused = dropexp("train", f"optimiser.max_norm={value}")
    assert refused.returncode == 2
    assert "optimiser.max_norm" in refused.stderr


def test_a_bound_on_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"optimiser.max_norm=1 has no effect"):
        build_parts(MLP, "model.freeze=[layers*]", "optimiser.max_norm=1")
