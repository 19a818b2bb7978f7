"""Changing places."""

from pathlib import Path

import trio
import trio.testing

from edge.common.log import Log
from edge.l4.fence import Fence
from edge.l4.pair import Pair

BEAT_S = 0.005
LOG = Log("edge-l4", "test")


class Member:
    """One process's pair, and what it was told."""

    def __init__(self, directory: Path, rank: int) -> None:
        self.pair = Pair(Fence(directory, "mumbai"), LOG, rank=rank, beat_s=BEAT_S)
        self.story: list[str] = []
        self.active = trio.Event()
        self.standby = trio.Event()

    async def reign(self, epoch: int, why: str) -> None:
        self.story.append(f"{epoch}: {why}")
        self.active.set()
        await trio.sleep_forever()

    def stood_down(self) -> None:
        self.story.append("stood down")
        self.standby.set()

    async def run(self) -> None:
        await self.pair.run(self.reign, self.stood_down)


async def test_the_first_is_active_and_an_order_swaps_the_two(tmp_path: Path) -> None:
    """`edge l4 takeover`: the ordered one claims, the other stands down and does not come back."""
    a, b = Member(tmp_path, 0), Member(tmp_path, 1)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.run)
            nursery.start_soon(b.run)
            await a.active.wait()
            b_before = b.pair.is_active()
            b.pair.take_over("ordered")
            await b.active.wait()
            await a.standby.wait()
            assert (a.pair.is_active(), b.pair.is_active()) == (False, True)
            assert (a.pair.epoch, b.pair.epoch) == (0, 2)
            nursery.cancel_scope.cancel()

    assert not b_before
    assert a.story == ["1: nobody was active", "stood down"]
    assert b.story == ["2: ordered"]


async def test_one_that_ends_in_good_order_is_succeeded_and_claims_no_more(tmp_path: Path) -> None:
    """SIGTERM of the active one: the standby accepts while the other still hands over."""
    a, b = Member(tmp_path, 0), Member(tmp_path, 1)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.run)
            nursery.start_soon(b.run)
            await a.active.wait()
            a.pair.stand_down()
            await b.active.wait()
            assert not a.pair.is_active()
            nursery.cancel_scope.cancel()

    assert b.story == ["2: the active one is gone"]


async def test_a_lone_standby_that_ends_never_claims(tmp_path: Path) -> None:
    """While the whole edge stops, nobody should become active for its last moments."""
    lone = Member(tmp_path, 3)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lone.run)
            await trio.testing.wait_all_tasks_blocked()
            lone.pair.stand_down()

    assert lone.story == []
