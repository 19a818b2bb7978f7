"""What a phone lives through: real TLS to a real worker in this event loop."""

import ssl
import time
from pathlib import Path

import pytest
import trio
import trio.lowlevel
from msgspec.structs import replace

from edge.common.config import Config, L7Config, RouteConfig
from edge.common.messages import Ban, Bans
from edge.common.spans import CLIENT, SERVER, from_wire
from tests.kit.l7_edge import Edge, Script, hello, running

UPLOAD = b"x" * 200_000


def _l7(**values: float) -> "object":
    def change(config: Config) -> Config:
        return replace(config, l7=replace(L7Config(), **values))

    return change


async def test_a_request_arrives_and_its_answer_comes_back(tmp_path: Path) -> None:
    """The whole way: handover, TLS, head, pipeline, service, answer."""
    service = Script()

    async with running(tmp_path, service) as edge:
        phone = await edge.phone()
        reply = await phone.get("/a?b=c", "Cookie: d=e", "X-Forwarded-For: 6.6.6.6", "Edge-Account: 7")

    assert (reply.status, reply.body) == (200, b"hello")
    head = service.heads[0].decode().split("\r\n")
    assert head[0] == "GET /a?b=c HTTP/1.1"
    assert "host: i.edge.test" in head
    assert "cookie: d=e" in head
    assert "x-forwarded-for: 127.0.0.1" in head, "from L4's record, never from the phone"
    assert "x-forwarded-proto: https" in head
    assert not [line for line in head if line.startswith("edge-account")]
    assert [line for line in head if line.startswith("edge-deadline-ms: ")]


async def test_the_request_id_is_the_trace_id_and_goes_everywhere(tmp_path: Path) -> None:
    """One id finds a request in the phone, the log, the trace and the service."""
    service = Script()
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"

    async with running(tmp_path, service) as edge:
        phone = await edge.phone()
        reply = await phone.get("/", f"traceparent: 00-{trace_id}-00f067aa0ba902b7-01")
        fresh = await phone.get("/")
        spans = from_wire(edge.process.link.asks["trace"]({"trace_id": trace_id}))

    assert reply["x-request-id"] == trace_id
    assert f"x-request-id: {trace_id}".encode() in service.heads[0]
    assert fresh["x-request-id"] != trace_id
    names = {span.name for span in spans}
    assert {"GET all", "l7.route", "l4 accept and hand over", "tls handshake", "l7.queue"} <= names
    server = next(span for span in spans if span.kind == SERVER)
    client = next(span for span in spans if span.kind == CLIENT)
    assert server.parent_id == "00f067aa0ba902b7"
    assert client.parent_id == server.span_id
    assert client.span_id.encode() in service.heads[0]


async def test_a_trace_that_was_asked_for_shows_every_head_without_its_secrets(tmp_path: Path) -> None:
    """The phone's, the service's, both ways; and the service hears that it is to tell as much."""
    service = Script()

    async with running(tmp_path, service) as edge:
        phone = await edge.phone()
        asked = await phone.get("/", "edge-trace: 1", "cookie: edge_session=sesame", "x-a: b")
        plain = await phone.get("/", "x-a: b")
        edge.worker.ledger.account()
        spans = from_wire(edge.process.link.asks["trace"]({"trace_id": asked["x-request-id"]}))
        quiet = from_wire(edge.process.link.asks["trace"]({"trace_id": plain["x-request-id"]}))

    assert b"edge-trace: 1" in service.heads[0]
    assert b"edge-trace" not in service.heads[1]
    assert "sesame" not in str(spans)
    server = next(span for span in spans if span.kind == SERVER).attributes
    client = next(span for span in spans if span.kind == CLIENT).attributes
    for facts in (server, client):
        assert facts["http.request.header.x-a"] == "b"
        assert facts["http.request.header.cookie"] == "edge_session=(6 characters)"
    assert "http.request.header.x-forwarded-for" in client
    assert "http.request.header.x-forwarded-for" not in server
    assert server["http.response.header.x-request-id"] == asked["x-request-id"]
    assert client["http.response.header.content-length"] == "5"
    assert not [key for span in quiet for key in span.attributes if ".header." in key]


