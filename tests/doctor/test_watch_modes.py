"""watch_modes finds what a loop does wrong with modes, and lets a correct loop pass."""

import copy
from collections.abc import Callable
from threading import Thread

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import dropexp
from dropexp.doctor import LoopReport
from dropexp.errors import AuditError, ConfigError
from tests.doctor import networks
from tests.doctor.networks import CLASSES, images

Loop = Callable[[nn.Module], None]

X, Y = images(8), torch.arange(8) % CLASSES


def train(model: nn.Module, steps: int = 2) -> None:
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(steps):
        optimiser.zero_grad()
        F.cross_entropy(model(X.clone()), Y).backward()
        optimiser.step()


@torch.no_grad()
def evaluate(model: nn.Module) -> None:
    for _ in range(2):
        model(X.clone())


def correct(model: nn.Module) -> None:
    model.train()
    train(model)
    model.eval()
    evaluate(model)


def without_eval(model: nn.Module) -> None:
    model.train()
    train(model)
    evaluate(model)


def without_eval_and_no_grad(model: nn.Module) -> None:
    model.train()
    train(model)
    model(X)


def without_train(model: nn.Module) -> None:
    correct(model)
    train(model)


def mc_dropout(model: nn.Module) -> None:
    correct(model)
    for module in model.modules():
        module.training = isinstance(module, nn.Dropout2d)
    with torch.no_grad():
        for _ in range(3):
            model(X)


def mc_dropout_by_train(model: nn.Module) -> None:
    correct(model)
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(X)


def mc_dropout_with_batch_norm(model: nn.Module) -> None:
    correct(model)
    for module in model.modules():
        module.training = isinstance(module, nn.Dropout2d | nn.BatchNorm2d)
    with torch.no_grad():
        model(X)


def with_frozen_batch_norm(model: nn.Module) -> None:
    model.train()
    model.get_submodule("norm").eval().requires_grad_(False)
    train(model)
    model.eval()
    evaluate(model)


def head_only(model: nn.Module) -> None:
    model.eval()
    model.requires_grad_(False)
    model.get_submodule("head").requires_grad_(True)
    model.dropout.p = 0.0  # type: ignore[union-attr]
    train(model)


def attacked(model: nn.Module) -> None:
    """Gradients of the input in eval mode, then a step in training mode."""
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    x = X.clone().requires_grad_()
    F.cross_entropy(model.eval()(x), Y).backward()
    optimiser.zero_grad()
    F.cross_entropy(model.train()(x.detach()), Y).backward()
    optimiser.step()


def watch(model: nn.Module, loop: Loop, **options: object) -> LoopReport:
    with dropexp.watch_modes(model, **options) as report:  # type: ignore[arg-type]
        loop(model)
    return report


def list_errors(report: LoopReport) -> list[str]:
    return [finding.mistake for finding in report.errors]


@pytest.mark.parametrize("loop", [correct, mc_dropout, with_frozen_batch_norm, head_only, attacked])
def test_a_correct_loop_passes(loop: Loop) -> None:
    report = watch(networks.Net(), loop)
    assert report.errors == ()
    report.raise_if_wrong()


@pytest.mark.parametrize(
    ("loop", "mistake", "words"),
    [
        (without_eval, "evaluation_in_training_mode", ["2 forward passes", "Call eval()"]),
        (without_eval_and_no_grad, "evaluation_in_training_mode", ["1 forward pass "]),
        (without_train, "training_in_eval_mode", ["2 of 4 optimiser steps", "Call train()"]),
        (mc_dropout_by_train, "batch_norm_in_eval", ["3 passes", "dropout modules only"]),
        (mc_dropout_with_batch_norm, "batch_norm_in_eval", ["1 pass "]),
    ],
)
def test_each_mistake_of_a_loop_is_named(loop: Loop, mistake: str, words: list[str]) -> None:
    report = watch(networks.Net(), loop)
    assert list_errors(report) == [mistake]
    for word in words:
        assert word in report.errors[0].message
    with pytest.raises(AuditError, match=mistake):
        report.raise_if_wrong()
    assert mistake in str(report)
    assert watch(networks.Net(), loop, ignore=[mistake]).passed


@pytest.mark.parametrize(
    ("network", "mistake"),
    [
        (networks.AlwaysOn, "noise_in_eval"),
        (networks.AttentionAlwaysOn, "attention_noise_in_eval"),
        (networks.LayersInList, "not_registered"),
        (networks.DropoutInList, "not_registered"),
        (networks.BatchNormAlwaysOn, "batch_norm_in_eval"),
    ],
)
def test_mistakes_of_a_network_show_in_a_correct_loop(
    network: type[nn.Module], mistake: str
) -> None:
    assert list_errors(watch(network(), correct)) == [mistake]


@pytest.mark.filterwarnings("ignore:dropout2d")
def test_dropout_of_channels_on_other_shapes_shows() -> None:
    assert list_errors(watch(networks.FlatInput(), correct)) == ["dropout_shape"]


