"""How late is the worker's loop while others attack the firewall?  [I/O]

    python -m bench.waf_stall /usr/share/modsecurity-crs
    python -m bench.waf_stall --no-embedded DIRECTORY

Eight phones send nothing but requests made to be dear, each as soon as the last was answered, through the
same two ways as in a worker: tried by the loop in a hurry, then in the one other thread.  Requests are made
before the clock starts.  Two things are measured:

* *stall*: CPU time of the loop's thread from one look at its sockets to the next.  That long nobody else is
  served, whatever the machine.
* *late*: a task asks to be woken each millisecond, and this is how late it is.  Part of that is the machine
  and the interpreter, so two more rows say how late the same task is in an idle process, and beside a thread
  that does nothing but compute in plain Python."""

import argparse
import gc
import json
import random
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import trio

from bench.waf_cost import HEADERS, PIECES, message
from edge.l7.inspections import INLINE_BODY_BYTES_MAX, SWITCH_INTERVAL_S
from edge.l7.waf.inspector import Inspector
from edge.l7.waf.load import load_ruleset
from edge.l7.waf.matcher import TooDear
from edge.l7.waf.request import WafRequest
from edge.l7.waf.warm_up import warm_up

PHONES = 8
TICK_S = 0.001
STALL_S_MAX = 0.005
Sample = tuple[WafRequest, bytes | None]
FORM = b"application/x-www-form-urlencoded"


def posted(kind: bytes, body: bytes) -> Sample:
    about = ((b"content-type", kind), (b"content-length", b"%d" % len(body)))
    return WafRequest("127.0.0.1", "POST", b"/post", "HTTP/1.1", HEADERS + about), body


