"""Rounds in, medians and ratios out."""

from bench.bars import BARS, Bar
from bench.rows.every import ROWS
from bench.table import Row, Turn, page, section, summary


def row(**rounds: list[float]) -> Row:
    made = Row("l7-hot", "µs CPU per request", "Work.", "this.", "that.")
    for name, figures in rounds.items():
        for figure in figures:
            made.add(name, Turn(figure, p50_us=1500, p99_us=2500, per_s=4000, system_share=0.25))
    return made


def test_ratios_are_taken_round_by_round() -> None:
    """Both sides of a ratio met the same noise: the second round was slow for everybody."""
    made = row(edge=[100, 400, 110], haproxy=[50, 200, 50])

    assert made.ratio("edge", "haproxy") == (2.0, 2.0, 2.2)


def test_there_is_no_ratio_to_what_was_not_measured() -> None:
    """Absent, or free of charge: neither is a number to divide by."""
    made = row(edge=[100], haproxy=[])
    made.add("direct", Turn(0.0))

    assert made.ratio("edge", "haproxy") is None
    assert made.ratio("edge", "direct") is None


def test_a_peer_that_is_absent_says_so_in_the_table_and_the_summary() -> None:
    """Nothing is estimated."""
    made = row(edge=[100])
    made.notes["haproxy"] = "haproxy is not installed"

    assert "| haproxy | – haproxy is not installed |" in section(made)
    told = summary([made], [Bar("l7-hot", "edge", "haproxy", 2.5)])
    assert "| l7-hot | edge | haproxy | – haproxy is not installed | ≤ 2.5× | |" in told


def test_the_summary_says_what_was_reached_and_what_was_missed() -> None:
    """By the median."""
    made = row(edge=[100, 120, 90], haproxy=[50, 50, 50])
    told = summary([made], [Bar("l7-hot", "edge", "haproxy", 2.0), Bar("l7-hot", "edge", "haproxy", 1.9)])

    assert "| **2.00×** (1.80–2.40) | ≤ 2× | reached |" in told
    assert "| **2.00×** (1.80–2.40) | ≤ 1.9× | missed |" in told


def test_a_row_that_compares_us_with_ourselves_is_read_against_its_reference() -> None:
    """1.2 times as much at 5,000 as at 100, not 0.83."""
    made = Row("grow", "µs", "Work.", "this.", "that.", ours=(), reference="100")
    made.add("100", Turn(100))
    made.add("5,000", Turn(120))

    assert "× of 100" in section(made)
    assert "**1.20×** (1.20–1.20)" in section(made)


def test_every_line_of_a_table_has_as_many_cells_as_its_head() -> None:
    """Markdown drops what does not fit."""
    made = row(edge=[100, 120], haproxy=[50, 50])
    made.notes["nginx"] = "nginx is not installed"
    made.turns["edge"][0].extra["GB/s"] = 1.5
    for text in (section(made), summary([made])):
        lines = [line for line in text.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) == 1, lines


def test_the_page_says_what_a_row_does_not_prove() -> None:
    """A sceptic looks there first."""
    told = page([row(edge=[1])], {"cpu": "2 x test"}, "It did not end.")

    assert "*Proves:* this. *Does not prove:* that." in told
    assert "It did not end." in told
    assert "- cpu: 2 x test" in told


def test_every_bar_is_for_a_row_that_there_is() -> None:
    """A bar that nobody measures would be reached for ever."""
    assert {bar.row for bar in BARS} <= set(ROWS)
