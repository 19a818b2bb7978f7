"""Who waits is woken, once, and nobody spins."""

import socket
from collections.abc import Callable

import trio
import trio.testing

from edge.l7.poller import LOOKS_MAX, TAKEN, Poller


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


async def test_what_was_dealt_with_leads_to_another_look_at_once() -> None:
    """When little is going on, a turn of the loop for each event is a good part of what serving it costs."""
    first, to_first = socket.socketpair()
    second, to_second = socket.socketpair()
    poller, seen = Poller(), []

    def on_first() -> int:
        seen.append(first.recv(10))
        to_second.send(b"b")
        return TAKEN

    def on_second() -> int:
        seen.append(second.recv(10))
        return TAKEN

    async def others() -> None:
        while True:
            await trio.lowlevel.checkpoint()
            seen.append(b"turn")

    for sock, express in ((first, on_first), (second, on_second)):
        watch = poller.watch(sock.fileno())
        watch.express = express
        watch.arm()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        nursery.start_soon(poller.run)
        to_first.send(b"a")
        with trio.fail_after(2):
            while b"b" not in seen:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    for sock in (first, to_first, second, to_second):
        sock.close()

    assert seen.index(b"b") == seen.index(b"a") + 1


async def test_others_get_their_turn_whatever_comes() -> None:
    """An express that is called again and again must not have the loop to itself."""
    ours, theirs = socket.socketpair()
    poller, called, turns = Poller(), 0, 0

    def insatiable() -> int:
        nonlocal called
        called += 1
        return TAKEN

    watch = poller.watch(ours.fileno())
    watch.express = insatiable
    watch.arm()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(poller.run)
        theirs.send(b"a")
        with trio.fail_after(2):
            while called < 100:
                turns += 1
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    ours.close()
    theirs.close()

    assert turns >= 100 // (LOOKS_MAX + 1)


async def test_what_one_look_brings_is_sent_in_a_row_and_written_down_after_it() -> None:
    """A peer that sleeps is woken by the first write and finds the others while it is awake."""
    pairs = [socket.socketpair() for _ in range(3)]
    poller, said = Poller(), []

    def express(number: int) -> Callable[[], int]:
        def on_event() -> int:
            pairs[number][0].recv(10)
            said.append(f"judge {number}")
            poller.send_soon(lambda: send(number))
            return TAKEN

        return on_event

    def send(number: int) -> None:
        said.append(f"send {number}")
        poller.when_sent(lambda: said.append(f"note {number}"))

    for number, (ours, theirs) in enumerate(pairs):
        watch = poller.watch(ours.fileno())
        watch.express = express(number)
        watch.arm()
        theirs.send(b"a")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(poller.run)
        with trio.fail_after(2):
            while len(said) < 9:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    for pair in pairs:
        for sock in pair:
            sock.close()

    assert [word.split()[0] for word in said] == ["judge"] * 3 + ["send"] * 3 + ["note"] * 3


async def test_what_is_sent_between_two_looks_is_sent_at_once() -> None:
    """A task that serves in passing has no look to wait for."""
    poller, said = Poller(), []

    poller.send_soon(lambda: said.append("sent"))

    assert said == ["sent"]
