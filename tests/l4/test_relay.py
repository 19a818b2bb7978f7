"""Copying bytes, faithfully: real sockets on loopback, port 0."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest
import trio
import trio.testing

from edge.common.config import AdmissionConfig
from edge.common.faults import Fault
from edge.common.log import Log
from edge.common.metrics import Registry
from edge.common.proxy_protocol import TLV_UNIQUE_ID, Endpoint, encode_v2, parse
from edge.common.proxy_record import TLV_CHOICE, TLV_LISTENER, TLV_WHY
from edge.l4.admission import Admission
from edge.l4.counters import Counters
from edge.l4.distributor import Distributor
from edge.l4.relay import Options, Relay

PLAIN = Options()
GENEROUS = AdmissionConfig(source_rate_per_s=1e6, source_burst=100_000)


class Stage:
    """A relay and the servers behind it."""

    def __init__(self, options: Options, admission: AdmissionConfig) -> None:
        self.distributor = Distributor(Admission(admission), "least-connections", Random(1))
        self.counters = Counters(Registry())
        self.relay = Relay(self.distributor, self.counters, Log("edge-l4", "test"), options, name="l4-test")
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.listener.setblocking(False)
        self.servers: list[trio.SocketListener] = []

    async def server(self) -> tuple[str, trio.SocketListener]:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.servers.append(listener)
        return f"s{len(self.servers)}", listener

    def point_at(self, **listeners: Any) -> None:
        self.relay.set_endpoints(
            {name: listener.socket.getsockname() for name, listener in listeners.items()}
        )

    async def phone(self) -> trio.SocketStream:
        host, port = self.listener.getsockname()
        return await trio.open_tcp_stream(host, port)


@asynccontextmanager
async def stage(
    options: Options = PLAIN,
    admission: AdmissionConfig = GENEROUS,
) -> AsyncIterator[Stage]:
    made = Stage(options, admission)
    with trio.fail_after(10), made.listener:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.relay.watch)
            nursery.start_soon(made.relay.accept, made.listener)
            yield made
            nursery.cancel_scope.cancel()
        for server in made.servers:
            await server.aclose()


async def read_all(stream: trio.SocketStream) -> bytes:
    return b"".join([chunk async for chunk in stream])


async def test_the_phone_may_stop_sending_and_still_get_its_answer() -> None:
    """A half-close travels through; the other direction stays open."""
    async with stage() as edge:
        _, server = await edge.server()
        edge.point_at(s1=server)
        phone = await edge.phone()
        behind = await server.accept()

        await phone.send_all(b"GET /feed")
        await phone.send_eof()
        asked = await read_all(behind)
        await behind.send_all(b"200 OK")
        await behind.aclose()

        assert asked == b"GET /feed"
        assert await read_all(phone) == b"200 OK"


async def test_megabytes_arrive_unchanged_past_a_slow_reader() -> None:
    """Back-pressure: the relay keeps at most one chunk while the reader dawdles."""
    data = Random(1).randbytes(8 * 1024 * 1024)
    async with stage() as edge:
        _, server = await edge.server()
        edge.point_at(s1=server)
        phone = await edge.phone()
        behind = await server.accept()
        received = b""
        async with trio.open_nursery() as nursery:

            async def send() -> None:
                await phone.send_all(data)
                await phone.send_eof()

            nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked()
            while chunk := await behind.receive_some(100_000):
                received += chunk
                await trio.lowlevel.checkpoint()

    assert received == data


async def test_a_reset_stays_a_reset() -> None:
    """As a FIN it would look like a complete answer that is only shorter."""
    async with stage() as edge:
        _, server = await edge.server()
        edge.point_at(s1=server)
        phone = await edge.phone()
        behind = await server.accept()
        await phone.send_all(b"x")
        await behind.receive_some(1)
        behind.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        behind.socket.close()

        with pytest.raises(trio.BrokenResourceError):
            await phone.receive_some(1)


async def test_an_endpoint_that_refuses_is_passed_over() -> None:
    """The phone notices nothing; the connection goes to one that is there."""
    async with stage() as edge:
        _, server = await edge.server()
        _, dead = await edge.server()
        address = dead.socket.getsockname()
        await dead.aclose()
        edge.relay.set_endpoints({"s1": server.socket.getsockname(), "dead": address})

        for _ in range(4):
            phone = await edge.phone()
            behind = await server.accept()
            await behind.send_all(b"here")
            assert await phone.receive_some(10) == b"here"


async def test_with_nobody_to_relay_to_the_phone_is_reset_and_counted() -> None:
    """At once, and not after a timeout of its own."""
    async with stage() as edge:
        _, dead = await edge.server()
        edge.point_at(dead=dead)
        await dead.aclose()
        phone = await edge.phone()

        with pytest.raises(trio.BrokenResourceError):
            await phone.receive_some(1)
        assert edge.counters.results() == {"no-worker": 1}


async def test_before_anybody_is_known_connections_wait_in_the_kernels_queue() -> None:
    """An L4 that starts before its workers must not turn phones away."""
    async with stage() as edge:
        phone = await edge.phone()
        await trio.testing.wait_all_tasks_blocked()
        _, server = await edge.server()
        edge.point_at(s1=server)
        behind = await server.accept()
        await behind.send_all(b"here")

        assert await phone.receive_some(10) == b"here"


async def test_the_endpoint_is_told_who_the_phone_is_and_why_it_was_chosen() -> None:
    """PROXY v2 out, with the connection's id and the decision."""
    async with stage(Options(send_proxy=True)) as edge:
        _, server = await edge.server()
        edge.point_at(s1=server)
        phone = await edge.phone()
        await phone.send_all(b"hello")
        behind = await server.accept()
        data = b""
        while not data.endswith(b"hello"):
            data += await behind.receive_some(4096)

        found = parse(data)
        assert found is not None
        header, length = found
        assert header.source == Endpoint(*phone.socket.getsockname())
        assert header.destination == Endpoint(*edge.listener.getsockname())
        assert header.tlv(TLV_CHOICE) == b"s1"
        assert header.tlv(TLV_LISTENER) == b"https"
        assert header.tlv(TLV_WHY) == b"fewest connections: 0 per weight, of 1"
        assert (header.tlv(TLV_UNIQUE_ID) or b"").startswith(b"c-")
        assert data[length:] == b"hello"


