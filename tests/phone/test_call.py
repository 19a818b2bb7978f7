"""The phone over real sockets: what it sends, what it stamps, how it fails."""

from pathlib import Path

import h11
import trio
import trio.testing

from edge.common.spans import Span
from edge.phone.attribution import attribute, check_sum
from edge.phone.call import Call, Question
from edge.phone.critical_path import critical_path
from edge.phone.span_tree import build
from tests.phone.fake_edge import DOMAIN, fake_edge

QUESTION = Question(host=DOMAIN, port=8443, target="/feed")


def hello(request: h11.Request) -> tuple[int, list[tuple[str, str]], bytes]:
    return 200, [("x-request-id", "x")], b"hello"


def closing(request: h11.Request) -> tuple[int, list[tuple[str, str]], bytes]:
    return 200, [("connection", "close")], b"bye"


def words(call: Call) -> list[str]:
    return [span.name.partition(" ")[0] for span in call.spans]


def span_named(call: Call, word: str) -> Span:
    return next(span for span in call.spans if span.name.startswith(word))


async def test_a_cold_call_has_every_phase_and_adds_up(tmp_path: Path) -> None:
    """The skeleton of the waterfall."""
    async with fake_edge(tmp_path, hello) as edge:
        call = await edge.phone().call(QUESTION)

    assert (call.status, call.body, call.failed) == (200, b"hello", "")
    assert words(call) == ["dns", "tcp", "tls", "http", "body", "phone"]
    assert span_named(call, "tls").attributes["tls.protocol.version"] == "1.3"
    tree = build(call.spans, call.root_id)
    check_sum(attribute(tree, critical_path(tree.root)))


async def test_the_trace_travels_to_dns_and_to_l7(tmp_path: Path) -> None:
    """Each with the phase's own span as parent, so that the other side's span hangs below it."""
    async with fake_edge(tmp_path, hello) as edge:
        call = await edge.phone().call(QUESTION)

    headers = dict(edge.requests[0].headers)
    assert headers[b"traceparent"].decode() == f"00-{call.trace_id}-{span_named(call, 'http').span_id}-03"
    assert headers[b"host"] == b"i.edge.test:8443"
    options = {option.code: option.data for rr in edge.queries[0].ar for option in rr.rdata}
    assert options[65001].decode() == f"00-{call.trace_id}-{span_named(call, 'dns').span_id}-03"
    assert 8 in options  # where the phone is


async def test_a_second_call_is_warm(tmp_path: Path) -> None:
    """No DNS, no TCP, no TLS: why apps keep connections."""
    async with fake_edge(tmp_path, hello) as edge:
        phone = edge.phone()
        first = await phone.call(QUESTION)
        second = await phone.call(QUESTION)

    assert words(second) == ["http", "body", "phone"]
    assert span_named(second, "http").attributes["edge.conn.reused"] is True
    assert first.trace_id != second.trace_id
    assert edge.connections == 1


async def test_a_connection_that_the_edge_has_ended_is_replaced(tmp_path: Path) -> None:
    """It idled too long, or its worker is a new one: no reason to fail, and the session is resumed."""
    async with fake_edge(tmp_path, hello) as edge:
        edge.hangs_up = True
        phone = edge.phone()
        await phone.call(QUESTION)
        await trio.testing.wait_all_tasks_blocked(0.05)  # the end of the first has arrived
        second = await phone.call(QUESTION)

    assert (second.status, second.failed) == (200, "")
    assert edge.connections == 2
    assert span_named(second, "tls").attributes["tls.resumed"] is True


async def test_no_answer_at_all_is_said_in_plain_words(tmp_path: Path) -> None:
    """And not in those of the parser's state machine."""
    async with fake_edge(tmp_path, hello) as edge:
        edge.goes_silent = True
        call = await edge.phone().call(QUESTION)

    assert call.failed == "http: the edge hung up before it answered"


async def test_a_new_connection_can_resume_the_tls_session(tmp_path: Path) -> None:
    """Half of the handshake's work is gone."""
    async with fake_edge(tmp_path, hello) as edge:
        phone = edge.phone()
        await phone.call(QUESTION)
        phone.hang_up(forget_session=False)
        resumed = await phone.call(QUESTION)
        phone.hang_up()
        cold = await phone.call(QUESTION)

    assert span_named(resumed, "tls").attributes["tls.resumed"] is True
    assert span_named(cold, "tls").attributes["tls.resumed"] is False


async def test_after_connection_close_the_next_call_is_not_sent_into_the_void(tmp_path: Path) -> None:
    """A draining worker says so, and loses nobody's request."""
    async with fake_edge(tmp_path, closing) as edge:
        phone = edge.phone()
        calls = [await phone.call(QUESTION) for _ in range(2)]

    assert [call.status for call in calls] == [200, 200]
    assert edge.connections == 2


async def test_a_dead_address_is_passed_over(tmp_path: Path) -> None:
    """DNS may still name a POP that has just died; both attempts are in the trace."""
    async with fake_edge(tmp_path, hello) as edge:
        edge.addresses = ["127.0.0.99", "127.0.0.1"]

        call = await edge.phone().call(QUESTION)

    assert call.status == 200
    refused = span_named(call, "tcp connect 127.0.0.99")
    assert "refused" in refused.error


async def test_a_failure_leaves_a_trace_that_says_where(tmp_path: Path) -> None:
    """And no exception: the drawing is the message."""
    async with fake_edge(tmp_path, hello) as edge:
        edge.rcode = "NXDOMAIN"

        call = await edge.phone().call(QUESTION)

    assert call.failed.startswith("dns: NXDOMAIN")
    assert words(call) == ["dns", "phone"]
    assert span_named(call, "phone").error == call.failed


async def test_a_stranger_with_another_certificate_is_not_believed(tmp_path: Path) -> None:
    """The phone trusts this edge's authority and nobody else's."""
    async with fake_edge(tmp_path / "theirs", hello) as theirs, fake_edge(tmp_path / "ours", hello) as ours:
        ours.port = theirs.port

        call = await ours.phone().call(QUESTION)

    assert call.failed.startswith("tls: certificate")
    assert theirs.requests == []


async def test_a_name_server_that_is_away_is_named(tmp_path: Path) -> None:
    """Refused at once, since the phone's socket is connected."""
    async with fake_edge(tmp_path, hello) as edge:
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as free:
            await free.bind(("127.0.0.1", 0))
            edge.dns = free.getsockname()

        call = await edge.phone().call(QUESTION)

    assert call.failed.startswith(f"dns: 127.0.0.1:{edge.dns[1]}")


async def test_a_body_is_sent_with_its_length(tmp_path: Path) -> None:
    """POST, as for logging in."""
    question = Question(host=DOMAIN, port=8443, target="/login", method="POST", body=b"{}")
    async with fake_edge(tmp_path, hello) as edge:
        call = await edge.phone().call(question)

    assert call.status == 200
    assert dict(edge.requests[0].headers)[b"content-length"] == b"2"
