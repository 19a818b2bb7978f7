r"""Which rules can possibly match these values?

Hundreds of patterns over dozens of values are thousands of searches.  Instead, all values are joined into one
text and one RE2 set says in a single pass which patterns occur in it at all.  Only those rules are then
evaluated exactly.

The answer may name too many rules, never too few.  That holds because

* a rule's pattern is tried on exactly the values it would see, after exactly its transformations (every
  distinct outcome of a pipeline is one more text);
* values are separated by `\x1e\n` and patterns are compiled in multi-line mode, `$` widened to stand before
  the separator, so `^` and `$` hold at every value's ends; a match across a separator is a false alarm only;
* operators that are no patterns are expressed as patterns that match at least where they do.

A large set is the fastest matcher for ordinary text and the slowest for hostile text, where every byte builds
a new state of the whole program.  So texts over `SET_BYTES_MAX` go to `re2.Filter`, which looks for literal
pieces first and then runs single patterns.  A tree of transformations computes shared prefixes of pipelines
once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import re2

from edge.l7.waf.compiled import Step
from edge.l7.waf.form import Link
from edge.l7.waf.html_tokens import GATE as HTML_GATE
from edge.l7.waf.operators import BAD_PERCENT, bytes_outside, pm_pattern, pm_phrases, quote
from edge.l7.waf.quiet import Quiet
from edge.l7.waf.regex import Pattern, compile_pattern, options, to_re2, tokens
from edge.l7.waf.sql_tokens import GATE as SQL_GATE
from edge.l7.waf.transform import TRANSFORMS, Transform

SEPARATOR = b"\x1e\n"
# Inside transformations the separator must hold no blank, which several of them squeeze.
_WALL = b"\x1e\x1f\x1e"
# Measured (docs/waf.md): below this a set costs microseconds even on hostile text, above it the filter is
# cheaper.
SET_BYTES_MAX = 512
SET_MEMORY_BYTES = 16 << 20
# Nor is every short text ordinary: 512 bytes of pieces of attacks took an inspection 50 ms, and 10 ms where
# texts with an eighth of unusual bytes go to the filter (measured; ordinary requests take as long as before).
ODD_SHARE_INVERSE = 8
SURE_BYTES_MAX = 64
_USUAL_BYTES = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-./,:=&+" + SEPARATOR + _WALL


def prefilter_pattern(link: Link) -> bytes | None:
    """A pattern that matches wherever the link's operator does, for multi-line text; None when there is no
    good one."""
    operator = link.operator
    if operator is None or operator.negated or any(target.count for target in link.targets):
        return None
    constant = operator.argument.constant
    if constant is None:
        return None
    name = operator.name
    pattern: bytes | None
    if name == "rx":
        pattern = to_re2(constant)
    elif name == "pm":
        phrases = pm_phrases(operator)
        pattern = pm_pattern(phrases) if phrases else None
    elif name in {"contains", "strmatch", "containsword"}:
        pattern = quote(constant)
    elif name == "streq":
        pattern = b"^" + quote(constant) + b"$"
    elif name == "beginswith":
        pattern = b"^" + quote(constant)
    elif name == "endswith":
        pattern = quote(constant) + b"$"
    elif name == "validatebyterange":
        pattern = bytes_outside(constant)
    elif name == "validateurlencoding":
        pattern = BAD_PERCENT
    elif name == "validateutf8encoding":
        pattern = rb"[\x80-\xff]"
    else:
        pattern = {"detectsqli": SQL_GATE, "detectxss": HTML_GATE}.get(name)
    if pattern is None or b"\\Q" in pattern or _NOT_MULTI_LINE.search(pattern):
        return None
    if compile_pattern(pattern).found(b""):
        return None  # it would name its rule on every request
    return multi_line(pattern)


def multi_line(pattern: bytes) -> bytes:
    r"""The same pattern for joined text: `^` after a separator, `$` before one."""
    out: list[bytes] = [b"(?m)"]
    for piece, in_class in tokens(pattern):
        if not in_class and piece in {b"$", b"\\z"}:
            out.append(b"(?:\\x1e?$)")
        elif not in_class and piece == b"\\A":
            out.append(b"^")
        else:
            out.append(piece)
    return b"".join(out)


_NOT_MULTI_LINE = re.compile(rb"\(\?[a-zA-Z]*-[a-z]*m")


def crosses_lines(pattern: bytes) -> bool:
    """Whether the pattern finds the separator itself, like `[\\r\\n]`: then it has to be tried on text
    without line ends."""
    return compile_pattern(pattern).found(b"a" + SEPARATOR + b"a")


def anchored(link: Link) -> bool:
    """Whether the link's own pattern asks for the ends of a value."""
    constant = link.operator.argument.constant if link.operator is not None else None
    if constant is None or link.operator is None or link.operator.name not in {"rx"}:
        return link.operator is not None and link.operator.name in {
            "streq",
            "beginswith",
            "endswith",
            "validateurlencoding",
        }
    return any(
        not inside and piece in {b"^", b"$", b"\\A", b"\\z", b"\\Z"} for piece, inside in tokens(constant)
    )