async def test_a_trusted_proxys_header_names_the_source_byte_by_byte() -> None:
    """Admission counts the phone, not the proxy; and the header may come in pieces."""
    admission = AdmissionConfig(source_rate_per_s=0.001, source_burst=1)
    async with stage(Options(proxy_from=("127.0.0.0/8",)), admission) as edge:
        _, server = await edge.server()
        edge.point_at(s1=server)
        vip = Endpoint("127.0.1.1", 8443)
        answers = []
        for source in ("203.0.113.9", "203.0.113.10", "203.0.113.9"):
            phone = await edge.phone()
            try:
                for byte in encode_v2(Endpoint(source, 1), vip) + b"hi":
                    await phone.send_all(bytes((byte,)))
                if len(answers) < 2:
                    behind = await server.accept()
                    answers.append(await behind.receive_some(10))
                else:
                    await phone.receive_some(1)
            except trio.BrokenResourceError:
                answers.append(b"refused")

        assert [answer[:1] for answer in answers] == [b"h", b"h", b"r"]


async def test_a_header_of_an_untrusted_peer_is_just_bytes() -> None:
    """Whoever may not send one cannot choose a source; the endpoint sees what was sent."""
    async with stage(Options(proxy_from=("192.0.2.0/24",))) as edge:
        _, server = await edge.server()
        edge.point_at(s1=server)
        forged = encode_v2(Endpoint("203.0.113.9", 1), Endpoint("127.0.1.1", 1))
        phone = await edge.phone()
        await phone.send_all(forged)
        behind = await server.accept()

        assert await behind.receive_some(1000) == forged
        assert edge.distributor.admission.open_of(bytes([127, 0, 0, 1])) == 1


