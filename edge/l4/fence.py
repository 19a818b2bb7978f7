"""Never two active L4s under one epoch: who holds which, and who is deposed?  [I/O]

Each epoch of a lane (one POP's pair) is a small file, `<lane>.<epoch>`.

* Claiming epoch n+1 is `link()` of a finished, locked file to that name.  The
  kernel lets exactly one process do that, ever, so an epoch has one holder.
* The holder keeps an `flock` on its file.  The kernel frees it when the process
  ends, however it ends, so a free lock is the proof of a death.
* Whoever claims n+1 then sets one byte in file n: deposed.  The holder of n has
  that page mapped and reads the byte before each accept.  It only ever goes from
  0 to 1, so there is no race to lose: a process that was stopped for an hour
  wakes, looks, and stands down.
* The holder writes the time of each beat into its file.

Everything here survives `kill -9` because the page belongs to the file and not
to a process.  Old files are removed, the newest never, so numbers only rise.
"""

import contextlib
import errno
import fcntl
import mmap
import os
import struct
import time
from pathlib import Path

from edge.l4.lease import Sight

# pid, monotonic nanoseconds of the last beat, deposed.
_PAGE = struct.Struct("=QQB")
_BEAT_AT = 8
_DEPOSED_AT = 16
_KEEP_OLD = 2


class _File:
    """One epoch's file, open and mapped."""

    def __init__(self, descriptor: int, epoch: int) -> None:
        self.descriptor = descriptor
        self.epoch = epoch
        self.page = mmap.mmap(descriptor, _PAGE.size)

    def pid(self) -> int:
        return int(_PAGE.unpack_from(self.page)[0])

    def beat_ns(self) -> int:
        return int(_PAGE.unpack_from(self.page)[1])

    def depose(self) -> None:
        self.page[_DEPOSED_AT] = 1

    def is_deposed(self) -> bool:
        return self.page[_DEPOSED_AT] != 0

    def is_locked(self) -> bool:
        # A shared lock, so that two standbys that look at once do not see each other.
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno == errno.EWOULDBLOCK:
                return True
            raise
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        return False

    def close(self) -> None:
        self.page.close()
        os.close(self.descriptor)


class Fence:
    """One process's view of one lane."""

    def __init__(self, directory: Path, lane: str) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory
        self._lane = lane
        self._mine: _File | None = None
        self._newest: _File | None = None

    # -- as the holder --------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """The epoch we hold, 0 if none."""
        return self._mine.epoch if self._mine is not None else 0

    def holds(self) -> bool:
        """Whether we hold an epoch that nobody has succeeded."""
        mine = self._mine
        return mine is not None and not mine.page[_DEPOSED_AT]

    def beat(self) -> None:
        """I live and work."""
        assert self._mine is not None, "only a holder beats"
        struct.pack_into("=Q", self._mine.page, _BEAT_AT, time.monotonic_ns())

    def resign(self) -> None:
        """Let the next one in without waiting for beats to be missed."""
        if self._mine is not None:
            self._mine.depose()
            self._mine.close()  # and with the descriptor goes the lock
            self._mine = None

    # -- as a standby ---------------------------------------------------------------

    def look(self) -> Sight:
        """What can be seen of the newest epoch."""
        newest = self._find_newest()
        if newest is None:
            return Sight(epoch=0)
        held = newest.is_locked() and not newest.is_deposed()
        age_s = max(0, time.monotonic_ns() - newest.beat_ns()) * 1e-9
        state = _process_state(newest.pid()) if held else "R"
        return Sight(newest.epoch, held, age_s, state)

    def holder_pid(self) -> int:
        """The process that claimed the newest epoch, 0 if there is none."""
        newest = self._find_newest()
        return newest.pid() if newest is not None else 0

    def claim(self) -> int | None:
        """Take the epoch after the newest one; its number, or None if another was faster."""
        newest = self._find_newest()
        epoch = max(newest.epoch if newest is not None else 0, self._highest_on_disk()) + 1
        mine = self._publish(epoch)
        if mine is None:
            return None
        if self._highest_on_disk() > epoch:
            # We were stopped between looking and claiming, for so long that our
            # number had been used and removed.  Whoever is ahead is right.
            self._path(epoch).unlink()
            mine.close()
            return None
        if newest is not None:
            newest.depose()
        self._mine = mine
        self._forget_old(epoch)
        return epoch

    def close(self) -> None:
        """Let go of everything."""
        self.resign()
        if self._newest is not None:
            self._newest.close()
            self._newest = None

    def _publish(self, epoch: int) -> _File | None:
        beside = self._directory / f".{self._lane}.{os.getpid()}"
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, _PAGE.pack(os.getpid(), time.monotonic_ns(), 0))
            # Locked before anybody can see it: an epoch without a lock is a dead one.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.link(beside, self._path(epoch))
        except FileExistsError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        finally:
            beside.unlink()
        return _File(descriptor, epoch)

    def _find_newest(self) -> _File | None:
        # Following the numbers upwards costs one failed open a beat.  The directory is
        # read at the start, and when the file we know is nobody's any more: if we were
        # stopped meanwhile, its successor may have come and been removed.
        while True:
            known = self._newest
            found = self._open(known.epoch + 1) if known is not None else None
            if found is None and (known is None or known.is_deposed() or not known.is_locked()):
                highest = self._highest_on_disk()
                if highest > (known.epoch if known is not None else 0):
                    found = self._open(highest)
            if found is None:
                return known
            if known is not None:
                known.close()
            self._newest = found

    def _open(self, epoch: int) -> _File | None:
        try:
            descriptor = os.open(self._path(epoch), os.O_RDWR)
        except FileNotFoundError:
            return None
        return _File(descriptor, epoch)

    def _highest_on_disk(self) -> int:
        return max(self._on_disk(), default=0)

    def _on_disk(self) -> list[int]:
        suffixes = (path.name.rpartition(".")[2] for path in self._directory.glob(f"{self._lane}.*"))
        return [int(suffix) for suffix in suffixes if suffix.isdecimal()]

    def _forget_old(self, epoch: int) -> None:
        for old in self._on_disk():
            if old < epoch - _KEEP_OLD:
                with contextlib.suppress(FileNotFoundError):
                    self._path(old).unlink()

    def _path(self, epoch: int) -> Path:
        return self._directory / f"{self._lane}.{epoch}"


def _process_state(pid: int) -> str:
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return "X"
    # The name in parentheses may hold anything, also parentheses and blanks.
    return status[status.rindex(b")") + 2 :][:1].decode()
