"""The simulation of what a sweep until decided costs."""

from simulations.until_decided import EFFECTS, Cost, format_costs, simulate_cost


def test_a_wide_margin_needs_few_runs_and_fewer_than_a_fixed_sweep() -> None:
    cost = simulate_cost(margin=1.25, repetitions=12, most_seeds=32)
    assert cost.right > 0.7
    assert 8 * (1 + len(EFFECTS)) < cost.runs < 32 * (1 + len(EFFECTS))
    assert cost.fixed_seeds is not None
    assert cost.fixed_right >= cost.right
    assert cost.ratio is not None
    assert cost.ratio < 1


def test_costs_are_a_markdown_table() -> None:
    lines = list(format_costs([Cost(1.0, 80.0, 0.96, 25, 0.97), Cost(0.5, 250.0, 0.9, None, 0.2)]))
    assert lines[2] == "| 1 SD | 80.0 | 0.960 | 25 seeds (0.970 right) | 125 | 0.64 |"
    assert lines[3].endswith("| none is as often right |  |  |")
