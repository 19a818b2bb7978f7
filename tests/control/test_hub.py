"""The hub and real links to it, over Unix sockets."""

import ssl

import msgpack
import msgspec
import pytest
import trio
import trio.lowlevel

from edge.cli.hub import CommandRefused, ask, command
from edge.common import revision
from edge.common.config import Config
from edge.common.control_tls import CONTROL_NAME
from edge.common.framing import encode
from edge.common.messages import VERSION, Hello, Member
from edge.common.process import Process
from edge.control.hub import Hub
from edge.supervise.formation import Listen
from edge.supervise.keys import ensure_keys
from edge.supervise.sockets import bind
from tests.kit.hubs import CONFIG, running_hub, until


def process(tmp_path, name: str, tier: str = "l7", **more: str) -> Process:
    return Process.for_test(CONFIG, tmp_path, name=name, tier=tier, **more)


async def test_processes_hear_of_each_other(tmp_path) -> None:
    """Membership is how L7 finds its services and L4 its workers."""
    l7, feed = process(tmp_path, "l7-1"), process(tmp_path, "feed-1", "service", service="feed")
    async with running_hub(tmp_path), trio.open_nursery() as nursery:
        nursery.start_soon(l7.link.run)
        nursery.start_soon(feed.link.run)

        feed.live("127.0.0.1:7110")

        await until(lambda: l7.link.members.get("feed-1") and l7.link.members["feed-1"].state == "live")
        assert l7.link.members["feed-1"].address == "127.0.0.1:7110"
        nursery.cancel_scope.cancel()


async def test_a_hub_that_dies_is_rejoined_and_nobody_forgets_anything(tmp_path) -> None:
    """Static stability, over real sockets."""
    l7, feed = process(tmp_path, "l7-1"), process(tmp_path, "feed-1", "service", service="feed")
    async with trio.open_nursery() as nursery:
        async with running_hub(tmp_path):
            nursery.start_soon(l7.link.run)
            nursery.start_soon(feed.link.run)
            await until(lambda: len(l7.link.members) == 2)

        await until(lambda: not l7.link.connected)
        known_without_hub = set(l7.link.members)

        async with running_hub(tmp_path) as second:
            await until(lambda: l7.link.connected and feed.link.connected)
            await until(lambda: len(second._membership.members()) == 2)

        assert known_without_hub == {"l7-1", "feed-1"}
        nursery.cancel_scope.cancel()


async def test_rubbish_ends_one_link_and_no_other(tmp_path) -> None:
    """Malformed, oversized and half frames cost their sender only."""
    good = process(tmp_path, "l7-1")
    hello = encode(Hello(version=VERSION, member=Member(name="bad", tier="l7", pid=1)), 1 << 20)
    async with running_hub(tmp_path) as hub, trio.open_nursery() as nursery:
        nursery.start_soon(good.link.run)
        await until(lambda: good.link.connected)

        for rubbish in (b"\xff" * 8, b"\x00\x00\x00\x01\xc1", hello + hello, hello + b"\x00\x00\x00\x09half"):
            bad = await trio.open_unix_socket(str(tmp_path / "control.sock"))
            await bad.send_all(rubbish)
            await bad.send_eof()
            with trio.fail_after(5):
                while await bad.receive_some(4096):
                    pass
            await bad.aclose()

        await until(lambda: [m.name for m in hub._membership.members()] == ["l7-1"])
        assert good.link.connected
        nursery.cancel_scope.cancel()


async def test_a_reader_that_stops_reading_is_cut(tmp_path) -> None:
    """A slow reader is never buffered without bound."""
    async with running_hub(tmp_path) as hub:
        slow = await trio.open_unix_socket(str(tmp_path / "control.sock"))
        member = Member(name="slow", tier="l7", pid=1)
        await slow.send_all(encode(Hello(version=VERSION, member=member), 1 << 20))
        await until(lambda: "slow" in hub._links)

        big = msgspec.structs.replace(member, name="big", address="x" * 60_000)
        for number in range(400):
            hub._broadcast(hub._membership.join(big, 99 + number, trio.current_time(), 0.0))
            await trio.lowlevel.checkpoint()
            if "slow" not in hub._links:
                break

        await until(lambda: "slow" not in hub._links)
        await slow.aclose()


async def test_a_question_gathers_everybodys_answer(tmp_path) -> None:
    """`edge trace --id` asks everyone; a silent process delays it, and no more."""
    one, two = process(tmp_path, "l7-1"), process(tmp_path, "l7-2")
    one.link.on_ask("stats", lambda args: {"n": 1})
    two.link.on_ask("stats", lambda args: {"n": 2})
    async with running_hub(tmp_path), trio.open_nursery() as nursery:
        nursery.start_soon(one.link.run)
        nursery.start_soon(two.link.run)
        await until(lambda: one.link.connected and two.link.connected)

        answer = await trio.to_thread.run_sync(lambda: ask(tmp_path, "stats", target="l7"))

        assert answer == {"l7-1": {"n": 1}, "l7-2": {"n": 2}}
        nursery.cancel_scope.cancel()


