"""What made the second request slower?"""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from edge.common.spans import Span
from edge.phone.compare import compare, reasons
from edge.phone.span_tree import build
from edge.phone.waterfall import Waterfall, waterfall
from tests.kit.traces import ROOT, cold_feed
from tests.phone.strategies import UNTIMED, traces


def model_of(spans: list[Span]) -> Waterfall:
    return waterfall(build(spans, ROOT), with_stages=True)


def slower_waf(by_us: int) -> list[Span]:
    """The same feed, where the WAF of L7 took `by_us` longer and everything behind it came later."""
    waf = next(span for span in cold_feed() if span.span_id == "l7.waf")
    return [_later(span, waf.end_ns, by_us * 1000) for span in cold_feed()]


def _later(span: Span, after_ns: int, by_ns: int) -> Span:
    return msgspec.structs.replace(
        span,
        start_ns=span.start_ns + (by_ns if span.start_ns >= after_ns else 0),
        end_ns=span.end_ns + (by_ns if span.end_ns >= after_ns else 0),
    )


def test_a_trace_against_itself_differs_in_nothing() -> None:
    """Otherwise every other sentence would be in doubt."""
    same = compare(model_of(cold_feed()), model_of(cold_feed()))

    assert same.delta_ns == 0
    assert all(pair.duration_delta_ns == pair.self_delta_ns == 0 for pair in same.pairs)
    assert len(same.pairs) == len(same.first.rows)


def test_the_work_that_took_longer_is_named_first_with_its_file() -> None:
    """Everything behind it only came later, and is not blamed."""
    told = reasons(compare(model_of(cold_feed()), model_of(slower_waf(5_000))))

    assert told[0] == "The second took 5.00 ms longer."
    assert told[1] == "+5.00 ms by l7-mumbai-1 waf. [l7.waf; edge/l7/stages/waf.py]"
    assert len(told) == 3


def test_the_copy_that_did_the_work_is_no_part_of_the_comparison_but_is_told() -> None:
    """feed-1 and feed-2 do the same work; that they took turns may be the reason."""
    other = [
        msgspec.structs.replace(span, instance=span.instance.replace("ranking-1", "ranking-2"))
        for span in slower_waf(0)
    ]
    slower = [
        _later(span, next(one for one in other if one.span_id == "ranking-server").end_ns, 1_000_000)
        for span in other
    ]

    told = reasons(compare(model_of(cold_feed()), model_of(slower)))

    assert any("done by ranking-2 instead of ranking-1" in sentence for sentence in told)


def test_what_only_one_of_them_did_is_said() -> None:
    """A cold connection against a kept one."""
    warm = [span for span in cold_feed() if span.span_id not in ("tls", "l7tls", "tcp", "l4")]

    away = reasons(compare(model_of(cold_feed()), model_of(warm)))
    back = reasons(compare(model_of(warm), model_of(cold_feed())))

    assert any("tls handshake, which the second did not need" in sentence for sentence in away)
    assert any("tls handshake, which the first did not have" in sentence for sentence in back)


@UNTIMED
@given(traces(), traces(), st.booleans())
def test_the_differences_always_add_up(first: list[Span], second: list[Span], with_stages: bool) -> None:
    """Nothing that made the request slower can hide."""
    found = compare(
        waterfall(build(first, ROOT), with_stages=with_stages),
        waterfall(build(second, ROOT), with_stages=with_stages),
    )

    assert sum(pair.self_delta_ns for pair in found.pairs) == found.delta_ns
    assert sum(pair.first is not None for pair in found.pairs) == len(found.first.rows)
    assert sum(pair.second is not None for pair in found.pairs) == len(found.second.rows)
    assert reasons(found)
