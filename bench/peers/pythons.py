"""What one would write or take in Python instead: aiohttp with uvloop, and mitmproxy.  [I/O]

Each lives in an environment of its own (`BENCH_PEERS`, default `.bench/`), made
on first use, so that nothing of theirs enters ours.  Where that fails (no network,
say), the row says so.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.contender import MEASURED_CPU, Running, await_port, free_port, spawn, stop

INSTALL_TIMEOUT_S = 180.0
HOME = Path(os.environ.get("BENCH_PEERS", ".bench")).absolute()
AIOHTTP_PROXY = '''
"""A reverse proxy as one writes it with aiohttp: kept-alive client session, streamed bodies, TLS."""
import ssl, sys
import aiohttp, uvloop
from aiohttp import web

port, origin, certificate, key = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "date", "server"}

async def forward(request):
    headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP}
    headers["X-Forwarded-For"] = request.remote
    body = request.content if request.body_exists else None
    async with request.app["session"].request(
        request.method, origin + request.path_qs, headers=headers, data=body, allow_redirects=False
    ) as answer:
        kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP}
        if (answer.content_length or 0) < 65536:
            return web.Response(status=answer.status, headers=kept, body=await answer.read())
        response = web.StreamResponse(status=answer.status, headers=kept)
        response.content_length = answer.content_length
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        return response

async def make():
    app = web.Application(client_max_size=8 << 20)
    app["session"] = aiohttp.ClientSession(auto_decompress=False, connector=aiohttp.TCPConnector(limit=0))
    app.router.add_route("*", "/{path:.*}", forward)
    return app

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
uvloop.install()
web.run_app(make(), host="127.0.0.1", port=port, ssl_context=context, access_log=None, print=None)
'''


def environment(name: str, packages: list[str]) -> Path:
    """The environment of a peer, made if it is not there.  Raises `CalledProcessError`."""
    home = HOME / name
    if not (home / ".done").exists():
        print(f"bench: installing {', '.join(packages)} into {home} (once)", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        # From its own folder: pip must not see what stands in ours.
        subprocess.run(
            [str(home / "bin/pip"), "install", "-q", "--disable-pip-version-check", *packages],
            check=True,
            cwd=home,
            timeout=INSTALL_TIMEOUT_S,
        )
        (home / ".done").touch()
    return home / "bin"


def versions() -> dict[str, str]:
    """Of those that are installed."""
    found = {}
    for name in ("aiohttp", "uvloop", "mitmproxy"):
        for place in HOME.glob(f"*/lib/python*/site-packages/{name}-*.dist-info"):
            found[name] = place.name.removesuffix(".dist-info").partition("-")[2]
    return found


@contextmanager
def aiohttp(folder: Path, origin_port: int, certificate: Path, key: Path) -> Iterator[Running]:
    """aiohttp with uvloop before the origin."""
    program = folder / "aiohttp_proxy.py"
    program.write_text(AIOHTTP_PROXY.lstrip())
    port = free_port()
    python = environment("aiohttp", ["aiohttp", "uvloop"]) / "python"
    arguments = [str(port), f"http://127.0.0.1:{origin_port}", str(certificate), str(key)]
    process = spawn([str(python), str(program), *arguments], folder, MEASURED_CPU)
    try:
        await_port(port, process)
        yield Running(f"https://127.0.0.1:{port}", [process.pid])
    finally:
        stop(process)


@contextmanager
def mitmproxy(folder: Path, origin_port: int, pair: Path) -> Iterator[Running]:
    """mitmdump in reverse mode; `pair` holds key and certificate."""
    port = free_port()
    program = environment("mitmproxy", ["mitmproxy"]) / "mitmdump"
    arguments = [
        "-q", "--mode", f"reverse:http://127.0.0.1:{origin_port}@{port}", "--listen-host", "127.0.0.1",
        "--certs", str(pair), "--set", f"confdir={folder}/mitm", "--set", "keep_host_header=true",
    ]  # fmt: skip
    process = spawn([str(program), *arguments], folder, MEASURED_CPU)
    try:
        await_port(port, process)
        yield Running(f"https://127.0.0.1:{port}", [process.pid])
    finally:
        stop(process)