async def test_an_offender_reported_by_one_is_banned_at_all(tmp_path) -> None:
    """Caught at one L7, refused at every L4."""
    l7, l4 = process(tmp_path, "l7-1"), process(tmp_path, "l4-a", "l4")
    async with running_hub(tmp_path), trio.open_nursery() as nursery:
        nursery.start_soon(l7.link.run)
        nursery.start_soon(l4.link.run)
        await until(lambda: l7.link.connected and l4.link.connected)

        l7.link.report("offender", {"source": "203.0.113.9", "reason": "waf", "for_s": 60.0})

        await until(lambda: [ban.network for ban in l4.link.bans] == ["203.0.113.9"])
        assert l4.link.bans[0].by == "l7-1"
        nursery.cancel_scope.cancel()


async def test_a_command_is_carried_out_and_answered_for(tmp_path) -> None:
    """The operator sees what became of it, process by process."""
    l7 = process(tmp_path, "l7-1")
    async with running_hub(tmp_path), trio.open_nursery() as nursery:
        nursery.start_soon(l7.link.run)
        await until(lambda: l7.link.connected)

        said = await trio.to_thread.run_sync(lambda: command(tmp_path, "l7-1", "drain"))

        assert said == "l7-1: l7-1 is draining"
        assert l7.draining.is_set()
        nursery.cancel_scope.cancel()


async def test_a_reload_reaches_everybody_also_those_who_join_later(tmp_path) -> None:
    """Each request's log line names the revision, so all must come to serve under it."""
    new = Config(domain="i.new.test")
    data = revision.encode(new)
    early, late = process(tmp_path, "l7-1"), process(tmp_path, "l7-2")
    async with running_hub(tmp_path), trio.open_nursery() as nursery:
        nursery.start_soon(early.link.run)
        await until(lambda: early.link.connected)

        await trio.to_thread.run_sync(
            lambda: command(tmp_path, "*", "reload", config=data, revision=revision.name(data))
        )
        nursery.start_soon(late.link.run)

        await until(lambda: early.config == new and late.config == new)
        assert early.link.member.revision == late.link.member.revision == revision.name(data)
        nursery.cancel_scope.cancel()


async def test_a_configuration_of_another_version_reaches_nobody(tmp_path) -> None:
    """Who updates the program while an edge runs would else cut every link of it, again and again."""
    strange = msgpack.packb(msgspec.to_builtins(Config()) | {"tomorrow": 1})
    member = process(tmp_path, "l7-1")
    async with running_hub(tmp_path), trio.open_nursery() as nursery:
        nursery.start_soon(member.link.run)
        await until(lambda: member.link.connected)
        before = member.link.member.revision

        with pytest.raises(CommandRefused, match="restart"):
            await trio.to_thread.run_sync(
                lambda: command(tmp_path, "*", "reload", config=strange, revision="strange")
            )

        assert member.link.connected
        assert member.link.member.revision == before
        nursery.cancel_scope.cancel()


async def test_bans_and_weights_survive_the_hub(tmp_path) -> None:
    """An operator's word must not be lost because a process crashed."""
    async with running_hub(tmp_path):
        await trio.to_thread.run_sync(lambda: command(tmp_path, "*", "ban", network="203.0.113.9", for_s=60))

    async with running_hub(tmp_path):
        bans = await trio.to_thread.run_sync(lambda: ask(tmp_path, "bans"))

    assert [ban["network"] for ban in bans] == ["203.0.113.9"]


async def test_another_host_joins_by_mutual_tls_and_a_stranger_does_not(tmp_path) -> None:
    """The control channel can drain and ban, so TCP needs more than an address."""
    ensure_keys(tmp_path, CONFIG)
    tcp = bind(Listen("control-tcp", "tcp", "127.0.0.1"), tmp_path, 0)
    unix = bind(Listen("control", "unix", "control.sock"), tmp_path, 0)
    port = tcp.getsockname()[1]
    far = msgspec.structs.replace(
        CONFIG, control=msgspec.structs.replace(CONFIG.control, connect=f"127.0.0.1:{port}")
    )
    hub = Hub(Process.for_test(CONFIG, tmp_path, name="hub", tier="control"))
    member = Process.for_test(far, tmp_path, name="l7-far", tier="l7")
    stranger = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hub.run, unix, tcp)
        nursery.start_soon(member.link.run)
        await until(lambda: member.link.connected)

        plain = await trio.open_tcp_stream("127.0.0.1", port)
        stream = trio.SSLStream(plain, stranger, server_hostname=CONTROL_NAME)
        with pytest.raises(trio.BrokenResourceError):  # noqa: PT012
            await stream.send_all(encode(Hello(version=VERSION, member=member.link.member), 1 << 20))
            while await stream.receive_some(1024):
                pass

        assert [one.name for one in hub._membership.members()] == ["l7-far"]
        nursery.cancel_scope.cancel()
    tcp.close()
    unix.close()
