"""The smallest tier: announces itself and waits.  Supervisor tests run it for real."""

from edge.common.process import Process


async def serve(process: Process) -> None:
    process.live("toy")
    await process.draining.wait()


async def crash(process: Process) -> None:
    raise RuntimeError("born to die")
