"""Which routes could a path belong to, without asking all of them?

Exact paths are one dict.  Prefixes are a tree of path segments: a look-up walks
down as many nodes as the path has segments, however many routes there are; a
prefix that ends inside a segment ("/feed*") hangs at its node by length.  All
regular expressions of the table are one RE2 set, matched in a single pass.

State: built once, never changed.  Each entry carries its `rank`, its place in
the total order of the table; the index returns candidates in that order.
"""

from typing import Generic, Protocol, TypeVar

import re2

# All patterns of a table share one automaton; RE2 falls back to a slower one past this.
SET_MEMORY_BYTES = 64 << 20


class Ranked(Protocol):
    """Something with a place in the order: the smaller rank is asked first."""

    @property
    def rank(self) -> int: ...


Entry = TypeVar("Entry", bound=Ranked)


class _Node(Generic[Entry]):
    """One segment of the prefix tree."""

    __slots__ = ("children", "here", "lengths", "partial")

    def __init__(self) -> None:
        self.children: dict[str, _Node[Entry]] = {}
        self.here: list[Entry] = []  # prefixes that end with this node's slash
        self.partial: dict[str, list[Entry]] = {}  # ... or so many characters behind it
        self.lengths: tuple[int, ...] = ()


class PathIndex(Generic[Entry]):
    """Entries by path; add all of them, then `build`, then look up."""

    def __init__(self) -> None:
        self._exact: dict[str, list[Entry]] = {}
        self._root: _Node[Entry] = _Node()
        self._patterns: list[Entry] = []
        self._sources: list[str] = []
        self._set: re2.Set | None = None
        self._always: list[Entry] = []

    def add_exact(self, path: str, entry: Entry) -> None:
        """`entry` is for `path` and no other."""
        self._exact.setdefault(path, []).append(entry)

    def add_prefix(self, prefix: str, entry: Entry) -> None:
        """`entry` is for every path that begins with `prefix`, which begins with "/"."""
        *segments, rest = prefix.split("/")[1:]
        node = self._root
        for segment in segments:
            node = node.children.setdefault(segment, _Node())
        if not rest:
            node.here.append(entry)
            return
        node.partial.setdefault(rest, []).append(entry)
        node.lengths = tuple(sorted({len(partial) for partial in node.partial}))

    def add_regex(self, regex: str, entry: Entry) -> None:
        """`entry` is for every path that `regex` matches as a whole."""
        self._patterns.append(entry)
        self._sources.append(regex)

    def add_always(self, entry: Entry) -> None:
        """`entry` does not look at the path."""
        self._always.append(entry)

    def build(self) -> None:
        """Compile the regular expressions; the last thing before the first look-up."""
        if self._sources:
            options = re2.Options()
            options.max_mem = SET_MEMORY_BYTES
            options.log_errors = False
            self._set = re2.Set.FullMatchSet(options)
            for source in self._sources:
                self._set.Add(source)
            self._set.Compile()

    def find(self, path: str) -> list[Entry]:
        """Every entry that could be meant, best rank first."""
        found: list[Entry] = list(self._exact.get(path, ()))
        node: _Node[Entry] | None = self._root
        if path.startswith("/"):
            segments = path.split("/")
            last = len(segments) - 1
            for depth in range(1, last + 1):
                assert node is not None
                segment = segments[depth]
                found += node.here
                for length in node.lengths:
                    found += node.partial.get(segment[:length], ()) if len(segment) >= length else ()
                if depth == last or (node := node.children.get(segment)) is None:
                    break
        if self._set is not None:
            found += [self._patterns[index] for index in self._set.Match(path) or ()]
        found += self._always
        if len(found) > 1:
            found.sort(key=lambda entry: entry.rank)
        return found
