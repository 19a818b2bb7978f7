r"""What is left to be looked for in ordinary text?

Most values of most requests are made of letters, digits and a few signs, and most rules look for a sign that
is none of these: a quote, a bracket, `<`, `$`, a control character.  Such a pattern need not be tried on
ordinary text.  `is_foreign` proves it from the pattern alone: of what follows one another one piece has to be
foreign, of alternatives every one, and what may be left out counts for nothing.  What a single piece (a
class, an escape, a letter) may match is not read off but asked of RE2, byte by byte; where the proof fails
the answer is no.

Ordinary is also what stays ordinary in the hands of every decoder (`is_closed`): no percent sign, no
backslash, no entity, no letter of other alphabets.  So for ordinary text the foreign patterns are done with,
whatever their transformations.

And most chains of transformations do nothing to ordinary text but change its case.  A pattern that is told
not to care (`caseless`) finds in the text itself what it finds in the lower-case one, and then there is one
text to search instead of five."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Final

from edge.l7.waf.decoders import has_entity
from edge.l7.waf.regex import PatternError, compile_pattern, tokens

# Letters, digits, and the signs of which paths, queries, cookies and dates are made.
ORDINARY: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-./?=&:,;@~+"

# Transformations that make ordinary text of ordinary text, as long as there is no entity in it.
_CLOSED: Final = frozenset(
    (
        "none", "lowercase", "uppercase", "urldecode", "urldecodeuni", "htmlentitydecode",
        "browserentitydecode", "jsdecode", "cssdecode", "escapeseqdecode", "halfwidth", "utf8tounicode",
        "removenulls", "replacenulls", "removewhitespace", "compresswhitespace", "replacecomments",
        "removecomments", "removecommentschar", "normalizepath", "normalisepath", "normalizepathwin",
        "normalisepathwin", "cmdline", "shellwords", "trim", "trimleft", "trimright",
    )
)  # fmt: skip
# They can make an entity of "& lt;".
_JOINING: Final = frozenset(("removewhitespace", "removecomments", "removecommentschar"))
_ENTITIES: Final = frozenset(("htmlentitydecode", "browserentitydecode"))
_CASES: Final = frozenset(("lowercase", "uppercase"))
_CASES_AND_BLANKS: Final = frozenset(("cmdline", "shellwords"))

_COUNT = re.compile(rb"\{([0-9]+)(?:,[0-9]*)?\}")
_FLAGS = re.compile(rb"\?(?:P?<[A-Za-z_]\w*>|[a-zA-Z]*-?[a-zA-Z]*:|[a-zA-Z]*-?[a-zA-Z]*(?=\)))")


def are_ordinary(values: list[bytes]) -> bool:
    """Whether all of `values` are ordinary text."""
    joined = b" ".join(values)
    return not joined.translate(None, ORDINARY) and not has_entity(joined)


class _Unclear(ValueError):
    """Something that this reader does not know."""


def is_closed(names: tuple[str, ...]) -> bool:
    """Whether these transformations, one after the other, make ordinary text of ordinary text."""
    joined = False
    for name in names:
        if name not in _CLOSED or (joined and name in _ENTITIES):
            return False
        joined = joined or name in _JOINING
    return True


def calm(pattern: bytes, names: tuple[str, ...]) -> tuple[bytes, tuple[str, ...]]:
    """A pattern and the transformations with which it finds in ordinary text what `pattern` finds behind
    `names`, which are closed.  In `outcomes` these have more signs, and need not change the case."""
    if not _CASES.isdisjoint(names) or not _CASES_AND_BLANKS.isdisjoint(names):
        without = caseless(pattern)
        if without is None:
            # What these do to the case has to be done by another, just before.
            each = [("lowercase", name) if name in _CASES_AND_BLANKS else (name,) for name in names]
            return pattern, tuple(chain.from_iterable(each))
        return without, tuple(name for name in names if name not in _CASES)
    return pattern, names


def is_foreign(pattern: bytes) -> bool:
    """Whether each match of `pattern` holds a byte that is not ordinary."""
    try:
        pieces = list(_pieces(pattern))
        found, end = _alternatives(pieces, 0)
    except (_Unclear, PatternError, RecursionError):
        return False
    return found and end == len(pieces)


def _pieces(pattern: bytes) -> Iterator[bytes]:
    """Atoms, brackets, bars and quantifiers; a class or an escape of several bytes is one piece."""
    pending: list[bytes] = []
    read = list(tokens(pattern))
    at = 0
    while at < len(read):
        piece, in_class = read[at]
        at += 1
        if in_class:
            pending.append(piece)
            if piece == b"]":
                yield b"".join(pending)
                pending = []
        elif piece[:1] == b"[":
            pending = [piece]
        elif piece in {b"\\x", b"\\p", b"\\P"}:
            # The digits or the name, as RE2 reads them.
            rest = b"".join(one for one, _ in read[at : at + 40])
            size = rest.find(b"}") + 1 if rest[:1] == b"{" else 2 if piece == b"\\x" else 1
            if size == 0 or any(len(one) != 1 for one, _ in read[at : at + size]):
                raise _Unclear
            yield piece + rest[:size]
            at += size
        elif piece[:1] == b"\\" and (piece[1:].isdigit() or piece in {b"\\Q", b"\\E", b"\\C", b"\\"}):
            raise _Unclear
        elif piece in {b"(", b"{"}:
            rest = b"".join(one for one, _ in read[at - 1 : at + 60])
            found = (_COUNT if piece == b"{" else _FLAGS).match(rest, int(piece == b"("))
            if found is None and rest[:2] == b"(?":
                raise _Unclear
            yield piece if found is None else rest[: found.end()]
            at += 0 if found is None else found.end() - 1
        else:
            yield piece
    if pending:
        raise _Unclear


def _alternatives(pieces: list[bytes], at: int) -> tuple[bool, int]:
    every = True
    while True:
        one, at = _sequence(pieces, at)
        every = every and one
        if at >= len(pieces) or pieces[at] != b"|":
            return every, at
        at += 1


def _sequence(pieces: list[bytes], at: int) -> tuple[bool, int]:
    some = False
    while at < len(pieces) and pieces[at] not in {b"|", b")"}:
        piece = pieces[at]
        if piece[:1] == b"(":
            if piece[-1:] not in b"(>:":  # flags for what follows; letters have both cases anyway
                one, at = False, at + 1
            else:
                one, at = _alternatives(pieces, at + 1)
            if at >= len(pieces) or pieces[at] != b")":
                raise _Unclear
        else:
            one = _is_foreign_atom(piece)
        at += 1
        while at < len(pieces) and _is_quantifier(pieces[at]):
            one = one and pieces[at][:1] not in b"*?" and not pieces[at].startswith((b"{0,", b"{0}", b"{00"))
            at += 1
        some = some or one
    return some, at


def _is_quantifier(piece: bytes) -> bool:
    return piece in {b"*", b"+", b"?"} or (len(piece) > 1 and piece[:1] == b"{")


@lru_cache(maxsize=4096)
def _is_foreign_atom(piece: bytes) -> bool:
    found = compile_pattern(piece).found
    return not found(b"") and not any(found(ORDINARY[at : at + 1]) for at in range(len(ORDINARY)))


def caseless(pattern: bytes) -> bytes | None:
    """A pattern that finds in any ordinary text what `pattern` finds in its lower-case (or upper-case) form;
    None where that is not sure."""
    try:
        pieces = list(_pieces(pattern))
    except (_Unclear, PatternError):
        return None
    for piece in pieces:
        if piece[:1] == b"(":
            if b"-" in piece:
                return None
        elif piece not in _SYNTAX and not _is_quantifier(piece) and not _survives(piece):
            return None
    return b"(?i)" + pattern


_SYNTAX: Final = frozenset((b")", b"|"))


@lru_cache(maxsize=4096)
def _survives(atom: bytes) -> bool:
    # A class that excludes capitals alone does not: without regard to case it excludes all letters.
    found, anyway = compile_pattern(atom).found, compile_pattern(b"(?i)" + atom).found
    for at in range(len(ORDINARY)):
        one = ORDINARY[at : at + 1]
        if (found(one.lower()) or found(one.upper())) and not anyway(one):
            return False
    return True
