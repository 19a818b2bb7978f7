"""The same request as sentences."""

from hypothesis import given

from edge.common.spans import Span
from edge.phone.prose import explain
from edge.phone.span_tree import build
from edge.phone.waterfall import waterfall
from tests.kit.traces import ROOT, cold_feed
from tests.phone.strategies import UNTIMED, traces


def test_the_story_has_the_same_numbers_as_the_drawing() -> None:
    """Two views of one trace must not disagree."""
    story = explain(waterfall(build(cold_feed(), ROOT)))

    assert story[0].endswith("was answered with 200 after 30.20 ms, on a cold connection.")
    assert any("ranking-1" in line and "14.60 ms of it its own" in line for line in story)
    assert "Nobody accounts for 0.25 ms (0.8%)." in story


def test_what_failed_and_what_ran_beside_is_said() -> None:
    """Ads timed out and delayed nobody."""
    story = explain(waterfall(build(cold_feed(), ROOT)))

    ads = next(line for line in story if "ads-1" in line)
    assert "failed (timed out)" in ads
    assert "beside what the phone was waiting for" in ads


@UNTIMED
@given(traces())
def test_every_row_has_its_sentence_in_the_order_of_time(spans: list[Span]) -> None:
    """Nothing is left out of the story."""
    model = waterfall(build(spans, ROOT))

    told = [line for line in explain(model) if line.startswith("At ")]

    assert len(told) == len(model.rows) - 1
    starts = [float(line.split()[1]) for line in told]
    assert starts == sorted(starts)
