"""A member that asks: what the console does all day."""

from pathlib import Path

import pytest
import trio

from edge.common.errors import LinkLost
from edge.common.link_client import FLUSH_S
from edge.common.messages import Report
from edge.common.process import Process
from tests.kit.hubs import CONFIG, running_hub, until


async def test_a_member_asks_the_others_through_the_hub(tmp_path) -> None:
    """The console is a member like any other and sees what everybody remembers."""
    console = Process.for_test(CONFIG, tmp_path, name="console", tier="console")
    feed = Process.for_test(CONFIG, tmp_path, name="feed-1", tier="service", service="feed")
    feed.link.on_ask("stats", lambda args: {"in_flight": 3, "seen": args})
    async with running_hub(tmp_path), trio.open_nursery() as nursery:
        nursery.start_soon(console.link.run)
        nursery.start_soon(feed.link.run)
        await until(lambda: console.link.connected and "feed-1" in console.link.members)

        answers = await console.link.ask("stats", target="feed", after=7)
        status = await console.link.ask("status")

        assert answers == {"feed-1": {"in_flight": 3, "seen": {"after": 7}}}
        assert {member["name"] for member in status} == {"console", "feed-1"}
        nursery.cancel_scope.cancel()


async def test_a_member_commands_and_hears_what_became_of_it(tmp_path) -> None:
    """A refusal comes back as one, with its reason."""
    console = Process.for_test(CONFIG, tmp_path, name="console", tier="console")
    feed = Process.for_test(CONFIG, tmp_path, name="feed-1", tier="service", service="feed")
    async with running_hub(tmp_path), trio.open_nursery() as nursery:
        nursery.start_soon(console.link.run)
        nursery.start_soon(feed.link.run)
        await until(lambda: console.link.connected and "feed-1" in console.link.members)

        added = await console.link.command("feed-1", "fault", id="f1", kind="latency", amount=300, for_s=5)
        refused = await console.link.command(
            "feed-1", "fault", id="f2", kind="latency", amount=300, for_s=1e9
        )
        faults = await console.link.ask("faults", target="feed-1")
        cleared = await console.link.command("*", "fault", do="clear")

        assert added.ok and "300 ms" in added.detail
        assert not refused.ok and "600" in refused.detail
        assert [fault["id"] for fault in faults["feed-1"]] == ["f1"]
        assert cleared.ok
        assert not feed.faults.armed
        nursery.cancel_scope.cancel()


async def test_without_a_hub_a_question_fails_at_once(tmp_path) -> None:
    """A page says "the hub is away" instead of hanging."""
    console = Process.for_test(CONFIG, tmp_path, name="console", tier="console")

    with pytest.raises(LinkLost):
        await console.link.ask("status")


async def test_an_order_for_one_that_is_told_to_all_says_nothing_of_whom(tmp_path) -> None:
    """A drill's fault stands in the journal as everybody's."""
    feeds = [
        Process.for_test(CONFIG, tmp_path, name=f"feed-{n}", tier="service", service="feed") for n in (1, 2)
    ]
    console = Process.for_test(CONFIG, tmp_path, name="console", tier="console")
    async with running_hub(tmp_path) as hub, trio.open_nursery() as nursery:
        for process in (*feeds, console):
            nursery.start_soon(process.link.run)
        await until(lambda: len(console.link.members) == 3)

        fault = {"id": "d", "kind": "latency", "amount": 300.0, "hidden": True, "at": "feed-2"}
        done = await console.link.command("feed", "fault", **fault)

        assert done.ok
        assert [process.faults.armed for process in feeds] == [False, True]
        assert done.detail == "feed-1: noted; feed-2: noted"
        assert not any("latency" in entry["detail"] for entry in hub.journal.entries())
        nursery.cancel_scope.cancel()


async def test_reports_go_out_by_themselves_and_cost_an_idle_member_nothing(tmp_path: Path) -> None:
    """Those from before the hub was there, and later ones; between them no clock ticks."""
    heard: list[object] = []
    teller = Process.for_test(CONFIG, tmp_path, name="l7-a-1", tier="l7")
    listener = Process.for_test(CONFIG, tmp_path, name="l7-a-2", tier="l7")
    listener.link.on_report("canary", lambda name, value: heard.append(value))
    teller.link.report("canary", 1)
    async with running_hub(tmp_path), trio.open_nursery() as nursery:
        nursery.start_soon(listener.link.run)
        await until(lambda: listener.link.connected)
        nursery.start_soon(teller.link.run)
        await until(lambda: heard == [1])
        teller.link.report("canary", 2)
        teller.link.report("canary", 3)
        await until(lambda: heard == [1, 2, 3])
        asked = 0
        take = teller.link.take_outbox

        def counted() -> list[Report]:
            nonlocal asked
            asked += 1
            return take()

        teller.link.take_outbox = counted  # type: ignore[method-assign]
        await trio.sleep(6 * FLUSH_S)
        assert asked <= 1, "the look that was due when the last report had gone"
        nursery.cancel_scope.cancel()
