"""What do we refuse although h11 would take it?

h11 judges the grammar of every head.  A proxy has to be stricter than a server,
because what it passes on is parsed a second time by somebody else: whatever two
parsers could read in two ways is refused here with 400 and the connection
closed (RFC 9112 sections 2.2, 3, 5.1, 5.2, 6.1 and 6.3).  The table of byte
classes, the framing rules and the rules for targets and hosts stand here; the
judgement itself is `edge.l7.http1.head`.
"""

import re
from dataclasses import dataclass
from typing import Final

from edge.common.config import L7Config
from edge.common.errors import EdgeError
from edge.l7.fetch import Fields

CHUNKED: Final = -1  # as a body length: the chunks say when it ends


class Refused(EdgeError):
    """The phone's message is malformed, ambiguous or too large; the connection ends with the answer.

    `rule` is a short stable name for logs and tests, `status` what the phone is told.
    """

    blame = "phone"

    def __init__(self, status: int, rule: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.rule = rule
        self.detail = detail


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """How large may a head be?  The numbers and their precedents are in `L7Config`."""

    head_bytes_max: int = 16 * 1024
    target_bytes_max: int = 8 * 1024
    header_count_max: int = 100


def limits_of(config: L7Config) -> HeadLimits:
    """The limits that `config` asks for."""
    return HeadLimits(config.head_bytes_max, config.target_bytes_max, config.header_count_max)


# `bytes.translate(None, CLASS)` deletes a class of bytes; what remains is what does not belong.
# It is one pass in C.
TARGET_BYTES: Final = bytes(byte for byte in range(0x21, 0x7F) if byte != ord("#"))
VALUE_BYTES: Final = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
HEAD_BYTES: Final = VALUE_BYTES + b"\r\n"

_TOKEN: Final = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
# RFC 3986 section 3.2.2 allows more in a reg-name; no name in the DNS needs it, and userinfo,
# commas, slashes and percent signs are what request smuggling and cache poisoning are made of.
_HOST: Final = re.compile(
    rb"([A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9.])?|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{0,5}))?"
)
_LENGTH: Final = re.compile(rb"[0-9]{1,15}")  # a petabyte; nothing overflows anywhere behind us
_VERSION: Final = re.compile(rb"HTTP/[0-9]\.[0-9]")
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE)

# Fields that say something about this connection only (RFC 9110 section 7.6.1) or about framing,
# which is written anew in each direction.
HOP_BY_HOP: Final = frozenset(
    (
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization",
        b"te", b"trailer", b"transfer-encoding", b"upgrade", b"content-length", b"expect",
    )
)  # fmt: skip
# Where a phone could pretend to be somebody else; the edge writes these itself.  "proxy" is httpoxy.
FORGED: Final = frozenset(
    (
        b"host", b"forwarded", b"x-real-ip", b"x-client-ip", b"x-cluster-client-ip", b"true-client-ip",
        b"x-original-url", b"x-rewrite-url", b"x-original-host", b"traceparent", b"tracestate",
        b"x-request-id", b"b3", b"proxy", b"x-http-method-override",
    )
)  # fmt: skip
FORGED_PREFIXES: Final = (b"x-forwarded-", b"edge-", b"x-b3-")
# A field that some frameworks would take for one of these when it is spelt with underscores.
_GUARDED: Final = HOP_BY_HOP | FORGED | {b"cookie", b"authorization", b"content-type"}
# Fields on which the verdict on a whole head depends, beyond each line's own grammar.
FRAMING: Final = frozenset((b"content-length", b"transfer-encoding", b"upgrade", b"expect"))


def is_forged(name: bytes) -> bool:
    """Must the phone's own field of this name not reach a service?"""
    return name in FORGED or name.startswith(FORGED_PREFIXES)


def check_bytes(head: bytes) -> None:
    """Refuse control bytes, bare CR, bare LF and folded lines (RFC 9112 sections 2.2 and 5.2)."""
    if head.translate(None, HEAD_BYTES):
        raise Refused(400, "control-byte", "The request head holds a control byte.")
    if head.count(b"\n") != head.count(b"\r\n"):
        raise Refused(400, "bare-lf", "A line of the request head ends in LF without CR.")
    if head.count(b"\r") != head.count(b"\r\n"):
        raise Refused(400, "bare-cr", "The request head holds a CR that ends no line.")
    if b"\r\n " in head or b"\r\n\t" in head:
        raise Refused(400, "obs-fold", "A header line of the request is folded.")


