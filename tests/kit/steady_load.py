"""So many requests a second, whatever the edge does: a load that does not wait.

    python -m tests.kit.steady_load HOST PORT CA COOKIE PATH... --rate 200 --seconds 60

Each of a few threads has a timetable and sends when it is time, or at once when it is
late: an edge that stumbles meets the backlog and not a polite silence (a closed loop
would hide it).  Connections are kept alive; one request in `NEW_EVERY` opens its own.
What a phone does about `Connection: close` is done here; nothing is sent twice, so
one broken connection is one failure.

Prints JSON.  Cheap on purpose (about 0.2 ms of CPU a request): the edge under test
shares the machine.
"""

import argparse
import json
import socket
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

HOST = "i.edge.test"
NEW_EVERY = 10
TIMEOUT_S = 15.0


@dataclass
class Seen:
    """What all threads saw."""

    answered: int = 0
    new: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    gap_s: float = 0.0  # the longest time in which nobody was answered
    last: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def told(self) -> dict[str, object]:
        """For people and for tests."""
        times = sorted(self.latencies_s)
        quantiles = {
            f"p{share * 100:g}_ms": round(times[min(len(times) - 1, int(share * len(times)))] * 1e3, 1)
            for share in (0.5, 0.99, 0.999, 1.0)
            if times
        }
        return {
            "answered": self.answered,
            "new_connections": self.new,
            "failed": sum(self.failures.values()),
            "failures": dict(self.failures),
            "gap_ms": round(self.gap_s * 1e3),
        } | quantiles


class Caller:
    """One thread's connection."""

    def __init__(self, address: tuple[str, int], ca: Path, cookie: str) -> None:
        self._address = address
        self._context = ssl.create_default_context(cafile=str(ca))
        self._cookie = cookie
        self._sock: ssl.SSLSocket | None = None
        self.opened = 0

    def ask(self, path: str, *, anew: bool) -> int:
        """One request, sent once; the status.  Raises `OSError`."""
        if anew:
            self.hang_up()
        sock = self._sock or self._connect()
        self._sock = None  # until this went well
        head = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nCookie: {self._cookie}\r\nUser-Agent: steady\r\n\r\n"
        sock.sendall(head.encode())
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more(sock)
        lines = data[:end].lower().split(b"\r\n")
        length = next(int(line[16:]) for line in lines if line.startswith(b"content-length: "))
        missing = end + 4 + length - len(data)
        while missing > 0:
            missing -= len(self._more(sock))
        if b"connection: close" in lines:
            sock.close()
        else:
            self._sock = sock
        return int(lines[0].split()[1])

    def hang_up(self) -> None:
        """Close what is open."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _connect(self) -> ssl.SSLSocket:
        self.opened += 1
        plain = socket.create_connection(self._address, TIMEOUT_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._context.wrap_socket(plain, server_hostname=HOST)

    @staticmethod
    def _more(sock: ssl.SSLSocket) -> bytes:
        data = sock.recv(65536)
        if not data:
            raise ConnectionError("it ended before the answer did")
        return data


def browse(
    caller: Caller, paths: list[str], seen: Seen, first_at: float, step_s: float, until: float
) -> None:
    """One thread's timetable."""
    number = 0
    while (due := first_at + number * step_s) < until:
        time.sleep(max(0.0, due - time.monotonic()))
        failure = ""
        try:
            path = paths[number % len(paths)]
            status = caller.ask(path, anew=number % NEW_EVERY == 0)
            if status != 200:
                failure = f"{status} {path}"
        except (OSError, StopIteration) as error:
            failure = repr(error)
        now = time.monotonic()
        with seen.lock:
            seen.gap_s, seen.last = max(seen.gap_s, now - seen.last), now
            seen.answered += not failure
            seen.latencies_s.append(now - due)
            if failure:
                seen.failures[failure] += 1
        number += 1
    with seen.lock:
        seen.new += caller.opened
    caller.hang_up()


def load(
    address: tuple[str, int],
    ca: Path,
    cookie: str,
    paths: list[str],
    rate: float,
    seconds: float,
    threads: int = 24,
) -> Seen:
    """Ask `rate` times a second for so long."""
    seen = Seen()
    begin = time.monotonic()
    step_s = threads / rate
    crowd = [
        threading.Thread(
            target=browse,
            args=(
                Caller(address, ca, cookie),
                # Each begins somewhere else, or all would ask for the same at once.
                paths[number % len(paths) :] + paths[: number % len(paths)],
                seen,
                begin + number / rate,
                step_s,
                begin + seconds,
            ),
            daemon=True,
        )
        for number in range(threads)
    ]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    return seen


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("ca", type=Path)
    parser.add_argument("cookie")
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    seen = load((given.host, given.port), given.ca, given.cookie, given.paths, given.rate, given.seconds)
    print(json.dumps(seen.told()))


if __name__ == "__main__":
    main()