async def test_an_answer_of_our_own_shows_its_head(tmp_path: Path) -> None:
    """A refusal is asked about more often than anything else."""
    async with running(tmp_path, Script()) as edge:
        phone = await edge.phone()
        reply = await phone.get("/<script>alert(1)</script>", "edge-trace: 1", method="TRACE")
        spans = from_wire(edge.process.link.asks["trace"]({"trace_id": reply["x-request-id"]}))

    assert reply.status >= 400
    (server,) = [span for span in spans if span.kind == SERVER]
    assert server.attributes["http.response.header.content-type"] == "application/problem+json"


async def test_one_connection_carries_many_requests(tmp_path: Path) -> None:
    """On both sides: a handshake per request would be most of its cost."""
    service = Script()

    async with running(tmp_path, service) as edge:
        phone = await edge.phone()
        for _ in range(20):
            assert (await phone.get()).status == 200

    assert service.connections == 1


async def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    """RFC 9112 section 9.3.2."""
    service = Script(lambda head, body: hello(head.split(b" ")[1]))

    async with running(tmp_path, service) as edge:
        phone = await edge.phone()
        await phone.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(10)))
        bodies = [(await phone.reply()).body for _ in range(10)]

    assert bodies == [b"/%d" % n for n in range(10)]


async def test_a_head_may_come_byte_by_byte(tmp_path: Path) -> None:
    """Networks cut where they like."""
    async with running(tmp_path, Script()) as edge:
        phone = await edge.phone()
        for byte in b"GET / HTTP/1.1\r\nHost: a\r\n\r\n":
            await phone.send(bytes((byte,)))
        assert (await phone.reply()).status == 200


async def test_a_body_goes_through_with_its_length(tmp_path: Path) -> None:
    """Bytes in, the same bytes out, in pieces."""
    service = Script()

    async with running(tmp_path, service) as edge:
        phone = await edge.phone()
        await phone.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(UPLOAD) + UPLOAD)
        assert (await phone.reply()).status == 200
        assert (await phone.get()).status == 200, "and the connection lives on"

    assert service.bodies[0] == UPLOAD


async def test_chunks_are_written_anew(tmp_path: Path) -> None:
    """What two parsers could read in two ways, extensions and trailers, ends here."""
    service = Script()

    async with running(tmp_path, service) as edge:
        phone = await edge.phone()
        await phone.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n")
        await phone.send(b"003;evil=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n")
        assert (await phone.reply()).status == 200

    assert b"transfer-encoding: chunked" in service.heads[0]
    assert service.bodies[0] == b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


async def test_the_phone_is_told_to_go_on_when_the_head_has_passed(tmp_path: Path) -> None:
    """RFC 9110 section 10.1.1; the service never sees the expectation."""
    service = Script()

    async with running(tmp_path, service) as edge:
        phone = await edge.phone()
        await phone.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert (await phone.reply()).status == 100
        await phone.send(b"hello")
        assert (await phone.reply()).status == 200

    assert b"expect" not in service.heads[0].lower()


async def test_a_body_over_the_limit_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    """413 instead of 100: the phone saves its upload."""
    service = Script()

    async with running(tmp_path, service, _l7(body_bytes_max=10)) as edge:
        phone = await edge.phone()
        await phone.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n")
        reply = await phone.reply()
        assert (reply.status, reply["connection"]) == (413, "close")
        assert await phone.ended()

    assert not service.heads


async def test_chunks_over_the_limit_are_refused_on_their_way(tmp_path: Path) -> None:
    """A chunked body says its length only by being long."""
    async with running(tmp_path, Script(), _l7(body_bytes_max=10)) as edge:
        phone = await edge.phone()
        await phone.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n"
        )
        assert (await phone.reply()).status == 413


async def test_the_early_answer_of_a_service_is_passed_on(tmp_path: Path) -> None:
    """A service may refuse an upload by its head; the phone hears of it and is not read any further."""

    async def service(stream: trio.SocketStream) -> None:
        await stream.receive_some(1000)
        await stream.send_all(hello(b"no", status=b"403 Forbidden"))
        await trio.sleep(1)

    async with running(tmp_path, service) as edge:
        phone = await edge.phone()
        await phone.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\nbeginning")
        await trio.sleep(0.05)
        await phone.send(b"more")
        reply = await phone.reply()

    assert (reply.status, reply.body, reply["connection"]) == (403, b"no", "close")


