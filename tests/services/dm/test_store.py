"""Messages on disk."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.dm.store import Store, StoreFailed
from services.dm.threads import Item, thread_of

ADA_GRACE, ADA_LINUS = thread_of(1, 2), thread_of(1, 3)
LAST = 1 << 62


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path)
    yield opened
    opened.close()


def item(text: str, thread: int = ADA_GRACE, sender: int = 1, context: str = "") -> Item:
    return Item(0, thread, sender, text, 1000, context)


def test_messages_come_back_newest_first_and_page_by_page(store: Store) -> None:
    """The cursor is a place in the order of commits."""
    stored = store.append([item(str(n)) for n in range(5)])

    assert [one.text for one in store.newest(ADA_GRACE, LAST, 2)] == ["4", "3"]
    assert [one.text for one in store.newest(ADA_GRACE, stored[3].seq, 9)] == ["2", "1", "0"]
    assert store.newest(ADA_LINUS, LAST, 9) == []


def test_the_inbox_has_the_last_message_of_each_thread(store: Store) -> None:
    """For both ends of it."""
    store.append([item("a"), item("b", ADA_LINUS), item("c", sender=2)])

    assert [one.text for one in store.inbox(1, LAST, 9)] == ["c", "b"]
    assert [one.text for one in store.inbox(2, LAST, 9)] == ["c"]
    assert [one.text for one in store.inbox(1, store.inbox(1, LAST, 1)[0].seq, 9)] == ["b"]
    assert store.inbox(4, LAST, 9) == []
    assert store.unwritten([ADA_GRACE, ADA_LINUS, thread_of(1, 4)]) == [thread_of(1, 4)]


def test_sending_twice_stores_once(store: Store) -> None:
    """The phone that got no answer sends again, maybe through the other instance."""
    (first,) = store.append([item("hi", context="c1")])
    (again,) = store.append([item("hi", context="c1")])
    (other,) = store.append([item("hi", sender=2, context="c1")])
    store.append([item("hi"), item("hi")])

    assert again == first
    assert other.seq != first.seq
    assert len(store.newest(ADA_GRACE, LAST, 9)) == 4


def test_the_other_instance_sees_a_commit_at_once(store: Store, tmp_path: Path) -> None:
    """One file, two processes; the version is what tells."""
    other = Store(tmp_path)
    before, last = other.version(), other.last_seq()

    store.append([item("psst")])

    assert other.version() != before
    assert [one.text for one in other.after(last, 10)] == ["psst"]
    other.close()


def test_a_batch_is_stored_whole_or_not_at_all(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may be told 201 for half of it."""
    whole = store._append_one

    def fail_at_second(one: Item) -> Item:
        if one.text == "second":
            raise sqlite3.OperationalError("disk I/O error")
        return whole(one)

    monkeypatch.setattr(store, "_append_one", fail_at_second)

    with pytest.raises(StoreFailed) as failure:
        store.append([item("first"), item("second")])

    assert failure.value.retryable
    assert store.last_seq() == 0


def test_a_busy_file_is_a_failure_that_may_be_tried_again(store: Store, tmp_path: Path) -> None:
    """The other writer holds it longer than we wait."""
    impatient = Store(tmp_path, busy_s=0.01)
    store._file.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreFailed):
        impatient.append([item("late")])

    store._file.execute("ROLLBACK")
    assert len(impatient.append([item("later")])) == 1
    impatient.close()


def test_what_was_committed_survives_kill_9(tmp_path: Path) -> None:
    """The process prints the number it stored and is killed without another word."""
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from services.dm.store import Store; from services.dm.threads import Item\n"
        "store = Store(Path(sys.argv[1]))\n"
        f"print(store.append([Item(0, {ADA_GRACE}, 1, 'kept', 1)])[0].seq, flush=True)\n"
        f"store._file.execute('BEGIN IMMEDIATE'); store._append_one(Item(0, {ADA_GRACE}, 1, 'lost', 1))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, timeout=20, check=False
    )

    store = Store(tmp_path)
    assert killed.returncode == -9
    assert [(one.seq, one.text) for one in store.newest(ADA_GRACE, LAST, 9)] == [(int(killed.stdout), "kept")]
    store.close()


def test_each_commit_reaches_the_disk(store: Store) -> None:
    """2 is FULL: without it a power cut takes the last acknowledged messages."""
    assert store._file.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
