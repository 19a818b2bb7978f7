"""What a hop did to the headers."""

from hypothesis import given
from hypothesis import strategies as st

from edge.common.header_fields import REQUEST, RESPONSE, told
from edge.common.spans import CLIENT, SERVER, Span
from edge.phone.hop_headers import Change, HopHeaders, changes, hop_headers
from tests.kit.traces import span
from tests.phone.strategies import UNTIMED

PHONE_SENT = [("host", "i.edge.test"), ("edge-trace", "1"), ("traceparent", "00-a")]
SERVICE_GOT = [("host", "i.edge.test"), ("traceparent", "00-b"), ("x-forwarded-for", "127.0.0.1")]


def l7(**more: object) -> Span:
    one = span("server", "http", "GET feed", 10, 90, service="edge-l7", kind=SERVER)
    one.attributes.update(told(REQUEST, PHONE_SENT) | told(RESPONSE, [("via", "1.1 l7-1"), ("a", "b")]))
    return one


def call(span_id: str, start: float, peer: str) -> Span:
    one = span(span_id, "server", "GET", start, 80, service="edge-l7", kind=CLIENT, service__peer__name=peer)
    one.attributes.update(told(REQUEST, SERVICE_GOT) | told(RESPONSE, [("a", "b"), ("server", "toy")]))
    return one


def by_id(*spans: Span) -> dict[str, Span]:
    return {one.span_id: one for one in spans}


def test_a_proxy_shows_what_it_passed_on_dropped_added_and_rewrote() -> None:
    """From the phone to the service, and back."""
    found = hop_headers(l7(), by_id(l7(), call("one", 20, "feed-1"), call("two", 40, "feed-2")))

    assert found.asked == "feed-2", "the last try is the one that counts"
    assert found.came_in == tuple(PHONE_SENT)
    assert [(change.mark, change.name) for change in found.passed_on] == [
        ("", "host"),
        ("-", "edge-trace"),
        ("~", "traceparent"),
        ("+", "x-forwarded-for"),
    ]
    assert [(change.mark, change.name) for change in found.given_back] == [
        ("", "a"),
        ("-", "server"),
        ("+", "via"),
    ]


def test_a_proxy_that_asked_nobody_answered_by_itself() -> None:
    """A refusal, or a hit of the cache: in and out, and nothing between."""
    found = hop_headers(l7(), by_id(l7()))

    assert (found.asked, found.passed_on, found.given_back) == ("", (), ())
    assert found.went_out == (("via", "1.1 l7-1"), ("a", "b"))


def test_of_a_service_that_told_nothing_its_caller_tells() -> None:
    """Slow and failed requests are kept without anybody having asked beforehand."""
    service = span("feed", "one", "GET /feed", 30, 70, kind=SERVER)

    found = hop_headers(service, by_id(service, call("one", 20, "feed-1")))

    assert found.came_in == tuple(SERVICE_GOT)
    assert ("server", "toy") in found.went_out


def test_what_a_caller_sends_goes_out() -> None:
    """Seen from the phone, a request leaves."""
    one = call("one", 20, "feed-1")

    assert hop_headers(one, by_id(one)) == HopHeaders(
        came_in=(("a", "b"), ("server", "toy")), went_out=tuple(SERVICE_GOT)
    )


FIELDS = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("xy"))


@UNTIMED
@given(FIELDS, FIELDS)
def test_both_sides_can_be_read_off_the_changes(came: dict[str, str], went: dict[str, str]) -> None:
    """Nothing is lost, and nothing is made up."""
    found = changes(came.items(), went.items())

    assert {change.name: change.before for change in found if change.before is not None} == came
    assert {change.name: change.after for change in found if change.after is not None} == went
    assert all(change.mark or change.before == change.after for change in found)


def test_a_field_that_is_empty_is_there() -> None:
    """An empty value is a value (RFC 9110 section 5.5)."""
    assert Change("a", "", "").mark == ""
    assert Change("a", None, "").mark == "+"
