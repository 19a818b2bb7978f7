"""Finding candidates without asking every line."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from edge.l7.stages.route_index import PathIndex


@dataclass(frozen=True)
class Entry:
    rank: int
    kind: str
    text: str

    def fits(self, path: str) -> bool:
        """The obvious version."""
        if self.kind == "exact":
            return path == self.text
        if self.kind == "prefix":
            return path.startswith(self.text)
        return True


_PATHS = st.lists(st.sampled_from(["/", "a", "ab", "b", "c/"]), max_size=6).map(
    lambda parts: "/" + "".join(parts)
)
_KINDS = st.sampled_from(["exact", "prefix", "always"])


@given(st.lists(st.tuples(_KINDS, _PATHS), max_size=20), _PATHS)
def test_the_index_finds_what_a_walk_over_all_entries_finds(
    entries: list[tuple[str, str]], path: str
) -> None:
    """Speed must not change where a request goes."""
    index: PathIndex[Entry] = PathIndex()
    everything = [Entry(rank, kind, text) for rank, (kind, text) in enumerate(entries)]
    for entry in everything:
        if entry.kind == "exact":
            index.add_exact(entry.text, entry)
        elif entry.kind == "prefix":
            index.add_prefix(entry.text, entry)
        else:
            index.add_always(entry)
    index.build()

    assert index.find(path) == [entry for entry in everything if entry.fits(path)]


def test_every_regex_that_matches_the_whole_path_is_found() -> None:
    """One pass over the path for all patterns; a partial match is none."""
    index: PathIndex[Entry] = PathIndex()
    for rank, regex in enumerate([r"/u/\d+", r"/u/\w+", r"/u", r"/u/\d+/x"]):
        index.add_regex(regex, Entry(rank, "regex", regex))
    index.build()

    assert [entry.rank for entry in index.find("/u/12")] == [0, 1]
    assert index.find("/u/") == []
