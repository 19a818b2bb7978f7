"""One connection of a lab's phone: TCP, TLS, HTTP/1.1, each phase timed.  [I/O]

Non-blocking sockets and `ssl.SSLSocket` directly, because a lab about cold, warm
and resumed connections needs the session in its hands, which Trio's SSLStream
does not give out; and because the phones share two cores with what they measure.
"""

import socket
import ssl
import struct
from dataclasses import dataclass, field

import h11
import trio

READ_BYTES = 64 * 1024
BODY_BYTES_MAX = 4 * 1024 * 1024
# RST instead of FIN: an attacker's connections should not fill our own TIME_WAIT table.
_LINGER_OFF = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where to connect, and as whom."""

    host: str
    port: int
    name: str  # of the certificate and the Host header
    tls: ssl.SSLContext | None
    source: str = ""
    one_way_s: float = 0.0  # simulated distance: each flight of each phase waits this long twice


@dataclass(slots=True)
class Reply:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: list[str] = field(default_factory=list)


class Wire:
    """An open connection; `phases` holds the ms that opening it took."""

    def __init__(self, place: Place, sock: socket.socket) -> None:
        self.place = place
        self.phases: dict[str, float] = {}
        self.used = 0
        self._socket: socket.socket | ssl.SSLSocket = sock
        self._h11 = h11.Connection(h11.CLIENT)

    @property
    def session(self) -> ssl.SSLSession | None:
        """What the next connection may resume."""
        return self._socket.session if isinstance(self._socket, ssl.SSLSocket) else None

    @property
    def resumed(self) -> bool:
        """Was this connection's handshake an abbreviated one?"""
        return isinstance(self._socket, ssl.SSLSocket) and bool(self._socket.session_reused)

    @property
    def usable(self) -> bool:
        """May another request be sent here?"""
        return self._h11.our_state is h11.IDLE and self._h11.their_state is h11.IDLE

    async def request(
        self, method: str, path: str, headers: list[tuple[str, str]], body: bytes = b""
    ) -> Reply:
        """One request and its whole answer.  Raises `OSError` or `h11.RemoteProtocolError`."""
        fields = [("Host", self.place.name), *headers]
        if body:
            fields.append(("Content-Length", str(len(body))))
        pieces = [self._h11.send(h11.Request(method=method, target=path, headers=fields)) or b""]
        if body:
            pieces.append(self._h11.send(h11.Data(data=body)) or b"")
        pieces.append(self._h11.send(h11.EndOfMessage()) or b"")
        if self.place.one_way_s:
            await trio.sleep(2 * self.place.one_way_s)
        await self.send(b"".join(pieces))
        head: h11.Response | None = None
        parts: list[bytes] = []
        size = 0
        while True:
            event = self._h11.next_event()
            if event is h11.NEED_DATA:
                data = await self.receive()
                if not data and head is None:
                    raise ConnectionResetError("closed before an answer")
                self._h11.receive_data(data)
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > BODY_BYTES_MAX:
                    raise OSError("the answer does not end")
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                break
        if head is None:
            raise ConnectionResetError("closed before an answer")
        self.used += 1
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        fields_in = [(name.decode(), value.decode("latin-1")) for name, value in head.headers]
        cookies = [value.partition(";")[0] for name, value in fields_in if name == "set-cookie"]
        return Reply(head.status_code, dict(fields_in), b"".join(parts), cookies)

    async def send(self, data: bytes) -> None:
        """All of `data`.  Raises `OSError`."""
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                await trio.lowlevel.wait_writable(self._socket)
            except ssl.SSLWantReadError:
                await trio.lowlevel.wait_readable(self._socket)

    async def receive(self) -> bytes:
        """What has arrived; b"" at the end.  Raises `OSError`."""
        while True:
            try:
                return self._socket.recv(READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError):
                await trio.lowlevel.wait_readable(self._socket)
            except ssl.SSLWantWriteError:
                await trio.lowlevel.wait_writable(self._socket)
            except ssl.SSLEOFError:
                return b""

    async def handshake(self, session: ssl.SSLSession | None) -> None:
        """End in TLS.  Raises `OSError`."""
        assert self.place.tls is not None
        secured = self.place.tls.wrap_socket(
            self._socket, server_hostname=self.place.name, do_handshake_on_connect=False, session=session
        )
        self._socket = secured
        while True:
            try:
                secured.do_handshake()
                return
            except ssl.SSLWantReadError:
                await trio.lowlevel.wait_readable(secured)
            except ssl.SSLWantWriteError:
                await trio.lowlevel.wait_writable(secured)

    def close(self, *, reset: bool = False) -> None:
        """Hang up, with a reset if that is wanted."""
        if reset:
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF)
            except OSError:
                pass  # it was closed already, which is what we want
        trio.lowlevel.notify_closing(self._socket)
        self._socket.close()


async def connect(place: Place, session: ssl.SSLSession | None = None) -> Wire:
    """A connection that is ready for requests.  Raises `OSError`."""
    began = trio.current_time()
    wire = await connect_tcp(place)
    try:
        if place.one_way_s:
            await trio.sleep(2 * place.one_way_s)
        connected = trio.current_time()
        wire.phases["tcp"] = (connected - began) * 1000
        if place.tls is not None:
            if place.one_way_s:
                await trio.sleep(2 * place.one_way_s)
            await wire.handshake(session)
            wire.phases["tls"] = (trio.current_time() - connected) * 1000
    except BaseException:
        wire.close()
        raise
    return wire


async def connect_tcp(place: Place) -> Wire:
    """A connection without TLS yet.  Raises `OSError`."""
    plain = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if place.source:
            plain.bind((place.source, 0))
        try:
            plain.connect((place.host, place.port))
        except BlockingIOError:
            await trio.lowlevel.wait_writable(plain)
            code = plain.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, "connect") from None
    except BaseException:
        plain.close()
        raise
    return Wire(place, plain)
