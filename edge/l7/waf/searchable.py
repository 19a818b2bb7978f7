r"""Which pattern finds every value that a rule's operator would match?

The prefilter searches many values at once, joined by `SEPARATOR`, for many rules at once.  So each operator
is expressed as a pattern for joined text: multi-line, `$` widened to stand before the separator.  Such a
pattern may match where the operator does not (the rule is then evaluated in vain), never the other way round;
where there is no good one the answer is None, and the rule is looked at on every request."""

import re
from itertools import pairwise

from edge.l7.waf.form import Link
from edge.l7.waf.html_tokens import GATE as HTML_GATE
from edge.l7.waf.operators import BAD_PERCENT, bytes_outside, pattern_of, pm_pattern, pm_phrases, quote
from edge.l7.waf.regex import Pattern, compile_pattern, to_re2, tokens
from edge.l7.waf.sql_tokens import GATE as SQL_GATE

SEPARATOR = b"\x1e\n"


def searchable(link: Link) -> Pattern | None:
    """A pattern that matches wherever the link's operator does, for joined text; None when there is no good
    one."""
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
    compiled = compile_pattern(multi_line(loosened(pattern)))
    # What finds something in nothing would name its rule on every request.
    return None if compiled.found(b"") else compiled


def is_the_same(pattern: Pattern, link: Link) -> bool:
    """Whether the searchable `pattern` of `link` finds exactly what the operator does, in the same place, and
    the rule asks for no groups.  Then one of the two is enough; compiled they are dear."""
    operator = link.operator
    source = pattern_of(operator) if operator is not None else None
    return (
        source is not None
        and pattern.source == b"(?m)" + to_re2(source)
        and not anchored(link)
        and not (link.capture and _has_groups(source))
    )


def _has_groups(pattern: bytes) -> bool:
    # A group that is named counts as well; so does, wrongly, an atomic one.
    pieces = [piece for piece, inside in tokens(pattern) if not inside]
    return any(
        piece == b"(" and (following != b"?" or b"<" in pieces[at + 2 : at + 4])
        for at, (piece, following) in enumerate(pairwise([*pieces, b""]))
    )


_NOT_MULTI_LINE = re.compile(rb"\(\?[a-zA-Z]*-[a-z]*m")


def loosened(pattern: bytes) -> bytes:
    """The same pattern without large counts: `x{0,200}` becomes `x{0,}`, which matches more.

    A pattern that counts keeps a count for each place where it could have begun, and joined text has as many
    of those as values.  Each byte then makes a new state: five rules that begin with `^[^']{0,200}'` took 60
    ms for 4 kB of ordinary JSON, 2 ms without the counts.
    """
    out: list[bytes] = []
    count: list[bytes] | None = None
    for piece, in_class in tokens(pattern):
        if count is not None:
            count.append(piece)
            if piece == b"}":
                out.append(_loose(b"".join(count)))
                count = None
        elif piece == b"{" and not in_class and out and out[-1] not in _NOT_COUNTED:
            count = [piece]
        else:
            out.append(piece)
    return b"".join(out + (count or []))


# What is in braces after these is no count.
_NOT_COUNTED = frozenset((b"\\x", b"\\p", b"\\P"))
_COUNT = re.compile(rb"\{([0-9]+)(,?)([0-9]*)\}")
COUNT_MAX = 8


def _loose(count: bytes) -> bytes:
    found = _COUNT.fullmatch(count)
    if found is None:
        return count
    low, high = int(found[1]), int(found[3] or found[1])
    if low <= COUNT_MAX and high <= COUNT_MAX:
        return count
    return b"{%d,}" % min(low, COUNT_MAX)


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


def crosses_lines(pattern: Pattern) -> bool:
    """Whether the pattern finds the separator itself, like `[\\r\\n]`: then it has to be tried on text
    without line ends."""
    return pattern.found(b"a" + SEPARATOR + b"a")


def anchored(link: Link) -> bool:
    """Whether the link's own pattern asks for the ends of a value."""
    operator = link.operator
    constant = operator.argument.constant if operator is not None else None
    if operator is None or constant is None or operator.name != "rx":
        return operator is not None and operator.name in {
            "streq",
            "beginswith",
            "endswith",
            "validateurlencoding",
        }
    return any(
        not inside and piece in {b"^", b"$", b"\\A", b"\\z", b"\\Z"} for piece, inside in tokens(constant)
    )
