"""One connection of the phone: TCP, then TLS, each timed by itself.  [I/O]

A non-blocking socket under `ssl`, tried first and awaited only when it says so.
`trio.SSLStream` would do the same work, and would hide when the handshake ended
and whether it was resumed, which is what a study of connections wants to see.
"""

import functools
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio

from edge.common.errors import EdgeError

CONNECT_TIMEOUT_S = 3.0
HANDSHAKE_TIMEOUT_S = 5.0
READ_BYTES = 64 * 1024


class PhoneFailed(EdgeError):
    """The phone got no answer; `phase` says how far it came."""

    retryable = True

    def __init__(self, phase: str, reason: str) -> None:
        super().__init__(f"{phase}: {reason}")
        self.phase = phase
        self.reason = reason


def trusting(ca_file: Path) -> ssl.SSLContext:
    """A context that trusts this edge's own authority and nobody else.  Raises `PhoneFailed`."""
    try:
        context = ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:
        raise PhoneFailed("tls", f"no authority to trust at {ca_file}: {error.strerror}") from error
    context.set_alpn_protocols(["http/1.1"])
    return context


class Connection:
    """A TLS connection to one address of one POP; owns its socket."""

    def __init__(self, address: str, port: int) -> None:
        self.address = address
        self.port = port
        self.requests = 0
        self._raw = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self._raw.setblocking(False)
        self._raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tls: ssl.SSLSocket | None = None

    async def connect(self) -> None:
        """The kernel's handshake.  Raises `PhoneFailed`."""
        self._raw.connect_ex((self.address, self.port))
        with trio.move_on_after(CONNECT_TIMEOUT_S) as patience:
            await trio.lowlevel.wait_writable(self._raw)
        if patience.cancelled_caught:
            raise PhoneFailed("tcp", f"{self.address}:{self.port} did not answer in {CONNECT_TIMEOUT_S:g} s")
        code = self._raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise PhoneFailed("tcp", f"{self.address}:{self.port}: {os.strerror(code)}")

    async def handshake(
        self, context: ssl.SSLContext, server_name: str, session: ssl.SSLSession | None
    ) -> dict[str, str | int | float | bool]:
        """TLS; what was agreed, as attributes of a span.  Raises `PhoneFailed`."""
        self._tls = context.wrap_socket(
            self._raw, server_hostname=server_name, do_handshake_on_connect=False, session=session
        )
        with trio.move_on_after(HANDSHAKE_TIMEOUT_S) as patience:
            await self._try("tls", self._tls.do_handshake)
        if patience.cancelled_caught:
            raise PhoneFailed("tls", f"no handshake in {HANDSHAKE_TIMEOUT_S:g} s")
        cipher = self._tls.cipher()
        return {
            "tls.protocol.version": (self._tls.version() or "").removeprefix("TLSv"),
            "tls.cipher": cipher[0] if cipher else "",
            "tls.resumed": bool(self._tls.session_reused),
            "tls.next_protocol": self._tls.selected_alpn_protocol() or "",
        }

    @property
    def session(self) -> ssl.SSLSession | None:
        """A ticket for next time; TLS 1.3 sends it after the handshake, so ask after an answer."""
        return self._tls.session if self._tls is not None else None

    @property
    def is_over(self) -> bool:
        """Has the edge ended this connection while we were silent?

        Nothing may come while nothing was asked, but for TLS's own messages, such as tickets.
        """
        try:
            self._wrapped().recv(1)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError:
            return True
        return True

    async def send(self, data: bytes) -> None:
        """All of `data`.  Raises `PhoneFailed`."""
        tls = self._wrapped()
        rest = memoryview(data)
        while rest:
            sent = await self._try("http", functools.partial(tls.send, rest))
            rest = rest[sent:]

    async def receive(self) -> bytes:
        """Some bytes; none at the end.  Raises `PhoneFailed`."""
        tls = self._wrapped()
        try:
            data: bytes = await self._try("http", functools.partial(tls.recv, READ_BYTES))
        except ssl.SSLEOFError:
            return b""  # no close_notify: the framing of HTTP says whether something is missing
        return data

    def close(self) -> None:
        """Let go of it, without waiting for anybody."""
        (self._tls or self._raw).close()

    def _wrapped(self) -> ssl.SSLSocket:
        assert self._tls is not None, "handshake() comes first"
        return self._tls

    async def _try(self, phase: str, action: Callable[[], Any]) -> Any:
        while True:
            try:
                return action()
            except ssl.SSLWantReadError:
                await trio.lowlevel.wait_readable(self._raw if self._tls is None else self._tls)
            except ssl.SSLWantWriteError:
                await trio.lowlevel.wait_writable(self._raw if self._tls is None else self._tls)
            except ssl.SSLEOFError:
                if phase == "http":
                    raise
                raise PhoneFailed(phase, "the edge hung up") from None
            except ssl.SSLCertVerificationError as error:
                raise PhoneFailed(phase, f"certificate: {error.verify_message}") from error
            except OSError as error:
                raise PhoneFailed(phase, error.strerror or str(error)) from error