async def test_a_service_that_answered_early_gets_no_further_request_there(tmp_path: Path) -> None:
    """It still waits for the rest of a body, and would take another phone's request for that."""
    seen: list[bytes] = []

    async def service(stream: trio.SocketStream) -> None:
        seen.append(b"")
        mine = len(seen) - 1
        while data := await stream.receive_some(65536):
            seen[mine] += data
            await stream.send_all(hello(b"ok"))

    async with running(tmp_path, service) as edge:
        phone = await edge.phone()
        await phone.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\nbeginning")
        await trio.sleep(0.05)
        await phone.send(b"more")
        assert (await phone.reply()).status == 200
        assert (await (await edge.phone()).get("/other")).status == 200

    of_the_post = [data for data in seen if data.startswith(b"POST")]
    assert of_the_post
    assert not any(b"GET /other" in data for data in of_the_post)


async def test_head_is_answered_without_a_body(tmp_path: Path) -> None:
    """And the length that it would have had is passed on."""
    service = Script(lambda head, body: b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n")

    async with running(tmp_path, service) as edge:
        phone = await edge.phone()
        reply = await phone.get("/", method="HEAD")
        assert (reply.status, reply["content-length"]) == (200, "500")
        assert (await phone.get("/", method="HEAD")).status == 200


async def test_http_1_0_is_answered_and_ended(tmp_path: Path) -> None:
    """It knows neither chunks nor kept connections."""
    service = Script(
        lambda head, body: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    )

    async with running(tmp_path, service) as edge:
        phone = await edge.phone()
        await phone.send(b"GET / HTTP/1.0\r\n\r\n")
        reply = await phone.reply()

    assert (reply.body, reply["transfer-encoding"], reply["connection"]) == (b"hello", "", "close")


async def test_a_chunked_answer_is_passed_on_in_chunks(tmp_path: Path) -> None:
    """Its length is known to nobody yet."""
    service = Script(
        lambda head, body: (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nT: 1\r\n\r\n"
        )
    )

    async with running(tmp_path, service) as edge:
        phone = await edge.phone()
        reply = await phone.get()
        assert (reply.body, reply["transfer-encoding"]) == (b"hello", "chunked")
        assert (await phone.get()).status == 200

    assert service.connections == 1


async def test_a_large_answer_comes_whole(tmp_path: Path) -> None:
    """Three megabytes through a worker that holds one read of them at a time."""
    body = bytes(range(256)) * 12_000
    service = Script(lambda head, _: hello(body))

    async with running(tmp_path, service) as edge:
        phone = await edge.phone()
        assert (await phone.get()).body == body


async def test_a_phone_that_has_finished_sending_is_answered(tmp_path: Path) -> None:
    """Half-closed is not gone (h1spec sends this way)."""
    async with running(tmp_path, Script()) as edge:
        phone = await edge.phone(tls=False)
        await phone.send(b"GET /x HTTP/1.1\r\nHost: i.edge.test\r\n\r\n")
        await phone.end()
        reply = await phone.reply()

    assert (reply.status, reply["location"]) == (308, "https://i.edge.test:8443/x")


async def test_a_malformed_request_is_answered_and_the_connection_ended(tmp_path: Path) -> None:
    """RFC 9112 section 9.6: what follows cannot be trusted; the answer must not be lost in a reset."""
    async with running(tmp_path, Script()) as edge:
        phone = await edge.phone()
        await phone.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + b"x" * 50_000)
        reply = await phone.reply()
        assert (reply.status, reply["connection"]) == (400, "close")
        assert reply["content-type"] == "application/problem+json"
        assert await phone.ended()