def test_a_backward_pass_that_in_place_dropout_breaks_says_so() -> None:
    network = networks.BreaksBackward()
    with pytest.raises(RuntimeError, match="inplace") as error:
        watch(network, correct)
    assert any("Write inplace=False" in note for note in error.value.__notes__)


def test_an_expected_p_must_have_been_on() -> None:
    assert watch(networks.Net(), correct, p=0.5).passed
    assert list_errors(watch(networks.Net(), correct, p=0.3)) == ["other_p"]


def test_parts_that_are_called_by_themselves_are_watched() -> None:
    model = nn.ModuleDict({"body": networks.Net(), "head": nn.Linear(CLASSES, CLASSES)})

    def loop(model: nn.Module) -> None:
        body, head = model.get_submodule("body"), model.get_submodule("head")
        train(nn.Sequential(body, head))
        with torch.no_grad():
            head(body(X))

    report = watch(model, loop)
    assert list_errors(report) == ["evaluation_in_training_mode"]
    assert "(body)" in report.errors[0].message


def test_a_checkpoint_that_computes_again_is_no_pass_of_evaluation() -> None:
    class Checkpointed(networks.Net):
        def between(self, x: Tensor) -> Tensor:
            return checkpoint(self.dropout, x, use_reentrant=False)  # type: ignore[no-any-return]

    assert watch(Checkpointed(), correct).passed


def test_watching_changes_no_number_and_leaves_nothing() -> None:
    def run(*, watched: bool) -> tuple[nn.Module, Tensor]:
        torch.manual_seed(0)
        model = networks.Net()
        if watched:
            watch(model, correct)
        else:
            correct(model)
        return model, torch.rand(1)

    (plain, next_plain), (watched, next_watched) = run(watched=False), run(watched=True)
    for name, tensor in plain.state_dict().items():
        assert torch.equal(watched.state_dict()[name], tensor), name
    assert torch.equal(next_plain, next_watched)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in watched.modules())


def test_a_loop_around_a_compiled_network_is_watched() -> None:
    model = networks.Net()
    compiled = networks.compile_eagerly(model)
    assert watch(model, lambda _: correct(compiled)).passed
    assert [f.mistake for f in watch(compiled, without_eval).errors] == [
        "evaluation_in_training_mode"
    ]


def test_evaluating_on_the_batch_that_was_trained_on_is_no_mc_dropout() -> None:
    """Small data are one batch: the same tensor is trained on and evaluated."""

    def loop(model: nn.Module) -> None:
        optimiser = torch.optim.SGD(model.parameters(), 0.1)
        for _ in range(2):
            F.cross_entropy(model(X), Y).backward()
            optimiser.step()
            with torch.no_grad():
                model(X)

    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(3 * 64, CLASSES))
    assert [f.mistake for f in watch(model, loop).errors] == ["evaluation_in_training_mode"]


def test_a_loop_in_another_thread_is_not_called_right() -> None:
    def loop(model: nn.Module) -> None:
        thread = Thread(target=without_eval, args=(model,))
        thread.start()
        thread.join()

    assert [f.mistake for f in watch(networks.Net(), loop).errors] == ["other_thread"]


def test_a_copy_of_the_network_is_another_network() -> None:
    """As an average of weights, or a teacher, that is made while the loop is watched."""
    copies: list[nn.Module] = []

    def loop(model: nn.Module) -> None:
        correct(model)
        copies.append(copy.deepcopy(model).train())
        evaluate(copies[0])

    assert watch(networks.Net(), loop).passed
    evaluate(copies[0])


def test_what_was_not_seen_is_a_note() -> None:
    assert [f.mistake for f in watch(networks.Net(), lambda _: None).findings] == ["no_training"]
    only_training = watch(networks.Net(), train).findings
    assert [(f.mistake, f.level) for f in only_training] == [("no_evaluation", "note")]


def test_an_unknown_mistake_to_ignore_is_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean noise_in_eval"):
        watch(networks.Net(), correct, ignore=["noise_in_evl"])


def test_stochastic_depth_of_dropexps_own_is_no_mistake() -> None:
    """Its scatter takes a view inside of an autograd.Function, which says that it is a leaf."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            added: Tensor = x + self.layer(x).relu()
            return added

    network = nn.Sequential(nn.Linear(4, 4), Block(), nn.Linear(4, 2))
    assert dropexp.regularise(network, "stochastic_depth", p=0.5) == 1
    optimiser = torch.optim.SGD(network.parameters(), 0.1)
    with dropexp.watch_modes(network) as report:
        network.train()
        for _ in range(3):
            optimiser.zero_grad()
            network(torch.randn(20, 4)).square().mean().backward()
            optimiser.step()
        network.eval()
        with torch.no_grad():
            network(torch.randn(20, 4))
    report.raise_if_wrong()
