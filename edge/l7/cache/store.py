"""Which responses are remembered when there is not room for all?

A shelf holds the variants of one URL.  When the bytes are used up, shelves are
cleared by the clock algorithm: one that was used since the hand last passed gets
another round, the first that was not is emptied.  That is close to
least-recently-used and costs a hit nothing but one flag.

State: all entries of one worker, at most `bytes_max`.
"""

from edge.common.config import CacheConfig
from edge.l7.cache.entry import Entry
from edge.l7.request import Request

Key = tuple[str, str, bytes]  # host as the phone wrote it, with port; path; query


class _Shelf:
    __slots__ = ("used", "variants")

    def __init__(self) -> None:
        self.variants: list[Entry] = []  # newest first (RFC 9111 section 4.1)
        self.used = False


class Store:
    """Entries by URL and variant."""

    def __init__(self, config: CacheConfig) -> None:
        self._config = config
        self._shelves: dict[Key, _Shelf] = {}
        self.bytes = 0
        self.entries = 0
        self.evicted = 0

    def __len__(self) -> int:
        return self.entries

    def __contains__(self, key: Key) -> bool:
        return key in self._shelves

    def find(self, key: Key, request: Request) -> Entry | None:
        """The newest variant that `request` may have."""
        shelf = self._shelves.get(key)
        if shelf is None:
            return None
        shelf.used = True
        for entry in shelf.variants:
            if not entry.names or entry.matches(request):
                return entry
        return None

    def put(self, key: Key, entry: Entry) -> bool:
        """Keep `entry` in place of the variant it replaces; False where it is too large to be kept."""
        if entry.size > self._config.bytes_max:
            return False
        shelf = self._shelves.get(key)
        if shelf is None:
            shelf = self._shelves[key] = _Shelf()
        for old in list(shelf.variants):
            if (old.names, old.values) == (entry.names, entry.values):
                self._take(shelf, old)
        while len(shelf.variants) >= self._config.variants_max:
            self._take(shelf, shelf.variants[-1])
        # Not `used` yet: what was asked for once is the first to go.
        shelf.variants.insert(0, entry)
        self.bytes += entry.size
        self.entries += 1
        self._make_room(key)
        return True

    def remove(self, key: Key, entry: Entry | None = None) -> int:
        """Forget one variant of `key`, or all; returns how many."""
        shelf = self._shelves.get(key)
        if shelf is None:
            return 0
        gone = [old for old in shelf.variants if entry is None or old is entry]
        for old in gone:
            self._take(shelf, old)
        if not shelf.variants:
            del self._shelves[key]
        return len(gone)

    def purge(self, host: str, path: str) -> int:
        """Forget every URL of `host` ("" any) with this path, or with this start where it ends in "*"."""
        prefix = path[:-1] if path.endswith("*") else None
        keys = [
            key
            for key in self._shelves
            if (not host or host in (key[0], key[0].partition(":")[0]))
            and (key[1].startswith(prefix) if prefix is not None else key[1] == path)
        ]
        return sum(self.remove(key) for key in keys)

    def _make_room(self, besides: Key) -> None:
        while self.bytes > self._config.bytes_max:
            key = next(iter(self._shelves))
            shelf = self._shelves.pop(key)
            if shelf.used or (key == besides and self._shelves):
                shelf.used = False
                self._shelves[key] = shelf
                continue
            self.evicted += len(shelf.variants)
            self.entries -= len(shelf.variants)
            self.bytes -= sum(entry.size for entry in shelf.variants)

    def _take(self, shelf: _Shelf, entry: Entry) -> None:
        shelf.variants.remove(entry)
        self.bytes -= entry.size
        self.entries -= 1
