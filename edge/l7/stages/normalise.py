"""Which resource does this target name, in the one spelling that everybody behind us uses?

Attacks on a chain of HTTP parsers live where two of them read one path in two
ways.  So a path is brought to one form (RFC 3986 section 6.2.2: escapes of
unreserved characters decoded, the others in capitals, dot segments and empty
segments removed), and what cannot be brought to one form without guessing is
refused: an escaped slash, backslash or NUL, a path that climbs above the root,
a dot segment with a parameter (`..;`, which Tomcat resolves and nginx does not).

Route, cache and service all see that form; the WAF judges what was sent, with
its own decoding.  The query is left as it is, since its meaning belongs to the
service, but it must be made of printable ASCII without "#".

State: the last few thousand path spellings and what became of them.
"""

import math
import re
from typing import Final

from edge.l7.request import Request
from edge.l7.verdict import CONTINUE, Answer

# A phone asks for the same few hundred paths; media ids fill the rest.  Longer paths are rare and
# would only let one client pin memory: 4096 * 256 bytes is a megabyte.
MEMO_ENTRIES_MAX: Final = 4096
MEMO_PATH_BYTES_MAX: Final = 256

# RFC 3986 section 3.3: pchar and "/"; without "%", "//" and "/." it is in normal form already.
_PLAIN = re.compile(rb"(?:/(?!\.)[A-Za-z0-9._~!$&'()*+,;=:@-]+)+/?\Z|/\Z")
_CHARACTERS = re.compile(rb"/[A-Za-z0-9._~!$&'()*+,;=:@/%-]*\Z")
# RFC 3986 section 3.4, and what clients send unescaped all the same.  None of it can be read in two
# ways, and refusing it here would only hide from the WAF what it is there to see.
_QUERY = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=:@/?%\[\]{}|^`\\<>\"-]*\Z")
_ESCAPE = re.compile(rb"%(..?)?", re.DOTALL)
_HEX = re.compile(rb"[0-9A-Fa-f]{2}\Z")
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_TWO_READINGS: Final = {0x00: "NUL", 0x2F: "slash", 0x5C: "backslash"}


class Ambiguous(ValueError):
    """The path can be read in more than one way; the text is fit for the phone."""


def normalise_path(raw: bytes) -> str:
    """The normal form of `raw`, which begins with "/" and has no "?".  Raises `Ambiguous`."""
    if _PLAIN.match(raw):
        return raw.decode("ascii")
    if not _CHARACTERS.match(raw):
        raise Ambiguous("the path holds a character that has to be percent-encoded")
    segments: list[bytes] = []
    *inner, last = _ESCAPE.sub(_decoded, raw).split(b"/")[1:]
    for segment in [*inner, last]:
        if segment.startswith((b".;", b"..;", b".%3B", b"..%3B")):
            raise Ambiguous("a dot segment carries a parameter")
        if segment == b"..":
            if not segments:
                raise Ambiguous("the path climbs above the root")
            segments.pop()
        elif segment not in (b"", b"."):
            segments.append(segment)
    # RFC 3986 section 5.2.4: "/a/." and "/a/.." name the directory.
    slash = b"/" if segments and last in (b"", b".", b"..") else b""
    return (b"/" + b"/".join(segments) + slash).decode("ascii")


def _decoded(escape: re.Match[bytes]) -> bytes:
    digits = escape[1] or b""
    if not _HEX.match(digits):
        raise Ambiguous("a percent sign is not followed by two hexadecimal digits")
    byte = int(digits, 16)
    if byte in _TWO_READINGS:
        raise Ambiguous(f"the path holds an escaped {_TWO_READINGS[byte]}")
    return bytes((byte,)) if byte in _UNRESERVED else b"%" + digits.upper()


class Normalise:
    """The first stage: fills in `request.path` and `request.query`, or answers 400."""

    __slots__ = ("_memo",)

    def __init__(self) -> None:
        self._memo: dict[bytes, str | Answer] = {}

    def __call__(self, request: Request, now: float, unix_now: float) -> Answer | None:
        """Bring the target to its normal form."""
        raw, _, query = request.target.partition(b"?")
        known = self._memo.get(raw)
        if known is None:
            known = self._judge(raw, request.method)
        if known.__class__ is not str:
            assert isinstance(known, Answer)
            return known
        if query and not _QUERY.match(query):
            return _refused("the query holds a character that has to be percent-encoded")
        request.path = known
        request.query = query
        return CONTINUE

    def same_until(self, request: Request) -> float:
        """It asks nothing but the target."""
        return math.inf

    def _judge(self, raw: bytes, method: str) -> str | Answer:
        if raw == b"*" and method == "OPTIONS":
            return "*"  # RFC 9110 section 9.3.7: the server as a whole
        if not raw.startswith(b"/"):
            return _refused("the request target is not a path")
        try:
            judged: str | Answer = normalise_path(raw)
        except Ambiguous as error:
            judged = _refused(str(error))
        if len(raw) <= MEMO_PATH_BYTES_MAX:
            if len(self._memo) >= MEMO_ENTRIES_MAX:
                self._memo.clear()
            self._memo[raw] = judged
        return judged


def _refused(detail: str) -> Answer:
    return Answer(status=400, reason="BAD", detail=detail, why=f"normalise: {detail}")
