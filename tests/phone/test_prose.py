"""The same request as sentences."""

import re

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

    assert "was answered with 200 after 30.20 ms, on a cold connection." in story[0]
    assert any("ranking-1" in line and "14.60 ms of it its own" in line for line in story)
    assert any(line.startswith("Nobody accounts for 0.25 ms (0.8%).") for line in story)


def test_what_failed_and_what_ran_beside_is_said() -> None:
    """Ads timed out and delayed nobody."""
    story = explain(waterfall(build(cold_feed(), ROOT)))

    ads = next(line for line in story if "ads-1" in line)
    assert "failed (timed out)" in ads
    assert "beside what the phone was waiting for" in ads


def test_each_sentence_names_its_span_and_the_file_that_did_it() -> None:
    """The reader can look both up: nothing has to be believed."""
    story = explain(waterfall(build(cold_feed(), ROOT), with_stages=True))

    assert all(re.search(r"\[.+; (edge|services)/[a-z0-9_/]+\.py\]$", line) for line in story), story
    waf = next(line for line in story if "l7-mumbai-1 waf" in line)
    assert waf.endswith("[l7.waf l7.waf; edge/l7/stages/waf.py]")


def test_a_stage_that_had_nothing_to_say_is_told_by_its_rule() -> None:
    """ "auth, 0.06 ms" teaches nobody what auth looks at."""
    story = explain(waterfall(build(cold_feed(), ROOT), with_stages=True))

    assert any("auth" in line and "the session's signature and lifetime" in line for line in story)


@UNTIMED
@given(traces())
def test_every_row_has_its_sentence_in_the_order_of_time(spans: list[Span]) -> None:
    """Nothing is left out of the story."""
    model = waterfall(build(spans, ROOT))

    told = [line for line in explain(model) if line.startswith("At ")]

    assert len(told) == len(model.rows) - 1
    starts = [float(line.split()[1]) for line in told]
    assert starts == sorted(starts)
