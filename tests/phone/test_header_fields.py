"""Headers travel in spans, secrets do not."""

from hypothesis import given
from hypothesis import strategies as st

from edge.phone.header_fields import HEADERS_MAX, REQUEST, RESPONSE, VALUE_CHARS_MAX, headers_of, told
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
