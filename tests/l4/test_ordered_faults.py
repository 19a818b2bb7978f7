"""A distributor that is sick on purpose."""

import socket
from collections.abc import Iterator

import pytest
import trio

from edge.common.faults import Fault, Faults
from edge.l4.ordered_faults import survives


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        opened.setblocking(False)
        yield opened


async def test_without_a_fault_everybody_passes(listener: socket.socket) -> None:
    """One question, no waiting."""
    assert await survives(Faults(), listener)


async def test_down_turns_the_next_one_away(listener: socket.socket) -> None:
    """By a reset, as a machine without a listener would."""
    faults = Faults()
    faults.add(Fault(id="f", kind="down"), trio.current_time())
    phone = await trio.open_tcp_stream(*listener.getsockname())
    await trio.lowlevel.wait_readable(listener)

    assert not await survives(faults, listener)

    with pytest.raises(trio.BrokenResourceError), trio.fail_after(2):
        await phone.receive_some(1)


async def test_latency_leaves_it_in_the_kernels_queue(listener: socket.socket) -> None:
    """Nobody is turned away; accepting is late."""
    faults = Faults()
    faults.add(Fault(id="f", kind="latency", amount=30), trio.current_time())
    began = trio.current_time()

    assert await survives(faults, listener)

    assert trio.current_time() - began >= 0.03


async def test_a_timeout_is_looked_at_again(listener: socket.socket) -> None:
    """It ends when the fault does, not with the process."""
    faults = Faults()
    faults.add(Fault(id="f", kind="timeout", for_s=0.1), trio.current_time())

    assert not await survives(faults, listener)
    assert await survives(faults, listener)
