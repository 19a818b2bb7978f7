r"""How does an operator's regular expression meet a hostile request without hanging the worker?

Only RE2 ever runs a pattern that came out of a rule file: linear time in the text, whatever the pattern.  The
price is no look-around and no back-references; the Core Rule Set 4 is written for that.

Meaning of a pattern (what CRS expects, and Coraza and ModSecurity 2 agree on): bytes, Latin-1, the dot
matches a newline, `^` and `$` are the ends of the text.  Two spellings PCRE has and RE2 lacks are translated
because they do not change what matches at all: possessive quantifiers and atomic groups only forbid
backtracking, and RE2 has none."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import re2

# Memory for one pattern and its automaton: the first of these in which it fits.  RE2 forgets the states of an
# automaton that is full and goes on.  With half of the first size 4 kB of JSON cost a third more, with eight
# times as much they cost the same, but 200 patterns would fill it in time.
PATTERN_MEMORY_BYTES = (1 << 20, 2 << 20, 4 << 20, 8 << 20)
# A set cannot do without its automaton: RE2 refuses what does not hold the program and twenty of the largest
# states.  More is filled by hostile text in time, and was of no use: 12 MB for each set were measured beside
# the least that it takes (10 for the largest of CRS 4.28 with the embedded rules, 2 for most), on prose in
# JSON, headers and forms never seen, and attacks.
SET_MEMORY_BYTES = tuple(size << 20 for size in (2, 3, 4, 6, 8, 10, 12, 16, 24, 32, 64))


_Built = TypeVar("_Built")


class PatternError(ValueError):
    """RE2 cannot run this pattern; the text says why."""


def options(memory_bytes: int) -> re2.Options:
    """RE2 options for byte patterns: Latin-1, dot matches newline, quiet."""
    chosen = re2.Options()
    chosen.encoding = re2.Options.Encoding.LATIN1
    chosen.dot_nl = True
    chosen.log_errors = False
    chosen.max_mem = memory_bytes
    return chosen


def fitting(sizes: Sequence[int], build: Callable[[re2.Options], _Built]) -> _Built:
    """What `build` makes with the first of these sizes of memory that is enough.  Raises its last error."""
    for size in sizes[:-1]:
        with suppress(re2.error):
            return build(options(size))
    return build(options(sizes[-1]))


def tokens(pattern: bytes) -> Iterator[tuple[bytes, bool]]:
    """Cut a pattern into `(piece, inside a character class)`; escapes stay whole.  The pieces add up to the
    pattern."""
    at, end, in_class = 0, len(pattern), False
    while at < end:
        if pattern[at] == 0x5C and at + 1 < end:
            yield pattern[at : at + 2], in_class
            at += 2
            continue
        byte = pattern[at : at + 1]
        if in_class:
            if (
                byte == b"["
                and pattern[at + 1 : at + 2] == b":"
                and (close := pattern.find(b":]", at + 2)) != -1
            ):
                yield pattern[at : close + 2], True
                at = close + 2
                continue
            yield byte, True
            in_class = byte != b"]"
            at += 1
            continue
        if byte == b"[":
            # A bracket directly after "[" or "[^" is a member of the class, not its end.
            size = 2 if pattern[at + 1 : at + 2] == b"^" else 1
            if pattern[at + size : at + size + 1] == b"]":
                size += 1
            yield pattern[at : at + size], True
            at += size
            in_class = True
            continue
        yield byte, False
        at += 1


def to_re2(pattern: bytes) -> bytes:
    r"""Translate PCRE spellings that RE2 lacks and that do not change what matches."""
    out: list[bytes] = []
    quantified = False
    for piece, in_class in tokens(pattern):
        if not in_class:
            if piece == b"+" and quantified:  # "a++" "a?+" "a*+" "a{2}+"
                quantified = False
                continue
            quantified = piece in {b"+", b"*", b"?", b"}"}
            if piece == b"?" and out and out[-1] == b"(":  # "(?" opens a group, it repeats nothing
                quantified = False
            if piece == b">" and out[-2:] == [b"(", b"?"]:  # atomic group
                piece = b":"
            elif piece == b"\\Z":
                piece = b"\\z"
            elif piece == b"\\h":
                piece = b"[\\t ]"
        else:
            quantified = False
        if piece[:1] == b"\\" and piece[1:2] in _NEEDLESS_ESCAPES:
            piece = piece[1:]
        out.append(piece)
    return b"".join(out)


# Escaped letters without a meaning stand for themselves in PCRE; RE2 refuses them.
_NEEDLESS_ESCAPES = frozenset((b"_", b"<", b">", b"e")) - {b"e"}


def compile_pattern(pattern: bytes) -> "Pattern":
    """Compile now, or raise `PatternError`."""
    pattern_now = Pattern(pattern)
    pattern_now.settle()
    return pattern_now


class Pattern:
    """One pattern, compiled when it is first asked something.  Safe to share between threads.

    Most rules of a large set are never asked: the prefilter rules them out, or they belong to a paranoia
    level that is not in force.  Compiled they took 17 MB of the Core Rule Set's 50."""

    __slots__ = ("_match", "_settler", "source")

    def __init__(self, source: bytes, settler: Callable[[], object] | None = None) -> None:
        """`settler`: whoever compiles it with others, and will `settle` it when it is first asked."""
        self.source = to_re2(source)
        self._settler = settler
        self._match: Callable[..., list[tuple[int, int]]] = self._first_match

    def settle(self, compiled: "re2._Regexp | None" = None) -> None:
        """Be `compiled`, or compile, now."""
        # The library's own wrapper keeps the last 128 patterns for ever, and builds a generator and a match
        # object per search, which costs more than the search itself on short text.  The method underneath
        # returns the spans directly.
        self._match = (self._compiled() if compiled is None else compiled._regexp).Match
        self._settler = None

    def _first_match(self, *arguments: Any) -> list[tuple[int, int]]:
        (self._settler or self.settle)()
        return self._match(*arguments)

    def _compiled(self) -> Any:
        try:
            return fitting(PATTERN_MEMORY_BYTES, partial(_built, self.source))
        except re2.error as error:
            raise PatternError(str(error)) from None

    def spans(self, text: bytes) -> list[tuple[int, int]] | None:
        """Start and end of the leftmost match and of each group ((-1, -1): group unused), or None."""
        found: list[tuple[int, int]] = self._match(_UNANCHORED, text, 0, len(text))
        return None if found[0][0] < 0 else found

    def span(self, text: bytes, start: int, end: int) -> tuple[int, int] | None:
        """Start and end of the leftmost match in `text[start:end]`, as places in `text`."""
        found = self._match(_UNANCHORED, text, start, end)[0]
        return None if found[0] < 0 else found

    def found(self, text: bytes) -> bool:
        """Whether the pattern matches anywhere."""
        return bool(self._match(_UNANCHORED, text, 0, len(text))[0][0] >= 0)


def _built(source: bytes, chosen: re2.Options) -> Any:
    compiled = re2._re2.RE2(source, chosen)
    if not compiled.ok():
        raise re2.error(compiled.error().decode("latin-1"))
    return compiled


_UNANCHORED = re2._re2.RE2.Anchor.UNANCHORED
