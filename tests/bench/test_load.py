"""When does the bill begin?"""

from bench.load import mark_for


def test_the_bill_begins_when_everybody_is_connected_and_before_the_turn_is_half_over() -> None:
    """A slow contender would never get there otherwise; a fast one would still be opening connections."""
    assert mark_for(10_000, 32, 2.0) == 3000
    assert mark_for(100, 32, 2.0) == 64
    assert mark_for(1000, 32, 2.0) == 300


def test_without_knowledge_it_begins_after_two_requests_each() -> None:
    """The warm-up, which does not count."""
    assert mark_for(0.0, 32, 2.0) == 64
