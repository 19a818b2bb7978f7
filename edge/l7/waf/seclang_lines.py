"""How is a SecLang file cut into directives?

SecLang is Apache configuration: a directive and its arguments per logical line, `\\` joins lines, arguments
may be in double quotes with `\\"` inside.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from edge.l7.waf.form import Place
from edge.l7.waf.problem import Problems


@dataclass(frozen=True, slots=True)
class Directive:
    """One logical line: the directive's name and its arguments, unquoted."""

    name: str
    arguments: tuple[bytes, ...]
    place: Place


def directives(text: bytes, file: str, problems: Problems) -> Iterator[Directive]:
    """Cut a file into directives.  Works on bytes: patterns are bytes and the file's encoding is nobody's
    business."""
    pending: list[bytes] = []
    first = 0
    for number, line in enumerate(text.split(b"\n"), 1):
        line = line.rstrip(b"\r")
        bare = line.lstrip()
        if not pending and (not bare or bare.startswith(b"#")):
            continue
        if pending and bare.startswith(b"#"):
            continue  # a comment between continued lines, which CRS plug-ins use
        if not pending:
            first = number
        if line.endswith(b"\\"):
            pending.append(bare[:-1])
            continue
        pending.append(bare)
        words = _words(b"".join(pending))
        pending = []
        if words is None:
            problems.error(Place(file, first), "a double quote is not closed")
        elif words:
            yield Directive(words[0].decode("latin-1"), tuple(words[1:]), Place(file, first))
    if pending:
        problems.error(Place(file, first), "the last line ends in a backslash")


def _words(line: bytes) -> list[bytes] | None:
    """Arguments of one line, quotes removed; None when a quote stays open."""
    words: list[bytes] = []
    at, end = 0, len(line)
    while at < end:
        if line[at] in b" \t":
            at += 1
            continue
        if line[at] == 0x22:
            close = at + 1
            while close < end and line[close] != 0x22:
                close += 2 if line[close] == 0x5C else 1
            if close >= end:
                return None
            words.append(line[at + 1 : close].replace(b'\\"', b'"'))
            at = close + 1
            continue
        stop = at
        while stop < end and line[stop] not in b" \t":
            stop += 1
        words.append(line[at:stop])
        at = stop
    return words
