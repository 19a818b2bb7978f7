"""How do connections come to this worker that were not handed over but relayed?  [I/O]

From an L4 on another host, or one that is to stay on the path (`[l4] engine = "relay"`),
or from any load balancer that speaks the PROXY protocol: over TCP, with a header before
the first byte that says who the phone is.  Whoever may send one may claim to be anybody,
so a peer outside `[l7] relay-from` is turned away before a byte of it is read.

What is wrong with one connection costs that connection, is counted and logged, the log at
most once a `LOG_S`: a peer that sends nothing but rubbish must not fill the disk.
"""

import errno
import socket
import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import trio

from edge.common.handover import Handover
from edge.common.log import Log
from edge.common.metrics import Registry
from edge.common.proxy_protocol import Endpoint, ProxyProtocolError, Trusted
from edge.common.proxy_reader import read_header
from edge.common.proxy_record import decode_record

# Connections whose header is awaited; each for `HEADER_S` at most.
WAITING_MAX: Final = 1024
LOG_S: Final = 1.0
_BATCH: Final = 64
_PAUSE_S: Final = 0.01
_EXHAUSTED: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_LINGER_ZERO: Final = struct.pack("ii", 1, 0)  # close() then resets
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

# Takes a connection, its story, the function to call at its end, and the phone's round trip time.
Take = Callable[[socket.socket, Handover, Callable[[int], None], int], None]


class RelayReceiver:
    """The worker's end of relayed connections."""

    def __init__(
        self, take: Take, log: Log, metrics: Registry, *, trusted: Sequence[str], http_port: int
    ) -> None:
        self._take = take
        self._log = log
        self.trusted = Trusted(trusted)
        self._http_port = http_port
        self._boot_id = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
        self._waiting = 0
        self._logged_at = -LOG_S
        arrived = metrics.counter(
            "edge_l7_relayed_total", "Connections on the relay port, by what became of them", ("result",)
        )
        self._taken = arrived.child("taken")
        self._probes = arrived.child("probe")
        self._untrusted = arrived.child("untrusted")
        self._bad_headers = arrived.child("bad-header")
        self._crowded = arrived.child("too-many-waiting")

    async def run(self, listener: socket.socket) -> None:
        """Accept until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                await trio.lowlevel.wait_readable(listener)
                for _ in range(_BATCH):
                    try:
                        sock, address = listener.accept()
                    except BlockingIOError:
                        break
                    except OSError as error:
                        if error.errno in _EXHAUSTED:
                            await trio.sleep(_PAUSE_S)
                            break
                        continue  # that one gave up while it waited
                    sock.setblocking(False)
                    nursery.start_soon(self._receive, sock, Endpoint(address[0], address[1]))

    async def _receive(self, sock: socket.socket, peer: Endpoint) -> None:
        if peer.address not in self.trusted:
            self._untrusted.value += 1
            self._complain("relay.untrusted", peer, "not in [l7] relay-from")
            _reset(sock)
            return
        if self._waiting >= WAITING_MAX:
            self._crowded.value += 1
            _reset(sock)
            return
        self._waiting += 1
        try:
            header = await read_header(sock)
        except ProxyProtocolError as error:
            self._bad_headers.value += 1
            self._complain("relay.bad_header", peer, str(error))
            _reset(sock)
            return
        except OSError:
            sock.close()
            return
        except trio.Cancelled:
            sock.close()
            raise
        finally:
            self._waiting -= 1
        if header.local:
            self._probes.value += 1
            sock.close()
            return
        relayed = decode_record(header, peer, self._http_port, self._boot_id, time.monotonic_ns())
        self._taken.value += 1
        self._take(sock, relayed.record, _nobody_asked, relayed.rtt_us)

    def _complain(self, event: str, peer: Endpoint, why: str) -> None:
        now = time.monotonic()
        if now - self._logged_at >= LOG_S:
            self._logged_at = now
            self._log.warning(event, source=peer.address, error=why)


def _nobody_asked(_: int) -> None:
    """The L4 that relays sees the end of a connection itself."""


def _reset(sock: socket.socket) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    except OSError:
        pass  # it is gone already
    sock.close()
