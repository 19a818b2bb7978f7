"""nginx: the origin behind everybody, and a peer.  [I/O]"""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.contender import MEASURED_CPU, OTHER_CPU, Running, await_port, children, free_port, spawn, stop

SMALL = '{"items":"' + "x" * 584 + '"}'  # 600 bytes with its frame
_HEAD = """
{modules}
daemon off;
worker_processes 1;
pid {folder}/{name}.pid;
error_log {folder}/{name}.error crit;
events {{ worker_connections 16384; }}
http {{
  client_body_temp_path {folder}/{name}-body;
  proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-f; uwsgi_temp_path {folder}/{name}-u; scgi_temp_path {folder}/{name}-s;
  keepalive_requests 1000000;
  client_max_body_size 8m;
  {http}
}}
"""
_ORIGIN = """
  access_log off;
  server {{
    {listen}
    default_type application/json;
    location / {{ return 200 '{small}'; }}
    location /large {{ root {folder}/www; }}
    location /cached/ {{ root {folder}/www; add_header Cache-Control "public, max-age=600"; }}
  }}
"""
_PROXY = """
  {log}
  {zones}
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 128; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} ssl backlog=4096;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:tls:10m;
    location / {{
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      {location}
    }}
  }}
"""
# The nearest equal features: a limit per source and one per session, forwarding headers, an access log.
FEATURES = {
    "log": "access_log {folder}/access.log combined buffer=64k flush=1s;",
    "zones": "limit_req_zone $binary_remote_addr zone=source:1m rate=1000000r/s; "
    "limit_req_zone $cookie_edge_session zone=session:10m rate=1000000r/s;",
    "location": "limit_req zone=source burst=1000000 nodelay; limit_req zone=session burst=1000000 nodelay; "
    "proxy_set_header X-Forwarded-For $remote_addr; "
    "proxy_set_header X-Request-Id $request_id;",
}
CACHE = {
    "log": "access_log off;",
    "zones": "proxy_cache_path {folder}/cache keys_zone=cache:10m max_size=100m;",
    "location": "proxy_cache cache;",
}
MODSECURITY = Path("/usr/lib/nginx/modules/ngx_http_modsecurity_module.so")
CORE_RULES = Path("/usr/share/modsecurity-crs")
_RULES = """SecRuleEngine On
SecRequestBodyAccess On
SecAction "id:900990,phase:1,nolog,pass,setvar:tx.crs_setup_version=4280"
Include {rules}/rules/*.conf
"""


def installed() -> str:
    """Empty, or why nginx cannot take part."""
    return "" if shutil.which("nginx") else "nginx is not installed"


def modsecurity_installed() -> str:
    """Empty, or why nginx cannot take part as a firewall."""
    for path in (MODSECURITY, CORE_RULES / "rules"):
        if not path.exists():
            return f"{path} is not installed"
    return installed()


@contextmanager
def firewall(folder: Path, origin_port: int, certificate: Path, key: Path) -> Iterator[Running]:
    """nginx with libmodsecurity and the Core Rule Set as Debian ships them, paranoia 1."""
    rules = folder / "rules.conf"
    rules.write_text(_RULES.format(rules=CORE_RULES))
    features = {
        "location": f"modsecurity on; modsecurity_rules_file {rules};",
        "log": "access_log {folder}/access.log combined buffer=64k flush=1s;",
    }
    with proxy(folder, origin_port, certificate, key, features, f"load_module {MODSECURITY};") as running:
        yield running


@contextmanager
def origin(folder: Path, hosts: Sequence[str] = ("127.0.0.1",)) -> Iterator[int]:
    """The service behind everybody, on each of `hosts`; yields its port."""
    for name, size in (("large", 1 << 20), ("cached/small", 600), ("cached/big", 100_000)):
        file = folder / "www" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((b"0123456789abcdef" * (size // 16 + 1))[:size])
        file.chmod(0o644)
    for parent in (folder, folder / "www", folder / "www" / "cached"):
        parent.chmod(0o755)  # nginx's worker is another user
    port = free_port()
    listen = "\n    ".join(f"listen {host}:{port} backlog=4096;" for host in hosts)
    http = _ORIGIN.format(listen=listen, folder=folder, small=SMALL)
    with _run(folder, "origin", http, "", OTHER_CPU, port, hosts[0]):
        yield port


@contextmanager
def proxy(
    folder: Path, origin_port: int, certificate: Path, key: Path, features: dict[str, str], modules: str = ""
) -> Iterator[Running]:
    """nginx as a TLS reverse proxy with `features`."""
    port = free_port()
    told = {
        name: text.format(folder=folder)
        for name, text in {"log": "", "zones": "", "location": "", **features}.items()
    }
    if not told["log"]:
        told["log"] = "access_log off;"
    http = _PROXY.format(port=port, origin=origin_port, certificate=certificate, key=key, **told)
    with _run(folder, "proxy", http, modules, MEASURED_CPU, port) as pids:
        yield Running(f"https://127.0.0.1:{port}", pids)


@contextmanager
def _run(
    folder: Path, name: str, http: str, modules: str, cpu: str, port: int, host: str = "127.0.0.1"
) -> Iterator[list[int]]:
    configuration = folder / f"{name}.conf"
    configuration.write_text(_HEAD.format(folder=folder, name=name, http=http, modules=modules))
    process = spawn(["nginx", "-p", str(folder), "-c", str(configuration)], folder, cpu)
    try:
        await_port(port, process, host)
        while not (workers := children(process.pid)):  # it listens a moment before it forks
            if process.poll() is not None:
                raise RuntimeError(f"nginx ended; see {folder}")
            time.sleep(0.01)
        yield [process.pid, *workers]
    finally:
        stop(process)
