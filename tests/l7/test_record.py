"""What a record tells, long after its request."""

from edge.common.spans import CLIENT, SERVER
from edge.l7.record import Ring, spans_of
from tests.kit.l7_records import MS, attempt, record


def test_the_ring_forgets_the_oldest() -> None:
    """Its size is all the memory that tracing costs."""
    ring = Ring(3)
    for number in range(5):
        ring.add(record(trace_id=f"{number}", status=200 + number))

    assert len(ring) == 3
    assert [len(ring.find(str(number))) for number in range(5)] == [0, 0, 1, 1, 1]
    assert [one.status for one in ring.newest()] == [204, 203, 202]


def test_a_first_request_shows_l4_tls_stages_queue_and_service() -> None:
    """The waterfall's rows; every child hangs under the server span."""
    spans = spans_of(record(), "l7-1", 7, "mumbai")
    by_name = {span.name: span for span in spans}
    server = by_name["GET /feed"]

    assert server.kind == SERVER
    assert by_name["l4 accept and hand over"].service == "edge-l4"
    assert by_name["l4 accept and hand over"].pid == 12
    assert by_name["l7.route"].attributes["edge.why"] == "by prefix /feed"
    assert by_name["l7.queue"].end_ns == 13 * MS
    assert by_name["GET feed-2"].kind == CLIENT
    assert {span.parent_id for span in spans} == {"", server.span_id}
    assert len({span.span_id for span in spans}) == len(spans)


def test_asking_twice_gives_the_same_spans() -> None:
    """The ids are derived, so a collector can tell what it has already."""
    assert spans_of(record(), "l7-1", 7, "mumbai") == spans_of(record(), "l7-1", 7, "mumbai")


def test_a_later_request_pays_for_no_handshake() -> None:
    """L4 and TLS belong to the first request on a connection."""
    names = {span.name for span in spans_of(record(first=False), "l7-1", 7, "mumbai")}

    assert not names & {"l4 accept and hand over", "tls handshake"}


def test_the_stage_that_answered_says_so() -> None:
    """The others passed."""
    refused = record(status=404, flag="NR", why="no line fits", tries=[], notes=[])

    verdicts = {
        span.name: span.attributes["edge.verdict"]
        for span in spans_of(refused, "l7-1", 7, "mumbai")
        if "edge.verdict" in span.attributes
    }

    assert verdicts == {"l7.normalise": "pass", "l7.route": "answer 404"}


def test_every_hop_shows_its_headers_in_and_out_but_no_secret() -> None:
    """What came from the phone, what went on to the service, what came back, what the phone got."""
    seen = record(
        target=b"/feed?q=1&token=sesame",
        fields=((b"host", b"i.edge.test"), (b"cookie", b"edge_session=sesame")),
        answered=b"HTTP/1.1 200 OK\r\nvia: 1.1 l7-1\r\nset-cookie: edge_session=sesame; HttpOnly\r\n\r\n",
        tries=[
            attempt(
                asked=b"GET /feed HTTP/1.1\r\nhost: i.edge.test\r\ncookie: edge_session=sesame\r\n\r\n",
                answered=b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",
            )
        ],
    )

    spans = {span.name: span.attributes for span in spans_of(seen, "l7-1", 7, "mumbai")}

    assert "sesame" not in str(spans)
    server, client = spans["GET /feed"], spans["GET feed-2"]
    assert server["http.request.header.host"] == "i.edge.test"
    assert server["http.response.header.via"] == "1.1 l7-1"
    assert server["url.query"] == "q=1&token=(6 characters)"
    assert client["http.request.header.cookie"] == "edge_session=(6 characters)"
    assert client["http.response.header.content-length"] == "2"


def test_a_record_that_nobody_will_look_at_lets_its_heads_go() -> None:
    """They are most of its memory, and the ring holds thousands."""
    one = record(fields=((b"a", b"b"),), answered=b"x", tries=[attempt(asked=b"y", answered=b"z")])

    one.forget_heads()

    assert one == record()


def test_a_retry_is_two_tries_side_by_side() -> None:
    """And the one that failed is marked."""
    tries = [attempt(error="UF", status=0, first_ns=0), attempt(span_id="d" * 16)]

    clients = [span for span in spans_of(record(tries=tries), "l7-1", 7, "mumbai") if span.kind == CLIENT]

    assert [(span.error, span.attributes["http.request.resend_count"]) for span in clients] == [
        ("UF", 0),
        ("", 1),
    ]
