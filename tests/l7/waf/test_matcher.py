"""Many patterns in one text: two ways, one answer, and when to change from one to the other."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.l7.waf.matcher import (
    OWN_CLOCK_AGE_S,
    SET_BYTES_MAX,
    SLOW_STEP_S,
    Filter,
    Matcher,
    TooDear,
    Watch,
)
from tests.kit.effort import examples

PIECES = [b"union select", b"<script", b"/etc", b"\x00", b"\xff", b"\xe9t\xe9", b"' or", b"\n", b" ", b"abc"]
TEXT = st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=8).map(b"".join)
PATTERNS = [
    rb"(?m)(?i)union\s+select", rb"(?m)<script", rb"(?m)^/etc", rb"(?m)[\x00\xff]", rb"(?m)\xe9t\xe9",
    rb"(?m)'\s*or",
]  # fmt: skip
MANY = [rb"(?m)%d.*%d" % (one, one) for one in range(100)]


@settings(max_examples=examples(100), deadline=None)
@given(TEXT, st.integers(0, 2000))
def test_the_filter_finds_what_the_set_finds(text: bytes, padding: int) -> None:
    """RE2's tracker knows of sets that ran out of memory and found nothing; this would notice."""
    text += b" " * padding

    found = Matcher(PATTERNS).match(text, Watch(lambda: 0.0))

    every = range(len(PATTERNS))
    assert set(found) == set(Filter(PATTERNS).match(text, {*every})) == set(Matcher(PATTERNS).match(text))


def test_the_filter_looks_only_for_what_it_is_asked_for() -> None:
    """A text is made for some of the patterns, and searching it for all of them costs three times as much."""
    for among in ({1, 2, 5}, {0, 1, 2, 3, 5}):
        assert Filter(PATTERNS).match(b"<script> \xe9t\xe9 /etc", among) == [1]


def test_a_pattern_of_the_filter_says_where_it_is() -> None:
    """So that it need not be compiled again to find out in which value it is."""
    filtered = Filter(PATTERNS)

    assert filtered.pattern(1).span(b"a <script b", 0, 11) == (2, 9)
    assert filtered.pattern(4).span(b"a \xe9t\xe9", 0, 5) == (2, 5)


def test_a_pattern_of_several_rules_is_compiled_once() -> None:
    """A third of the Core Rule Set's patterns are looked for in arguments and in headers."""
    filtered = Filter(PATTERNS)

    assert [filtered.add(pattern) for pattern in reversed(PATTERNS)] == [5, 4, 3, 2, 1, 0]
    assert filtered.add(rb"(?m)another") == 6
    assert filtered.match(b"<script> another", {*range(7)}) == [1, 6]


def test_a_pattern_is_lent_before_the_filter_has_seen_a_text() -> None:
    """Rules are evaluated on ordinary text, for which no filter is needed, as well."""
    filtered = Filter(PATTERNS)
    lent = [filtered.pattern(number) for number in range(len(PATTERNS))]

    assert [one.found(b"' or <script \xe9t\xe9") for one in lent] == [False, True, False, False, True, True]
    assert lent[1] is filtered.pattern(1)


class Clock:
    """Each look at it takes `per_look_s`."""

    def __init__(self, per_look_s: float) -> None:
        self.now = 0.0
        self.per_look_s = per_look_s

    def __call__(self) -> float:
        self.now += self.per_look_s
        return self.now


def test_text_on_which_the_set_is_slow_is_given_up() -> None:
    """Text in which each byte makes a new state would take a set 0.15 s for 8 kB."""
    slow, quick = Watch(Clock(2 * SLOW_STEP_S)), Watch(Clock(SLOW_STEP_S / 100))

    assert Matcher(PATTERNS).match(b"a" * 4000, quick) == []
    with pytest.raises(TooDear):
        Matcher(PATTERNS).match(b"a" * 4000, slow)


def test_time_that_others_used_makes_no_text_slow() -> None:
    """On a busy machine the scheduler is elsewhere for milliseconds at a time."""
    watch = Watch(Clock(2 * SLOW_STEP_S), cpu=lambda: 0.0)

    assert Matcher(PATTERNS).match(b"a" * 4000, watch) == []
    assert not watch.used_up(0.001)


def test_long_texts_are_for_the_filter() -> None:
    """Going through prefixes is quadratic."""
    with pytest.raises(TooDear):
        Matcher(PATTERNS).match(b"a" * (SET_BYTES_MAX + 1))
    with pytest.raises(TooDear):
        Matcher(MANY).match(b"a" * (SET_BYTES_MAX // 2))


def test_a_text_of_steps_each_of_which_is_quick_enough_is_given_up_in_the_end() -> None:
    """A set that has forgotten its states took 30 ms for 4 kB of JSON, and no step was slow."""
    with pytest.raises(TooDear):
        Matcher(MANY).match(b"a" * 2000, Watch(Clock(SLOW_STEP_S / 3)))


def test_many_steps_that_are_not_slow_are_too_many_in_a_hurry() -> None:
    """Fifteen texts at a third of a millisecond each would hold up everybody for five."""
    watch = Watch(Clock(SLOW_STEP_S / 2))
    watch.limit_s = 5 * SLOW_STEP_S

    with pytest.raises(TooDear):
        Matcher(MANY).match(b"a" * 1000, watch)


def test_inspections_in_a_row_read_the_threads_clock_seldom() -> None:
    """It is a system call, and most inspections are over before half a step that would be slow."""
    reads: list[float] = []
    clock = Clock(OWN_CLOCK_AGE_S / 4)

    def own() -> float:
        reads.append(clock.now)
        return clock.now

    watch = Watch(clock, own)
    for _ in range(9):
        watch.begin(clock())

    assert 1 < len(reads) <= 3
    assert all(later - earlier >= OWN_CLOCK_AGE_S for earlier, later in pairwise(reads))


def test_the_more_patterns_the_smaller_the_steps() -> None:
    """A new state takes as long as there are patterns, and a step has to be over soon."""
    few, many = Clock(SLOW_STEP_S / 1000), Clock(SLOW_STEP_S / 1000)

    assert Matcher(PATTERNS).match(b"a" * 1000, Watch(few)) == []
    assert Matcher(MANY).match(b"a" * 1000, Watch(many)) == []

    assert few.now < many.now / 4
