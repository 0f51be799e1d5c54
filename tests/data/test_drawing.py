import torch
from hypothesis import given
from hypothesis import strategies as st

from dropexp.data.drawing import add_label_noise, draw_stratified_order
from dropexp.randomness import stream

seeds = st.integers(0, 2**32)
class_sizes = st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(any)


def shuffled_labels(sizes: list[int], seed: int) -> torch.Tensor:
    labels = torch.repeat_interleave(torch.tensor(sizes))
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]


@given(class_sizes, seeds)
def test_a_stratified_order_has_every_example_once(sizes: list[int], seed: int) -> None:
    labels = shuffled_labels(sizes, seed)
    order = draw_stratified_order(labels, stream(seed, "split"))
    assert sorted(order.tolist()) == list(range(len(labels)))


@given(st.integers(1, 6), st.integers(1, 12), seeds)
def test_with_equal_classes_the_counts_among_the_first_n_differ_by_at_most_1(
    classes: int, size: int, seed: int
) -> None:
    labels = shuffled_labels([size] * classes, seed)
    ordered = labels[draw_stratified_order(labels, stream(seed, "split"))]
    for end in range(len(ordered)):
        counts = torch.bincount(ordered[:end], minlength=classes)
        assert counts.max() - counts.min() <= 1


@given(class_sizes, seeds)
def test_each_count_among_the_first_n_is_within_half_of_a_common_fraction_of_the_class(
    sizes: list[int], seed: int
) -> None:
    labels = shuffled_labels(sizes, seed)
    ordered = labels[draw_stratified_order(labels, stream(seed, "split"))]
    present = [label for label, size in enumerate(sizes) if size]
    for end in range(1, len(ordered) + 1):
        counts = torch.bincount(ordered[:end], minlength=len(sizes)).tolist()
        highest_low = max((counts[label] - 0.5) / sizes[label] for label in present)
        lowest_high = min((counts[label] + 0.5) / sizes[label] for label in present)
        assert highest_low <= lowest_high + 1e-12


def test_which_example_of_a_class_comes_first_is_uniform() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    first = torch.stack([draw_stratified_order(labels, stream(s, "split"))[0] for s in range(3000)])
    counts = torch.bincount(first, minlength=6)
    # 3000 draws of probability 1/6: 500 ± 20.4; 5 standard deviations.
    assert (counts - 500).abs().max() <= 102


@given(st.integers(1, 200), st.floats(0, 1), st.integers(2, 10), seeds)
def test_exactly_the_fraction_of_labels_is_changed_and_each_is_wrong(
    count: int, fraction: float, classes: int, seed: int
) -> None:
    labels = torch.randint(classes, (count,), generator=torch.Generator().manual_seed(seed))
    before = labels.clone()
    changed, noisy = add_label_noise(
        labels, fraction=fraction, num_classes=classes, generator=stream(seed, "label_noise")
    )
    assert noisy.sum() == round(fraction * count)
    assert torch.equal(changed != before, noisy)
    assert changed.min() >= 0
    assert changed.max() < classes
    assert torch.equal(labels, before), "the labels given are not written to"


def test_a_wrong_label_is_uniform_over_the_other_classes() -> None:
    labels = torch.full((9000,), 2)
    changed, _ = add_label_noise(
        labels, fraction=1.0, num_classes=4, generator=stream(0, "label_noise")
    )
    counts = torch.bincount(changed, minlength=4)
    assert counts[2] == 0
    # 9000 draws of probability 1/3: 3000 ± 44.7; 5 standard deviations.
    assert (counts[[0, 1, 3]] - 3000).abs().max() <= 223
