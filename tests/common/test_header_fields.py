"""Headers travel in spans, secrets do not."""

from hypothesis import given
from hypothesis import strategies as st

from edge.common.header_fields import (
    HEADERS_MAX,
    REQUEST,
    RESPONSE,
    VALUE_CHARS_MAX,
    fields_of,
    headers_of,
    told,
    without_secrets,
)
from tests.kit.traces import span
from tests.phone.strategies import UNTIMED


def test_headers_come_back_as_they_were() -> None:
    """What the phone sent is what is shown."""
    sent = [("host", "i.edge.test"), ("accept", "*/*")]

    one = span("a", "", "http", 0, 1)
    one.attributes.update(told(REQUEST, sent))

    assert headers_of(one, REQUEST) == sent
    assert headers_of(one, RESPONSE) == []


def test_a_session_is_never_in_a_trace() -> None:
    """A trace is mailed around; whoever reads it must not become its user."""
    fields = told(
        REQUEST,
        [("cookie", "edge_session=eyJhbGciOi"), ("authorization", "Bearer sesame")],
    ) | told(RESPONSE, [("Set-Cookie", "edge_session=eyJhbGciOi; HttpOnly")])

    said = " ".join(map(str, fields.values()))
    assert "eyJ" not in said
    assert "sesame" not in said
    assert "edge_session=(10 characters)" in said


def test_what_sounds_like_a_secret_is_one() -> None:
    """Each cookie of a line, a key in an odd header, a token in an address; how a cookie is guarded stays."""
    fields = told(
        REQUEST,
        [
            (b"cookie", b"theme=dark; edge_session=sesame; odd"),
            (b"X-Api-Key", b"sesame="),
            (b"x-csrftoken", b"name=sesame"),
            (b"referer", b"https://i.edge.test/a?page=2&access_token=sesame#top"),
        ],
    ) | told(RESPONSE, [(b"set-cookie", b"edge_session=sesame; HttpOnly; Secure")])

    assert "sesame" not in str(fields)
    assert fields == {
        REQUEST + "cookie": "theme=(4 characters); edge_session=(6 characters); (3 characters)",
        REQUEST + "x-api-key": "(7 characters)",
        REQUEST + "x-csrftoken": "(11 characters)",
        REQUEST + "referer": "https://i.edge.test/a?page=2&access_token=(6 characters)#top",
        RESPONSE + "set-cookie": "edge_session=(6 characters); HttpOnly; Secure",
    }


def test_a_query_loses_its_secrets_and_nothing_else() -> None:
    """A trace shows which page was asked for, and not with whose key."""
    assert without_secrets("q=a+token&page=2") == "q=a+token&page=2"
    assert without_secrets("sig=abc&q=1;api_key=def") == "sig=(3 characters)&q=1;api_key=(3 characters)"


def test_a_head_is_read_as_it_went_over_the_wire() -> None:
    """The first line is none of its fields, and the body is not either."""
    head = b"HTTP/1.1 200 OK\r\nA: b\r\nc:d \r\n\r\nE: body"

    assert [*fields_of(head)] == [(b"A", b"b"), (b"c", b"d")]
    assert [*fields_of(b"")] == []


def test_a_header_that_comes_twice_is_one_list() -> None:
    """RFC 9110 section 5.3."""
    assert told(RESPONSE, [("via", "1.1 a"), ("via", "1.1 b")]) == {RESPONSE + "via": "1.1 a, 1.1 b"}


@UNTIMED
@given(st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=2000)), max_size=120))
def test_a_span_stays_small_whatever_is_sent(headers: list[tuple[str, str]]) -> None:
    """A service that sends a megabyte of headers does not fill the trace."""
    fields = told(RESPONSE, headers)

    assert len(fields) <= HEADERS_MAX
    assert all(len(str(value)) <= VALUE_CHARS_MAX + 40 for value in fields.values())
