"""The DNS process on real sockets: datagrams, connections, counters, spans, drain."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import dns.flags
import dns.message
import msgspec
import trio

from edge.common.dns_query import build_query, parse_reply
from edge.common.faults import Fault
from edge.common.messages import Members
from edge.common.process import Process
from edge.common.proxy_protocol import Endpoint, encode_v2
from edge.dns.worker import serve
from tests.kit.dns_queries import CONFIG, EVERYBODY, JAIPUR, SPAN_ID, TRACE_ID, TRACEPARENT, query


@asynccontextmanager
async def running(
    tmp_path: Path, inner: str = "", **changes: object
) -> AsyncIterator[tuple[Process, tuple[str, int]]]:
    config = msgspec.structs.replace(CONFIG, dns=msgspec.structs.replace(CONFIG.dns, **changes))
    process = Process.for_test(config, tmp_path, name="dns-1", tier="dns")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
    ):
        # TCP chooses the port: its ports are the busier ones, so UDP's of the same number is free.
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(tcp.getsockname())
        udp.setblocking(False)
        tcp.setblocking(False)
        process.sockets = {f"{inner}udp": udp, f"{inner}tcp": tcp}
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve, process)
                await trio.testing.wait_all_tasks_blocked()
                yield process, udp.getsockname()
                process.draining.set()


async def over_udp(address: tuple[str, int], data: bytes) -> bytes:
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        await phone.connect(address)
        await phone.send(data)
        return bytes(await phone.recv(4096))


async def over_tcp(address: tuple[str, int], data: bytes) -> bytes:
    async with await trio.open_tcp_stream(*address) as phone:
        await phone.send_all(len(data).to_bytes(2, "big") + data)
        received = b""
        while len(received) < 2 or len(received) < 2 + int.from_bytes(received[:2], "big"):
            received += await phone.receive_some()
        return received[2:]


def counted(process: Process) -> dict[tuple[str, ...], float]:
    (family,) = [each for each in process.metrics.snapshot() if each["name"] == "edge_dns_answers_total"]
    return {tuple(labels): value for labels, value in family["values"]}


async def test_a_phone_in_jaipur_learns_where_to_call(tmp_path: Path) -> None:
    """With the phone's own codec, over UDP and TCP."""
    async with running(tmp_path) as (process, address):
        data = build_query(7, "i.edge.test", subnet=JAIPUR)
        by_udp = parse_reply(await over_udp(address, data), 7, "i.edge.test")
        by_tcp = parse_reply(await over_tcp(address, data), 7, "i.edge.test")

        assert by_udp == by_tcp
        assert by_udp.addresses == ("127.0.1.1",)
        assert by_udp.server == "dns-1"
        assert counted(process) == {("mumbai", "nearest"): 2}
        assert (process.link.member.state, process.link.member.address) == ("live", f"127.0.0.1:{address[1]}")


async def test_the_hubs_word_changes_the_next_reply(tmp_path: Path) -> None:
    """No restart, no delay."""
    gone = [known.name for known in EVERYBODY if known.pop == "mumbai"]
    async with running(tmp_path) as (process, address):
        process.link.receive(Members(changed=EVERYBODY))
        process.link.receive(Members(gone=gone))

        reply = parse_reply(
            await over_udp(address, build_query(7, "i.edge.test", subnet=JAIPUR)), 7, "i.edge.test"
        )

        assert reply.addresses == ("127.0.2.1",)
        assert process.link.asks["dns"]({"city": "jaipur"})["ipv4"]["reason"] == "backup"


async def test_a_traced_query_leaves_a_span(tmp_path: Path) -> None:
    """So the waterfall shows what DNS did, under the phone's own span."""
    async with running(tmp_path) as (process, address):
        await over_udp(address, query(subnet=JAIPUR, trace=TRACEPARENT).to_wire())
        await over_udp(address, query(trace=b"nonsense").to_wire())

        (span,) = process.spans.find(TRACE_ID)

        assert (span.name, span.parent_id, span.service) == ("dns.query", SPAN_ID, "edge-dns")
        assert span.attributes["dns.answers"] == "127.0.1.1"
        assert span.attributes["edge.pop"] == "mumbai"
        assert span.start_ns <= span.end_ns
        assert len(process.spans) == 1


