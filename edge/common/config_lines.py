"""On which line of a TOML text does each key stand?

`tomllib` gives values without places, and a mistake without a place is a hunt.
This scanner finds the places and nothing else: it runs only over text that
`tomllib` has accepted, so it need not judge, only step over strings, comments
and brackets without being fooled by what is inside them.

A path is a tuple of keys and, for arrays of tables, indices:
`("pop", 1, "place", "east")`.  Keys inside an inline table or a nested array
have no entry; `line_of` gives the nearest parent's line.
"""

from collections.abc import Iterator, Mapping

Path = tuple[str | int, ...]

_TRIPLES = ('"""', "'''")


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of `path`, or of the nearest parent that has one; 1 if none has."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def scan(text: str) -> dict[Path, int]:
    """The line, counted from 1, of each key and table header in `text`."""
    lines: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    for number, statement in _statements(text):
        if statement.startswith("[["):
            name = _latest(_keys(statement[2:]), counts)
            counts[name] = counts.get(name, -1) + 1
            lines.setdefault(name, number)
            table = (*name, counts[name])
        elif statement.startswith("["):
            table = _latest(_keys(statement[1:]), counts)
        else:
            keys = _keys(statement)
            for length in range(1, len(keys) + 1):
                lines.setdefault(table + keys[:length], number)
            continue
        for length in range(1, len(table) + 1):
            lines.setdefault(table[:length], number)
    return lines


def _latest(keys: tuple[str, ...], counts: Mapping[Path, int]) -> Path:
    # `[pop.place]` after `[[pop]]` speaks of the latest pop (TOML 1.0, "Array of
    # Tables").  The last key itself stays bare: the caller knows which header it read.
    path: Path = ()
    for position, key in enumerate(keys):
        path = (*path, key)
        if path in counts and position < len(keys) - 1:
            path = (*path, counts[path])
    return path


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each table header or key with its value, and the line on which it begins."""
    position, line = 0, 1
    while position < len(text):
        begin, first_line = position, line
        depth = 0
        while position < len(text):
            if text[position] == "\n" and depth == 0:
                break
            if text[position] == "#":
                position = _end_of_line(text, position)
                continue
            after = _after_token(text, position)
            if after == position + 1:
                depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(text[position], 0)
            line += text.count("\n", position, after)
            position = after
        statement = text[begin:position].strip()
        if statement and not statement.startswith("#"):
            yield first_line, statement
        position, line = position + 1, line + 1


def _end_of_line(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _after_token(text: str, position: int) -> int:
    """Behind the string that begins at `position`, or behind its one character."""
    quote = text[position]
    if quote not in "\"'":
        return position + 1
    fence = text[position : position + 3]
    if fence not in _TRIPLES:
        fence = quote
    cursor = position + len(fence)
    while cursor < len(text):
        if text[cursor] == "\\" and quote == '"':
            cursor += 2
        elif text.startswith(fence, cursor):
            cursor += len(fence)
            # Up to two quotes may stand directly before the closing three.
            while len(fence) == 3 and text[cursor : cursor + 1] == quote:
                cursor += 1
            return cursor
        else:
            cursor += 1
    return cursor


def _keys(statement: str) -> tuple[str, ...]:
    """The dotted key at the head of a statement, up to `=` or `]`."""
    keys: list[str] = []
    cursor = 0
    while cursor < len(statement) and statement[cursor] not in "=]":
        character = statement[cursor]
        if character in " \t.":
            cursor += 1
        elif character in "\"'":
            end = _after_token(statement, cursor)
            keys.append(statement[cursor + 1 : end - 1])
            cursor = end
        else:
            end = cursor
            while end < len(statement) and statement[end] not in " \t.=]":
                end += 1
            keys.append(statement[cursor:end])
            cursor = end
    return tuple(keys)