async def test_an_answer_of_the_edge_keeps_the_connection(tmp_path: Path) -> None:
    """A refusal by policy is no reason for another handshake."""

    def change(config: Config) -> Config:
        return replace(config, route=(RouteConfig(path="/a", cluster="toy", limits=()),))

    async with running(tmp_path, Script(), change) as edge:
        phone = await edge.phone()
        await phone.send(b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        assert (await phone.reply()).status == 404
        assert (await phone.get("/a")).status == 200


@pytest.mark.parametrize(
    ("sent", "setting", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost", {"head_timeout_s": 0.1}, 408),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhel",
            {"body_rate_min_bytes_per_s": 1e9},
            408,
        ),
    ],
)
async def test_who_sends_too_slowly_is_told_and_cut(
    tmp_path: Path, sent: bytes, setting: dict[str, float], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slowloris, in the head and in the body."""
    monkeypatch.setattr("edge.l7.phone_body.GRACE_S", 0.1)

    async with running(tmp_path, Script(), _l7(**setting)) as edge:
        phone = await edge.phone()
        await phone.send(sent)
        assert (await phone.reply()).status == status
        assert await phone.ended()


@pytest.mark.parametrize("size", [30_000_000, 1_000_000])
async def test_who_does_not_read_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """A slow reader holds our memory or, when all of it fits there, the kernel's; no big proxy limits it."""
    monkeypatch.setattr("edge.l7.transport.READ_WINDOW_S", 0.1)
    monkeypatch.setattr("edge.l7.worker.SLOW_LOOK_S", 0.05)
    service = Script(lambda head, _: hello(b"x" * size))

    async with running(tmp_path, service) as edge:
        phone = await edge.phone()
        await phone.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with trio.fail_after(5):
            while not edge.worker.connections:
                await trio.sleep(0.01)
            while edge.worker.connections:
                await trio.sleep(0.05)


async def test_a_silent_connection_ends_after_its_time(tmp_path: Path) -> None:
    """Idle connections cost memory; the phone finds a clean end, not an error."""
    async with running(tmp_path, Script(), _l7(idle_timeout_s=0.1)) as edge:
        phone = await edge.phone()
        assert (await phone.get()).status == 200
        assert await phone.ended()


async def test_a_failed_handshake_sends_its_alert(tmp_path: Path) -> None:
    """ "protocol version" can be searched for, "unexpected EOF" cannot."""
    async with running(tmp_path, Script()) as edge:
        old = ssl.create_default_context(cafile=str(edge.ca))
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(trio.BrokenResourceError) as caught:
            await edge.phone(context=old)

    assert isinstance(caught.value.__cause__, ssl.SSLError)
    assert "PROTOCOL_VERSION" in str(caught.value.__cause__.reason)


async def test_a_session_resumes(tmp_path: Path) -> None:
    """A resumed handshake needs no certificate and half the time."""
    async with running(tmp_path, Script()) as edge:
        context = ssl.create_default_context(cafile=str(edge.ca))
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # where Python can be told to resume
        phone = await edge.phone(context=context)
        assert (await phone.get()).status == 200
        spans = [flow.flow.tls for flow in edge.worker.connections]

    assert spans[0]["tls.resumed"] is False
    assert spans[0]["tls.protocol.version"] == "1.2"


async def test_a_drain_says_goodbye_with_the_last_answer(tmp_path: Path) -> None:
    """No phone may lose a request to a deployment."""
    async with running(tmp_path, Script()) as edge:
        phone = await edge.phone()
        assert (await phone.get())["connection"] == ""
        edge.process.drain()
        await trio.sleep(0.05)
        assert (await phone.get())["connection"] == "close"
        assert await phone.ended()


async def test_a_ban_ends_what_the_banned_have_here(tmp_path: Path) -> None:
    """L4 refuses who calls again; a kept-alive connection and a tunnel never would."""

    async def service(stream: trio.SocketStream) -> None:
        if b"/ws" in await stream.receive_some(5000):
            await stream.send_all(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            )
            assert await stream.receive_some(5000) == b"", "the service hears the end as well"
            return
        await stream.send_all(hello(b"hello"))

    async with running(tmp_path, service) as edge:
        resting, tunnel = await edge.phone(), await edge.phone()
        assert (await resting.get()).status == 200
        upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: k")
        assert (await tunnel.get("/ws", *upgrade)).status == 101

        _ban(edge, "198.51.100.1")
        assert (await resting.get()).status == 200, "another was banned"
        _ban(edge, "127.0.0.1")

        assert await resting.ended()
        assert await tunnel.ended()
        with trio.fail_after(2):
            while edge.worker.connections:
                await trio.lowlevel.checkpoint()


def _ban(edge: Edge, network: str) -> None:
    ban = Ban(network=network, until_unix=time.time() + 60, reason="waf")
    edge.process.link.receive(Bans(add=[ban]))


async def test_a_websocket_is_two_pipes(tmp_path: Path) -> None:
    """Upgrade, then bytes both ways, each direction ending on its own."""
    seen: list[bytes] = []

    async def service(stream: trio.SocketStream) -> None:
        seen.append(await stream.receive_some(5000))
        await stream.send_all(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: x\r\n\r\nfirst"
        )
        while data := await stream.receive_some(5000):
            await stream.send_all(data.upper())

    async with running(tmp_path, service) as edge:
        phone = await edge.phone()
        reply = await phone.get(
            "/ws", "Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: k"
        )
        assert (reply.status, reply["upgrade"], reply["sec-websocket-accept"]) == (101, "websocket", "x")
        assert await phone.exactly(5) == b"first"
        await phone.send(b"ping")
        assert await phone.exactly(4) == b"PING"

    assert b"upgrade: websocket" in seen[0]
    assert b"connection: upgrade" in seen[0]


async def test_a_drain_tells_a_websocket_that_it_goes_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Close code 1001, on both sides, after the grace; the phone comes back elsewhere at once."""
    heard: list[bytes] = []

    async def service(stream: trio.SocketStream) -> None:
        if (await stream.receive_some(5000)).startswith(b"GET /healthz"):
            return
        await stream.send_all(
            b"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi"
        )
        while data := await stream.receive_some(5000):
            heard.append(data)

    async with running(tmp_path, service) as edge:
        edge.process.drain_s = 0.6
        phone = await edge.phone()
        assert (await phone.get("/ws", "Connection: Upgrade", "Upgrade: websocket")).status == 101
        assert await phone.exactly(4) == b"\x81\x02hi"
        edge.process.drain()
        assert await phone.exactly(4) == b"\x88\x02\x03\xe9"
        assert await phone.ended()
        await trio.sleep(0.05)

    assert heard == [b"\x88\x82edge" + bytes((0x03 ^ ord("e"), 0xE9 ^ ord("d")))]


@pytest.mark.parametrize("tls", [True, False])
async def test_who_said_that_this_was_all_is_not_waited_for(tmp_path: Path, tls: bool) -> None:
    """Lingering is for phones that may still say something; this one has promised not to."""
    async with running(tmp_path, Script()) as edge:
        phone = await edge.phone(tls=tls)
        await phone.get("/", "Connection: close")
        await trio.sleep(0.05)
        assert not edge.worker.connections, "although the phone has not closed its side"


async def test_who_says_more_than_announced_still_gets_the_answer(tmp_path: Path) -> None:
    """Closing with bytes unread would reset the connection, and the answer with it."""
    asked, go_on = trio.Event(), trio.Event()

    async def slow(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        asked.set()
        await go_on.wait()
        await stream.send_all(hello(b"x" * 1000))

    async with running(tmp_path, slow) as edge:
        phone = await edge.phone()
        await phone.send(b"GET / HTTP/1.1\r\nHost: i.edge.test\r\nConnection: close\r\n\r\n")
        await asked.wait()
        await phone.send(b"and another thing")
        await trio.sleep(0.01)
        go_on.set()
        assert (await phone.reply()).body == b"x" * 1000
        assert edge.worker.connections, "it is lingered for"
        assert await phone.ended()


async def test_each_request_may_have_a_connection_of_its_own(tmp_path: Path) -> None:
    """The first of them finds no connection to the service, the others do."""
    async with running(tmp_path, Script()) as edge:
        for _ in range(3):
            phone = await edge.phone()
            reply = await phone.get("/", "Connection: close")
            assert (reply.status, reply.body) == (200, b"hello")
            assert await phone.ended()
        assert edge.worker.receiver.open == 0
