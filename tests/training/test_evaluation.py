"""Losses and accuracies are the plain formulas, in eval mode, without a random number."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from dropexp.data import Split, Splits
from dropexp.training.evaluation import evaluate, evaluate_final, evaluate_train, evaluate_val
from dropexp.training.loop import train
from tests.builders import build_parts


def test_measuring_is_the_plain_formula() -> None:
    _, splits, state, _ = build_parts("data.val_size=300")
    measured = evaluate(state.model, splits, splits.val)
    state.model.eval()
    with torch.no_grad():
        logits = state.model(splits.normalise(splits.val.images))
    expected = nn.functional.cross_entropy(logits, splits.val.labels)
    assert measured.loss == pytest.approx(float(expected), rel=1e-5)
    hits = (logits.argmax(1) == splits.val.labels).double().mean()
    assert measured.acc == pytest.approx(float(hits), abs=1e-12)


def test_measuring_twice_gives_the_same_numbers_and_draws_none() -> None:
    _, splits, state, plan = build_parts("regulariser=dropout2d", "p=0.5")
    list(train(state, plan))
    before = torch.get_rng_state()
    first, second = (evaluate_final(state.model, splits) for _ in range(2))
    assert first == second
    assert first.test == evaluate(state.model, splits, splits.test)
    assert torch.equal(torch.get_rng_state(), before)


def test_measuring_restores_the_mode_of_every_module() -> None:
    _, splits, state, _ = build_parts()
    state.model.train()
    frozen = next(iter(state.model.children()))
    frozen.eval()
    modes = [module.training for module in state.model.modules()]
    evaluate(state.model, splits, splits.val)
    assert [module.training for module in state.model.modules()] == modes


def test_logits_that_are_not_finite_have_no_calibration_error() -> None:
    _, splits, state, _ = build_parts()
    for parameter in state.model.parameters():
        parameter.data.fill_(math.nan)
    assert evaluate_final(state.model, splits).test_ece is None


class Logits(nn.Module):
    """Returns given logits, whatever the images are."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, x: Tensor) -> Tensor:
        return self.logits[: len(x)]


def make_splits(labels: list[int], trained_on: list[int], classes: int) -> Splits:
    """Return splits whose training, validation and test images have the same true labels."""
    split = Split(torch.zeros(len(labels), 1, 1, 1, dtype=torch.uint8), torch.tensor(labels))
    noisy = torch.tensor(trained_on) != split.labels
    return Splits(
        train=Split(split.images, torch.tensor(trained_on)),
        val=split,
        test=split,
        class_names=tuple(map(str, range(classes))),
        noisy=noisy,
        true_labels=split.labels,
        wrong_share=int(noisy.sum()) / len(noisy),
        mean=torch.zeros(1),
        std=torch.ones(1),
        source_index=torch.arange(len(labels)),
    )


@st.composite
def labelled_logits(draw: st.DrawFn) -> tuple[Tensor, list[int], list[int], int]:
    """Draw logits (N, K), true labels, labels trained on, and K."""
    classes, images = draw(st.integers(2, 5)), draw(st.integers(1, 6))
    label = st.integers(0, classes - 1)
    labels = st.lists(label, min_size=images, max_size=images)
    row = st.lists(st.floats(-20, 20, width=32), min_size=classes, max_size=classes)
    logits = torch.tensor(draw(st.lists(row, min_size=images, max_size=images)))
    return logits, draw(labels), draw(labels), classes


@given(labelled_logits())
def test_the_law_of_the_training_labels_is_the_expectation_over_them(
    drawn: tuple[Tensor, list[int], list[int], int],
) -> None:
    logits, labels, trained_on, classes = drawn
    splits = make_splits(labels, trained_on, classes)
    share = splits.wrong_share
    measured = evaluate_val(Logits(logits), splits)
    loss = acc = 0.0
    for row, label in zip(logits, labels, strict=True):
        for other in range(classes):  # every label that the law can draw, with its probability
            chance = 1 - share if other == label else share / (classes - 1)
            loss += chance * float(nn.functional.cross_entropy(row.double(), torch.tensor(other)))
            acc += chance * float(row.argmax() == other)
    assert measured.noisy.loss == pytest.approx(loss / len(labels), rel=1e-5, abs=1e-5)
    assert measured.noisy.acc == pytest.approx(acc / len(labels), rel=1e-6, abs=1e-6)
    assert measured.clean == evaluate(Logits(logits), splits, splits.val)
    on_train = evaluate_train(Logits(logits), splits)
    assert on_train.noisy == evaluate(Logits(logits), splits, splits.train)
    assert on_train.clean == evaluate(Logits(logits), splits, splits.val)
    if labels == trained_on:
        assert (measured.noisy, on_train.noisy) == (measured.clean, on_train.clean)


def test_without_label_noise_the_counterparts_are_equal_bit_for_bit() -> None:
    _, _, state, plan = build_parts("data.label_noise=0")
    for record in train(state, plan):
        assert record.clean_label_train_loss == record.train_loss
        assert record.clean_label_train_acc == record.train_acc
        assert record.noisy_label_val_loss == record.val_loss
        assert record.noisy_label_val_acc == record.val_acc
        assert record.loss_gap == record.val_loss - record.train_loss


def test_a_gap_of_0_means_that_the_network_has_learned_no_label_by_heart() -> None:
    """A network that outputs the true law has no gap; one that fits wrong labels has one."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 10, (4000,), generator=generator)
    wrong = torch.rand(4000, generator=generator) < 0.3
    shift = torch.randint(1, 10, (4000,), generator=generator)
    trained_on = torch.where(wrong, (labels + shift) % 10, labels)
    splits = make_splits(labels.tolist(), trained_on.tolist(), 10)
    law = torch.full((4000, 10), 0.3 / 9)
    law[range(4000), labels] = 0.7
    by_heart = torch.full((4000, 10), 0.01)
    by_heart[range(4000), trained_on] = 0.91
    chance = torch.zeros(4000, 10)

    def gaps(logits: Tensor) -> tuple[float, float]:
        chunks = Chunks(logits)
        on_train, on_val = evaluate_train(chunks, splits), evaluate_val(Chunks(logits), splits)
        return on_val.noisy.loss - on_train.noisy.loss, on_val.clean.loss - on_train.noisy.loss

    like_with_like, against_clean = gaps(law.log())
    assert abs(like_with_like) < 0.01
    assert against_clean < -0.5  # what results version 1 called the gap
    assert gaps(by_heart.log())[0] > 1
    assert gaps(chance)[0] == pytest.approx(0, abs=1e-6)


class Chunks(nn.Module):
    """Returns the next rows of given logits for each chunk of images."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, x: Tensor) -> Tensor:
        rows, self.logits = self.logits[: len(x)], self.logits[len(x) :]
        return rows
