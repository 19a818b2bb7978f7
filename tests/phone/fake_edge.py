"""A name server and a POP of a few lines, on free ports of loopback.

What is behind the phone's sockets, where the phone itself is what is tested.
"""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import dnslib
import h11
import trio

from edge.common.config import Config, Place, PopConfig
from edge.phone.call import Phone
from edge.phone.connection import trusting
from edge.phone.resolve import Resolver
from edge.supervise.keys import ensure_keys

DOMAIN = "i.edge.test"
CONFIG = Config(pop=(PopConfig(name="here", address="127.0.0.1", place=Place(north=0, east=0)),))


@dataclass
class FakeEdge:
    """What it was asked, and what it answers."""

    run_dir: Path
    answer: Callable[[h11.Request], tuple[int, list[tuple[str, str]], bytes]]
    addresses: list[str] = field(default_factory=lambda: ["127.0.0.1"])
    rcode: str = "NOERROR"
    requests: list[h11.Request] = field(default_factory=list)
    queries: list[dnslib.DNSRecord] = field(default_factory=list)
    connections: int = 0
    hangs_up: bool = False  # behind each answer, without having said so
    goes_silent: bool = False  # and hangs up instead of answering
    dns: tuple[str, int] = ("", 0)
    port: int = 0

    def phone(self) -> Phone:
        """A phone that knows this edge."""
        context = trusting(self.run_dir / "ca.pem")
        port_of = lambda address, port: self.port  # noqa: E731
        return Phone("phone-test", Resolver(self.dns, "192.0.2.0/28"), context, 1, port_of)


@asynccontextmanager
async def fake_edge(
    run_dir: Path, answer: Callable[[h11.Request], tuple[int, list[tuple[str, str]], bytes]]
) -> AsyncIterator[FakeEdge]:
    """Runs until the block ends."""
    ensure_keys(run_dir, CONFIG)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(run_dir / "keys/edge.pem", run_dir / "keys/edge.key")
    edge = FakeEdge(run_dir, answer)
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as udp:
        await udp.bind(("127.0.0.1", 0))
        edge.dns = udp.getsockname()
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        edge.port = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_answer_names, edge, udp)
            nursery.start_soon(partial(trio.serve_listeners, partial(_serve, edge, context), listeners))
            yield edge
            nursery.cancel_scope.cancel()


async def _answer_names(edge: FakeEdge, udp: trio.socket.SocketType) -> None:
    while True:
        data, source = await udp.recvfrom(1500)
        query = dnslib.DNSRecord.parse(data)
        edge.queries.append(query)
        reply = query.reply()
        reply.header.rcode = getattr(dnslib.RCODE, edge.rcode)
        for address in edge.addresses if edge.rcode == "NOERROR" else ():
            reply.add_answer(dnslib.RR(DOMAIN, rdata=dnslib.A(address), ttl=20))
        await udp.sendto(reply.pack(), source)


async def _serve(edge: FakeEdge, context: ssl.SSLContext, raw: trio.SocketStream) -> None:
    edge.connections += 1
    stream = trio.SSLStream(raw, context, server_side=True, https_compatible=True)
    http = h11.Connection(h11.SERVER)
    try:
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(bytes(await stream.receive_some(65536)))
            elif isinstance(event, h11.Request):
                edge.requests.append(event)
            elif isinstance(event, h11.EndOfMessage):
                if edge.goes_silent:
                    return
                status, headers, body = edge.answer(edge.requests[-1])
                headers = [*headers, ("content-length", str(len(body)))]
                data = http.send(h11.Response(status_code=status, headers=headers))
                await stream.send_all(data + http.send(h11.Data(body)) + http.send(h11.EndOfMessage()))
                if http.our_state is h11.MUST_CLOSE or edge.hangs_up:
                    return
                http.start_next_cycle()
            elif isinstance(event, h11.ConnectionClosed):
                return
    except (trio.BrokenResourceError, h11.RemoteProtocolError):
        return
    finally:
        await trio.aclose_forcefully(stream)
