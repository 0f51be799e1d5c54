"""What trains trains, and what is frozen stays bit for bit."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from dropexp import data
from dropexp.models import find_held_modules, get_notes
from dropexp.models.freezing import freeze_parameters
from dropexp.regularisers import find_noise_modules
from dropexp.training.build import audit_model, build_model, build_plan, build_state
from dropexp.training.loop import train
from dropexp.training.modes import in_mode
from tests.builders import build_parts, compose_tiny

RESNET = ("model=resnet", "model.depth=8", "train.epochs=1")


def copy_state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def find_changed(before: dict[str, Tensor], model: nn.Module) -> set[str]:
    return {name for name, now in model.state_dict().items() if not torch.equal(before[name], now)}


@pytest.mark.parametrize("regulariser", ["none", "dropout2d", "dropconnect"])
@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd"])
def test_frozen_parameters_and_statistics_stay_bit_for_bit(
    regulariser: str, optimiser: str
) -> None:
    _, _, state, plan = build_parts(
        *RESNET,
        "model.freeze=[stem,bn,blocks.0,blocks.1.conv1]",
        f"regulariser={regulariser}",
        f"optimiser={optimiser}",
        "optimiser.weight_decay=0.1",
    )
    before = copy_state(state.model)
    for _ in train(state, plan):
        pass
    changed = find_changed(before, state.model)
    trained = set(before) - {
        name for name in before if name.startswith(("stem.", "bn.", "blocks.0.", "blocks.1.conv1."))
    }
    assert changed == trained
    assert "blocks.1.bn1.running_mean" in changed
    frozen = [p for p in state.model.parameters() if not p.requires_grad]
    assert frozen
    assert all(parameter.grad is None for parameter in frozen)
    groups = state.optimiser.param_groups
    assert {id(each) for group in groups for each in group["params"]}.isdisjoint(map(id, frozen))
    held = {id(parameter) for parameter in state.optimiser.state}
    assert held.isdisjoint(map(id, frozen))
    assert len(held) == sum(p.requires_grad for p in state.model.parameters())


class Tied(nn.Module):
    """Two layers that share their weight, whose first name is that in the first one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.second.weight = self.first.weight


@pytest.mark.parametrize(
    ("overrides", "trained"),
    [
        (["model.freeze=[second]"], {"first.bias"}),
        (["model.train=[second]"], {"first.weight", "second.bias"}),
        (["model.freeze=[second.weight]"], {"first.bias", "second.bias"}),
    ],
)
def test_a_shared_parameter_is_frozen_or_trained_by_each_of_its_names(
    overrides: list[str], trained: set[str]
) -> None:
    part = freeze_parameters(Tied(), compose_tiny(*overrides).model)
    assert part is not None
    assert set(part.tensors) == trained


def make_network_with_plain_statistics() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, affine=False), nn.Conv2d(2, 2, 3), nn.Flatten()
    )


@pytest.mark.parametrize(
    ("override", "held", "tensors"),
    [
        ("model.freeze=['1']", 1, ("0.weight", "0.bias", "2.weight", "2.bias")),
        ("model.freeze=['0','1']", 1, ("2.weight", "2.bias")),
        ("model.train=['1','2']", 0, ("2.weight", "2.bias")),
        ("model.train=['2']", 1, ("2.weight", "2.bias")),
    ],
)
def test_a_normalisation_without_parameters_is_named_as_any_other(
    override: str, held: int, tensors: tuple[str, ...]
) -> None:
    model = make_network_with_plain_statistics()
    part = freeze_parameters(model, compose_tiny(override).model)
    assert part is not None
    assert (part.held, part.tensors) == (held, tensors)
    assert len(find_held_modules(model)) == held


def test_only_the_head_trains() -> None:
    _, _, state, plan = build_parts(*RESNET, "model.train=head")
    before = copy_state(state.model)
    for _ in train(state, plan):
        pass
    assert find_changed(before, state.model) == {"head.weight", "head.bias"}
    notes = get_notes(state.model)
    assert any(
        note.startswith("trains 170 of ") and " parameters: head; " in note for note in notes
    )


def test_frozen_normalisation_is_in_eval_mode_in_training_too() -> None:
    _, _, state, _ = build_parts(*RESNET, "model.freeze=[blocks.*.bn1]")
    held = find_held_modules(state.model)
    assert len(held) == 3
    with in_mode(state.model, training=True):
        assert [module.training for module in held] == [False] * 3
        assert state.model.get_submodule("blocks.0.bn2").training
        assert state.model.get_submodule("blocks.0").training
    assert all(module.training for module in held)


def test_a_normalisation_of_which_a_parameter_trains_keeps_learning() -> None:
    _, _, state, _ = build_parts(*RESNET, "model.freeze=['*.bn1.weight']")
    assert find_held_modules(state.model) == []