def _pieces(dice: random.Random, size: int) -> bytes:
    return b"".join(dice.choices(PIECES, k=size // 4)).replace(b"&", b"%26")[:size]


def _arguments(dice: random.Random, size: int) -> bytes:
    return b"&".join(b"a%d=%b" % (one, _pieces(dice, 12)) for one in range(size // 9))[:size]


def _head(dice: random.Random, size: int) -> Sample:
    target = b"/p?q=" + _pieces(dice, size).replace(b" ", b"+")
    cookie = (b"cookie", b"a=" + _pieces(dice, size))
    return WafRequest("127.0.0.1", "GET", target, "HTTP/1.1", (*HEADERS, cookie)), None


def _lines(dice: random.Random, size: int) -> Sample:
    lines = tuple((b"x-%d" % one, _pieces(dice, size // 20)) for one in range(20))
    return WafRequest("127.0.0.1", "GET", b"/p", "HTTP/1.1", HEADERS + lines), None


def _json(dice: random.Random, size: int) -> Sample:
    leaves = [{"t": _pieces(dice, 40).decode()} for _ in range(size // 60)]
    return posted(b"application/json", json.dumps({"i": leaves}).encode())


KINDS: dict[str, Callable[[random.Random], Sample]] = {
    "form, 900 bytes": lambda dice: posted(FORM, b"t=" + _pieces(dice, 900)),
    "form, 2 kB": lambda dice: posted(FORM, b"t=" + _pieces(dice, 2000)),
    "form, 6 kB": lambda dice: posted(FORM, b"t=" + _pieces(dice, 6000)),
    "form, 8 kB": lambda dice: posted(FORM, b"t=" + _pieces(dice, 8000)),
    "form, 128 kB": lambda dice: posted(FORM, b"t=" + _pieces(dice, 128_000)),
    "100 arguments": lambda dice: posted(FORM, _arguments(dice, 900)),
    "700 arguments": lambda dice: posted(FORM, _arguments(dice, 6000)),
    "14,000 arguments": lambda dice: posted(FORM, _arguments(dice, 128_000)),
    "head, 1.5 kB": lambda dice: _head(dice, 700),
    "head, 8 kB": lambda dice: _head(dice, 4000),
    "20 header lines": lambda dice: _lines(dice, 4000),
    "4 kB of hostile JSON": lambda dice: _json(dice, 4000),
    "4 kB of plain JSON": lambda dice: message(dice.randrange(10**9)),
    "6 kB of noise": lambda dice: posted(b"text/plain", dice.randbytes(6000)),
}


class Passes(trio.abc.Instrument):
    """What each pass of the loop took of its thread's time."""

    def __init__(self) -> None:
        self.stalls: list[float] = []
        self._began = 0.0

    def before_run(self) -> None:
        self._began = time.thread_time()

    def after_io_wait(self, timeout: float) -> None:
        self._began = time.thread_time()

    def before_io_wait(self, timeout: float) -> None:
        self.stalls.append(time.thread_time() - self._began)


class Loop:
    """One kind of requests, for some seconds."""

    def __init__(self, inspector: Inspector, seconds: float) -> None:
        self._inspector, self._seconds = inspector, seconds
        self._samples: list[Sample] = []
        self._thread = trio.CapacityLimiter(1)
        self.late: list[float] = []
        self.answered = 0
        self._passes = Passes()

    def attacked(self, samples: list[Sample]) -> None:
        """Eight phones send these."""
        self._samples = samples
        trio.run(self._attacked, instruments=[self._passes])

    def idle(self) -> None:
        """Nobody sends anything."""
        trio.run(self._ticking, instruments=[self._passes])

    def beside_a_busy_thread(self) -> None:
        """Another thread computes."""
        over = threading.Event()
        other = threading.Thread(target=_compute, args=(over,))
        other.start()
        self.idle()
        over.set()
        other.join()

    def told(self) -> str:
        """What was measured, on one line."""
        over = sum(late > STALL_S_MAX for late in self.late)
        return (
            f"{self.answered:5}  stall {_told(self._passes.stalls)}"
            f"  late {_told(self.late)}, {over} of {len(self.late)} over 5"
        )

    async def _ticking(self) -> None:
        await self._tick(trio.current_time() + self._seconds)

    async def _attacked(self) -> None:
        until = trio.current_time() + self._seconds
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tick, until)
            for _ in range(PHONES):
                nursery.start_soon(self._phone, until)

    async def _tick(self, until: float) -> None:
        due = trio.current_time()
        while due < until:
            due += TICK_S
            await trio.sleep_until(due)
            now = trio.current_time()
            self.late.append(now - due)
            due = max(due, now)

    async def _phone(self, until: float) -> None:
        while self._samples and trio.current_time() < until:
            head, body = self._samples.pop()
            if not self._tried(head, body):
                await trio.to_thread.run_sync(
                    self._inspector.inspect_apart, head, body, 0.0, limiter=self._thread
                )
            self.answered += 1
            await trio.lowlevel.checkpoint()

    def _tried(self, head: WafRequest, body: bytes | None) -> bool:
        if body is not None and len(body) > INLINE_BODY_BYTES_MAX:
            return False
        with suppress(TooDear):
            if body is None:
                self._inspector.inspect_head(head, 0.0, hurried=True)
            else:
                self._inspector.inspect_body(head, body, 0.0, hurried=True)
            return True
        return False


def _compute(over: threading.Event) -> None:
    while not over.is_set():
        sum(range(100))


def _told(seconds: list[float]) -> str:
    ranked = sorted(seconds)
    return "p50 {:.2f} p99 {:5.2f} max {:5.2f} ms".format(
        *(1000 * ranked[min(len(ranked) - 1, int(len(ranked) * share))] for share in (0.5, 0.99, 1.0))
    )


def main() -> None:
    """Print one line a kind, and one each for the machine and the interpreter."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--no-embedded", action="store_true")
    parser.add_argument("--seconds", type=float, default=4.0)
    asked = parser.parse_args()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    rules = load_ruleset([asked.directory], embedded=not asked.no_embedded)
    inspector = Inspector(rules, clock=time.monotonic, cpu=time.thread_time)
    warm_up(inspector)
    for name, make in KINDS.items():
        dice = random.Random(name)
        samples = [make(dice) for _ in range(200 if "128" in name or name.startswith("14,") else 1000)]
        gc.collect()
        gc.freeze()  # as a worker does
        loop = Loop(inspector, asked.seconds)
        loop.attacked(samples)
        print(f"{name:22}{loop.told()}", flush=True)
    alone, beside = (Loop(inspector, 3 * asked.seconds) for _ in range(2))
    alone.idle()
    beside.beside_a_busy_thread()
    print(f"{'an idle process':22}{alone.told()}\n{'beside a busy thread':22}{beside.told()}")


if __name__ == "__main__":
    main()
