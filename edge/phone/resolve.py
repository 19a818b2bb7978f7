"""Ask our name server, over UDP and where the answer does not fit over TCP.  [I/O]

The operating system's resolver is left out on purpose: it would not carry the
phone's place or its trace, and `.test` exists nowhere else.
"""

import secrets
import socket
from dataclasses import dataclass

import trio

from edge.common.dns_query import TCP_BYTES_MAX, UDP_BYTES, NoAnswer, Reply, build_query, parse_reply
from edge.common.errors import EdgeError
from edge.common.spans import Attribute
from edge.common.trace import TraceContext
from edge.phone.connection import PhoneFailed

# A stub resolver waits 5 s (resolv.conf(5)); a name server on this machine that takes
# longer than one has lost the query.
TRY_TIMEOUT_S = 1.0
TRIES = 3


@dataclass(frozen=True, slots=True)
class Resolver:
    """Where to ask, and where the phone says it is."""

    server: tuple[str, int]
    subnet: str = ""

    async def resolve(self, name: str, trace: TraceContext) -> tuple[Reply, dict[str, Attribute]]:
        """The reply, and what to say of it in a span.  Raises `PhoneFailed`."""
        reason = ""
        for _ in range(TRIES):
            try:
                with trio.fail_after(TRY_TIMEOUT_S):
                    reply = await self._ask(name, trace)
            except trio.TooSlowError:
                reason = f"no reply from {self.server[0]}:{self.server[1]}"
                continue
            except OSError as error:
                raise PhoneFailed("dns", f"{self.server[0]}:{self.server[1]}: {error.strerror}") from error
            except EdgeError as error:
                raise PhoneFailed("dns", str(error)) from error
            if not reply.addresses:
                raise PhoneFailed("dns", f"{reply.status}: {reply.why or f'no address for {name}'}")
            return reply, {
                "dns.question.name": name,
                "dns.answers": ", ".join(reply.addresses),
                "edge.dns.ttl_s": reply.ttl_s,
                "edge.why": f"{reply.addresses[0]} for {reply.ttl_s} s",
            }
        raise PhoneFailed("dns", reason)

    async def _ask(self, name: str, trace: TraceContext) -> Reply:
        number = secrets.randbelow(1 << 16)
        query = build_query(number, name, subnet=self.subnet, trace=trace)
        reply = await self._over_udp(query, number, name)
        return await self._over_tcp(query, number, name) if reply.truncated else reply

    async def _over_udp(self, query: bytes, number: int, name: str) -> Reply:
        family = socket.AF_INET6 if ":" in self.server[0] else socket.AF_INET
        with trio.socket.socket(family, socket.SOCK_DGRAM) as udp:
            # Connected, so that a port where nobody listens is an error at once.
            await udp.connect(self.server)
            await udp.send(query)
            while True:
                try:
                    return parse_reply(await udp.recv(UDP_BYTES), number, name)
                except NoAnswer:
                    # Not to this query: forged or late.  The right one may still come.
                    continue

    async def _over_tcp(self, query: bytes, number: int, name: str) -> Reply:
        stream = await trio.open_tcp_stream(*self.server)
        async with stream:
            await stream.send_all(len(query).to_bytes(2, "big") + query)
            data = b""
            while len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2], "big"):
                chunk = await stream.receive_some(TCP_BYTES_MAX)
                if not chunk:
                    raise NoAnswer("the name server hung up in the middle of its reply")
                data += chunk
        return parse_reply(data[2 : 2 + int.from_bytes(data[:2], "big")], number, name)
