"""The phones of a lab: each kind of `Load` is one way of using, or abusing, the edge.  [I/O]

`requests` and `flood` are open loops: what is due is sent, whether or not earlier
answers have come, as a crowd does; `syn-flood` sends what nobody will ever finish.
`users`, `dns-users` and `slowloris` are closed loops of so many phones.
"""

import errno
import random
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

import h11
import orjson
import trio

from edge.common.recorder import new_trace
from edge.lab.measure import Sample
from edge.lab.plan import Load
from edge.lab.syn_packet import forged_source, syn_packet
from edge.lab.wire import Place, Reply, Wire, connect, connect_tcp

# More than this on the way at once, and the phones would measure themselves.
OUTSTANDING_MAX = 1500
SAMPLES_MAX = 200_000
SLOWLORIS_INTERVAL_S = 1.0
# The others of this process want their turn, too.
SYN_PAUSE_S = 0.01
SYNS_AT_ONCE_MAX = 200

_ERRORS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "unreachable",
    errno.EADDRNOTAVAIL: "no-port",
}

# Source address -> where to connect now; asks DNS where the load wants that.
PlaceOf = Callable[[str], Awaitable[Place]]
Borrow = Callable[[str], Awaitable[Wire]]
GiveBack = Callable[[Wire], None]
Act = Callable[[float, int], Awaitable[None]]


