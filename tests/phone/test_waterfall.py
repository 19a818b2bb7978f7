"""Which rows are shown, and what they say."""

from hypothesis import given

from edge.common.spans import Span
from edge.phone.span_tree import build, rooted
from edge.phone.waterfall import Row, Waterfall, waterfall
from tests.kit.traces import ROOT, cold_feed, span, warm_feed
from tests.phone.strategies import UNTIMED, traces


def row(model: Waterfall, title: str) -> Row:
    return next(one for one in model.rows if one.title == title)


def test_a_feed_fits_on_a_screen() -> None:
    """Calls and passing stages are folded: 29 spans, 18 rows."""
    model = waterfall(build(cold_feed(), ROOT))

    assert len(model.rows) == 18
    assert (model.status, model.connection) == (200, "cold connection")
    assert row(model, "stages").text == "5 passed"
    assert "waf 0.14" in row(model, "stages").why


def test_a_call_is_one_row_with_the_callee_inside() -> None:
    """The thin ends are the way there and back."""
    ranking = row(waterfall(build(cold_feed(), ROOT)), "ranking-1")

    assert (ranking.start_ns, ranking.end_ns) == (11_500_000, 26_100_000)
    assert ranking.inner_ns == (11_700_000, 25_950_000)
    assert ranking.is_critical
    assert ranking.self_ns == 14_600_000


def test_a_call_that_failed_says_so_in_its_row() -> None:
    """Ads timed out; the feed came without them."""
    ads = row(waterfall(build(cold_feed(), ROOT)), "ads-1")

    assert ads.error == "timed out"
    assert "slack 5.6 ms" in ads.why
    assert ads.self_ns == 0


def test_a_stage_that_answered_has_a_row_of_its_own() -> None:
    """It is the reason for the answer."""
    spans = cold_feed()
    blocked = span(
        "block",
        "server",
        "l7.waf",
        5_160,
        5_200,
        service="edge-l7",
        instance="l7-mumbai-1",
        edge__verdict="answer 403",
        edge__why="942100: SQL in the query",
    )

    model = waterfall(build([*spans, blocked], ROOT))

    assert any(one.text == "waf" and "942100" in one.why for one in model.rows)


def test_every_stage_can_be_shown() -> None:
    """`--stages` is for whoever studies the pipeline."""
    rows = waterfall(build(cold_feed(), ROOT), with_stages=True).rows

    assert {"normalise", "route", "waf", "auth", "ratelimit"} <= {one.text for one in rows}


def test_a_kept_connection_is_named_with_its_history() -> None:
    """Where it was decided which worker this connection belongs to."""
    model = waterfall(build(warm_feed(), ROOT))

    assert model.connection == "reused connection c-9f2"
    assert any("when this connection was opened" in note for note in model.notes)


def test_a_strangers_request_is_told_as_the_edge_saw_it() -> None:
    """The root is made up, and says so."""
    spans, root_id = rooted([one for one in cold_feed() if one.service not in ("phone", "edge-dns")])

    model = waterfall(build(spans, root_id))

    assert model.rows[0].text == "total, as the edge saw it"
    assert model.connection == "new connection"


def test_the_sentence_at_the_foot_names_the_lever() -> None:
    """What a reader wants to know next."""
    model = waterfall(build(cold_feed(), ROOT))

    assert model.lever == "ranking-1 (if it took no time: −5.60 ms, then ads dominates)"
    assert model.saved_ns == 18_300_000


@UNTIMED
@given(traces())
def test_own_times_of_the_rows_make_the_total(spans: list[Span]) -> None:
    """Folding moves time between rows, and loses none."""
    model = waterfall(build(spans, ROOT))

    assert sum(one.self_ns for one in model.rows) == model.attribution.total_ns
    assert all(0 <= one.start_ns <= one.end_ns <= model.attribution.total_ns for one in model.rows)
