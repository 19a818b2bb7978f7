"""The waterfall as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.common.spans import Span
from edge.phone.drawing import ASCII, UNICODE, Glyphs, draw, plain
from edge.phone.span_tree import build
from edge.phone.waterfall import waterfall
from tests.kit.traces import ROOT, cold_feed
from tests.phone.strategies import UNTIMED, traces

MODEL = waterfall(build(cold_feed(), ROOT))


def test_the_picture_says_what_the_study_wants_to_see() -> None:
    """Hop by hop, with the critical path and the rest."""
    text = "\n".join(plain(draw(MODEL, 160)))

    assert "GET https://i.edge.test:8443/api/v1/feed/timeline/   trace 4bf9…4736   200   30.2 ms" in text
    assert "ranking-1 GET /ranking ★" in text
    assert "░ unattributed" in text
    assert "★ critical path 29.9 ms · working in parallel saved 18.3 ms" in text
    assert text.rstrip().endswith("unattributed 0.25 = 30.20 ms")


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_no_line_is_wider_than_the_terminal(columns: int, glyphs: Glyphs) -> None:
    """A wrapped bar is no bar."""
    assert all(len(line) <= columns for line in plain(draw(MODEL, columns, glyphs)))


def test_bars_and_numbers_stand_in_columns() -> None:
    """Otherwise the eye cannot compare."""
    lines = plain(draw(MODEL, 160, cut=False))
    rows = lines[2 : 2 + len(MODEL.rows)]
    total = rows[0].index("30.20")

    assert rows[1].index("1.10") == total + 1
    assert rows[-1][total : total + 5].strip() == "0.65"


def test_ascii_is_ascii_in_its_bars() -> None:
    """For terminals of a LANG=C kind; labels may still hold what the spans said."""
    line = plain(draw(MODEL, 120, ASCII))[2]

    assert "█" not in line
    assert "####" in line


@UNTIMED
@given(traces(), st.integers(60, 200))
def test_any_trace_can_be_drawn_at_any_width(spans: list[Span], columns: int) -> None:
    """An odd trace is when one needs the drawing most."""
    lines = plain(draw(waterfall(build(spans, ROOT)), columns))

    assert all(len(line) <= columns for line in lines)


def test_a_trace_of_no_length_can_be_drawn() -> None:
    """Nothing divides by the total."""
    model = waterfall(build([one for one in cold_feed() if one.span_id == ROOT], ROOT))

    assert draw(model, 80)
