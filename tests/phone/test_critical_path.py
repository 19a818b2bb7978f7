"""What the phone waited for, moment by moment."""

from hypothesis import given

from edge.common.spans import Span
from edge.phone.critical_path import biggest_lever, critical_path, slack_ns
from edge.phone.span_tree import Node, build
from tests.kit.traces import ROOT, cold_feed, span
from tests.phone.strategies import UNTIMED, traces

MS = 1_000_000


def tree_of(*spans: Span) -> Node:
    return build([span(ROOT, "", "phone", 0, 1000, service="phone"), *spans], ROOT).root


def test_of_parallel_work_only_the_last_to_finish_was_waited_for() -> None:
    """The others had slack, and making them faster brings nothing."""
    tree = build(cold_feed(), ROOT)
    path = critical_path(tree.root)

    waited_for = {node.span.span_id for node in tree.root.walk() if path.has(node)}

    assert {"ranking-server", "user-server", "queue", "l4"} <= waited_for
    assert not {"ads-server", "story-server", "recommend-server"} & waited_for


def test_slack_is_how_much_later_it_could_have_ended() -> None:
    """Ads ended at 20.5 ms, ranking at 26.1: 5.6 ms of slack."""
    tree = build(cold_feed(), ROOT)
    feed, ads = tree.find("feed-server"), tree.find("ads-client")
    assert feed is not None
    assert ads is not None

    assert slack_ns(feed, ads) == int(5.6 * MS)


def test_work_in_sequence_is_all_on_the_path() -> None:
    """And what lies between is the caller's own."""
    root = tree_of(span("a", ROOT, "a", 100, 300), span("b", ROOT, "b", 400, 900))

    path = critical_path(root)

    assert [path.self_of(node) for node in root.walk()] == [300_000, 200_000, 500_000]


def test_a_hairs_overlap_of_two_processes_stamps_is_still_a_sequence() -> None:
    """Both stamp the same moment, from two sides of a socket."""
    root = tree_of(span("a", ROOT, "a", 0, 510), span("b", ROOT, "b", 500, 1000))

    path = critical_path(root)

    assert all(path.has(node) for node in root.walk())
    assert sum(path.self_ns.values()) == root.duration_ns


def test_the_biggest_lever_is_bounded_by_what_runs_beside_it() -> None:
    """Ranking takes 14.6 ms, but ads would dominate after 5.6."""
    root = build(cold_feed(), ROOT).root

    lever = biggest_lever(root, critical_path(root))

    assert lever is not None
    assert lever.node.span.instance == "ranking-1"
    assert lever.saving_ns == int(5.6 * MS)
    assert lever.then is not None
    assert lever.then.span.attributes["service.peer.name"] == "ads"


def test_without_any_children_there_is_no_lever() -> None:
    """Nothing is known that could be made faster."""
    root = tree_of()

    assert biggest_lever(root, critical_path(root)) is None


@UNTIMED
@given(traces())
def test_the_path_covers_the_total_without_gap_or_overlap(spans: list[Span]) -> None:
    """Hence every drawing adds up, whatever the processes told."""
    root = build(spans, ROOT).root

    path = critical_path(root)

    cursor = root.start_ns
    for segment in path.segments:
        assert segment.start_ns == cursor
        cursor = segment.end_ns
        assert segment.node.start_ns <= segment.start_ns < segment.end_ns <= segment.node.end_ns
    assert cursor == root.end_ns
    assert sum(path.self_ns.values()) == root.duration_ns


@UNTIMED
@given(traces())
def test_a_lever_never_promises_more_than_the_total(spans: list[Span]) -> None:
    """A promise is kept or not made."""
    root = build(spans, ROOT).root

    lever = biggest_lever(root, critical_path(root))

    assert lever is None or 0 <= lever.saving_ns <= root.duration_ns
