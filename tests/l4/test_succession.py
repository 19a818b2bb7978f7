"""Taking over the sockets of a running process."""

import socket
from pathlib import Path

import trio

from edge.l4.succession import await_heir, bequeath, inherit


async def test_the_heir_gets_the_listening_socket_with_whoever_waits_in_it(tmp_path: Path) -> None:
    """No SYN is lost: the queue is the socket's, and the socket is never closed."""
    path = tmp_path / "l4.sock"
    listener = socket.create_server(("127.0.0.1", 0))
    waiting = await_heir(path)
    over = trio.Event()

    async def done() -> None:
        over.set()

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bequeath, waiting, [listener], done)
            phone = socket.create_connection(listener.getsockname(), timeout=2)
            (inherited,) = await trio.to_thread.run_sync(inherit, path)
            await over.wait()
    listener.close()
    inherited.setblocking(True)
    ours, _ = inherited.accept()
    ours.sendall(b"welcome")

    assert phone.recv(10) == b"welcome"
    for opened in (phone, ours, inherited, waiting):
        opened.close()


def test_without_a_predecessor_there_is_nothing_to_inherit(tmp_path: Path) -> None:
    """Also where a killed one left its path behind."""
    path = tmp_path / "l4.sock"
    await_heir(path).close()

    assert inherit(tmp_path / "never.sock") == []
    assert inherit(path) == []