class Matcher:
    """Many patterns, one pass: a set for short texts, a filter for long ones."""

    def __init__(self, patterns: Sequence[bytes]) -> None:
        self._patterns = list(patterns)
        self._set = re2.Set.SearchSet(options(SET_MEMORY_BYTES))
        for pattern in self._patterns:
            self._set.Add(pattern)
        self._set.Compile()
        # Built when the first long text arrives: many workers never see one.
        self._filter: _Filter | None = None

    def match(self, text: bytes) -> list[int]:
        """Indices of the patterns that occur in `text`."""
        if not self._patterns:
            return []
        if len(text) <= SET_BYTES_MAX and not _is_odd(text):
            return self._set.Match(text) or []
        if self._filter is None:
            self._filter = _Filter(self._patterns)
        return self._filter.match(text)


def _is_odd(text: bytes) -> bool:
    return len(text) > SURE_BYTES_MAX and len(text.translate(None, _USUAL_BYTES)) * ODD_SHARE_INVERSE > len(
        text
    )


class _Filter:
    """The same answer for long texts: literal pieces first, then single patterns."""

    def __init__(self, patterns: Sequence[bytes]) -> None:
        self._filter = re2.Filter()
        self._filtered: list[int] = []
        # The filter's own automaton reads UTF-8 and refuses pieces that are none; those few patterns run
        # alone.
        self._alone: list[tuple[int, Pattern]] = []
        for index, pattern in enumerate(patterns):
            trial = re2.Filter()
            try:
                trial.Add(pattern, options())
                trial.Compile()
            except re2.error:
                self._alone.append((index, compile_pattern(pattern)))
                continue
            self._filter.Add(pattern, options())
            self._filtered.append(index)
        if self._filtered:
            self._filter.Compile()

    def match(self, text: bytes) -> list[int]:
        found = [index for index, pattern in self._alone if pattern.found(text)]
        if self._filtered:
            filtered = self._filtered
            found += [filtered[index] for index in self._filter.Match(text) or ()]
        return found


@dataclass(slots=True)
class _Node:
    """One transformation in the tree of pipelines."""

    apply: Transform
    walls: tuple[bytes, ...] | None  # pieces with which it must not see joined text; None: never
    wanted: bool = False
    children: dict[str, "_Node"] = field(default_factory=dict)


