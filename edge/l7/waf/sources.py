"""Do the files that the rules came from still say the same?  [I/O]

A reload gives everybody the configuration, which names rule files; what has changed is
mostly in them.  So what was read is remembered by its digest, and directories and
`Include` patterns by what was found there.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path


class Sources:
    """What one load has read."""

    def __init__(self) -> None:
        self._files: dict[Path, bytes] = {}
        self._listings: list[tuple[Callable[[], Sequence[Path]], tuple[Path, ...]]] = []

    def read(self, file: Path) -> bytes:
        """The content of `file`.  Raises `OSError`."""
        content = file.read_bytes()
        self._files[file] = sha256(content).digest()
        return content

    def listed(self, look: Callable[[], Sequence[Path]]) -> Sequence[Path]:
        """The files that `look` finds."""
        found = look()
        self._listings.append((look, tuple(found)))
        return found

    def changed(self) -> bool:
        """Does a file say something else now, or is one gone or new?"""
        try:
            return any(
                sha256(file.read_bytes()).digest() != digest for file, digest in self._files.items()
            ) or any(tuple(look()) != found for look, found in self._listings)
        except OSError:
            return True