@pytest.mark.parametrize("regulariser", ["dropout2d", "dropconnect", "concrete_dropout"])
def test_the_initial_weights_do_not_depend_on_what_is_loaded_frozen_or_regularised(
    regulariser: str, tmp_path: Path
) -> None:
    config = compose_tiny()
    splits = data.load(config.data)
    other = build_model(compose_tiny("seed=9"), splits).state_dict()
    five = {name: tensor[:5] for name, tensor in other.items() if name.startswith("head.")}
    save_file({**other, **five}, tmp_path / "five.safetensors")
    scratch = build_model(config, splits).state_dict()
    for frozen in ("model.freeze=[]", "model.freeze=[conv1]"):
        tuned = build_model(
            compose_tiny(
                f"model.weights={tmp_path}/five.safetensors", frozen, f"regulariser={regulariser}"
            ),
            splits,
        )
        state = tuned.state_dict()
        assert torch.equal(state["head.weight"], scratch["head.weight"])
        assert torch.equal(state["head.bias"], scratch["head.bias"])
        assert torch.equal(state["conv2.weight"], other["conv2.weight"])
        assert any("new, not from these weights: " in note for note in get_notes(tuned))


@pytest.mark.parametrize("regulariser", ["dropout2d", "stochastic_depth", "dropconnect"])
def test_the_audit_passes_a_fine_tuned_network(regulariser: str, tmp_path: Path) -> None:
    config = compose_tiny(*RESNET)
    splits = data.load(config.data)
    save_file(build_model(config, splits).state_dict(), tmp_path / "w.safetensors")
    tuned = compose_tiny(
        *RESNET,
        f"model.weights={tmp_path}/w.safetensors",
        "model.freeze=[stem,bn,blocks.0]",
        f"regulariser={regulariser}",
        "seed=3",
    )
    report = audit_model(tuned, splits, build_model(tuned, splits))
    assert report.failures == ()


def test_learning_rates_are_multiplied_by_pattern_and_the_last_one_counts() -> None:
    plain = build_parts("optimiser=sgd", "optimiser.momentum=0", "train.batch_size=70")
    scaled = build_parts(
        "optimiser=sgd",
        "optimiser.momentum=0",
        "train.batch_size=70",
        "optimiser.lr_multipliers={conv*:0.5,conv2.bias:4}",
    )
    steps = []
    for _, _, state, plan in (plain, scaled):
        before = copy_state(state.model)
        next(train(state, plan))
        after = state.model.state_dict()
        steps.append({name: after[name] - before[name] for name in before})
    for name, factor in {"conv1.weight": 0.5, "conv2.bias": 4.0, "head.weight": 1.0}.items():
        torch.testing.assert_close(steps[1][name], factor * steps[0][name], rtol=1e-2, atol=1e-7)


def test_a_frozen_run_resumed_after_any_epoch_ends_bit_identical(tmp_path: Path) -> None:
    from dropexp.training.checkpoint import restore, take_snapshot, to_bytes

    options = (
        *("model=resnet", "model.depth=8", "model.freeze=[stem,bn]", "train.epochs=3"),
        "optimiser.lr_multipliers={blocks.0:0.1}",
    )
    config, splits, state, plan = build_parts(*options)
    snapshots = [to_bytes(take_snapshot(state, config.config_hash)) for _ in train(state, plan)]
    for raw in snapshots[:-1]:
        resumed = build_state(config, splits)
        restore(resumed, raw, config.config_hash, splits.device)
        for _ in train(resumed, build_plan(config, splits, resumed.model)):
            pass
        assert find_changed(copy_state(state.model), resumed.model) == set()


@pytest.mark.parametrize(
    ("regulariser", "frozen", "left"),
    [
        ("dropout2d", "blocks.0,blocks.1", ["blocks.2.dropout"]),
        ("dropout2d", "'*bn*'", ["blocks.0.dropout", "blocks.1.dropout", "blocks.2.dropout"]),
        ("dropout2d", "'*.conv1'", ["blocks.0.dropout", "blocks.1.dropout", "blocks.2.dropout"]),
        ("stochastic_depth", "blocks.1.conv1,blocks.1.bn1,blocks.0", ["blocks.1.gate"]),
        ("dropconnect", "blocks.0,blocks.1,blocks.2.conv1", ["blocks.2.conv2"]),
        ("unit_scaling", "blocks.0,blocks.1,blocks.2.conv1", ["blocks.2.conv2.noise"]),
        ("concrete_dropout", "blocks.0,blocks.1", ["blocks.2.dropout"]),
    ],
)
def test_a_regulariser_can_be_limited_to_what_trains(
    regulariser: str, frozen: str, left: list[str]
) -> None:
    options = (*RESNET, f"model.freeze=[{frozen}]", f"regulariser={regulariser}")
    _, splits, everywhere, _ = build_parts(*options)
    config, _, limited, plan = build_parts(*options, "regulariser.sites=trained")
    found = list(find_noise_modules(limited.model))
    if regulariser == "stochastic_depth":
        left = [*left, "blocks.2.gate"]
    assert found == left
    assert len(find_noise_modules(everywhere.model)) >= len(left)
    before = everywhere.model.state_dict()
    assert all(torch.equal(before[name], t) for name, t in limited.model.state_dict().items())
    assert audit_model(config, splits, limited.model).failures == ()
    next(train(limited, plan))
