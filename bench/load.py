"""Put load on something, and learn what it saw.  [I/O]

wrk for HTTP: closed loop, fixed number of connections, one thread, pinned to the
load's core.  Its own report goes through a Lua `done` hook as JSON, because its
printed one rounds.
"""

import json
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

LOAD_CPU = "0"
DONE = """
function done(summary, latency, requests)
  io.write(string.format(
    '\\nJSON{"requests":%d,"us":%d,"errors":%d,"p50_us":%d,"p99_us":%d,"bytes":%d}\\n',
    summary.requests, summary.duration,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status
      + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99), summary.bytes))
end
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the load generator saw."""

    requests: int
    seconds: float
    errors: int
    p50_us: int
    p99_us: int
    bytes: int


def wrk(url: str, *, connections: int, seconds: float, script: str = "", headers: dict[str, str]) -> Seen:
    """Run wrk against `url`.  Raises `RuntimeError` when it reports nothing."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as lua:
        lua.write(script + DONE)
        lua.flush()
        command = [
            "taskset",
            "-c",
            LOAD_CPU,
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds:g}s",
            "-s",
            lua.name,
        ]
        for name, value in headers.items():
            command += ["-H", f"{name}: {value}"]
        done = subprocess.run(
            [*command, url], capture_output=True, text=True, timeout=seconds + 30, check=False
        )
    for line in done.stdout.splitlines():
        if line.startswith("JSON"):
            seen = json.loads(line[4:])
            return Seen(
                seen["requests"],
                seen["us"] / 1e6,
                seen["errors"],
                seen["p50_us"],
                seen["p99_us"],
                seen["bytes"],
            )
    raise RuntimeError(f"wrk reported nothing for {url}: {done.stdout[-500:]} {done.stderr[-500:]}")


@contextmanager
def holding(url: str, count: int, headers: dict[str, str]) -> Iterator[None]:
    """So many TLS connections, each of which has asked once, kept open."""
    place = urlsplit(url)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"GET /feed HTTP/1.1\r\n{lines}\r\n".encode()
    with ExitStack() as stack:
        for _ in range(count):
            plain = socket.create_connection((str(place.hostname), place.port or 443), 10)
            phone = stack.enter_context(context.wrap_socket(plain, server_hostname="i.edge.test"))
            phone.sendall(request)
            phone.recv(65536)
        yield


def novel_requests(path: str) -> str:
    """A wrk script in which no two requests have the same query, cookie or traceparent."""
    return f"""
local n = 0
math.randomseed(os.time())
local run = math.random(0, 0xffffff)
function request()
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