# Transformations that treat joined text as they treat its values, and the pieces that would make a
# difference.
_JOINABLE: dict[str, tuple[bytes, ...]] = {
    "lowercase": (),
    "uppercase": (),
    "urldecode": (),
    "urldecodeuni": (),
    "htmlentitydecode": (),
    "browserentitydecode": (),
    "jsdecode": (b"\\" + _WALL[:1],),
    "cssdecode": (b"\\",),
    "escapeseqdecode": (b"\\" + _WALL[:1],),
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

# Most texts need no decoding at all, only folding of case and blanks.  Where none of these signs occurs, the
# decoders are the identity, and a much smaller tree (without them) gives the same outcomes.
_DECODERS: dict[str, bytes] = {
    "urldecode": rb"[%+]",
    "urldecodeuni": rb"[%+]",
    "htmlentitydecode": rb"&",
    "browserentitydecode": rb"&",
    "jsdecode": rb"\\",
    "cssdecode": rb"\\",
    "escapeseqdecode": rb"\\",
    "halfwidth": rb"\xef",
    "utf8tounicode": rb"[\x80-\xff]",
    "removenulls": rb"\x00",
    "replacenulls": rb"\x00",
    "replacecomments": rb"/\*",
    "normalizepath": rb"\./|//|/\.",
    "normalisepath": rb"\./|//|/\.",
    "normalizepathwin": rb"\./|//|/\.|\\",
    "normalisepathwin": rb"\./|//|/\.|\\",
}
# They cannot produce a sign for a decoder that comes after them.
_CASE = frozenset(("lowercase", "uppercase", "none"))


def _without_decoders(names: tuple[str, ...]) -> tuple[str, ...]:
    """The pipeline on text without signs: decoders drop out, up to the first step that may produce a sign."""
    kept: list[str] = []
    for index, name in enumerate(names):
        if name in _DECODERS:
            continue
        kept.append(name)
        if name not in _CASE:
            return (*kept, *names[index + 1 :])
    return tuple(kept)


# Transformations that turn any text into something unlike it.  Their outcomes would only mislead other rules'
# patterns.
_EXOTIC = frozenset(
    (
        "base64decode",
        "base64decodeext",
        "base64encode",
        "hexdecode",
        "hexencode",
        "sha1",
        "md5",
        "length",
        "urlencode",
    )
)


def is_exotic(link: Link) -> bool:
    """Whether the rule should not share a matcher with others."""
    return not _EXOTIC.isdisjoint(link.transforms)


def _plant(root: _Node, names: tuple[str, ...], every_stage: bool) -> None:
    """Grow the tree by one pipeline; `every_stage`: its intermediate texts are looked at as well."""
    node = root
    node.wanted = node.wanted or every_stage or not names
    for name in names:
        node = node.children.setdefault(name, _Node(TRANSFORMS[name].apply, _JOINABLE.get(name)))
        node.wanted = node.wanted or every_stage
    node.wanted = True


class Group:
    """The rules that look at one class of values."""

    def __init__(self, separator: bytes = SEPARATOR) -> None:
        self._separator = separator
        self._patterns: list[bytes] = []
        self._positions: list[int] = []
        self._root = _Node(lambda text: text, ())
        self._plain_root = _Node(lambda text: text, ())
        self._signs: set[bytes] = set()
        self._sign: re.Pattern[bytes] | None = None
        self._matcher: Matcher | None = None
        self._quiet = Quiet()

    def add(self, position: int, step: Step, pattern: bytes) -> None:
        """Let the rule at `position` be found by `pattern`."""
        self._patterns.append(pattern)
        self._positions.append(position)
        link = step.links[0]
        names = tuple(name for name in link.pipeline.names if name != "none")
        _plant(self._root, names, link.multi)
        _plant(self._plain_root, _without_decoders(names), link.multi)
        self._signs.update(_DECODERS[name] for name in names if name in _DECODERS)

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def candidates(self, values: list[bytes]) -> set[int]:
        """Positions of the rules that may match one of `values`."""
        values = self._quiet.unknown(values)
        if not values:
            return set()
        if self._matcher is None:
            self._sign = re.compile(b"|".join(sorted(self._signs))) if self._signs else None
            self._matcher = Matcher(self._patterns)  # last: another thread may be here as well
        found: set[int] = set()
        for text in self._texts(values):
            found.update(self._matcher.match(text))
        if not found:
            self._quiet.learn(values)
            return set()
        positions = self._positions
        return {positions[index] for index in found}

    def _texts(self, values: list[bytes]) -> set[bytes]:
        """Every distinct outcome of the pipelines on the joined values."""
        texts: set[bytes] = set()
        joined = _WALL.join(values)
        single = len(values) == 1
        if not single and (
            joined.count(b"\x1e") != 2 * (len(values) - 1) or joined.count(b"\x1f") != len(values) - 1
        ):
            # The values hold separators themselves: take no risk.
            self._each(self._root, values, texts)
            return texts
        plain = self._sign is None or self._sign.search(joined) is None
        stack: list[tuple[_Node, bytes]] = [(self._plain_root if plain else self._root, joined)]
        while stack:
            node, text = stack.pop()
            if node.wanted:
                texts.add(text)
            for child in node.children.values():
                walls = child.walls
                if walls and not single:
                    for wall in walls:
                        if wall in text:
                            walls = None
                            break
                if walls is not None or single:
                    after = child.apply(text)
                    if child.children:
                        stack.append((child, after))
                    else:
                        texts.add(after)
                else:
                    self._each(child, [child.apply(value) for value in text.split(_WALL)], texts)
        if single:
            return texts
        separator = self._separator
        return {text.replace(_WALL, separator) for text in texts}

    def _each(self, node: _Node, values: list[bytes], texts: set[bytes]) -> None:
        if node.wanted:
            texts.add(self._separator.join(values))
        for child in node.children.values():
            self._each(child, [child.apply(value) for value in values], texts)
