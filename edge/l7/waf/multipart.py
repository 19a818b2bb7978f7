"""What is in the parts of this multipart body?

Of all formats of forms this one is read in the most ways: where a line ends, what a boundary looks like,
which of two names counts, whether a part is a file.  A part that we take for a file and the application for a
field is a field that no rule has seen.  So a part is understood only if it is written as browsers and HTTP
libraries write it; everything else is an error.

Bounds: `PARTS_MAX` parts and `PART_HEADERS_BYTES_MAX` bytes of header lines for each."""

import re
from typing import TYPE_CHECKING

from edge.l7.waf.body_type import boundary_of, is_plain_alphabet, parse_type
from edge.l7.waf.decoders import url_decode

if TYPE_CHECKING:
    from edge.l7.waf.bodies import Body

PARTS_MAX = 256
PART_HEADERS_BYTES_MAX = 8192

# As browsers, curl and the libraries of Python, Go, Java, JavaScript and .NET write it, and no more.  Some
# parsers know no escapes, so no quote stands in a value (browsers write %22); some know no other case, no
# blank before the equals sign, no single quotes.
_BARE = rb"[!#$%&+\-.^_`|~0-9A-Za-z]+"
_QUOTED = rb'"(?:[^"\\\x00-\x1f\x7f]|\\(?!"))*"'
_DISPOSITION = re.compile(
    rb"[ \t]*form-data(?:;[ ]*(?:(?:name|filename)=(?:%b|%b)|filename\*=[%%'0-9A-Za-z+\-._~!#$&^`|]+))*;?[ ]*"
    % (_QUOTED, _BARE)
)
_DISPOSITION_PARAMETER = re.compile(rb";[ ]*([a-z]+\*?)=(?:\"([^\"]*)\"|([^\";\s]+))")


def read_multipart(content_type: bytes, body: bytes, out: "Body") -> None:
    """Put fields, files and header lines of `body` into `out`."""
    boundary = boundary_of(content_type)
    if not boundary:
        out.error = "multipart without one usable boundary"
        out.arguments.append((b"", body))
        return
    delimiter = b"--" + boundary
    start = 0 if body.startswith(delimiter) else body.find(b"\n" + delimiter) + 1
    if start == 0 and not body.startswith(delimiter):
        out.error = "multipart without its boundary"
        out.arguments.append((b"", body))
        return
    if start:
        out.error = "multipart with text before the first boundary"
    sections = re.split(rb"(?:\A|\r?\n)" + re.escape(delimiter), body[start:], maxsplit=PARTS_MAX + 1)[1:]
    if len(re.findall(rb"(?:\A|\r\n)" + re.escape(delimiter), body)) != body.count(delimiter):
        # Where a line ends is what parsers agree about least; an honest boundary occurs nowhere else.
        out.error = "multipart with its boundary inside a line"
    closed = False
    for section in sections[:PARTS_MAX]:
        if closed:
            out.error = "multipart with text after the last boundary"
        if section.startswith(b"--"):
            closed = True
            if section[2:].strip(b"\r\n\t "):
                out.error = "multipart with text after the last boundary"
            continue
        _part(section, out)
    if len(sections) > PARTS_MAX:
        out.error = f"multipart with more than {PARTS_MAX} parts"
        out.arguments.append((b"", sections[PARTS_MAX]))
    elif not closed:
        out.error = out.error or "multipart without its last boundary"


def _part(section: bytes, out: "Body") -> None:
    first, newline, rest = section.partition(b"\n")
    if not newline or first != b"\r":
        out.error = "multipart with text behind a boundary"
    if rest.startswith((b"\r\n", b"\n")):
        head, content = b"", rest.lstrip(b"\r").removeprefix(b"\n")
    else:
        cut = _BLANK_LINE.search(rest)
        head, content = (rest[: cut.start()], rest[cut.end() :]) if cut else (rest, b"")
        if not cut or cut[0] != b"\r\n\r\n":
            out.error = "a part without the blank line after its headers"
    if len(head) > PART_HEADERS_BYTES_MAX:
        out.error = "a part with a very long header"
        out.arguments.append((b"", section))
        return
    name, filename = b"", None
    if _BARE_LINE_END.search(head):
        out.error = "a part whose headers end their lines in two ways"
    lines = _lines(head, out)
    seen: set[bytes] = set()
    for line in lines:
        field_name, colon, value = line.partition(b":")
        lowered = field_name.strip().lower()
        if not colon or lowered in seen or not _TOKEN.fullmatch(field_name) or b"\0" in line:
            out.error = "a part with a broken, repeated or foreign header"
        seen.add(lowered)
        if lowered == b"content-disposition":
            name, filename = _disposition(value, out)
        elif lowered == b"content-transfer-encoding" and value.strip().lower() not in _PLAIN:
            # Browsers never send it; mail parsers, which some frameworks are made of, decode it.
            out.error = "a part in an encoding of its own"
        elif lowered == b"content-type" and (wrong := _problem_with_type(value.strip())):
            out.error = wrong
    if b"content-disposition" not in seen:
        out.error = "a part without Content-Disposition"
    for line in lines:
        out.part_headers.append((name, line))
    if name == b"_charset_" and content.strip().lower() not in {b"utf-8", b"us-ascii", b"iso-8859-1"}:
        out.error = "a form in an alphabet that hides ASCII"
    if not filename:
        # An empty file name is a field to some programs and a file to others.
        out.arguments.append((name, content))
    if filename is not None:
        out.files.append((name, filename, len(content)))


_BARE_LINE_END = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PLAIN = frozenset((b"7bit", b"8bit", b"binary"))
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


def _lines(head: bytes, out: "Body") -> list[bytes]:
    lines: list[bytes] = []
    for line in re.split(rb"\r?\n", head):
        if line[:1] in {b" ", b"\t"} and lines:
            # Who reads line by line does not see what stands here: a file name, perhaps.
            out.error = "a part with a folded header"
            lines[-1] += b" " + line.strip()
        elif line:
            lines.append(line)
    return lines


def _problem_with_type(value: bytes) -> str:
    parsed = parse_type(value)
    if parsed is None:
        return "a part whose Content-Type can be understood in two ways"
    kind, parameters = parsed
    if kind.startswith(b"multipart/"):
        return "parts inside a part"
    return "" if is_plain_alphabet(parameters) else "a part in an alphabet that may hide ASCII"


def _disposition(value: bytes, out: "Body") -> tuple[bytes, bytes | None]:
    """The field name and, for a file, the file name."""
    if not _DISPOSITION.fullmatch(value):
        out.error = "a part whose Content-Disposition can be understood in two ways"
    found: dict[bytes, bytes] = {}
    for key, quoted, bare in _DISPOSITION_PARAMETER.findall(value):
        if key in found:
            out.error = "a part whose Content-Disposition says something twice"
        found[key] = quoted or bare
    if b"name" not in found:
        out.error = "a part without a name"
    if b"filename*" in found:
        # RFC 7578 section 4.2 forbids it in forms, and who does not know it takes a file for a field.  .NET
        # writes it beside the other; then both have to say the same.
        told = url_decode(found[b"filename*"].rpartition(b"'")[2])
        if told != found.get(b"filename"):
            out.error = "a part whose name is spelt as in mails"
            out.files.append((found.get(b"name", b""), told, 0))
    return found.get(b"name", b""), found.get(b"filename")
