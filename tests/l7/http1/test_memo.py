"""The memory and h11 never disagree."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.l7.http1.head import Head, judge, split_head
from edge.l7.http1.memo import Generations, HeadMemo
from edge.l7.http1.rules import HeadLimits, Refused
from tests.kit.effort import examples
from tests.kit.http_bytes import mutated, requests

LIMITS = HeadLimits(head_bytes_max=2048, target_bytes_max=64, header_count_max=8)
# One memory for all examples: what one request leaves behind must not change the next one's verdict.
SHARED = HeadMemo(LIMITS, 512, 64 * 1024)
TYPICAL = (
    b"GET /api/v1/feed/timeline/ HTTP/1.1\r\nHost: i.edge.test:8443\r\nUser-Agent: phone\r\n"
    b"Accept: */*\r\nConnection: keep-alive\r\nCookie: edge_session=abc\r\n%b\r\n"
)


def _verdict(judged: "Head | Refused") -> object:
    return (judged.status, judged.rule) if isinstance(judged, Refused) else judged


def _plain(head: bytes) -> object:
    if not _is_whole(head):
        return None
    try:
        return _verdict(judge(head, LIMITS))
    except Refused as refused:
        return _verdict(refused)


def _is_whole(head: bytes) -> bool:
    # Both are asked about what `split_head` has cut out, and nothing else.
    try:
        return split_head(head, LIMITS) == (head, b"")
    except Refused:
        return False


def _memo(memo: HeadMemo, head: bytes) -> object:
    if not _is_whole(head):
        return None
    try:
        return _verdict(memo.judge(head))
    except Refused as refused:
        return _verdict(refused)


@given(st.one_of(requests(), mutated()))
@settings(max_examples=examples(1500), deadline=None)
def test_memory_and_h11_say_the_same_about_any_bytes(head: bytes) -> None:
    """A difference would be a smuggled request: the WAF sees one thing, the service another."""
    assert _memo(SHARED, head) == _plain(head)
    assert _memo(SHARED, head) == _plain(head), "and again, from memory"


@given(st.lists(requests(), min_size=2, max_size=6))
@settings(max_examples=examples(200), deadline=None)
def test_a_fresh_memory_agrees_whatever_came_before(heads: list[bytes]) -> None:
    """Also in the order that Hypothesis finds worst."""
    memo = HeadMemo(LIMITS, 64, 8 * 1024)

    for head in heads:
        assert _memo(memo, head) == _plain(head)


def test_a_head_seen_before_costs_h11_nothing() -> None:
    """This is what the memory is for."""
    memo = HeadMemo(LIMITS, 512, 64 * 1024)
    memo.judge(TYPICAL % b"")
    before = memo.judged

    for _ in range(1000):
        memo.judge(TYPICAL % b"")

    assert memo.judged == before


@pytest.mark.parametrize(
    "line", [b"traceparent: 00-%032x-%016x-03\r\n", b"X-Request-Id: %032x%016x\r\n", b"Cookie: a=%d%d\r\n"]
)
def test_a_field_that_changes_with_each_request_does_not_defeat_it(line: bytes) -> None:
    """Traced phones send a new traceparent each time, and everybody has a cookie of their own."""
    memo = HeadMemo(LIMITS, 512, 64 * 1024)
    memo.judge(TYPICAL % (line % (1, 1)))
    before = memo.judged

    for number in range(2, 1000):
        memo.judge(TYPICAL % (line % (number, number)))

    assert memo.judged == before


def test_a_query_that_changes_does_not_defeat_it() -> None:
    """Paging through a feed makes a new target each time."""
    memo = HeadMemo(LIMITS, 512, 64 * 1024)
    head = (TYPICAL % b"").replace(b"timeline/", b"t/?max_id=%d")
    memo.judge(head % 1)
    before = memo.judged

    assert [memo.judge(head % number).line.target for number in (2, 3)] == [
        b"/api/v1/feed/t/?max_id=2",
        b"/api/v1/feed/t/?max_id=3",
    ]
    assert memo.judged == before


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 0\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Expect: 100-continue\r\n",
        b"Upgrade: websocket\r\n",
    ],
)
def test_how_long_a_message_is_is_judged_each_time(lines: bytes) -> None:
    """Framing from memory would be the one mistake nobody could see."""
    memo = HeadMemo(LIMITS, 512, 64 * 1024)
    memo.judge(TYPICAL % lines)
    before = memo.judged

    memo.judge(TYPICAL % lines)

    assert memo.judged == before + 1


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=20), st.integers()), max_size=200))
def test_generations_stay_within_entries_and_bytes(items: list[tuple[bytes, int]]) -> None:
    """A phone that invents header lines may not grow the worker."""
    memory: Generations[int] = Generations(entries_max=20, bytes_max=200)

    for key, value in items:
        memory.put(key, value)
        assert memory.get(key) == value
        assert len(memory) <= 22
        assert sum(map(len, memory.young)) <= 120


def test_what_is_asked_for_survives_a_flood() -> None:
    """A flood of new heads must not push out those of ordinary phones."""
    memory: Generations[int] = Generations(entries_max=100, bytes_max=1 << 20)
    memory.put(b"ordinary", 1)

    for number in range(10_000):
        memory.put(b"flood %d" % number, number)
        if number % 20 == 0:
            assert memory.get(b"ordinary") == 1


def test_a_head_is_known_once_both_of_its_parts_were_seen_before() -> None:
    """What comes once only is not worth a place."""
    memo = HeadMemo(LIMITS, 512, 64 * 1024)
    head = TYPICAL % b""

    seen = [memo.known(head) or memo.judge(head) for _ in range(3)]

    known = memo.known(head)
    assert known == seen[2]
    assert known is not None and known[0] == judge(head, LIMITS)


def test_a_head_with_something_behind_it_is_not_known() -> None:
    """A second request in the same packet must not vanish."""
    memo = HeadMemo(LIMITS, 512, 64 * 1024)
    for _ in range(3):
        memo.judge(TYPICAL % b"")

    assert memo.known(TYPICAL % b"" + b"GET / HTTP/1.1\r\n") is None


TRACE = b"traceparent: 00-%032x-%016x-01\r\n"


def test_a_head_is_known_whatever_its_traceparent() -> None:
    """Traced phones send another each time; all else in their heads repeats."""
    memo = HeadMemo(LIMITS, 512, 64 * 1024)
    for number in range(3):
        memo.judge(TYPICAL % (TRACE % (number + 1, 7)))
    head = TYPICAL % (TRACE % (99, 7))

    known = memo.known(head)

    assert known is not None
    assert known[0] == judge(head, LIMITS)
    assert known[1] is memo.known(TYPICAL % b"")[1]  # type: ignore[index]


@pytest.mark.parametrize(
    "data",
    [
        (TYPICAL % b"")[:-2] + b"\r\n" + (TRACE % (1, 1))[:-2] + b"\r\n",
        TYPICAL % b"" + b"GET / HTTP/1.1\r\n" + TRACE % (1, 1) + b"\r\n",
        TYPICAL % (TRACE % (1, 1) + b" folded\r\n"),
        TYPICAL % (TRACE % (1, 1) + TRACE % (2, 2)),
        TYPICAL % (TRACE % (1, 1) + b"Traceparent: x\r\n"),
    ],
)
def test_a_traceparent_that_is_no_plain_line_of_the_head_is_not_cut_out(data: bytes) -> None:
    """Behind the head's end, folded or said twice, it makes another head of it."""
    memo = HeadMemo(LIMITS, 512, 64 * 1024)
    for _ in range(3):
        memo.judge(TYPICAL % b"")
        memo.judge(TYPICAL % (TRACE % (1, 1)))

    assert memo.known(data) is None
    if _is_whole(data):
        assert _memo(memo, data) == _plain(data)


@settings(max_examples=examples(300), deadline=None)
@given(requests(), st.integers(0, 6), st.booleans())
def test_a_head_with_a_traceparent_in_any_place_is_judged_as_h11_does(
    head: bytes, place: int, again: bool
) -> None:
    """Cut out and put back, the fields stand in their order, and the limits count it."""
    lines = head.split(b"\r\n")
    lines.insert(1 + place % max(1, len(lines) - 1), (TRACE % (place + 1, 5))[:-2])
    traced = b"\r\n".join(lines)
    if again:
        _memo(SHARED, traced)
        _memo(SHARED, traced)

    assert _memo(SHARED, traced) == _plain(traced)
    known = SHARED.known(traced) if _is_whole(traced) else None
    assert known is None or known[0] == _plain(traced)
