"""HAProxy: one thread, TCP or HTTP.  [I/O]"""

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.contender import MEASURED_CPU, Running, await_port, free_port, spawn, stop

_CONFIG = """
global
  nbthread 1
  maxconn 8000
  maxpipes 512
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
# The nearest equal features: a limit per source and one per session, forwarding headers, an id, a log
# line.  What HAProxy has no equal for (a session's signature, a firewall, traces) it does not do.
FEATURES = {
    "globals": "log 127.0.0.1:{sink} local0",
    "defaults": "log global\n  option httplog",
    "frontend": "http-request track-sc0 src table by-source\n"
    "  http-request track-sc1 req.cook(edge_session) table by-session\n"
    "  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 100000000 }}\n"
    "  http-request deny deny_status 429 if {{ sc_http_req_rate(1) gt 100000000 }}\n"
    "  http-request set-header X-Forwarded-For %[src]\n"
    "  unique-id-format %{{+X}}o%ci%cp%fi%fp%Ts%rt%pid\n"
    "  unique-id-header X-Request-Id",
    "extra": "backend by-source\n  stick-table type ip size 100k expire 30s store http_req_rate(10s)\n"
    "backend by-session\n  stick-table type string len 64 size 100k expire 30s store http_req_rate(10s)",
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
    defaults: str = "",
) -> Iterator[Running]:
    """HAProxy before the origin; with `certificate` (key and chain in one file) it ends TLS."""
    port = free_port()
    told = dict.fromkeys(("globals", "defaults", "frontend", "backend", "extra"), "")
    told["defaults"] = defaults
    tls = f"ssl crt {certificate} alpn http/1.1 ssl-min-ver TLSv1.2" if certificate else ""
    configuration = folder / "haproxy.cfg"
    # Log lines go to a socket that nobody reads: sending them is HAProxy's work, keeping them is not.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("127.0.0.1", 0))
        told |= {name: text.format(sink=sink.getsockname()[1]) for name, text in (features or {}).items()}
        configuration.write_text(_CONFIG.format(port=port, origin=origin_port, mode=mode, tls=tls, **told))
        process = spawn(["haproxy", "-db", "-f", str(configuration)], folder, MEASURED_CPU)
        try:
            await_port(port, process)
            yield Running(f"http{'s' if certificate else ''}://127.0.0.1:{port}", [process.pid])
        finally:
            stop(process)
