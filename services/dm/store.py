"""The messages, on disk.  [I/O]

One SQLite file for both instances, in WAL mode: readers never wait for the
writer.  `synchronous = FULL` makes each commit reach the disk before it returns,
so a message that was acknowledged is there after `kill -9` and after a power cut.

The order of all messages is the order of their commits: `BEGIN IMMEDIATE` lets
one writer in at a time, and the sequence number is drawn inside.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from edge.common.errors import EdgeError
from edge.common.run_files import private_directory
from services.dm.threads import Item, members_of

# How long a writer waits for the other instance's commit.
BUSY_S = 2.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS item (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    thread INTEGER NOT NULL,
    sender INTEGER NOT NULL,
    text TEXT NOT NULL,
    sent_us INTEGER NOT NULL,
    context TEXT,
    UNIQUE (thread, sender, context)
) STRICT;
CREATE INDEX IF NOT EXISTS item_by_thread ON item (thread, seq);
CREATE TABLE IF NOT EXISTS inbox (
    account INTEGER NOT NULL,
    thread INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    PRIMARY KEY (account, thread)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS inbox_by_age ON inbox (account, last_seq);
"""

_COLUMNS = "seq, thread, sender, text, sent_us, coalesce(context, '')"


class StoreFailed(EdgeError):
    """The disk or the other writer kept us from storing; nothing was stored."""

    blame = "service"
    retryable = True
    status_hint = 503


class Store:
    """One connection to the file.  Use one for reading on the loop, another for writing in a thread."""

    def __init__(self, run_dir: Path, *, busy_s: float = BUSY_S) -> None:
        path = private_directory(private_directory(run_dir) / "state") / "dm.db"
        self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=busy_s)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = FULL")
        self._file.executescript(_SCHEMA)

    def append(self, items: Sequence[Item]) -> list[Item]:
        """Store `items` in one commit; returns them with their place in the order.

        An item whose sender has used its context in that thread before is the one
        stored then.  Raises `StoreFailed`.
        """
        try:
            self._file.execute("BEGIN IMMEDIATE")
            try:
                stored = [self._append_one(item) for item in items]
                self._file.execute("COMMIT")
            except BaseException:
                self._file.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            raise StoreFailed(f"the message could not be stored: {error}") from error
        return stored

    def newest(self, thread: int, before_seq: int, count: int) -> list[Item]:
        """The `count` newest messages of a thread before `before_seq`, newest first."""
        query = f"SELECT {_COLUMNS} FROM item WHERE thread = ? AND seq < ? ORDER BY seq DESC LIMIT ?"
        return [Item(*row) for row in self._file.execute(query, (thread, before_seq, count))]

    def inbox(self, account: int, before_seq: int, count: int) -> list[Item]:
        """The last message of each of an account's threads, newest first."""
        query = f"""SELECT {_COLUMNS} FROM item WHERE seq IN (
            SELECT last_seq FROM inbox WHERE account = ? AND last_seq < ? ORDER BY last_seq DESC LIMIT ?
        ) ORDER BY seq DESC"""
        return [Item(*row) for row in self._file.execute(query, (account, before_seq, count))]

    def unwritten(self, threads: Sequence[int]) -> list[int]:
        """Those of `threads` in which nobody has written yet."""
        query = "SELECT 1 FROM item WHERE thread = ? LIMIT 1"
        return [thread for thread in threads if self._file.execute(query, (thread,)).fetchone() is None]

    def after(self, seq: int, count: int) -> list[Item]:
        """Messages of all threads behind `seq`, in order."""
        query = f"SELECT {_COLUMNS} FROM item WHERE seq > ? ORDER BY seq LIMIT ?"
        return [Item(*row) for row in self._file.execute(query, (seq, count))]

    def last_seq(self) -> int:
        """The newest message's place in the order; 0 before the first."""
        return int(self._file.execute("SELECT coalesce(max(seq), 0) FROM item").fetchone()[0])

    def version(self) -> int:
        """A number that changes when another connection has committed; costs microseconds."""
        return int(self._file.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close the connection."""
        self._file.close()

    def _append_one(self, item: Item) -> Item:
        values = (item.thread, item.sender, item.text, item.sent_us, item.context or None)
        added = self._file.execute(
            """INSERT INTO item (thread, sender, text, sent_us, context) VALUES (?, ?, ?, ?, ?)
               ON CONFLICT (thread, sender, context) DO NOTHING RETURNING seq""",
            values,
        ).fetchone()
        if added is None:
            query = f"SELECT {_COLUMNS} FROM item WHERE thread = ? AND sender = ? AND context = ?"
            return Item(*self._file.execute(query, (item.thread, item.sender, item.context)).fetchone())
        seq = int(added[0])
        for account in members_of(item.thread):
            self._file.execute(
                """INSERT INTO inbox VALUES (?, ?, ?)
                   ON CONFLICT (account, thread) DO UPDATE SET last_seq = excluded.last_seq""",
                (account, item.thread, seq),
            )
        return Item(seq, item.thread, item.sender, item.text, item.sent_us, item.context)
