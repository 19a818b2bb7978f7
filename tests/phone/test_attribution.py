"""Every nanosecond has a name, or is said to have none."""

from hypothesis import given

from edge.common.spans import Span
from edge.phone.attribution import Attribution, attribute, check_sum
from edge.phone.critical_path import critical_path
from edge.phone.span_tree import build, rooted
from tests.kit.traces import ROOT, cold_feed, warm_feed
from tests.phone.strategies import UNTIMED, traces


def attributed(spans: list[Span], root_id: str = ROOT) -> Attribution:
    tree = build(spans, root_id)
    return attribute(tree, critical_path(tree.root))


def test_the_golden_trace_is_attributed_within_its_budget() -> None:
    """0.25 of 30.2 ms: the phone between its phases."""
    whole = attributed(cold_feed())

    assert whole.total_ns == 30_200_000
    assert whole.unattributed_ns == 250_000
    assert whole.unattributed_share < 0.05
    assert [part.name for part in whole.parts][:5] == ["wire", "dns", "tcp", "l4", "tls"]


def test_a_warm_trace_adds_up_too() -> None:
    """There is no DNS, TCP or TLS to hide behind."""
    whole = attributed(warm_feed())

    check_sum(whole)
    assert {part.name for part in whole.parts} == {"wire", "l7", "feed", "user", "ranking", "body"}


def test_a_wait_for_which_nobody_answers_is_unattributed() -> None:
    """With all of L7's spans gone, we do not pretend to know where the time went."""
    spans = [one for one in cold_feed() if one.service in ("phone", "edge-dns")]

    whole = attributed(spans)

    assert whole.unattributed_share > 0.8


def test_a_service_behind_a_silent_caller_says_nothing_about_the_wire() -> None:
    """Between it and the phone stands a process that told us nothing."""
    spans = [one for one in cold_feed() if one.service != "edge-l7"]

    parts = {part.name: part.ns for part in attributed(spans).parts}

    assert parts["feed"] > 0
    assert parts["wire"] < 500_000  # only DNS's


def test_what_lies_between_two_requests_of_a_stranger_is_unattributed() -> None:
    """curl's own time between its handshake and its request is not ours."""
    spans, root_id = rooted([one for one in cold_feed() if one.service not in ("phone", "edge-dns")])

    whole = attributed(spans, root_id)

    check_sum(whole)
    assert whole.unattributed_ns > 0


@UNTIMED
@given(traces())
def test_the_parts_and_the_rest_make_the_total(spans: list[Span]) -> None:
    """The promise under every drawing."""
    whole = attributed(spans)

    check_sum(whole)
    assert all(part.ns > 0 for part in whole.parts)
    assert 0 <= whole.unattributed_share <= 1