def check_request_line(line: bytes, limits: HeadLimits) -> tuple[bytes, bytes, bytes]:
    """Method, target and version ("1.1") of a request line (RFC 9112 section 3)."""
    parts = line.split(b" ")
    if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]) or not parts[1]:
        if len(line) > limits.target_bytes_max + 64:
            raise Refused(414, "target-length", "The request target is too long.")
        raise Refused(400, "request-line", "The request line is malformed.")
    method, target, version = parts
    if len(target) > limits.target_bytes_max:
        raise Refused(414, "target-length", "The request target is too long.")
    if not _VERSION.fullmatch(version):
        raise Refused(400, "request-line", "The request line names no HTTP version.")
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise Refused(505, "version", "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
    if target.translate(None, TARGET_BYTES):
        raise Refused(400, "target-bytes", "The request target holds bytes that do not belong there.")
    return method, target, version[5:]


def split_target(method: bytes, target: bytes) -> tuple[bytes, bytes | None]:
    """The target in origin-form or "*", and the authority that absolute-form named.

    RFC 9112 section 3.2: absolute-form has to be understood and overrides Host;
    authority-form is for CONNECT alone, which an edge does not offer.
    """
    if method in (b"CONNECT", b"TRACE"):
        raise Refused(405, "method", "This method is not available here.")
    if target.startswith(b"/"):
        return target, None
    if target == b"*":
        if method != b"OPTIONS":
            raise Refused(400, "target-form", "Only OPTIONS may ask for *.")
        return target, None
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise Refused(400, "target-form", "The request target is neither a path nor a URL.")
    authority, rest = absolute[1], absolute[2]
    if not rest and method == b"OPTIONS":
        return b"*", authority  # RFC 9112 section 3.2.4
    return rest if rest.startswith(b"/") else b"/" + rest, authority


def check_names(lines: list[bytes], limits: HeadLimits) -> list[bytes]:
    """The lower-case names of the header lines; refuses too many, and look-alikes."""
    if len(lines) > limits.header_count_max:
        raise Refused(431, "header-count", "The request has too many header fields.")
    names = []
    for line in lines:
        raw, colon, _ = line.partition(b":")
        if not colon or not _TOKEN.fullmatch(raw):
            raise Refused(400, "field-name", "A header line has no proper name.")
        name = raw.lower()
        check_look_alike(name)
        names.append(name)
    return names


def check_look_alike(name: bytes) -> None:
    """Refuse a name that becomes a guarded one when a service turns underscores into hyphens."""
    if b"_" in name:
        plain = name.replace(b"_", b"-")
        if plain in _GUARDED or plain.startswith(FORGED_PREFIXES):
            raise Refused(400, "look-alike", "A header field imitates another one.")


def check_host(value: bytes) -> str:
    """The host in a Host field or authority, lower case and without port (RFC 9110 section 7.2)."""
    match = _HOST.fullmatch(value)
    if match is None or (match[2] and int(match[2]) > 65535):
        raise Refused(400, "host", "The Host field is malformed.")
    return match[1].decode("ascii").lower().removesuffix(".")


def body_length(fields: Fields, version: bytes) -> int:
    """How long is the body?  `CHUNKED`, or its bytes (RFC 9112 section 6.3).  `fields` as they were sent.

    Stricter than the RFC where it offers a choice: a repeated length is refused
    even when both are equal.
    """
    lengths = [value for name, value in fields if name == b"content-length"]
    codings = [value.lower() for name, value in fields if name == b"transfer-encoding"]
    if not lengths and not codings:
        return 0
    if lengths and codings:
        raise Refused(400, "length-and-coding", "Content-Length and Transfer-Encoding exclude each other.")
    if lengths:
        if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
            raise Refused(400, "content-length", "The Content-Length is malformed or repeated.")
        return int(lengths[0])
    if len(codings) > 1 or version == b"1.0":
        raise Refused(400, "transfer-encoding", "The Transfer-Encoding is repeated or out of place.")
    if codings[0] != b"chunked":
        listed = [coding.strip(b" \t") for coding in codings[0].split(b",")]
        if listed[-1] != b"chunked" or listed.count(b"chunked") > 1 or b"" in listed:
            raise Refused(400, "transfer-encoding", "The Transfer-Encoding does not end in chunked.")
        raise Refused(501, "transfer-coding", "Only the chunked transfer coding is spoken here.")
    return CHUNKED


def tokens(fields: Fields, name: bytes) -> list[bytes]:
    """The comma-separated, lower-case members of all fields called `name`."""
    return [
        member
        for key, value in fields
        if key == name
        for member in (part.strip(b" \t") for part in value.lower().split(b","))
        if member
    ]
