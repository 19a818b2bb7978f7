r"""What does each decoder on the way to the application make of this text?

An attacker writes `%3Cscript%3E`, `&lt;script&gt;` or `\u003cscript`; a rule wants to see `<script`.  What
cannot be decoded stays as it is.  The corner cases are ModSecurity's (its Reference Manual, "Transformation
functions"), because rules are written against exactly those.

Every pattern in this module is our own, and linear: character classes and bounded repeats, never nested.
"""

import binascii
import re


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
