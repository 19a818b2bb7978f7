r"""What would this text be, once every decoder on the way to the application has had its turn?

An attacker writes `%3Cscript%3E`, `&lt;script&gt;` or `\u003cscript`; a rule wants to see `<script`.  A
transformation maps bytes to bytes and never fails: what it cannot decode stays as it is.  The names and the
corner cases are ModSecurity's (its Reference Manual, "Transformation functions"), because rules are written
against exactly those.

Every pattern in this module is our own, and linear: character classes and bounded repeats, never nested.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

Transform = Callable[[bytes], bytes]


def _unicode_low_byte(hex4: bytes) -> int:
    """The byte that IIS would see for a UTF-16 unit: its low byte, or the plain letter of a full-width
    one."""
    low = int(hex4[2:], 16)
    # U+FF01..U+FF5E are the full-width forms of "!".."~".
    return low + 0x20 if hex4[:2].lower() == b"ff" and 0 < low < 0x5F else low


_PERCENT = re.compile(rb"%(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{4})|([0-9A-Fa-f]{2}))")
_PERCENT_PLAIN = re.compile(rb"%([0-9A-Fa-f]{2})")


def _percent(found: re.Match[bytes]) -> bytes:
    wide = found[1] or found[2]
    return bytes((_unicode_low_byte(wide) if wide else int(found[3], 16),))


def url_decode_uni(text: bytes) -> bytes:
    """`%41`, `%u0041` and `+`; broken escapes stay."""
    if b"+" in text:
        text = text.replace(b"+", b" ")
    return _PERCENT.sub(_percent, text) if b"%" in text else text


def url_decode(text: bytes) -> bytes:
    """`%41` and `+`; broken escapes stay."""
    if b"+" in text:
        text = text.replace(b"+", b" ")
    return _PERCENT_PLAIN.sub(lambda found: bytes((int(found[1], 16),)), text) if b"%" in text else text


_URL_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789*-_.")


def url_encode(text: bytes) -> bytes:
    """Everything but letters, digits and `*-_.` as `%xx`; blank as `+`."""
    return b"".join(
        bytes((byte,)) if byte in _URL_SAFE else b"+" if byte == 0x20 else b"%%%02x" % byte for byte in text
    )


_FULL_WIDTH = re.compile(rb"\xef(?:\xbc([\x81-\xbf])|\xbd([\x80-\x9e]))")


def half_width(text: bytes) -> bytes:
    """Our own: the full-width letters of East Asia, which many programs fold to ASCII, as that.

    utf8toUnicode with urlDecodeUni folds *every* letter to its low byte: a Cyrillic sentence becomes quotes
    and brackets.
    """
    if b"\xef" not in text:
        return text
    return _FULL_WIDTH.sub(
        lambda found: bytes((found[1][0] - 0x60,)) if found[1] else bytes((found[2][0] - 0x20,)), text
    )


_ENTITY = re.compile(rb"&(?:#(?:[xX]([0-9A-Fa-f]{1,16})|([0-9]{1,20}))|([A-Za-z]{2,8}));?")
_ENTITY_NAMES = {
    b"quot": b'"',
    b"amp": b"&",
    b"lt": b"<",
    b"gt": b">",
    b"nbsp": b"\xa0",
}


def _entity(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return bytes((int(found[1], 16) & 0xFF,))
    if found[2]:
        return bytes((int(found[2]) & 0xFF,))
    return _ENTITY_NAMES.get(found[3].lower(), found[0])


# Browsers know these as well, and a javascript: link is where they matter.  ModSecurity does not decode them.
_MORE_ENTITY_NAMES = {
    **_ENTITY_NAMES,
    b"colon": b":",
    b"tab": b"\t",
    b"newline": b"\n",
    b"lpar": b"(",
    b"rpar": b")",
    b"apos": b"'",
}


def _browser_entity(found: re.Match[bytes]) -> bytes:
    return _MORE_ENTITY_NAMES.get(found[3].lower(), found[0]) if found[3] else _entity(found)


def browser_entity_decode(text: bytes) -> bytes:
    """Our own: as `html_entity_decode`, with the names that browsers decode inside links."""
    return _ENTITY.sub(_browser_entity, text) if b"&" in text else text


def html_entity_decode(text: bytes) -> bytes:
    """`&#x3c;` `&#60` `&lt;`; the semicolon may be missing, as browsers allow."""
    return _ENTITY.sub(_entity, text) if b"&" in text else text


# Every query has `&`; few have one of the entities that the two decoders know.
_KNOWN_ENTITY = re.compile(rb"(?i)&(?:#|quot|amp|[lg]t|nbsp|colon|tab|newline|[lr]par|apos)")


def has_entity(text: bytes) -> bool:
    """Whether one of the two decoders of entities may change `text`."""
    return b"&" in text and _KNOWN_ENTITY.search(text) is not None


_JS = re.compile(rb"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|([0-7]{1,3})|([\s\S]))")
_C_ESCAPES = {0x61: 7, 0x62: 8, 0x66: 12, 0x6E: 10, 0x72: 13, 0x74: 9, 0x76: 11}


def _js(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return bytes((_unicode_low_byte(found[1]),))
    if found[2]:
        return bytes((int(found[2], 16),))
    octal = found[3]
    if octal:
        # Three digits above \377 are two digits and a literal one.
        if len(octal) == 3 and octal[0] > 0x33:
            return bytes((int(octal[:2], 8),)) + octal[2:]
        return bytes((int(octal, 8),))
    byte = found[4][0]
    return bytes((_C_ESCAPES.get(byte, byte),))


def js_decode(text: bytes) -> bytes:
    r"""`\u003c` `\x3c` `\74` `\n`; any other escaped character loses its backslash."""
    return _JS.sub(_js, text) if b"\\" in text else text


_CSS = re.compile(rb"\\(?:([0-9A-Fa-f]{1,6})[\t\n\x0b\x0c\r ]?|(\n)|([\s\S])|$)")


def _css(found: re.Match[bytes]) -> bytes:
    digits = found[1]
    if not digits:
        return found[3] or b""
    low = int(digits[-2:], 16)
    if (
        len(digits) >= 4
        and digits[-4:-2].lower() == b"ff"
        and digits[:-4].strip(b"0") == b""
        and 0 < low < 0x5F
    ):
        low += 0x20
    return bytes((low,))


def css_decode(text: bytes) -> bytes:
    r"""`\3c ` with one to six digits; a backslash before anything else vanishes."""
    return _CSS.sub(_css, text) if b"\\" in text else text


_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|([0-7]{1,3})|([abfnrtv\\?'\"]))")


def _escape(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return bytes((int(found[1], 16),))
    if found[2]:
        return bytes((int(found[2], 8) & 0xFF,))
    byte = found[3][0]
    return bytes((_C_ESCAPES.get(byte, byte),))


def escape_seq_decode(text: bytes) -> bytes:
    r"""ANSI C: `\n` `\x41` `\101`; unknown escapes stay."""
    return _ESCAPE.sub(_escape, text) if b"\\" in text else text


_UTF8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


def _to_percent_u(found: re.Match[bytes]) -> bytes:
    try:
        return b"%%u%04x" % ord(found[0].decode("utf-8"))
    except UnicodeDecodeError:
        return found[0]  # overlong or a surrogate: not a character


def utf8_to_unicode(text: bytes) -> bytes:
    """`é` in UTF-8 becomes `%u00e9`, so that a later urlDecodeUni folds look-alikes into letters."""
    return text if text.isascii() else _UTF8.sub(_to_percent_u, text)


def remove_nulls(text: bytes) -> bytes:
    """NUL bytes vanish."""
    return text.replace(b"\0", b"") if b"\0" in text else text


def replace_nulls(text: bytes) -> bytes:
    """NUL bytes become blanks."""
    return text.replace(b"\0", b" ") if b"\0" in text else text


def remove_whitespace(text: bytes) -> bytes:
    """Every blank vanishes."""
    return text.translate(None, b"\t\n\x0b\x0c\r \xa0")


def _one_blank(text: bytes) -> bytes:
    # Each pass halves the runs.  A pattern takes ten times as long on text with few blanks, which most is.
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


# What isspace() calls blank in the C locale, and the no-break space of Latin-1, which ModSecurity adds.
_TO_BLANK = bytes.maketrans(b"\t\n\x0b\x0c\r\xa0", b" " * 6)


def compress_whitespace(text: bytes) -> bytes:
    """A run of blanks becomes one blank."""
    return _one_blank(text.translate(_TO_BLANK))


def replace_comments(text: bytes) -> bytes:
    """`/* … */` becomes one blank; an open comment swallows the rest."""
    if b"/*" not in text:
        return text
    out: list[bytes] = []
    at = 0
    while (start := text.find(b"/*", at)) != -1:
        out.append(text[at:start])
        out.append(b" ")
        stop = text.find(b"*/", start + 2)
        if stop == -1:
            return b"".join(out)
        at = stop + 2
    out.append(text[at:])
    return b"".join(out)


def remove_comments(text: bytes) -> bytes:
    """C, HTML, SQL and shell comments vanish; `--` and `#` swallow the rest."""
    out: list[bytes] = []
    at, end = 0, len(text)
    while at < end:
        if text.startswith(b"/*", at):
            stop = text.find(b"*/", at + 2)
            at = end if stop == -1 else stop + 2
        elif text.startswith(b"<!--", at):
            stop = text.find(b"-->", at + 4)
            at = end if stop == -1 else stop + 3
        elif text.startswith(b"--", at) or text[at] == 0x23:
            break
        else:
            out.append(text[at : at + 1])
            at += 1
    return b"".join(out)


_COMMENT_CHARS = re.compile(rb"/\*|\*/|<!--|-->|--|#")


def remove_comments_char(text: bytes) -> bytes:
    """The signs that open and close comments vanish; what is between them stays."""
    if b"--" not in text and b"#" not in text and b"*" not in text:
        return text
    return _COMMENT_CHARS.sub(b"", text)


def normalize_path(text: bytes) -> bytes:
    """`/a//b/./../c` becomes `/a/c`; leading `..` stay when there is nothing to go back to."""
    if not text or (b"./" not in text and b"//" not in text and b"/." not in text and text != b"."):
        return text
    rooted = text[:1] == b"/"
    kept: list[bytes] = []
    parts = text.split(b"/")
    for part in parts:
        if part in {b"", b"."}:
            continue
        if part == b".." and kept and kept[-1] != b"..":
            kept.pop()
        elif part == b".." and rooted and not kept:
            continue
        else:
            kept.append(part)
    joined = b"/".join(kept)
    if rooted:
        joined = b"/" + joined
    if parts[-1] in {b"", b"."} and kept:
        joined += b"/"
    return joined


def normalize_path_win(text: bytes) -> bytes:
    """As `normalize_path`, after turning backslashes into slashes."""
    return normalize_path(text.replace(b"\\", b"/"))


_UPPER, _LOWER = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz"
_CMD = bytes.maketrans(b"\t\n\x0b\x0c\r,;" + _UPPER, b" " * 7 + _LOWER)


def cmd_line(text: bytes) -> bytes:
    """What a shell would read: no quoting characters, one blank between words, none before `/` and `(`, lower
    case."""
    text = _one_blank(text.translate(_CMD, b"\\\"'^"))
    if b" /" in text or b" (" in text:
        text = text.replace(b" /", b"/").replace(b" (", b"(")
    return text


_IFS = re.compile(rb"\$(?:\{IFS[^}]{0,40}\}|IFS)(?:\$?[0-9])?", re.IGNORECASE)
_SHELL_VARIABLE = re.compile(rb"\$(?:[@*#?!$0-9\-]|\{[^}]{0,40}\}|[A-Za-z_][A-Za-z0-9_]{0,30})")
_SHELL = bytes.maketrans(b"\t\x0b\x0c\r" + _UPPER, b" " * 4 + _LOWER)


def shell_words(text: bytes) -> bytes:
    r"""Our own, for `c\a't' $IFS/etc$u/passwd`: a shell's blanks and nothing that it would throw away; lower
    case.

    Unlike cmdLine it keeps `;`, and a line end becomes one: both say where the next command begins.
    """
    if b"\n" in text:
        text = text.replace(b"\n", b";")
    if b"$" in text:
        text = _IFS.sub(b" ", text)
        text = _SHELL_VARIABLE.sub(b"", text)
    return _one_blank(text.translate(_SHELL, b"\\\"'^"))


_BASE64 = re.compile(rb"[A-Za-z0-9+/]*")
_NOT_BASE64 = bytes(
    set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
)


def _base64(clean: bytes) -> bytes:
    # A single left-over letter carries six bits, which is no byte.
    over = len(clean) % 4
    return binascii.a2b_base64(clean[:-1] if over == 1 else clean + b"==" if over else clean)


def base64_decode(text: bytes) -> bytes:
    """Standard alphabet, up to the first foreign character."""
    found = _BASE64.match(text)
    return _base64(found[0] if found else b"")


def base64_decode_ext(text: bytes) -> bytes:
    """Standard alphabet, foreign characters skipped."""
    return _base64(text.partition(b"=")[0].translate(None, _NOT_BASE64))


def hex_decode(text: bytes) -> bytes:
    """Pairs of hexadecimal digits; anything else ends it."""
    found = re.match(rb"(?:[0-9A-Fa-f]{2})*", text)
    return bytes.fromhex((found[0] if found else b"").decode("ascii"))


_SQL_HEX = re.compile(rb"0[xX]((?:[0-9A-Fa-f]{2})+)")


def sql_hex_decode(text: bytes) -> bytes:
    """`0x414243` becomes `ABC`."""
    return _SQL_HEX.sub(lambda found: bytes.fromhex(found[1].decode("ascii")), text)


def _same(text: bytes) -> bytes:
    return text


@dataclass(frozen=True, slots=True)
class Step:
    """One transformation."""

    name: str
    apply: Transform


_STEPS = [
    Step("none", _same),
    Step("lowercase", bytes.lower),
    Step("uppercase", bytes.upper),
    Step("urlDecode", url_decode),
    Step("urlDecodeUni", url_decode_uni),
    Step("urlEncode", url_encode),
    Step("htmlEntityDecode", html_entity_decode),
    Step("browserEntityDecode", browser_entity_decode),
    Step("jsDecode", js_decode),
    Step("cssDecode", css_decode),
    Step("escapeSeqDecode", escape_seq_decode),
    Step("halfWidth", half_width),
    Step("utf8toUnicode", utf8_to_unicode),
    Step("removeNulls", remove_nulls),
    Step("replaceNulls", replace_nulls),
    Step("removeWhitespace", remove_whitespace),
    Step("compressWhitespace", compress_whitespace),
    Step("replaceComments", replace_comments),
    Step("removeComments", remove_comments),
    Step("removeCommentsChar", remove_comments_char),
    Step("normalizePath", normalize_path),
    Step("normalisePath", normalize_path),
    Step("normalizePathWin", normalize_path_win),
    Step("normalisePathWin", normalize_path_win),
    Step("cmdLine", cmd_line),
    Step("shellWords", shell_words),
    Step("base64Decode", base64_decode),
    Step("base64DecodeExt", base64_decode_ext),
    Step("base64Encode", base64.b64encode),
    Step("hexDecode", hex_decode),
    Step("hexEncode", binascii.hexlify),
    Step("sqlHexDecode", sql_hex_decode),
    Step("sha1", lambda text: hashlib.sha1(text, usedforsecurity=False).digest()),
    Step("md5", lambda text: hashlib.md5(text, usedforsecurity=False).digest()),
    Step("length", lambda text: b"%d" % len(text)),
    Step("trim", lambda text: text.strip(b"\t\n\x0b\x0c\r ")),
    Step("trimLeft", lambda text: text.lstrip(b"\t\n\x0b\x0c\r ")),
    Step("trimRight", lambda text: text.rstrip(b"\t\n\x0b\x0c\r ")),
]

# By lower-case name, as rule files spell them in every way.
TRANSFORMS: dict[str, Step] = {step.name.lower(): step for step in _STEPS}


class Pipeline:
    """A chain of transformations as one function.  Equal chains share one object (`pipeline_of`)."""

    __slots__ = ("_functions", "names")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._functions = tuple(TRANSFORMS[name].apply for name in names if name != "none")

    def __call__(self, text: bytes) -> bytes:
        for function in self._functions:
            text = function(text)
        return text

    def stages(self, text: bytes) -> list[bytes]:
        """The text itself and every intermediate value that differs from the one before (`multiMatch`)."""
        out = [text]
        for function in self._functions:
            after = function(out[-1])
            if after != out[-1]:
                out.append(after)
        return out


_PIPELINES: dict[tuple[str, ...], Pipeline] = {}


def pipeline_of(names: tuple[str, ...]) -> Pipeline:
    """The pipeline for these (lower-case) transformation names.  Bounded by what rule files spell."""
    found = _PIPELINES.get(names)
    if found is None:
        found = _PIPELINES[names] = Pipeline(names)
    return found
