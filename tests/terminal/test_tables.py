"""The text tables: alignment, what is dropped, what is wrapped, and that nothing is cut off."""

from hypothesis import given
from hypothesis import strategies as st

from dropexp.terminal.tables import Column, format_table

Row = tuple[str, str, str]
ROWS: list[Row] = [("none", "0.5", "1"), ("dropout2d p=0.3", "12.25", ""), ("x", "1", "")]


def columns(**options: object) -> list[Column[Row]]:
    return [
        Column("setting", lambda row: row[0], align="left", is_required=True, **options),  # type: ignore[arg-type]
        Column("test\nloss", lambda row: row[1]),
        Column("notes", lambda row: row[2], align="left"),
    ]


def plain(*arguments: object, **options: object) -> list[str]:
    return [line.plain for line in format_table(*arguments, **options)]  # type: ignore[arg-type]


def test_text_is_aligned_to_the_left_and_numbers_to_the_right() -> None:
    assert plain(columns(), ROWS) == [
        "                  test",
        "setting           loss  notes",
        "none               0.5  1",
        "dropout2d p=0.3  12.25",
        "x                    1",
    ]


def test_without_headings_there_is_no_line_of_them() -> None:
    table = [Column[Row]("", lambda row: row[0], align="left"), Column[Row]("", lambda row: row[1])]
    assert plain(table, ROWS[:1], indent=2, gap=1) == ["  none 0.5"]


def test_a_column_without_any_text_is_left_out_unless_it_is_required() -> None:
    assert plain(columns(), ROWS[1:])[1] == "setting           loss"
    empty = [Column[Row]("setting", lambda _: "", is_required=True)]
    assert plain(empty, ROWS[:1]) == ["setting", ""]
    assert plain(columns(), []) == ["         test", "setting  loss  notes"]


def test_columns_that_have_no_room_are_named() -> None:
    assert plain(columns(), ROWS, width=25) == [
        "                  test",
        "setting           loss",
        "none               0.5",
        "dropout2d p=0.3  12.25",
        "x                    1",
        "no room for: notes",
    ]
    assert plain(columns(), ROWS, width=1)[:2] == ["setting", "none"]


def test_a_hint_says_where_columns_without_room_are() -> None:
    lines = plain(columns(), ROWS, width=40, dropped_hint="-o FILE has all")
    assert not any("has all" in line for line in lines), "all columns fit"
    lines = plain(columns(), ROWS, width=25, dropped_hint="-o FILE has all")
    assert " ".join(" ".join(lines[5:]).split()) == "no room for: notes; -o FILE has all"


def test_a_cell_is_wrapped_before_a_required_column_is_too_wide() -> None:
    assert plain(columns(wrap_to=10), ROWS[:2], width=12) == [
        "setting",
        "none",
        "dropout2d",
        "  p=0.3",
        "no room for:",
        "  test loss,",
        "  notes",
    ]


def test_a_row_and_a_cell_have_their_styles() -> None:
    table = [
        Column[Row]("", lambda row: row[0], align="left"),
        Column[Row]("", lambda row: row[1], style=lambda _: "green"),
    ]
    (line,) = format_table(table, ROWS[:1], row_style=lambda _: "red")
    assert line.style == "red"
    assert [(line.plain[span.start : span.end], span.style) for span in line.spans] == [
        ("0.5", "green")
    ]


def test_wide_characters_take_two_cells() -> None:
    assert plain(columns(), [("学習", "1.0", "a"), ("none", "2.0", "b")])[2:] == [
        "学習      1.0  a",
        "none      2.0  b",
    ]


@given(st.integers(1, 60))
def test_no_cell_is_ever_cut_off(width: int) -> None:
    whole = plain(columns(), ROWS)[-len(ROWS) :]
    lines = plain(columns(), ROWS, width=width)
    first = next(index for index, line in enumerate(lines) if line.startswith("none"))
    for row, complete in zip(lines[first : first + len(ROWS)], whole, strict=True):
        assert complete.startswith(row)
        assert complete[len(row) :][:2].strip() == "", "columns are dropped whole"
