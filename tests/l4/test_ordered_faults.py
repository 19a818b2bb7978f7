"""A distributor that is sick on purpose."""

import socket
from collections.abc import Iterator

import pytest
import trio

from edge.common.faults import Fault, Faults
from edge.l4.ordered_faults import SLICES_PER_S, pass_on, survives


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


def ordered(**fault: object) -> Faults:
    faults = Faults()
    faults.add(Fault(id="f", **fault), trio.current_time())  # type: ignore[arg-type]
    return faults


async def test_bytes_on_their_way_wait_out_a_latency(autojump_clock: trio.testing.MockClock) -> None:
    """All of them may go on afterwards."""
    began = trio.current_time()

    assert await pass_on(ordered(kind="latency", amount=300.0), ("l7-1",), 1000) == 1000
    assert trio.current_time() - began == pytest.approx(0.3)


async def test_a_narrow_hop_lets_slices_through(autojump_clock: trio.testing.MockClock) -> None:
    """The rate is held, and a slice is short enough to look smooth."""
    faults = ordered(kind="bandwidth", amount=16.0, for_s=60.0)  # KiB/s
    began, left = trio.current_time(), 32 * 1024
    while left:
        count = await pass_on(faults, (), left)
        assert count <= 16 * 1024 / SLICES_PER_S
        left -= count

    assert trio.current_time() - began == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize(("kind", "amount"), [("reset", 0.0), ("down", 0.0), ("error", 503.0)])
async def test_what_ends_connections_ends_this_one(kind: str, amount: float) -> None:
    """A relay cannot speak for the service, so also an error is a reset."""
    with pytest.raises(ConnectionResetError):
        await pass_on(ordered(kind=kind, amount=amount), (), 1)


async def test_a_fault_towards_one_worker_spares_the_others() -> None:
    """`edge fault add reset --at l4 --to l7-mumbai-1` is about that hop."""
    faults = ordered(kind="reset", to="l7-mumbai-1")

    assert await pass_on(faults, ("l7-mumbai-2", "l7"), 7) == 7
    with pytest.raises(ConnectionResetError):
        await pass_on(faults, ("l7-mumbai-1", "l7"), 7)


async def test_what_hangs_goes_on_when_the_fault_is_over(autojump_clock: trio.testing.MockClock) -> None:
    """Every fault ends by itself; the bytes were only held."""
    began = trio.current_time()

    assert await pass_on(ordered(kind="timeout", for_s=2.0), (), 5) == 5
    assert 2.0 <= trio.current_time() - began <= 2.6
