"""HAProxy: one thread, TCP or HTTP.  [I/O]"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.contender import MEASURED_CPU, Running, await_port, free_port, spawn, stop

_CONFIG = """
global
  nbthread 1
  maxconn 8000
  tune.ssl.cachesize 20000
  {globals}
defaults
  mode {mode}
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  {defaults}
{extra}
frontend front
  bind 127.0.0.1:{port} backlog 4096 {tls}
  {frontend}
  default_backend origin
backend origin
  {backend}
  server origin 127.0.0.1:{origin}
"""
# The nearest equal features: a limit per source, forwarding headers, a log line.
FEATURES = {
    "globals": "log 127.0.0.1:{sink} local0",
    "defaults": "log global\n  option httplog",
    "frontend": "stick-table type ip size 100k expire 30s store http_req_rate(10s)\n"
    "  http-request track-sc0 src\n"
    "  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 100000000 }}\n"
    "  http-request set-header X-Forwarded-For %[src]\n"
    "  unique-id-format %{{+X}}o%ci%cp%fi%fp%Ts%rt%pid\n"
    "  unique-id-header X-Request-Id",
}
CACHE = {
    "extra": "cache memory\n  total-max-size 64\n  max-object-size 1000000\n  max-age 600",
    "frontend": "http-request cache-use memory\n  http-response cache-store memory",
}


def installed() -> str:
    """Empty, or why HAProxy cannot take part."""
    return "" if shutil.which("haproxy") else "haproxy is not installed"


@contextmanager
def proxy(
    folder: Path,
    origin_port: int,
    *,
    mode: str = "http",
    certificate: Path | None = None,
    features: dict[str, str] | None = None,
) -> Iterator[Running]:
    """HAProxy before the origin; with `certificate` (key and chain in one file) it ends TLS."""
    port, sink = free_port(), free_port()
    told = dict.fromkeys(("globals", "defaults", "frontend", "backend", "extra"), "")
    told |= {name: text.format(sink=sink) for name, text in (features or {}).items()}
    tls = f"ssl crt {certificate} alpn http/1.1 ssl-min-ver TLSv1.2" if certificate else ""
    configuration = folder / "haproxy.cfg"
    configuration.write_text(_CONFIG.format(port=port, origin=origin_port, mode=mode, tls=tls, **told))
    process = spawn(["haproxy", "-db", "-f", str(configuration)], folder, MEASURED_CPU)
    try:
        await_port(port)
        yield Running(f"http{'s' if certificate else ''}://127.0.0.1:{port}", [process.pid])
    finally:
        stop(process)