async def test_garbage_harms_nobody(tmp_path: Path) -> None:
    """Strange datagrams, then a good one."""
    async with running(tmp_path) as (process, address):
        with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for data in (b"", b"\0", b"\xff" * 4000, query().to_wire()[:-1], b"\0" * 12):
                await stranger.sendto(data, address)

        reply = dns.message.from_wire(await over_udp(address, query().to_wire()))

        assert not reply.flags & dns.flags.TC
        assert counted(process)[("", "ignored")] == 3
        assert counted(process)[("", "formerr")] == 2


async def test_a_fault_delays_replies_one_by_one(tmp_path: Path) -> None:
    """A lab may make DNS slow or silent; the queries behind do not wait in line."""
    async with running(tmp_path) as (process, address):
        process.faults.add(Fault(id="f", kind="latency", amount=50), trio.current_time())
        started = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(over_udp, address, query().to_wire())

        assert 0.05 <= trio.current_time() - started < 0.3


async def test_a_draining_worker_leaves_its_packets_to_the_next(tmp_path: Path) -> None:
    """The socket outlives it, so a packet that arrives meanwhile is not lost."""
    async with running(tmp_path) as (process, address):
        successor = Process.for_test(CONFIG, tmp_path, name="dns-1", tier="dns")
        successor.sockets = process.sockets
        process.draining.set()
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, successor)
            reply = await over_udp(address, query().to_wire())
            successor.draining.set()

        assert reply[:2] == query().to_wire()[:2]
        assert counted(successor) == {("mumbai", "default"): 1}


async def test_behind_an_l4_the_source_is_whom_the_header_names(tmp_path: Path) -> None:
    """One limit for all phones would let one phone silence the others."""
    question = query(subnet=JAIPUR, trace=TRACEPARENT).to_wire()
    phone, vip = Endpoint("203.0.113.9", 4000), Endpoint("127.0.0.1", 53)
    async with running(tmp_path, "inner-", queries_per_s_max=1.0) as (process, address):
        reply = await over_udp(address, encode_v2(phone, vip, datagram=True) + question)
        neighbour = encode_v2(Endpoint("198.51.100.7", 4000), vip, datagram=True)
        another = await over_udp(address, neighbour + question)

        assert [span.attributes["client.address"] for span in process.spans.find(TRACE_ID)] == [
            "203.0.113.9",
            "198.51.100.7",
        ]
        assert len(reply) == len(another) > 12


async def test_behind_an_l4_a_connection_begins_with_its_header_too(tmp_path: Path) -> None:
    """However it is cut; a probe, or one that nobody introduced, is simply ended."""
    question = query(trace=TRACEPARENT).to_wire()
    framed = len(question).to_bytes(2, "big") + question
    header = encode_v2(Endpoint("203.0.113.9", 4000), Endpoint("127.0.0.1", 53))
    async with running(tmp_path, "inner-") as (process, address):
        async with await trio.open_tcp_stream(*address) as stream:
            await stream.send_all(header[:20])
            await stream.send_all(header[20:] + framed)
            assert len(await stream.receive_some()) > 12
        for unfit in (encode_v2(None, None), framed):
            async with await trio.open_tcp_stream(*address) as stream:
                await stream.send_all(unfit)
                assert await stream.receive_some() == b""

        (span,) = process.spans.find(TRACE_ID)
        assert span.attributes["client.address"] == "203.0.113.9"


async def test_behind_an_l4_what_nobody_introduced_is_dropped(tmp_path: Path) -> None:
    """A bare packet, a probe of the L4, half a header: silence, and the next one is answered."""
    question = query(subnet=JAIPUR).to_wire()
    header = encode_v2(Endpoint("203.0.113.9", 4000), Endpoint("127.0.0.1", 53), datagram=True)
    async with running(tmp_path, "inner-") as (process, address):
        with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
            await phone.connect(address)
            for data in (question, b"", header[:20], encode_v2(None, None), header + question):
                await phone.send(data)
            assert len(await phone.recv(4096)) > 12

        assert sum(counted(process).values()) == 1