class Phones:
    """Plays one load."""

    def __init__(self, load: Load, place: PlaceOf, began: float, samples: list[Sample]) -> None:
        self._load = load
        self._place = place
        self._began = began
        self._samples = samples
        self._kept: list[Wire] = []
        self._session: ssl.SSLSession | None = None
        self._cookies = ""
        self._outstanding = 0
        self._sent = 0
        self._dice = random.Random(load.name)  # the same crowd in every variant

    async def run(self) -> None:
        """From `from_s` on, for `for_s`; waits for the last answers."""
        load = self._load
        await trio.sleep_until(self._began + load.from_s)
        if load.account or load.login:
            self._cookies = await self._log_in(self._source(0))
        try:
            if load.kind == "requests":
                await self._open_loop(self._one)
            elif load.kind == "flood":
                await self._open_loop(self._knock)
            elif load.kind == "syn-flood":
                await self._forge()
            else:
                person = self._creep if load.kind == "slowloris" else self._live
                async with trio.open_nursery() as nursery:
                    for number in range(load.users):
                        nursery.start_soon(person, number)
        finally:
            for wire in self._kept:
                wire.close()

    # -- open loops -------------------------------------------------------------------

    async def _open_loop(self, act: Act) -> None:
        load = self._load
        ends = self._began + load.from_s + load.for_s
        due = self._began + load.from_s
        async with trio.open_nursery() as nursery:
            number = 0
            while due < ends:
                await trio.sleep_until(due)
                crowd = max(1, round(load.rate_per_s * load.bursts_every_s)) if load.bursts_every_s else 1
                for _ in range(crowd):
                    if self._outstanding >= OUTSTANDING_MAX:
                        self._note(due, "overflow")
                    else:
                        nursery.start_soon(act, due, number)
                    number += 1
                # Independent phones arrive at random: exponential gaps.
                due += load.bursts_every_s or self._dice.expovariate(load.rate_per_s)

    async def _one(self, due: float, number: int) -> None:
        self._outstanding += 1
        try:
            await self._ask(due, number, self._borrow, self._give_back, self._cookies)
        finally:
            self._outstanding -= 1

    async def _knock(self, due: float, number: int) -> None:
        """Open a connection, hold it a moment, go: what a connection flood does."""
        self._outstanding += 1
        try:
            error = "timeout"
            with trio.move_on_after(self._load.timeout_s):
                try:
                    wire = await connect_tcp(await self._place(self._source(number)))
                except OSError as failure:
                    error = _error_of(failure)
                else:
                    error = await self._shut_out(wire)
            self._note(due, error)
        finally:
            self._outstanding -= 1

    async def _shut_out(self, wire: Wire) -> str:
        # Admitted connections are left in peace (L7 waits for a handshake); refused ones
        # are reset at once.
        error = ""
        try:
            with trio.move_on_after(0.5):
                error = "reset" if not await wire.receive() else ""
        except OSError as failure:
            error = _error_of(failure)
        finally:
            wire.close(reset=True)
        return error

    async def _forge(self) -> None:
        """SYNs from sources that do not exist; the kernel counts them, there is nothing to wait for."""
        load = self._load
        place = await self._place("")
        ends = self._began + load.from_s + load.for_s
        sent = 0
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            while (now := trio.current_time()) < ends:
                due = int((now - self._began - load.from_s) * load.rate_per_s)
                for _ in range(min(due - sent, SYNS_AT_ONCE_MAX)):
                    source = forged_source(self._dice.getrandbits(17))
                    port = self._dice.randrange(1024, 65536)
                    packet = syn_packet(source, port, place.host, place.port, self._dice.getrandbits(32))
                    with suppress(OSError):  # a full queue of the interface is a lost packet, as anywhere
                        raw.sendto(packet, (place.host, 0))
                sent = due
                await trio.sleep(SYN_PAUSE_S)

    # -- closed loops -----------------------------------------------------------------

    async def _live(self, number: int) -> None:
        """One person: log in, look, think, look again."""
        load = self._load
        ends = self._began + load.from_s + load.for_s
        source = self._source(number)
        mine: list[Wire] = []
        cookies = self._cookies
        await trio.sleep(self._dice.random() * load.think_ms / 1000)
        if load.login:
            cookies = await self._log_in(source)

        async def borrow(source: str) -> Wire:
            while mine:
                wire = mine.pop()
                if load.connection == "keep" and wire.usable:
                    return wire
                wire.close()
            return await connect(
                await self._place(source), self._session if load.connection == "resume" else None
            )

        def give_back(wire: Wire) -> None:
            if wire.session is not None:
                self._session = wire.session
            mine.append(wire)

        while trio.current_time() < ends:
            await self._ask(trio.current_time(), number, borrow, give_back, cookies)
            await trio.sleep(load.think_ms / 1000 * (0.5 + self._dice.random()))
        for wire in mine:
            wire.close()

    async def _creep(self, number: int) -> None:
        """Slowloris: a header now and then, never the last one."""
        load = self._load
        began = trio.current_time()
        ends = self._began + load.from_s + load.for_s
        error = "held"
        try:
            wire = await connect(await self._place(self._source(number)))
        except OSError as failure:
            self._note(began, _error_of(failure))
            return
        try:
            await wire.send(f"GET {load.path} HTTP/1.1\r\nHost: {wire.place.name}\r\n".encode())
            while trio.current_time() < ends and error == "held":
                with trio.move_on_after(SLOWLORIS_INTERVAL_S):
                    await wire.receive()
                    error = "closed"
                    break
                await wire.send(b"X-Slow: 1\r\n")
        except OSError as failure:
            error = _error_of(failure)
        finally:
            wire.close(reset=True)
        self._note(began, error)

    # -- one request ------------------------------------------------------------------

    async def _ask(self, due: float, number: int, borrow: Borrow, give_back: GiveBack, cookies: str) -> None:
        load = self._load
        paths = load.paths or (load.path,)
        path = paths[number % len(paths)].replace("{n}", str(number))
        trace = new_trace()
        headers = [("traceparent", trace.header()), ("user-agent", "edge-lab"), *load.headers.items()]
        if cookies:
            headers.append(("cookie", cookies))
        if load.body:
            headers.append(("content-type", "application/json"))
        reply: Reply | None = None
        error, attempts = "", 0
        phases: dict[str, float] = {}
        while attempts <= load.retries:
            attempts += 1
            error = "timeout"
            with trio.move_on_after(load.timeout_s):
                reply, error, phases = await self._try(borrow, give_back, self._source(number), path, headers)
            if not error and reply is not None and reply.status < 500:
                break
            if attempts <= load.retries and load.backoff_ms:
                await trio.sleep(self._dice.random() * load.backoff_ms * 2**attempts / 1000)
        told = _told(reply)
        status = reply.status if reply is not None and not error else 0
        self._add(
            Sample(
                load=load.name,
                at_s=due - self._began,
                ms=(trio.current_time() - due) * 1000,
                status=status,
                error=error,
                server=str(told.get("server", "")),
                queue=int(str(told.get("queue", 0))),
                trace_id=trace.trace_id,
                attempts=attempts,
                user=number,
                phases=phases,
                right=200 <= status < 400 or status in load.accept,
            )
        )

    async def _try(
        self, borrow: Borrow, give_back: GiveBack, source: str, path: str, headers: list[tuple[str, str]]
    ) -> tuple[Reply | None, str, dict[str, float]]:
        wire: Wire | None = None
        load = self._load
        try:
            began = trio.current_time()
            wire = await borrow(source)
            phases = dict(wire.phases) if wire.used == 0 else {}
            asked = trio.current_time()
            if wire.used:
                phases["reuse"] = (asked - began) * 1000
            reply = await wire.request(load.method, path, headers, load.body.encode())
            phases["wait"] = (trio.current_time() - asked) * 1000
            phases["resumed"] = float(wire.resumed)
            give_back(wire)
            wire = None
            return reply, "", phases
        except OSError as failure:
            return None, _error_of(failure), {}
        except h11.RemoteProtocolError:
            return None, "bad-reply", {}
        finally:
            if wire is not None:
                wire.close()

    async def _borrow(self, source: str) -> Wire:
        if self._load.connection == "keep":
            while self._kept:
                wire = self._kept.pop()
                if wire.usable:
                    return wire
                wire.close()
        session = self._session if self._load.connection == "resume" else None
        return await connect(await self._place(source), session)

    def _give_back(self, wire: Wire) -> None:
        if wire.session is not None:
            self._session = wire.session
        if self._load.connection == "keep" and wire.usable:
            self._kept.append(wire)
        else:
            wire.close()

    async def _log_in(self, source: str) -> str:
        """The cookies of a new session, "" where that failed: the run will show it."""
        load = self._load
        path = load.login or "/api/v1/accounts/login/"
        secret = {"username": load.account, "password": f"edge-{load.account}"} if load.account else {}
        try:
            with trio.fail_after(load.timeout_s):
                wire = await connect(await self._place(source))
                try:
                    reply = await wire.request(
                        "POST", path, [("content-type", "application/json")], orjson.dumps(secret)
                    )
                finally:
                    wire.close()
        except (OSError, trio.TooSlowError, h11.RemoteProtocolError):
            return ""
        return "; ".join(reply.cookies)

    def _source(self, number: int) -> str:
        if self._load.source.endswith("*"):
            return f"{self._load.source[:-1]}{1 + number % 250}"
        return self._load.source

    def _note(self, due: float, error: str) -> None:
        self._add(
            Sample(
                load=self._load.name,
                at_s=due - self._began,
                ms=(trio.current_time() - due) * 1000,
                error=error,
                right=not error,
            )
        )

    def _add(self, sample: Sample) -> None:
        if len(self._samples) < SAMPLES_MAX:
            self._samples.append(sample)


def _told(reply: Reply | None) -> dict[str, object]:
    """What the server says of itself, where it is a toy."""
    if reply is None or not reply.body.startswith(b'{"'):
        return {}
    try:
        value = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _error_of(failure: OSError) -> str:
    if isinstance(failure, ssl.SSLError):
        return "tls"
    return _ERRORS.get(failure.errno or 0, "reset" if isinstance(failure, ConnectionError) else "failed")
