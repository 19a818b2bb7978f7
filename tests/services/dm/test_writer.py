"""Group commit."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
import trio.testing

from services.dm import writer as writer_module
from services.dm.store import Store, StoreFailed
from services.dm.threads import Item, thread_of
from services.dm.writer import Overfull, Writer

THREAD = thread_of(1, 2)


def item(text: str) -> Item:
    return Item(0, THREAD, 1, text, 1)


async def test_many_senders_share_few_commits(tmp_path: Path) -> None:
    """And each gets the place of its own message back."""
    store = Store(tmp_path)
    writer = Writer(store)
    places: dict[str, Item] = {}

    async def send(text: str) -> None:
        places[text] = await writer.store(item(text))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        async with trio.open_nursery() as senders:
            for n in range(200):
                senders.start_soon(send, str(n))
        nursery.cancel_scope.cancel()

    assert writer.commits <= 8
    assert len({one.seq for one in places.values()}) == 200
    assert all(one.text == text for text, one in places.items())
    assert store.last_seq() == 200
    store.close()


class Failing(Store):
    def __init__(self) -> None:
        pass

    def append(self, items: Sequence[Item]) -> list[Item]:
        raise StoreFailed("the disk is full")


async def test_a_failed_commit_is_told_to_everybody_in_it_and_the_writer_goes_on() -> None:
    """503 now, and maybe room on the disk a moment later."""
    writer = Writer(Failing())
    failures = 0

    async def send() -> None:
        nonlocal failures
        with pytest.raises(StoreFailed):
            await writer.store(item("x"))
        failures += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        async with trio.open_nursery() as senders:
            for _ in range(3):
                senders.start_soon(send)
        await send()
        nursery.cancel_scope.cancel()

    assert failures == 4


async def test_a_full_queue_refuses_instead_of_growing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounded; the sender is told to come back."""
    monkeypatch.setattr(writer_module, "WAITING_MAX", 2)
    writer = Writer(Failing())  # nobody runs it

    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.store, item("1"))
        nursery.start_soon(writer.store, item("2"))
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(Overfull):
            await writer.store(item("3"))
        nursery.cancel_scope.cancel()
