"""What a handler sees and says."""

import orjson
import pytest

from edge.common.http_messages import Header, HttpResponse, Refusal, json_response, problem, whole_number
from tests.kit.services import request

FORM: Header = (b"content-type", b"application/x-www-form-urlencoded")


def test_the_target_is_taken_apart_once_and_right() -> None:
    """Handlers see decoded paths and the first of repeated fields."""
    asked = request("GET", "/media/a%20b?w=320&w=640&empty=")

    assert asked.path == "/media/a b"
    assert asked.query == {"w": "320", "empty": ""}


def test_only_a_plain_number_is_an_account() -> None:
    """The header is L7's word; anything else in it is a bug and must not become somebody."""
    assert request("GET", "/", (b"edge-account", b"42")).account == 42
    for value in (b"", b"-1", b"4 2", b"\xb2", b"9" * 30):
        assert request("GET", "/", (b"edge-account", value)).account is None
    with pytest.raises(Refusal) as refusal:
        request("GET", "/").signed_in()
    assert refusal.value.status == 401


def test_variants_are_read_from_one_header() -> None:
    """A service learns from L7 which experiments a request is part of."""
    asked = request("GET", "/", (b"edge-experiment", b"ranking=fresh, tray = big,nonsense"))

    assert asked.variants == {"ranking": "fresh", "tray": "big"}
    assert request("GET", "/").variants == {}


async def test_fields_come_from_json_or_a_form() -> None:
    """curl sends forms, phones send JSON."""
    from_form = await request("POST", "/", FORM, body=b"text=hi+there&x=1").fields()
    from_json = await request("POST", "/", body=b'{"text": "hi there", "n": 1}').fields()

    assert from_form == {"text": "hi there", "x": "1"}
    assert from_json == {"text": "hi there", "n": 1}


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ((), b"{", 400),
        ((), b"[1]", 400),
        (((b"content-type", b"text/plain"),), b"x", 415),
        ((), b"x" * 101, 413),
        ((FORM,), b"&".join(b"a%d=1" % n for n in range(20)) * 10, 413),
    ],
)
async def test_a_bad_body_is_refused_with_the_right_status(
    headers: tuple[Header, ...], body: bytes, status: int
) -> None:
    """The caller can mend what it understands."""
    with pytest.raises(Refusal) as refusal:
        await request("POST", "/", *headers, body=body).fields(bytes_max=100)

    assert refusal.value.status == status


def test_too_many_query_fields_are_refused() -> None:
    """Each costs memory; nobody needs a hundred."""
    with pytest.raises(Refusal):
        _ = request("GET", "/?" + "&".join(f"f{n}=1" for n in range(101))).query


def test_a_problem_says_what_where_and_which_trace() -> None:
    """RFC 9457; with the trace id a person finds the whole path."""
    response = problem(404, "no-such-thing", "not here", instance="/x", trace_id="ab")

    assert isinstance(response.body, bytes)
    assert (b"content-type", b"application/problem+json") in response.headers
    assert orjson.loads(response.body) == {
        "type": "https://edge.test/problems/no-such-thing",
        "title": "Not Found",
        "status": 404,
        "detail": "not here",
        "instance": "/x",
        "trace_id": "ab",
    }


def test_an_answer_knows_its_length_unless_it_is_streamed_or_empty_by_nature() -> None:
    """A 304 with `Content-Length: 0` would tell a cache that the picture is empty."""
    assert json_response({"a": 1}).length == 7
    assert HttpResponse(304).length is None


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("1" * 9, 111111111)])
def test_plain_digits_are_a_number(text: str, number: int) -> None:
    """Cursors, ids and sizes come as text."""
    assert whole_number(text) == number


@pytest.mark.parametrize("text", ["", "-1", "+1", " 1", "1e3", "²", "٣", "1" * 10])
def test_anything_else_is_not(text: str) -> None:
    """int() takes more than a client should be able to send."""
    assert whole_number(text) is None