async def test_rubbish_where_a_header_must_be_ends_that_connection_only() -> None:
    """Logged, counted, nobody else affected."""
    async with stage(Options(proxy_from=("127.0.0.0/8",))) as edge:
        _, server = await edge.server()
        edge.point_at(s1=server)
        phone = await edge.phone()
        await phone.send_all(b"GET / HTTP/1.1\r\n\r\n")
        try:
            assert await phone.receive_some(1) == b""
        except trio.BrokenResourceError:
            pass
        honest = await edge.phone()
        await honest.send_all(encode_v2(None, None) + b"hi")
        behind = await server.accept()

        assert await behind.receive_some(10) == b"hi"
        assert edge.counters.bad_headers.value == 1


async def test_counts_return_to_nothing_when_all_have_left() -> None:
    """Open connections, endpoint loads, admission: no drift, also if the endpoint left first."""
    async with stage() as edge:
        _, server = await edge.server()
        edge.point_at(s1=server)
        pairs = []
        for _ in range(5):
            phone = await edge.phone()
            pairs.append((phone, await server.accept()))
        during = (edge.relay.open, edge.distributor.workers["s1"].open)
        edge.relay.set_endpoints({})
        for phone, behind in pairs:
            await phone.aclose()
            await behind.aclose()
        await edge.relay.settle(2.0)

        assert during == (5, 5)
        assert edge.relay.open == 0
        assert len(edge.distributor.connections) == 0
        assert edge.distributor.admission.open_total == 0


async def test_who_stands_down_keeps_what_it_relays() -> None:
    """A relay's connections are its own: deposed, it accepts nobody new and goes on with them."""
    async with stage() as edge:
        _, server = await edge.server()
        edge.point_at(s1=server)
        active = True
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            async with trio.open_nursery() as reign:
                reign.start_soon(edge.relay.accept, listener, "https", lambda: active)
                phone = await trio.open_tcp_stream(*listener.getsockname())
                behind = await server.accept()
                active = False
                late = await trio.open_tcp_stream(*listener.getsockname())
            await phone.send_all(b"still here")

            assert await behind.receive_some(20) == b"still here"
            assert listener.accept()[1] == late.socket.getsockname(), "it is left for the next one"


async def test_a_fault_at_this_hop_is_felt_by_connections_that_are_open() -> None:
    """Toxiproxy's way: from the next bytes on, and no longer than the fault stands."""
    async with stage() as edge:
        _, server = await edge.server()
        edge.point_at(s1=server)
        phone = await edge.phone()
        behind = await server.accept()
        edge.relay.faults.add(Fault(id="f", kind="latency", amount=80.0), trio.current_time())
        began = trio.current_time()
        await phone.send_all(b"slow")
        assert await behind.receive_some(10) == b"slow"
        slow_s = trio.current_time() - began
        edge.relay.faults.clear()
        edge.relay.faults.add(Fault(id="f", kind="reset", to="s1"), trio.current_time())
        await behind.send_all(b"never")

        assert slow_s >= 0.08
        with pytest.raises(trio.BrokenResourceError):
            await phone.receive_some(10)


async def test_bytes_of_a_connection_are_known_while_it_is_open() -> None:
    """What somebody sees who asks where a flow is; and the counters do not wait for its end."""
    async with stage() as edge:
        _, server = await edge.server()
        edge.point_at(s1=server)
        phone = await edge.phone()
        behind = await server.accept()
        await phone.send_all(b"12345")
        await behind.receive_some(5)
        await behind.send_all(b"123")
        await phone.receive_some(3)
        (row,) = edge.distributor.connections.rows(10)

        assert edge.relay.bytes_of(row.ticket) == (5, 3)
        assert (edge.counters.bytes_in.value, edge.counters.bytes_out.value) == (5, 3)
        assert edge.relay.bytes_of(row.ticket + 1) is None
