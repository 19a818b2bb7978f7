"""A real worker behind TLS, with a door of plain TCP in front: for suites that speak no TLS.

`python -m tests.kit.plain_door RUN_DIR` prints its ports as JSON ("plain" is the door).
The service behind echoes every body.  The door adds nothing: bytes, and half-closes, go
through as they come, because such suites stop sending and still want an answer.
"""

import json
import os
import socket
import ssl
import sys
from functools import partial
from pathlib import Path

import trio

from edge.common.config import Config
from edge.common.process import Process
from edge.l7.http1.body import ChunkedBody
from edge.l7.worker import serve
from edge.supervise.keys import ensure_keys
from tests.kit.l7_edge import Script, hello
from tests.kit.l7_worker import ToyL4, toy_config

NAME = "l7-mumbai-1"


async def door(context: ssl.SSLContext, https_port: int, plain: trio.SocketStream) -> None:
    """One connection through the door."""
    async with await trio.open_tcp_stream("127.0.0.1", https_port) as tcp:
        tls = trio.SSLStream(tcp, context, server_hostname="i.edge.test", https_compatible=True)
        await tls.do_handshake()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_inwards, plain, tls, tcp)
            try:
                while data := await tls.receive_some(65536):
                    await plain.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            await trio.aclose_forcefully(plain)
            nursery.cancel_scope.cancel()


async def _inwards(
    plain: trio.SocketStream, tls: "trio.SSLStream[trio.SocketStream]", tcp: trio.SocketStream
) -> None:
    try:
        while data := await plain.receive_some(65536):
            await tls.send_all(data)
        # TLS has no half-close that Python offers; TCP has one, and the edge takes it.
        tcp.socket.shutdown(socket.SHUT_WR)
    except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
        pass


async def run(run_dir: Path) -> None:
    """Serve until killed."""
    async with trio.open_nursery() as nursery:
        echo = Script(_echo)
        listeners = await nursery.start(partial(trio.serve_tcp, _kindly(echo), 0, host="127.0.0.1"))
        config: Config = toy_config(f"127.0.0.1:{listeners[0].socket.getsockname()[1]}")
        ensure_keys(run_dir, config)
        (run_dir / "l7").mkdir(exist_ok=True)
        l4 = ToyL4(run_dir / "l7" / f"{NAME}.sock")
        context = ssl.create_default_context(cafile=str(run_dir / "ca.pem"))
        doors = await nursery.start(
            partial(trio.serve_tcp, _kindly(partial(door, context, l4.ports["https"])), 0, host="127.0.0.1")
        )
        nursery.start_soon(l4.run)
        nursery.start_soon(serve, Process.for_test(config, run_dir, name=NAME, tier="l7", pop="mumbai"))
        with trio.fail_after(10):
            while not (run_dir / "l7" / f"{NAME}.sock").exists():
                await trio.sleep(0.01)
        print(
            json.dumps(l4.ports | {"plain": doors[0].socket.getsockname()[1], "pid": os.getpid()}), flush=True
        )


def _echo(head: bytes, body: bytes) -> bytes:
    chunked = b"transfer-encoding: chunked" in head.lower()
    return hello(b"".join(ChunkedBody().feed(body)) if chunked else body)


def _kindly(serve_one: object) -> object:
    async def guarded(stream: trio.SocketStream) -> None:
        try:
            await serve_one(stream)  # type: ignore[operator]
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    return guarded


if __name__ == "__main__":
    trio.run(run, Path(sys.argv[1]))
