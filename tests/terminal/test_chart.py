import math

import pytest

from dropexp.terminal.chart import draw_line_chart

FALLING = [2.0 * 0.8**epoch for epoch in range(30)]
RISING = [0.5 + 0.03 * epoch for epoch in range(30)]


def lines_of(
    series: dict[str, list[float]],
    width: int = 70,
    height: int = 12,
    marks: dict[int, str] | None = None,
) -> list[str]:
    chart = draw_line_chart(
        series, width=width, height=height, x_label="epoch", y_label="loss in nats", marks=marks
    )
    return chart.plain.split("\n") if chart else []


def braille_dots(line: str) -> int:
    return sum((ord(cell) - 0x2800).bit_count() for cell in line if 0x2800 <= ord(cell) < 0x2900)


@pytest.mark.parametrize(("width", "height"), [(40, 6), (70, 12), (140, 31)])
def test_fills_its_place_and_not_more(width: int, height: int) -> None:
    lines = lines_of({"train loss": FALLING, "val loss": RISING}, width, height)
    assert len(lines) == height
    assert max(map(len, lines)) <= width


def test_each_line_has_its_name_at_its_right_end() -> None:
    lines = lines_of({"train loss": FALLING, "val loss": RISING})
    (val_row,) = [row for row, line in enumerate(lines) if line.endswith(" val loss")]
    (train_row,) = [row for row, line in enumerate(lines) if line.endswith(" train loss")]
    assert val_row < train_row  # the higher line's name is above
    assert braille_dots(lines[val_row])
    assert braille_dots(lines[train_row])


def test_names_of_equal_lines_do_not_cover_each_other() -> None:
    lines = lines_of({"a": FALLING, "b": FALLING, "c": FALLING})
    assert [line[-2:] for line in lines if line.endswith((" a", " b", " c"))] == [" a", " b", " c"]


def test_second_line_can_be_told_apart_without_colour() -> None:
    solid = sum(map(braille_dots, lines_of({"a": FALLING, "b": [math.nan] * 30})))
    dotted = sum(map(braille_dots, lines_of({"a": [math.nan] * 30, "b": FALLING})))
    assert dotted == pytest.approx(solid / 2, rel=0.1)


def test_axes_have_round_labels_the_first_and_the_last_x() -> None:
    lines = lines_of({"loss": FALLING}, marks={12: "best 12"})
    ticks = [line.split("┤")[0].strip() for line in lines if "┤" in line]
    assert ticks == ["2.0", "1.5", "1.0", "0.5"]
    assert lines[-1].split() == ["1", "best", "12", "epoch", "30"]


def test_a_higher_value_is_drawn_higher() -> None:
    lines = lines_of({"loss": [0.0, 1.0]})
    plot = [line.split("│")[-1].split("┤")[-1] for line in lines[1:-2]]
    columns = [min(c for c, cell in enumerate(row) if braille_dots(cell)) for row in plot]
    assert columns == sorted(columns, reverse=True)


@pytest.mark.parametrize("hole", [math.nan, math.inf, -math.inf, 1e305])
def test_values_that_are_not_finite_leave_a_hole(hole: float) -> None:
    whole = sum(map(braille_dots, lines_of({"loss": FALLING})))
    with_hole = sum(map(braille_dots, lines_of({"loss": [*FALLING[:10], hole, *FALLING[11:]]})))
    assert 0 < with_hole < whole


@pytest.mark.parametrize(
    "series",
    [{}, {"a": []}, {"a": [1.0]}, {"a": [math.nan] * 3}, {"a": [1.0, math.inf]}],
)
def test_too_few_values_give_no_chart(series: dict[str, list[float]]) -> None:
    assert lines_of(series) == []


@pytest.mark.parametrize(
    "values", [[0.0] * 4, [1.0] * 4, [-1e-12] * 4, [1e-320, 1e-300], [1e299, 0]]
)
def test_flat_and_extreme_values_are_drawn(values: list[float]) -> None:
    lines = lines_of({"loss": values})
    assert len(lines) == 12
    assert 2 <= sum("┤" in line for line in lines) <= 4


def test_many_more_epochs_than_dots() -> None:
    lines = lines_of({"loss": [math.sin(epoch / 500) for epoch in range(5000)]})
    assert max(map(len, lines)) <= 70
    assert lines[-1].split()[-1] == "5000"
