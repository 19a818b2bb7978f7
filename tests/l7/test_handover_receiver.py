"""Connections arrive from L4 with their story, and L4 hears what became of them."""

import io
import socket
from collections.abc import Callable
from pathlib import Path

import trio

from edge.common.handover import CREDIT_BYTES_MAX, Credit, Handover, decode_credit, encode_batch
from edge.common.log import Log
from edge.l7.handover_receiver import HandoverReceiver
from edge.l7.poller import Poller
from tests.kit.l7_worker import handover


class Taken:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []
        self.records: list[Handover] = []
        self.ends: list[Callable[[int], None]] = []

    def __call__(self, sock: socket.socket, record: Handover, ended: Callable[[int], None]) -> None:
        self.sockets.append(sock)
        self.records.append(record)
        self.ends.append(ended)


def _link(path: Path) -> socket.socket:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link.connect(str(path))
    link.setblocking(False)
    return link


async def _credit(link: socket.socket) -> Credit:
    with trio.fail_after(2):
        await trio.lowlevel.wait_readable(link)
    return decode_credit(link.recv(CREDIT_BYTES_MAX))


async def test_a_batch_is_taken_and_credited(tmp_path: Path) -> None:
    """Until `taken` says so L4 keeps its copy; what has ended frees what its source may hold."""
    path, taken = tmp_path / "l7" / "w.sock", Taken()
    receiver = HandoverReceiver(path, taken, Log("t", "t"), poller := Poller())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(poller.run)
        nursery.start_soon(receiver.run, receiver.listen())
        link = _link(path)
        ours, theirs = socket.socketpair()
        first_record = handover(1, ("198.51.100.7", 1))._replace(ticket=70)
        batch = encode_batch(7, [first_record, handover(2, ("2001:db8::1", 2))])
        socket.send_fds(link, [batch], [theirs.fileno(), theirs.fileno()])

        first = await _credit(link)
        taken.ends[0](taken.records[0].ticket)
        second = await _credit(link)

        assert (first.taken, first.open, list(first.closed)) == (8, 2, [])
        assert (second.taken, second.open, list(second.closed)) == (8, 1, [70])
        assert taken.sockets[1].family == socket.AF_INET6
        assert path.stat().st_mode & 0o777 == 0o600
        nursery.cancel_scope.cancel()
    for sock in (*taken.sockets, ours, theirs, link):
        sock.close()


async def test_a_batch_that_does_not_fit_its_sockets_ends_that_link_and_leaks_nothing(tmp_path: Path) -> None:
    """A descriptor that nobody closes is a phone that waits for ever."""
    path, taken = tmp_path / "l7" / "w.sock", Taken()
    receiver = HandoverReceiver(path, taken, Log("t", "t", stream=io.StringIO()), poller := Poller())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(poller.run)
        nursery.start_soon(receiver.run, receiver.listen())
        link, other = _link(path), _link(path)
        ours, theirs = socket.socketpair()
        socket.send_fds(link, [encode_batch(1, [])], [theirs.fileno()])
        theirs.close()
        with trio.fail_after(2):
            await trio.lowlevel.wait_readable(link)
            assert link.recv(10) == b"", "the link has ended"
            assert ours.recv(10) == b"", "and so has the connection that nobody would have owned"
        other.send(encode_batch(1, []))
        assert (await _credit(other)).taken == 0, "other links live on, and a probe is answered"
        nursery.cancel_scope.cancel()
    for sock in (ours, link, other):
        sock.close()
    assert not taken.sockets


async def test_a_drain_is_told_to_every_l4(tmp_path: Path) -> None:
    """New connections go elsewhere from here on."""
    path = tmp_path / "l7" / "w.sock"
    receiver = HandoverReceiver(path, Taken(), Log("t", "t"), poller := Poller())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(poller.run)
        nursery.start_soon(receiver.run, receiver.listen())
        links = [_link(path), _link(path)]
        for link in links:
            link.send(encode_batch(1, []))
            assert not (await _credit(link)).draining
        receiver.drain()
        assert [(await _credit(link)).draining for link in links] == [True, True]
        nursery.cancel_scope.cancel()
    for link in links:
        link.close()
