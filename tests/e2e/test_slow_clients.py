"""300 clients that trickle, by somebody else's tool, while an honest phone keeps asking."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest
import trio

from tests.kit.l7_edge import Phone, Script, hello, running

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.tool,
    pytest.mark.skipif(shutil.which("slowhttptest") is None, reason="apt-get install slowhttptest"),
]

CLIENTS = 300
# Issue 4: all of them closed within this, counted from the last one's connection.
CLOSED_WITHIN_S = 30.0
# More than the kernel buffers between two processes on loopback.
BIG = hello(b"x" * 4_000_000)

HEADERS = ["-H", "-i", "3"]
BODIES = ["-B", "-i", "5", "-s", "8192", "-x", "10", "-t", "POST"]
READERS = ["-X", "-w", "512", "-y", "1024", "-n", "5", "-z", "32", "-k", "1"]


@pytest.mark.parametrize("kind", [HEADERS, BODIES, READERS], ids=["headers", "bodies", "readers"])
async def test_who_trickles_is_cut_and_who_does_not_is_served(tmp_path: Path, kind: list[str]) -> None:
    """Each costs a descriptor and a few kilobytes for as long as it is allowed to stay."""
    service = Script(lambda head, body: BIG if head.startswith(b"GET /big") else hello(b"hello"))
    waits: list[float] = []

    async with running(tmp_path, service, patience_s=110) as edge, trio.open_nursery() as nursery:

        async def ask(phone: Phone) -> None:
            while True:
                began = time.monotonic()
                assert (await phone.get("/hello")).status == 200
                waits.append(time.monotonic() - began)
                await trio.sleep(0.05)

        nursery.start_soon(ask, await edge.phone())
        url = f"https://127.0.0.1:{edge.ports['https']}/{'big' if kind is READERS else 'small'}"
        command = ["slowhttptest", *kind, "-c", str(CLIENTS), "-r", str(CLIENTS), "-l", "80", "-u", url]
        tool = await trio.lowlevel.open_process(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            peak, filled_at = 0, time.monotonic()
            with trio.fail_after(100):
                while peak < CLIENTS * 0.9 or len(edge.worker.connections) > 1:
                    if len(edge.worker.connections) > peak:
                        peak, filled_at = len(edge.worker.connections), time.monotonic()
                    await trio.sleep(0.1)
            took_s = time.monotonic() - filled_at
        finally:
            tool.kill()
        nursery.cancel_scope.cancel()

    print(f"{peak} at once, all closed {took_s:.1f} s later; {len(waits)} served, worst {max(waits):.2f} s")
    assert took_s < CLOSED_WITHIN_S
    assert max(waits) < 5.0
