"""Concrete dropout learns its p from the loss and the penalty."""

import copy
import math

import pytest
import torch
from torch.nn import functional as F

from dropexp.randomness import global_stream, stream
from dropexp.regularisers import ConcreteDropout, find_noise_modules
from dropexp.regularisers.concrete import relaxed_keep_mean
from dropexp.training.build import build_plan, build_state
from dropexp.training.checkpoint import restore, take_snapshot, to_bytes
from dropexp.training.loop import train
from tests.builders import build_parts


def test_the_relaxed_mask_is_nearly_a_bernoulli_one_of_probability_p() -> None:
    torch.manual_seed(0)
    for p in (0.1, 0.5, 0.8):
        out = ConcreteDropout(p)(torch.ones(2000, 100)).detach() * (1 - p)
        assert float(out.min()) >= 0
        assert float(out.max()) <= 1.0001
        assert float((out < 0.5).double().mean()) == pytest.approx(p, abs=0.006)
        assert float(((out < 0.05) | (out > 0.95)).double().mean()) > 0.85
        assert float(out.double().mean()) == pytest.approx(relaxed_keep_mean(p), abs=0.006)
        assert relaxed_keep_mean(p) == pytest.approx(1 - p, abs=0.01)


def test_channels_are_dropped_whole() -> None:
    out = ConcreteDropout(0.5)(torch.ones(3, 4, 5, 6))
    assert torch.equal(out, out[..., :1, :1].expand_as(out))


def test_the_penalty_is_the_entropy_of_all_units() -> None:
    noise = ConcreteDropout(0.3)
    noise(torch.ones(2, 7, 3, 3))
    penalty = noise.penalty()
    assert penalty is not None
    entropy = -(0.3 * math.log(0.3) + 0.7 * math.log(0.7))
    assert penalty.item() == pytest.approx(-7 * entropy, rel=1e-5)
    penalty.backward()
    # dH/d logit = −logit · p (1 − p): below 1/2 the penalty draws p upwards.
    assert float(noise.logit.grad) == pytest.approx(  # type: ignore[arg-type]
        7 * math.log(0.3 / 0.7) * 0.3 * 0.7, rel=1e-4
    )


@pytest.mark.parametrize("logit", [-110.0, -20.0, 18.0, 60.0])
def test_the_penalty_is_finite_for_any_learned_p(logit: float) -> None:
    noise = ConcreteDropout(0.3)
    with torch.no_grad():
        noise.logit.fill_(logit)
    noise(torch.ones(2, 7))
    penalty = noise.penalty()
    assert penalty is not None
    penalty.backward()
    assert noise.logit.grad is not None
    assert penalty.isfinite()
    assert noise.logit.grad.isfinite()


def test_training_minimises_the_loss_and_the_penalty_of_one_example_in_n() -> None:
    """One step of plain gradient descent, of which all images are the batch."""
    words = ["regulariser=concrete_dropout", "p=0.2", "train.epochs=1", "train.batch_size=70"]
    words += ["optimiser=sgd", "optimiser.momentum=0", "optimiser.lr=0.5"]
    _, splits, state, plan = build_parts(*words)
    twin = copy.deepcopy(state.model)
    logits = [w for key, w in twin.named_parameters() if key.endswith("logit")]
    before = [logit.item() for logit in logits]
    order = torch.randperm(70, generator=stream(plan.config.seed, "order", 1))
    with global_stream(plan.config.seed, "masks", 1):
        outs = twin(splits.normalise(splits.train.images[order]))
    loss = F.cross_entropy(outs, splits.train.labels[order])
    penalties = [noise.penalty() for noise in find_noise_modules(twin).values()]
    total = loss + sum(each for each in penalties if each is not None) / 70
    gradients = torch.autograd.grad(total, logits)
    list(train(state, plan))
    after = [w.item() for key, w in state.model.named_parameters() if key.endswith("logit")]
    steps = [-(new - old) / 0.5 for new, old in zip(after, before, strict=True)]
    assert steps == pytest.approx([gradient.item() for gradient in gradients], rel=1e-3)


def test_the_learned_p_is_resumed_exactly() -> None:
    words = ["regulariser=concrete_dropout+mixup", "p=0.2", "train.epochs=3", "optimiser.lr=0.02"]
    config, splits, state, plan = build_parts(*words)
    saved = []
    for _ in train(state, plan):
        saved.append(to_bytes(take_snapshot(state, config.config_hash)))
    again = build_state(config, splits)
    restore(again, saved[0], config.config_hash, torch.device("cpu"))
    list(train(again, build_plan(config, splits, again.model)))
    assert [record.p for record in again.records] == [record.p for record in state.records]
    for key, weight in state.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[key], weight)


def test_p_gets_a_gradient_from_the_loss() -> None:
    torch.manual_seed(1)
    noise = ConcreteDropout(0.3)
    noise(torch.randn(64, 8)).square().sum().backward()
    assert noise.logit.grad is not None
    assert float(noise.logit.grad) != 0


def test_at_p_0_it_is_off_and_can_be_turned_on_again() -> None:
    noise = ConcreteDropout(0.0)
    x = torch.randn(4, 4)
    assert noise(x) is x
    assert noise.penalty() is None
    noise.p = 0.25
    assert noise.p == pytest.approx(0.25)
    assert not torch.equal(noise(x), x)


def test_training_learns_p_and_records_it() -> None:
    words = ["regulariser=concrete_dropout", "p=0.2", "optimiser.lr=0.05", "train.epochs=3"]
    _, _, state, plan = build_parts(*words)
    first = {key: float(w) for key, w in state.model.state_dict().items() if "logit" in key}
    recorded = [record.p for record in train(state, plan)]
    learned = {key: float(state.model.state_dict()[key]) for key in first}
    assert len(first) == 2
    assert all(learned[key] != first[key] for key in first)
    mean = sum(1 / (1 + math.exp(-logit)) for logit in learned.values()) / 2
    assert recorded[-1] == pytest.approx(mean, rel=1e-6)
    assert len({round(p, 6) for p in recorded}) == 3
