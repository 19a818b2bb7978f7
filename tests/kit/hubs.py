"""A hub of one's own, on a Unix socket in a temporary directory."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from edge.common.config import Config, ControlConfig
from edge.common.process import Process
from edge.control.hub import Hub
from edge.supervise.formation import Listen
from edge.supervise.sockets import bind

CONFIG = Config(control=ControlConfig(beat_s=0.05, outbox_frames_max=64))


@asynccontextmanager
async def running_hub(run_dir: Path, config: Config = CONFIG) -> AsyncIterator[Hub]:
    """A hub that serves until the block is left."""
    listener = bind(Listen("control", "unix", "control.sock"), run_dir, 0)
    hub = Hub(Process.for_test(config, run_dir, name="hub", tier="control"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run, listener)
        try:
            yield hub
        finally:
            nursery.cancel_scope.cancel()
            listener.close()


async def until(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Wait until `condition()` is true; looks often, fails loudly."""
    with trio.fail_after(timeout_s):
        while not condition():
            await trio.sleep(0.002)


async def eventually(attempt: Callable[[], Awaitable[object]], timeout_s: float = 20.0) -> None:
    """Wait until `await attempt()` is true."""
    with trio.fail_after(timeout_s):
        while not await attempt():
            await trio.sleep(0.002)
