"""The toy's shared sessions."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from services.toy.service import _store


def test_a_crowd_that_logs_in_at_once_is_let_in(tmp_path: Path) -> None:
    """Each copy opens the file by itself and writes; a lock that is held is waited for, and no disk is."""

    def log_in(number: int) -> None:
        with closing(_store(tmp_path)) as store, store:
            assert store.execute("PRAGMA synchronous").fetchone() == (0,)
            store.execute("INSERT INTO session VALUES (?)", (str(number),))

    with ThreadPoolExecutor(8) as crowd:
        list(crowd.map(log_in, range(80)))

    with closing(_store(tmp_path)) as store:
        assert store.execute("SELECT count(*) FROM session").fetchone() == (80,)
