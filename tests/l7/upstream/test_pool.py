"""Which connections may be used once more."""

import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from edge.common.config import ClusterConfig
from edge.l7.poller import Poller
from edge.l7.upstream.pool import Channel, Way


@asynccontextmanager
async def _lent() -> AsyncIterator[tuple[Way, Channel, socket.socket]]:
    """A connection that is in use, and the service's end of it."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    poller = Poller()
    way = Way(ClusterConfig(name="toy"), poller)
    channel = Channel(ours, "127.0.0.1:1", way, poller)
    way.in_use = 1
    async with trio.open_nursery() as nursery:
        nursery.start_soon(poller.run)
        channel.watch.arm()
        yield way, channel, theirs
        nursery.cancel_scope.cancel()
    way.close()
    ours.close()
    theirs.close()


async def _until_stale(channel: Channel) -> None:
    with trio.fail_after(2):
        while not channel.stale:
            await trio.lowlevel.checkpoint()


async def test_an_answer_that_came_while_we_wrote_to_the_phone_does_not_cost_the_connection() -> None:
    """It was reported while nobody waited for it, and read after that."""
    async with _lent() as (way, channel, theirs):
        theirs.send(b"the end of an answer")
        await _until_stale(channel)
        assert channel.receive_now() == b"the end of an answer"

        way.give_back(channel, True, time.monotonic())

        assert way.take("127.0.0.1:1", time.monotonic()) is channel


async def test_a_connection_that_the_service_closed_is_not_lent_again() -> None:
    """Its end is reported once more after it was given back."""
    async with _lent() as (way, channel, theirs):
        theirs.send(b"an answer")
        await _until_stale(channel)
        assert channel.receive_now() == b"an answer"
        theirs.close()

        way.give_back(channel, True, time.monotonic())
        await _until_stale(channel)

        assert way.take("127.0.0.1:1", time.monotonic()) is None


async def test_who_says_something_without_being_asked_is_not_lent_again() -> None:
    """What it says would be taken for the next request's answer."""
    async with _lent() as (way, channel, theirs):
        way.give_back(channel, True, time.monotonic())
        theirs.send(b"nonsense")
        await _until_stale(channel)

        assert way.take("127.0.0.1:1", time.monotonic()) is None
