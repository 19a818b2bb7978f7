"""Spans of many processes become one tree, whatever is missing or odd."""

import itertools

import msgspec
from hypothesis import given

from edge.phone.span_tree import build, rooted
from tests.kit.traces import ROOT, cold_feed, phone, span, warm_feed
from tests.phone.strategies import UNTIMED, traces


def test_every_span_has_its_place() -> None:
    """Nothing of what the processes told is lost."""
    spans = cold_feed()

    tree = build(spans, ROOT)

    assert {node.span.span_id for node in tree.root.walk()} == {one.span_id for one in spans}
    assert tree.earlier == ()


def test_a_connections_work_goes_to_the_phase_in_which_it_happened() -> None:
    """L7 tells of L4's choice as a child of the request, which began later."""
    tree = build(cold_feed(), ROOT)

    tcp, tls = tree.find("tcp"), tree.find("tls")
    assert tcp is not None
    assert tls is not None
    assert [child.span.span_id for child in tcp.children] == ["l4"]
    assert [child.span.span_id for child in tls.children] == ["l7tls"]
    assert not tcp.children[0].is_orphan


def test_on_a_kept_connection_that_work_is_history() -> None:
    """It happened before this request and costs it nothing."""
    tree = build(warm_feed(), ROOT)

    assert [one.span_id for one in tree.earlier] == ["l4", "l7tls"]
    assert tree.find("l4") is None


def test_work_that_straddles_two_phases_is_cut_in_two() -> None:
    """In TLS 1.3 the server still checks what its phone has already sent a request behind."""
    spans = [one for one in cold_feed() if one.span_id != "l7tls"]
    late = span("l7tls", "server", "tls handshake", 2_000, 4_800, service="edge-l7", instance="l7-mumbai-1")

    tree = build([*spans, late], ROOT)

    pieces = [(node.start_ns, node.end_ns) for node in tree.root.walk() if node.span.span_id == "l7tls"]
    assert pieces == [(1_002_000_000, 1_004_650_000), (1_004_650_000, 1_004_800_000)]


def test_a_span_whose_caller_forgot_is_put_where_it_happened() -> None:
    """L7 was killed: what the services did is still shown, and marked."""
    spans = [one for one in cold_feed() if one.service != "edge-l7"]

    tree = build(spans, ROOT)

    http, feed = tree.find("http"), tree.find("feed-server")
    assert http is not None
    assert feed is not None
    assert feed in http.children
    assert feed.is_orphan


def test_a_child_that_ends_after_its_parent_is_clipped() -> None:
    """A service still writes down what its caller has read already."""
    spans = [phone("http", "http", 0, 100), span("late", "http", "late", 50, 140)]

    tree = build([span(ROOT, "", "phone", 0, 100, service="phone"), *spans], ROOT)

    late = tree.find("late")
    assert late is not None
    assert late.end_ns == tree.root.end_ns


def test_a_circle_of_parents_does_not_hang_the_drawing() -> None:
    """Ids come from other processes, some of them other people's."""
    circle = [span("a", "b", "a", 1, 2), span("b", "a", "b", 1, 2)]

    tree = build([span(ROOT, "", "phone", 0, 10, service="phone"), *circle], ROOT)

    assert len(list(tree.root.walk())) == 3


def test_a_request_of_somebody_elses_gets_a_root_that_spans_all() -> None:
    """curl has no spans; `edge trace --id` still shows L4, TLS and the request."""
    spans = [one for one in cold_feed() if one.service not in ("phone", "edge-dns")]

    with_root, root_id = rooted(spans)
    tree = build(with_root, root_id)

    assert tree.root.start_ns == min(one.start_ns for one in spans)
    assert len(list(tree.root.walk())) == len(spans) + 1
    assert {child.span.span_id for child in tree.root.children} == {"l4", "l7tls", "server"}


def test_a_trace_of_our_own_keeps_its_root() -> None:
    """The phone's view is the wider one."""
    assert rooted(cold_feed())[1] == ROOT


@UNTIMED
@given(traces())
def test_no_span_is_lost_doubled_or_outside_its_parent(spans: list[msgspec.Struct]) -> None:
    """Whatever the processes tell, and in whatever order."""
    tree = build(spans, ROOT)  # type: ignore[arg-type]

    earlier = {one.span_id for one in tree.earlier}
    placed = {node.span.span_id for node in tree.root.walk()}
    assert placed | earlier == {one.span_id for one in spans}  # type: ignore[attr-defined]
    assert not placed & earlier
    pieces: dict[str, list[tuple[int, int]]] = {}
    for node in tree.root.walk():
        pieces.setdefault(node.span.span_id, []).append((node.start_ns, node.end_ns))
    for cut in pieces.values():
        cut.sort()
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(cut))
    for node in tree.root.walk():
        assert node.start_ns <= node.end_ns
        for child in node.children:
            assert node.start_ns <= child.start_ns <= child.end_ns <= node.end_ns
