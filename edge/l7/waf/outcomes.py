r"""What can this text become in the hands of the rules' decoders?

Rules ask for some forty different chains of transformations.  What they have in common is computed once, and
on all values of a request joined by a wall of three bytes, wherever a transformation treats joined text as it
treats its values; where not, it goes value by value.

The chains are walked together, as the states of an automaton: a state is how far each of them has come.  Most
texts need no decoding at all, and a decoder whose sign is not in the text is the identity; so a state leads
to others by the signs that are present, and on ordinary text forty chains are three or four texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from edge.l7.waf.decoders import has_entity
from edge.l7.waf.searchable import SEPARATOR
from edge.l7.waf.transform import TRANSFORMS, Transform

# Inside transformations the separator must hold no blank, which several of them squeeze.
WALL: Final = b"\x1e\x1f\x1e"

# Numbers of patterns.
Members = frozenset[int]
# Text -> for whom it was made: each entry is the patterns of one state.
Texts = dict[bytes, list[Members]]

# Transformations that treat joined text as they treat its values, and the pieces that would make a
# difference.
_JOINABLE: Final[dict[str, tuple[bytes, ...]]] = {
    "lowercase": (),
    "uppercase": (),
    "urldecode": (),
    "urldecodeuni": (),
    "htmlentitydecode": (),
    "browserentitydecode": (),
    "jsdecode": (b"\\" + WALL[:1],),
    "cssdecode": (b"\\",),
    "escapeseqdecode": (b"\\" + WALL[:1],),
    "halfwidth": (),
    "utf8tounicode": (),
    "removenulls": (),
    "replacenulls": (),
    "removewhitespace": (),
    "compresswhitespace": (),
    "replacecomments": (b"/*",),
    "removecommentschar": (),
    "cmdline": (),
    "shellwords": (b"${",),
    # Without these pieces a path is normal already; with them, each value is normalised by itself.
    "normalizepath": (b"./", b"//", b"/."),
    "normalisepath": (b"./", b"//", b"/."),
    "normalizepathwin": (b"./", b"//", b"/.", b"\\"),
    "normalisepathwin": (b"./", b"//", b"/.", b"\\"),
}

# The sign without which a decoder is the identity, as a bit of what `_signs` returns.
_PERCENT, _ENTITY, _BACKSLASH, _HIGH, _NUL, _COMMENT, _DOTS = (1 << bit for bit in range(7))
_ALWAYS: Final = 1 << 7  # what is no decoder is always applied
_SIGN_OF: Final[dict[str, int]] = {
    "urldecode": _PERCENT,
    "urldecodeuni": _PERCENT,
    "htmlentitydecode": _ENTITY,
    "browserentitydecode": _ENTITY,
    "jsdecode": _BACKSLASH,
    "cssdecode": _BACKSLASH,
    "escapeseqdecode": _BACKSLASH,
    "halfwidth": _HIGH,
    "utf8tounicode": _HIGH,
    "removenulls": _NUL,
    "replacenulls": _NUL,
    "replacecomments": _COMMENT,
    "normalizepath": _DOTS,
    "normalisepath": _DOTS,
    "normalizepathwin": _DOTS | _BACKSLASH,
    "normalisepathwin": _DOTS | _BACKSLASH,
}
# On ordinary text, whose case does not matter (see `ordinary`), the other transformations have signs as well.
_PLUS, _DASHES, _BLANK, _BLANKS, _SHELL = (1 << bit for bit in range(8, 13))
_CALM_SIGN_OF: Final[dict[str, int]] = {
    **dict.fromkeys(_SIGN_OF, 0),
    "urldecode": _PLUS,
    "urldecodeuni": _PLUS,
    "normalizepath": _DOTS,
    "normalisepath": _DOTS,
    "normalizepathwin": _DOTS,
    "normalisepathwin": _DOTS,
    "removecomments": _DASHES,
    "removecommentschar": _DASHES,
    "trim": _BLANK,
    "trimleft": _BLANK,
    "trimright": _BLANK,
    "removewhitespace": _BLANK,
    "compresswhitespace": _BLANKS,
    "shellwords": _BLANKS,
    "cmdline": _SHELL,
}


def _calm_signs(text: bytes) -> int:
    signs = 0
    if b"+" in text:
        signs = _PLUS
    if b"./" in text or b"//" in text or b"/." in text:
        signs |= _DOTS
    if b"--" in text:
        signs |= _DASHES
    if b" " in text:
        signs |= _BLANK
        if b"  " in text:
            signs |= _BLANKS | _SHELL
        elif b" /" in text:
            signs |= _SHELL
    if b";" in text or b"," in text:
        signs |= _SHELL
    return signs


def _signs(text: bytes) -> int:
    signs = 0
    if b"%" in text or b"+" in text:
        signs = _PERCENT
    if has_entity(text):
        signs |= _ENTITY
    if b"\\" in text:
        signs |= _BACKSLASH
    if not text.isascii():
        signs |= _HIGH
    if b"\0" in text:
        signs |= _NUL
    if b"/*" in text:
        signs |= _COMMENT
    if b"./" in text or b"//" in text or b"/." in text:
        signs |= _DOTS
    return signs


@dataclass(frozen=True, slots=True)
class _Chain:
    """One pipeline; `every_stage`: what it makes on the way is looked at as well."""

    names: tuple[str, ...]
    every_stage: bool


class _State:
    """How far each chain has come.  `ways`: by signs, who looks at this text, and where it goes from here."""

    __slots__ = ("at", "decodes", "ways")

    def __init__(self, at: frozenset[tuple[_Chain, int]], sign_of: Mapping[str, int]) -> None:
        self.at = at
        self.decodes = any(sign_of.get(name) for chain, done in at for name in chain.names[done:])
        self.ways: dict[int, tuple[Members, tuple[_Move, ...]]] = {}


@dataclass(frozen=True, slots=True)
class _Move:
    """Apply one transformation.  `walls`: pieces with which it must not see joined text; None: never."""

    apply: Transform
    walls: tuple[bytes, ...] | None
    to: _State


class Outcomes:
    """The pipelines that one group of patterns asks for.

    State: the automaton, built as texts ask for it; at most one way per state and set of signs.
    """

    def __init__(self, separator: bytes = SEPARATOR, *, calm: bool = False) -> None:
        """`calm`: all values will be ordinary, and no pattern cares about their case (see `ordinary`)."""
        self._separator = separator
        self._calm = calm
        self._signs, self._sign_of = (_calm_signs, _CALM_SIGN_OF) if calm else (_signs, _SIGN_OF)
        self._members: dict[_Chain, set[int]] = {}
        self._states: dict[frozenset[tuple[_Chain, int]], _State] = {}
        self._root: _State | None = None

    def plant(self, member: int, names: tuple[str, ...], every_stage: bool) -> None:
        """Let the pattern numbered `member` look at what these transformations make."""
        self._members.setdefault(_Chain(names, every_stage), set()).add(member)
        self._states.clear()
        self._root = None

    def of(self, values: list[bytes]) -> Texts:
        """Every distinct outcome on the joined values."""
        if self._calm:
            # No value holds a separator, and mostly there is nothing to be done.
            joined = self._separator.join(values)
            members, moves = self._way(self._start(), _calm_signs(joined))
            if not moves:
                return {joined: [members]}
        texts: Texts = {}
        single = len(values) == 1
        joined = values[0] if single else WALL.join(values)
        marks = 2 * (len(values) - 1)
        if not single and (joined.count(b"\x1e") != marks or joined.count(b"\x1f") * 2 != marks):
            # The values hold separators themselves: take no risk.
            self._each(self._start(), values, texts)
            return texts
        stack: list[tuple[_State, bytes]] = [(self._start(), joined)]
        while stack:
            state, text = stack.pop()
            signs = self._signs(text) if state.decodes else 0
            way = state.ways.get(signs)
            members, moves = self._way(state, signs) if way is None else way
            if members:
                known = texts.get(text)
                if known is None:
                    texts[text] = [members]
                else:
                    known.append(members)
            for move in moves:
                walls = move.walls
                if not single:
                    if walls:
                        for wall in walls:
                            if wall in text:
                                walls = None
                                break
                    if walls is None:
                        pieces = [move.apply(value) for value in text.split(WALL)]
                        self._each(move.to, pieces, texts)
                        continue
                after = move.apply(text)
                if signs and not single and after.count(b"\x1e") != marks:
                    # A decoder has made a mark of our own, or eaten one: from the start, value by value.
                    texts = {}
                    self._each(self._start(), values, texts)
                    return texts
                stack.append((move.to, after))
        return texts if single else self._separated(texts)

    def _separated(self, texts: Texts) -> Texts:
        out: Texts = {}
        for text, members in texts.items():
            out.setdefault(text.replace(WALL, self._separator), []).extend(members)
        return out

    def _each(self, state: _State, values: list[bytes], texts: Texts) -> None:
        joined = self._separator.join(values)
        signs = self._signs(joined) if state.decodes else 0
        members, moves = self._way(state, signs)
        if members:
            texts.setdefault(joined, []).append(members)
        for move in moves:
            self._each(move.to, [move.apply(value) for value in values], texts)

    # -- the automaton ----------------------------------------------------------

    def _start(self) -> _State:
        if self._root is None:
            self._root = self._state(frozenset((chain, 0) for chain in self._members))
        return self._root

    def _state(self, at: frozenset[tuple[_Chain, int]]) -> _State:
        known = self._states.get(at)
        if known is None:
            known = self._states[at] = _State(at, self._sign_of)
        return known

    def _way(self, state: _State, signs: int) -> tuple[Members, tuple[_Move, ...]]:
        known = state.ways.get(signs)
        if known is not None:
            return known
        sign_of = self._sign_of
        members: set[int] = set()
        next_at: dict[str, set[tuple[_Chain, int]]] = {}
        for chain, done in state.at:
            names = chain.names
            while done < len(names) and sign_of.get(names[done], _ALWAYS) & (signs | _ALWAYS) == 0:
                done += 1  # its sign is not there
            if done == len(names) or chain.every_stage:
                members |= self._members[chain]
            if done < len(names):
                next_at.setdefault(names[done], set()).add((chain, done + 1))
        moves = tuple(
            _Move(TRANSFORMS[name].apply, _JOINABLE.get(name), self._state(frozenset(at)))
            for name, at in next_at.items()
        )
        way = state.ways[signs] = (frozenset(members), moves)
        return way
