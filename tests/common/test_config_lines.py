"""The line scanner, against texts made to fool it and against tomllib itself."""

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.common.config_lines import Path, line_of, scan


def test_keys_of_tables_and_array_elements_have_their_own_lines() -> None:
    """The n-th [[pop]] is told from the first, or every complaint would point at Mumbai."""
    pops = '[[pop]]\nname = "a"\n\n[[pop]]\nname = "b"\n[pop.place]\neast = 1\n'
    text = '\ndomain = "x"\n' + pops + "[dns]\nttl-s = 2\n"

    lines = scan(text)

    assert lines[("domain",)] == 2
    assert lines[("pop", 0)] == 3
    assert lines[("pop", 0, "name")] == 4
    assert lines[("pop", 1)] == 6
    assert lines[("pop", 1, "name")] == 7
    assert lines[("pop", 1, "place", "east")] == 9
    assert lines[("dns", "ttl-s")] == 11


def test_strings_and_comments_do_not_fool_the_scanner() -> None:
    """A value may hold what looks like a header, a comment or a quote."""
    text = (
        'a = """\n[[pop]]\nb = 1 # " \\""""\n'
        "c = '[x' # ]] \" '''\n"
        'd = [\n  "]", # [\n  2,\n]\n'
        '"quoted.key" = 1\n'
        "e.f = { g = 1 }\n"
    )

    lines = scan(text)

    assert lines == {("a",): 1, ("c",): 4, ("d",): 5, ("quoted.key",): 9, ("e",): 10, ("e", "f"): 10}


def test_a_key_without_a_line_takes_its_parents() -> None:
    """A mistake inside an inline table is still reported within a line of where it is."""
    assert line_of({("pop", 0): 7}, ("pop", 0, "place", "north")) == 7
    assert line_of({}, ("nowhere",)) == 1


_NAMES = st.text("abcxyz-_", min_size=1, max_size=4)
_TEXTS = st.text("ab\"'#[]={}\n\\ ", max_size=8)
_SCALARS = st.integers(-9, 9) | st.booleans() | _TEXTS | st.lists(_TEXTS, max_size=3)


@settings(deadline=None)  # wall time on a shared machine says nothing about places in a text
@given(
    st.dictionaries(_NAMES, _SCALARS, max_size=3),
    st.dictionaries(_NAMES, st.lists(st.dictionaries(_NAMES, _SCALARS, max_size=3), min_size=1), max_size=3),
    st.booleans(),
)
def test_every_line_is_where_tomllib_finds_the_same_key(
    top: dict[str, Any], arrays: dict[str, list[dict[str, Any]]], triple: bool
) -> None:
    """The scanner never loses its place, whatever the values hold."""
    written: list[str] = []
    expected: dict[Path, int] = {}

    def write(path: Path, values: dict[str, Any]) -> None:
        for key, value in values.items():
            expected[(*path, key)] = "".join(written).count("\n") + 1
            written.append(f"{key} = {_toml(value, triple)} # ' \" [[\n")

    write((), {key: value for key, value in top.items() if key not in arrays})
    for name, elements in arrays.items():
        for index, element in enumerate(elements):
            written.append(f"\n[[{name}]]\n")
            write((name, index), element)
    text = "".join(written)
    tomllib.loads(text)  # the oracle: the text is what we think it is

    lines = scan(text)

    assert {path: lines[path] for path in expected} == expected


def _toml(value: Any, triple: bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[\n" + ",\n".join(_toml(item, triple) for item in value) + "]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"""{escaped}"""' if triple else '"' + escaped.replace("\n", "\\n") + '"'
    return str(value)
