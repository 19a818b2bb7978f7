"""The stored password hashes.  [I/O]

Ten thousand hashes at start would cost minutes, so an account is enrolled at its
first login: its password is known by rule (`edge.common.people`), the given one
is compared with it, and if it is right its salted hash is stored.  From then on
the rule is not asked any more and only the hash counts.

Blocking on purpose (SQLite, scrypt): call it in a thread, one at a time.
"""

import os
import sqlite3
from pathlib import Path

from edge.common.people import password
from edge.common.run_files import private_directory
from services.login.passwords import SALT_BYTES, enrol, equal, verify


class Credentials:
    """The file of hashes; shared by all instances of login."""

    def __init__(self, run_dir: Path) -> None:
        path = private_directory(private_directory(run_dir) / "state") / "login.db"
        # Not bound to the thread that opened it: the caller sees to one at a time.
        self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=2.0)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = FULL")
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS credential (account INTEGER PRIMARY KEY, hash TEXT NOT NULL) STRICT"
        )

    def check(self, account: int | None, given: str, cost_log2: int) -> bool:
        """Is `given` the password of `account`?  None is nobody, and takes as long to refuse."""
        secret = given.encode()
        row = None
        if account is not None:
            query = "SELECT hash FROM credential WHERE account = ?"
            row = self._file.execute(query, (account,)).fetchone()
        if row is not None:
            return verify(secret, str(row[0]))
        fresh = enrol(secret, os.urandom(SALT_BYTES), cost_log2)
        if account is None or not equal(secret, password(account).encode()):
            return False
        # Two instances may enrol one account at once; the first hash stays.
        self._file.execute("INSERT OR IGNORE INTO credential VALUES (?, ?)", (account, fresh))
        return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()
