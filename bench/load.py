"""Put load on something, and learn what it saw.  [I/O]

wrk for HTTP: closed loop, fixed number of connections, one thread, pinned to the
load's core.  What wrk cannot play (resumed sessions, thousands of connections of
which a few ask, whole journeys) is `bench.phones`.

Both say `MARK` once they are under way; the bill begins there, so that opening the
connections is not part of what a request costs.
"""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import orjson

from bench.contender import OTHER_CPU, Running, pinned
from bench.machine import Meter
from bench.seen import Seen, parse, without_the_first

ROOT = Path(__file__).parents[1]
# A load that is not over by then hangs.
PATIENCE_S = 60.0
# Connections are open and asked once by then.
SETTLED_S = 0.3
# In which hundreds of connections can be opened.
CONNECTING_S = 1.0
Load = Callable[[Running, Meter], Seen]

# Scripts may define `make`, which returns one request.
_COUNTING = """
local made, same = 0, nil
function request()
  made = made + 1
  if made == {mark} then io.write("MARK\\n") io.stdout:flush() end
  if make then return make() end
  same = same or wrk.format()
  return same
end
function done(summary, latency, requests)
  io.write(string.format(
    '\\nJSON{{"requests":%d,"us":%d,"errors":%d,"p50_us":%d,"p90_us":%d,"p99_us":%d,"bytes":%d}}\\n',
    summary.requests, summary.duration,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status
      + summary.errors.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), summary.bytes))
  io.stdout:flush()
end
"""


def wrk(
    url: str,
    meter: Meter,
    *,
    connections: int,
    script: str = "",
    headers: dict[str, str],
) -> Seen:
    """Run wrk against `url`.  Raises `RuntimeError` when it reports nothing."""
    seconds = max(1, round(meter.seconds))  # wrk takes whole ones
    mark = mark_for(meter.rate_per_s, connections, seconds)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as lua:
        lua.write(script + _COUNTING.format(mark=mark))
        lua.flush()
        seen, marked = _watch([*command, "-s", lua.name, url], meter, seconds + PATIENCE_S)
    return without_the_first(seen, min(mark, seen.requests)) if marked and seen.requests > mark else seen


def mark_for(rate_per_s: float, connections: int, seconds: float) -> int:
    """After how many requests is everybody connected, judged by the rate of the turn before?"""
    settled = max(2 * connections, round(rate_per_s * SETTLED_S))
    return min(settled, max(2 * connections, round(rate_per_s * seconds / 2)))


def phones(contest: Running, meter: Meter, **order: object) -> Seen:
    """Run `bench.phones` on an order.  Raises `RuntimeError` when it reports nothing."""
    told = orjson.dumps({"url": contest.url, "seconds": meter.seconds, **order}).decode()
    seen, _ = _watch([sys.executable, "-m", "bench.phones", told], meter, meter.seconds + PATIENCE_S)
    return seen


def stream(url: str, connections: int, mebibytes: int, meter: Meter) -> Seen:
    """Have `bench.stream` read so much from the service at `url`."""
    place = url.partition("://")[2]
    command = [sys.executable, "-m", "bench.stream", "read", place, str(connections), str(mebibytes)]
    return _watch(command, meter, PATIENCE_S)[0]


def _watch(command: list[str], meter: Meter, timeout_s: float) -> tuple[Seen, bool]:
    """What it reported, and whether it marked the moment from which it is to be billed."""
    marked, seen = False, None
    meter.start()
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            pinned(command, OTHER_CPU),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        alarm = threading.Timer(timeout_s, process.kill)
        alarm.start()
        try:
            assert process.stdout is not None, "asked for"
            said = []
            for line in process.stdout:
                if line == "MARK\n":
                    meter.start()
                    marked = True
                elif line.startswith("JSON"):
                    meter.stop()
                    seen = parse(line)
                else:
                    said.append(line)
            process.wait()
        finally:
            alarm.cancel()
            if process.poll() is None:
                process.kill()
                process.wait()
        if seen is None:
            complaints.seek(0)
            raise RuntimeError(f"{command[0]} saw nothing: {''.join(said)[-300:]} {complaints.read()[-300:]}")
    return seen, marked


class Held:
    """So many TLS connections, each of which has asked once, kept open until `close`."""

    def __init__(self, contest: Running, **order: object) -> None:
        told = orjson.dumps({"url": contest.url, "kind": "held", **order}).decode()
        self._process: subprocess.Popen[str] = subprocess.Popen(
            pinned([sys.executable, "-m", "bench.phones", told], OTHER_CPU),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        self._alarm = threading.Timer(2 * PATIENCE_S, self._process.kill)
        self._alarm.start()
        if _out(self._process).readline() != "MARK\n":
            self.close()
            raise RuntimeError("the phones could not hold so many connections")

    def close(self) -> None:
        """Let them go."""
        self._alarm.cancel()
        with suppress(OSError):
            self._process.communicate("", timeout=PATIENCE_S)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def _out(process: "subprocess.Popen[str]") -> IO[str]:
    assert process.stdout is not None, "asked for"
    return process.stdout


def novel_requests(path: str) -> str:
    """A wrk script in which no two requests have the same query, cookie or traceparent."""
    return f"""
local n = 0
math.randomseed(os.time())
local run = math.random(0, 0xffffff)
function make()
  n = n + 1
  local id = string.format("%06x%026x", run, n)
  return wrk.format("GET", "{path}?page=" .. n .. "&q=item" .. run .. n, {{
    ["Host"] = wrk.headers["Host"],
    ["Cookie"] = wrk.headers["Cookie"] .. "; visit=" .. id,
    ["traceparent"] = "00-" .. id .. "-" .. string.sub(id, 1, 15) .. "1-01"
  }})
end
"""


def posted(path: str, body: Path, kind: str) -> str:
    """A wrk script that posts the file `body` under the content type `kind`."""
    return f"""
local file = io.open("{body}", "rb")
wrk.method, wrk.path, wrk.body = "POST", "{path}", file:read("*all")
file:close()
wrk.headers["Content-Type"] = "{kind}"
"""


def thinking(rate_per_s: float, connections: int) -> str:
    """A wrk script in which each connection waits a random while before it asks: `rate_per_s` altogether.

    Exponential, so that requests meet by chance as those of independent people do; in
    whole milliseconds, which is wrk's resolution.  The first time, everybody waits
    `CONNECTING_S` more, so that no request stands behind somebody's handshake.
    """
    return f"""
math.randomseed(os.time())
local asked = 0
function delay()
  asked = asked + 1
  local first = asked <= {connections} and {CONNECTING_S * 1000:.0f} or 0
  return first + math.floor(-{connections * 1000 / rate_per_s:.4f} * math.log(1 - math.random()) + 0.5)
end
"""
