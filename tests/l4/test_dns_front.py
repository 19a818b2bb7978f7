"""The L4 in front of the name servers, as a process of the edge."""

import os
import socket
from pathlib import Path

import trio
import trio.testing

from edge.common.config import Config
from edge.common.messages import Member, Members
from edge.common.process import Process
from edge.common.proxy_protocol import parse
from edge.l4.dns_front import serve


def bound() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.setblocking(False)
    return made


def dns(name: str, server: socket.socket, state: str = "live") -> Member:
    host, port = server.getsockname()
    return Member(name=name, tier="dns", pid=1, address=f"{host}:{port}", state=state)  # type: ignore[arg-type]


async def test_questions_follow_the_members_that_the_hub_reports(tmp_path: Path) -> None:
    """A name server that drains gets no more; the flow moves to the one that is there."""
    vip, phone, first, second = bound(), bound(), bound(), bound()
    member = Member(name="l4-dns-a", tier="l4", pid=os.getpid())
    process = Process(member, Config(), "test", tmp_path, sockets={"udp": vip})
    asking = trio.socket.from_stdlib_socket(phone)
    servers = {
        "dns-1": trio.socket.from_stdlib_socket(first),
        "dns-2": trio.socket.from_stdlib_socket(second),
    }
    heard: list[tuple[str, bytes]] = []

    async def listen(name: str) -> None:
        while True:
            data, whence = await servers[name].recvfrom(100)
            if data:  # an empty one is a probe
                header, size = parse(data) or (None, 0)
                assert header is not None
                assert header.source == phone.getsockname()
                heard.append((name, data[size:]))
                await servers[name].sendto(b"answer", whence)

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            for name in servers:
                nursery.start_soon(listen, name)
            nursery.start_soon(serve, process)
            await trio.testing.wait_all_tasks_blocked()
            process.link.receive(Members(changed=[dns("dns-1", first)]))
            await asking.sendto(b"one", vip.getsockname())
            assert (await asking.recvfrom(100))[0] == b"answer"
            process.link.receive(Members(changed=[dns("dns-1", first, "draining"), dns("dns-2", second)]))
            await asking.sendto(b"two", vip.getsockname())
            assert (await asking.recvfrom(100))[0] == b"answer"
            nursery.cancel_scope.cancel()
    for opened in (vip, phone, first, second):
        opened.close()

    assert heard == [("dns-1", b"one"), ("dns-2", b"two")]
    assert process.link.member.state == "live"


async def test_a_restarted_front_serves_before_the_hub_says_a_word(tmp_path: Path) -> None:
    """The name servers' sockets are written down, and outlive whoever reads them."""
    vip, phone, server = bound(), bound(), bound()
    (tmp_path / "listen").mkdir()
    host, port = server.getsockname()
    (tmp_path / "listen" / "dns.json").write_text(f'{{"dns-1": {{"inner-udp": "{host}:{port}"}}}}')
    member = Member(name="l4-dns-a", tier="l4", pid=os.getpid())
    process = Process(member, Config(), "test", tmp_path, sockets={"udp": vip})
    listening = trio.socket.from_stdlib_socket(server)

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, process)
            await trio.testing.wait_all_tasks_blocked()
            phone.sendto(b"one", vip.getsockname())
            first = (await listening.recvfrom(100))[0]
            process.link.receive(Members(changed=[dns("dns-1", server, "starting")], gone=["dns-1"]))
            phone.sendto(b"two", vip.getsockname())
            second = (await listening.recvfrom(100))[0]
            nursery.cancel_scope.cancel()
    for opened in (vip, phone, server):
        opened.close()

    assert first.endswith(b"one")
    assert second.endswith(b"two"), "the last one is kept although it is gone: its socket is not"
