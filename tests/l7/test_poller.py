"""Who waits is woken, once, and nobody spins."""

import socket

import trio
import trio.testing

from edge.l7.poller import Poller


async def test_a_reader_is_woken_when_there_is_something_to_read() -> None:
    """And registers its descriptor once, however often it waits."""
    ours, theirs = socket.socketpair()
    poller = Poller()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(poller.run)
        watch = poller.watch(ours.fileno())
        for number in range(3):
            theirs.send(b"%d" % number)
            with trio.fail_after(2):
                await watch.readable()
            assert ours.recv(10) == b"%d" % number
        nursery.cancel_scope.cancel()
    ours.close()
    theirs.close()


async def test_what_comes_while_nobody_reads_is_not_lost() -> None:
    """It is taken out of the epoll, or it would be reported for ever; the next wait returns at once."""
    ours, theirs = socket.socketpair()
    poller = Poller()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(poller.run)
        watch = poller.watch(ours.fileno())
        theirs.send(b"a")
        await watch.readable()
        ours.recv(10)
        theirs.send(b"b")
        with trio.fail_after(2):
            while not watch.stale:
                await trio.lowlevel.checkpoint()
            await watch.readable()
        assert ours.recv(10) == b"b"
        nursery.cancel_scope.cancel()
    ours.close()
    theirs.close()


async def test_a_reader_can_be_woken_without_anything_to_read() -> None:
    """The deadline walker does that."""
    ours, theirs = socket.socketpair()
    poller = Poller()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(poller.run)
        watch = poller.watch(ours.fileno())
        async with trio.open_nursery() as readers:
            readers.start_soon(watch.readable)
            await trio.testing.wait_all_tasks_blocked()
            watch.wake()
        nursery.cancel_scope.cancel()
    ours.close()
    theirs.close()


async def test_a_cancelled_reader_leaves_nothing_behind() -> None:
    """The next one may wait on the same socket."""
    ours, theirs = socket.socketpair()
    poller = Poller()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(poller.run)
        watch = poller.watch(ours.fileno())
        with trio.move_on_after(0.01):
            await watch.readable()
        theirs.send(b"a")
        with trio.fail_after(2):
            await watch.readable()
        watch.close()
        nursery.cancel_scope.cancel()
    ours.close()
    theirs.close()
