"""What does a request say its body is, and can that be understood in one way only?

Frameworks read Content-Type in many ways: up to the first semicolon, comma or blank, the first `boundary`
anywhere or the last, with or without RFC 2231's `boundary*=`, and an alphabet by any name that a codec of
their language goes by.  So what browsers and HTTP libraries write is understood here, and everything else is
an error (`problem_with`)."""

import re
from typing import Final

Fields = tuple[tuple[bytes, bytes], ...]

# Honest ones have some 70 bytes; the patterns below need not be tried on kilobytes.
TYPE_BYTES_MAX: Final = 512

_TYPE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+/[!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*((?:;.*)?)", re.DOTALL)
_PARAMETER = re.compile(
    rb""";[ \t]*(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*=[ \t]*(?:"([^"\\\r\n]*)"|([^\s;,"'\\]+))[ \t]*)?"""
)
# RFC 2046 section 5.1.1 without the signs that parsers make something else of; no library writes those.
_BOUNDARY: Final = re.compile(rb"[0-9A-Za-z+_\-./:=]{1,70}")
# In these all that looks like a sign of ASCII is one, and nothing else becomes it.  Not so in GBK, Big5 and
# Shift JIS: the second half of a letter may be a backslash, which then seems to escape the quote behind it.
_PLAIN_ALPHABET: Final = re.compile(
    rb"(?i)utf-?8|us-ascii|ascii|iso-8859-(?:[1-9]|1[0-6])|latin-?1|windows-125[0-8]|koi8-[ru]|euc-(?:jp|kr)"
)
# What no program takes for a form, if it is what it says; and words of types that some program looks for
# anywhere in the line.
_MEDIA: Final = re.compile(
    rb"(?:image|video|audio|font)/[a-z0-9.+\-]+|application/(?:octet-stream|zip|gzip|pdf)", re.IGNORECASE
)
_READABLE: Final = re.compile(rb"(?i)json|xml|svg|form|multipart|urlencoded|text|script")
# Of a body that says it is a picture or the like so much is looked at to see whether that may be true.
SNIFF_BYTES: Final = 1024
_CONTROLS: Final = bytes(set(range(0x20)) - set(b"\t\n\x0b\x0c\r"))
_OPENERS: Final = (b"{", b"[", b'"', b"<")


def parse_type(line: bytes) -> tuple[bytes, dict[bytes, bytes]] | None:
    """Type and parameters, names in lower case; None where two readers could differ."""
    found = _TYPE.fullmatch(line) if len(line) <= TYPE_BYTES_MAX else None
    if found is None:
        return None
    parameters: dict[bytes, bytes] = {}
    rest, at = found[2], 0
    while at < len(rest):
        one = _PARAMETER.match(rest, at)
        if one is None:
            return None
        at = one.end()
        if one[1] is None:
            continue  # a semicolon too many
        name = one[1].lower()
        if name in parameters or b"*" in name or (b"boundary" in name and name != b"boundary"):
            return None
        parameters[name] = one[2] if one[2] is not None else one[3]
    return found[1].lower(), parameters


def problem_with(headers: Fields) -> str:
    """What is wrong with the lines about a body; empty where nothing is."""
    kinds = [value for name, value in headers if name == b"content-type"]
    if len(kinds) > 1:
        return "two Content-Type headers for one body"
    if any(
        name == b"content-encoding" and value.lower() not in {b"identity", b""} for name, value in headers
    ):
        return "a body in an encoding that is not undone here"
    if not kinds or not kinds[0]:
        return ""
    parsed = parse_type(kinds[0])
    if parsed is None:
        return "a Content-Type that can be understood in two ways"
    if not is_plain_alphabet(parsed[1]):
        return "a body in an alphabet that may hide ASCII"
    return ""


def is_plain_alphabet(parameters: dict[bytes, bytes]) -> bool:
    """Whether the alphabet that these parameters name, if any, leaves ASCII alone."""
    return _PLAIN_ALPHABET.fullmatch(parameters.get(b"charset", b"utf-8")) is not None


def boundary_of(line: bytes) -> bytes:
    """What separates the parts of a multipart body; empty where nobody can be sure."""
    parsed = parse_type(line)
    boundary = parsed[1].get(b"boundary", b"") if parsed is not None else b""
    return boundary if _BOUNDARY.fullmatch(boundary) else b""


def says_media(headers: Fields) -> bool:
    """Whether the body says that it is a picture, an archive or the like, and nothing else."""
    kinds = [value for name, value in headers if name == b"content-type"]
    if len(kinds) != 1 or _READABLE.search(kinds[0]) is not None:
        return False
    parsed = parse_type(kinds[0])
    return parsed is not None and _MEDIA.fullmatch(parsed[0]) is not None


def may_be_media(beginning: bytes) -> bool:
    """Whether a body with this beginning may be what it says.

    Pictures, films and archives have bytes in their first hundred that JSON, XML and forms have not.  Without
    them it is text, and many programs read JSON whatever the type says.  Of PDF the beginning is mostly text.
    """
    head = beginning[:SNIFF_BYTES]
    if head.startswith(b"%PDF-"):
        return True
    # JSON and XML may be in UTF-16 or UTF-32, and some parsers find that out by themselves.
    narrow = head[:64].translate(None, b"\0").lstrip(b"\xff\xfe\xef\xbb\xbf\t\n\r ")
    return head.translate(None, _CONTROLS) != head and not narrow.startswith(_OPENERS)
