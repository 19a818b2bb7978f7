"""One path, one spelling; two readings, one refusal."""

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.l7.request import Request
from edge.l7.stages.normalise import MEMO_ENTRIES_MAX, Ambiguous, Normalise, normalise_path
from edge.l7.verdict import Answer


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/", "/"),
        (b"/api/v1/feed/timeline/", "/api/v1/feed/timeline/"),
        (b"//api///v1/", "/api/v1/"),
        (b"/a/./b/../c", "/a/c"),
        (b"/a/b/..", "/a/"),
        (b"/a/.", "/a/"),
        (b"/a/%2E%2e/b", "/b"),
        (b"/%7euser/%41", "/~user/A"),
        (b"/caf%c3%a9", "/caf%C3%A9"),
        (b"/a%20b", "/a%20b"),
        (b"/%252e%252e/x", "/%252e%252e/x"),
        (b"/.well-known/x", "/.well-known/x"),
        (b"/..a/.b./c..", "/..a/.b./c.."),
        (b"/a;v=1/b", "/a;v=1/b"),
        (b"/a/../", "/"),
    ],
)
def test_a_path_is_brought_to_its_normal_form(raw: bytes, path: str) -> None:
    """A rule for /admin must hold for every way to write /admin."""
    assert normalise_path(raw) == path


@pytest.mark.parametrize(
    "raw",
    [
        b"/..", b"/a/../..", b"/%2e%2e/x", b"/a%2fb", b"/a%2Fb", b"/a%5cb", b"/a\\b", b"/a%00", b"/a%",
        b"/a%4", b"/a%zz", b"/a b", b"/a\x7f", b"/caf\xc3\xa9", b"/a/..;/b", b"/.;x/", b"/<x>", b"/a#b",
    ],
)  # fmt: skip
def test_two_readings_are_refused(raw: bytes) -> None:
    """Whoever guesses differs from the service that guesses otherwise."""
    with pytest.raises(Ambiguous):
        normalise_path(raw)


_PIECES = st.sampled_from(
    [b"/", b".", b"..", b"%2e", b"%2F", b"a", b"Z", b"%41", b"%c3", b";", b"%25", b"~", b"%"]
)


@given(st.lists(_PIECES, max_size=12).map(lambda pieces: b"/" + b"".join(pieces)))
@example(b"/%2e/..a//")
def test_the_normal_form_is_final_and_means_the_same(raw: bytes) -> None:
    """Nobody behind us can normalise further, and no byte of the meaning is lost.

    The oracle is Python's own decoder and a plain walk over the decoded segments.
    """
    try:
        path = normalise_path(raw)
    except Ambiguous:
        return

    assert normalise_path(path.encode()) == path
    walked: list[bytes] = []
    for segment in unquote_to_bytes(raw).split(b"/"):
        if segment == b"..":
            walked.pop()
        elif segment not in (b"", b"."):
            walked.append(segment)
    assert [segment for segment in unquote_to_bytes(path).split(b"/") if segment] == walked


def asked(target: bytes, method: str = "GET") -> tuple[Request, Answer | None]:
    request = Request(method, target, ())
    return request, Normalise()(request, 0.0, 0.0)


def test_the_stage_separates_path_and_query() -> None:
    """The query belongs to the service and stays as it was."""
    request, answer = asked(b"/a/./b?x=%2F&y=1?")

    assert answer is None
    assert (request.path, request.query) == ("/a/b", b"x=%2F&y=1?")


def test_a_query_that_was_not_escaped_still_reaches_the_waf() -> None:
    """curl sends it so; 403 with a reason says more than 400."""
    assert asked(b'/?q=<script>alert("1")</script>')[1] is None


@pytest.mark.parametrize(
    ("target", "method"),
    [(b"/../etc", "GET"), (b"*", "GET"), (b"host:443", "GET"), (b"/?a=\x01", "GET"), (b"/?a#b", "GET")],
)
def test_the_stage_answers_400_to_what_it_cannot_read(target: bytes, method: str) -> None:
    """An ambiguous request never reaches the stages that would judge it."""
    _, answer = asked(target, method)

    assert answer is not None
    assert answer.status == 400


def test_options_may_ask_for_the_server_as_a_whole() -> None:
    """RFC 9110 section 9.3.7."""
    request, answer = asked(b"*", "OPTIONS")

    assert answer is None
    assert request.path == "*"


def test_the_memo_is_bounded_and_says_the_same_twice() -> None:
    """A scanner that never repeats a path costs no memory."""
    stage = Normalise()
    first = [stage(Request("GET", b"/a%2f", ()), 0.0, 0.0) for _ in range(2)]
    for number in range(MEMO_ENTRIES_MAX * 2):
        stage(Request("GET", b"/%d" % number, ()), 0.0, 0.0)

    assert first[0] is first[1]
    assert len(stage._memo) <= MEMO_ENTRIES_MAX
