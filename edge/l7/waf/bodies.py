"""What will the application find in this body?

A firewall and an application that read a body differently are a bypass, so every parser here is strict: what
two readers could understand in two ways is an error (`Body.error`), and in block mode an error is refused
with 400.  What was read before the error is still inspected.

Bounds: `ARGUMENTS_MAX` values, `DEPTH_MAX` levels, `PARTS_MAX` parts; the body itself is bounded by the
caller."""

import json
import re
from dataclasses import dataclass, field
from xml.parsers import expat

from edge.l7.waf.decoders import url_decode

Items = list[tuple[bytes, bytes]]

ARGUMENTS_MAX = 1000  # ModSecurity's SecArgumentsLimit
DEPTH_MAX = 64  # levels of JSON or XML; nothing honest is deeper, and recursion is what parsers die of
PARTS_MAX = 256
PART_HEADERS_BYTES_MAX = 8192


@dataclass(slots=True)
class Body:
    """A body, read.  `error` is empty or says in one sentence what is wrong with it."""

    arguments: Items = field(default_factory=list)
    files: list[tuple[bytes, bytes, int]] = field(default_factory=list)  # field name, file name, bytes
    part_headers: Items = field(default_factory=list)  # part name, the header line
    xml_text: bytes = b""
    xml_attributes: list[bytes] = field(default_factory=list)
    error: str = ""


def processor_for(content_type: bytes) -> str:
    """Which reader understands this Content-Type: "URLENCODED", "MULTIPART", "JSON", "XML" or "" for none."""
    kind = content_type.partition(b";")[0].strip().lower()
    if kind == b"application/x-www-form-urlencoded":
        return "URLENCODED"
    if kind == b"multipart/form-data":
        return "MULTIPART"
    if _JSON_TYPE.match(content_type.lower()):
        return "JSON"
    if _XML_TYPE.match(content_type.lower()):
        return "XML"
    return ""


_JSON_TYPE = re.compile(rb"application/(?:[a-z0-9.\-]+\+)?json")
_XML_TYPE = re.compile(rb"(?:application/(?:[a-z0-9.\-]+\+)?|text/)xml")


def read_body(processor: str, content_type: bytes, body: bytes) -> Body:
    """Read `body` with the named processor.  Never raises: what is wrong stands in `Body.error`."""
    if processor == "URLENCODED":
        return Body(arguments=urlencoded(body))
    if not body:
        return Body()
    if processor == "MULTIPART":
        return _multipart(content_type, body)
    if processor == "JSON":
        return _json(body)
    if processor == "XML":
        return _xml(body)
    # Its type promises no form, but who knows what the application takes it for: one value with one name.
    return Body(arguments=[(b"body", body)])


def urlencoded(text: bytes) -> Items:
    """`a=1&b=%32` as decoded pairs in order.  Past the limit, the rest is one last value, so that it is still
    seen."""
    pairs = text.split(b"&", ARGUMENTS_MAX)
    encoded = b"%" in text or b"+" in text
    out: Items = []
    for pair in pairs:
        if not pair:
            continue
        name, _, value = pair.partition(b"=")
        if encoded and (b"%" in pair or b"+" in pair):
            name, value = url_decode(name), url_decode(value)
        out.append((name, value))
    return out


# -- JSON ---------------------------------------------------------------------


class _Ambiguous(ValueError):
    """Two parsers could read this in two ways."""


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Ambiguous("a JSON object has the same name twice")
    return found


def _no_constant(name: str) -> object:
    raise _Ambiguous(f"{name} is not JSON")


def _json(body: bytes) -> Body:
    # The parser recurses in C and would end in RecursionError on deep nesting; a quick count is cheaper than
    # finding out.
    if _depth(body) > DEPTH_MAX:
        return Body(arguments=[(b"json", body)], error=f"JSON nested deeper than {DEPTH_MAX}")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return Body(arguments=[(b"json", body)], error="JSON that is not UTF-8")
    try:
        value = json.loads(
            text, object_pairs_hook=_pairs, parse_constant=_no_constant, parse_int=str, parse_float=str
        )
    except (ValueError, RecursionError) as error:
        return Body(arguments=[(b"json", body)], error=f"JSON that cannot be read: {error}")
    out = Body()
    try:
        _flatten(b"json", value, out.arguments)
    except _TooMany:
        out.arguments.append((b"json", body))
        out.error = f"more than {ARGUMENTS_MAX} values in JSON"
    return out


class _TooMany(Exception):
    """More values than anybody needs."""


def _flatten(name: bytes, item: object, arguments: Items) -> None:
    # Strings, which most values are, are dealt with in the loops: a call each would double the time.
    if isinstance(item, dict):
        for key, member in item.items():
            inner = b"%b.%b" % (name, key.encode("utf-8", "surrogatepass"))
            if type(member) is str:
                arguments.append((inner, member.encode("utf-8", "surrogatepass")))
            else:
                _flatten(inner, member, arguments)
    elif isinstance(item, list):
        for index, member in enumerate(item):
            _flatten(b"%b.%d" % (name, index), member, arguments)
    elif isinstance(item, str):
        arguments.append((name, item.encode("utf-8", "surrogatepass")))
    else:
        arguments.append((name, b"true" if item is True else b"false" if item is False else b""))
    if len(arguments) > ARGUMENTS_MAX:
        raise _TooMany


def _depth(body: bytes) -> int:
    if body.count(b"[") + body.count(b"{") <= DEPTH_MAX:
        return 0  # not deep, however they are nested
    deepest = level = 0
    for byte in _STRING.sub(b"", body).translate(None, _NO_BRACKETS):
        if byte in b"[{":
            level += 1
            deepest = max(deepest, level)
        else:
            level -= 1
    return deepest


# Strings are skipped as a whole, so that brackets in them do not count.  One that does not end reaches to the
# end of the text: were that no match, each later quote would be tried as a beginning, in quadratic time.
_STRING = re.compile(rb'"(?:[^"\\]|\\[\s\S])*"?')
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


# -- XML ----------------------------------------------------------------------


def _xml(body: bytes) -> Body:
    """Text and attribute values.  A document type or an entity of its own is an error: it is how XML attacks
    parsers."""
    out = Body()
    texts: list[str] = []
    depth = 0

    def start(_name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH_MAX:
            raise _Ambiguous(f"XML nested deeper than {DEPTH_MAX}")
        out.xml_attributes.extend(_utf8(value) for value in attributes.values())
        if len(out.xml_attributes) > ARGUMENTS_MAX:
            raise _Ambiguous(f"more than {ARGUMENTS_MAX} attributes in XML")

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    def refuse(*_: object) -> None:
        raise _Ambiguous("XML with a document type of its own")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = texts.append
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, _Ambiguous, ValueError, LookupError) as error:
        out.error = f"XML that cannot be read: {error}"
        # The application's parser may be more patient than ours, so the rules see the raw bytes.
        texts.append(body.decode("latin-1"))
        out.xml_text = b"".join(_utf8(text) for text in texts)
        return out
    out.xml_text = "".join(texts).encode("utf-8", "surrogatepass")
    return out


# -- multipart ----------------------------------------------------------------

_BOUNDARY = re.compile(rb';\s*boundary\s*=\s*(?:"([^"]*)"|([^\s;,"]+))', re.IGNORECASE)
_DISPOSITION_PARAMETER = re.compile(
    rb';\s*([A-Za-z0-9*_\-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|([^;\s]*))', re.DOTALL
)


def _multipart(content_type: bytes, body: bytes) -> Body:
    out = Body()
    boundaries = _BOUNDARY.findall(content_type)
    if len(boundaries) != 1 or not (boundary := boundaries[0][0] or boundaries[0][1]) or len(boundary) > 200:
        out.error = "multipart without one usable boundary"
        out.arguments.append((b"", body))
        return out
    delimiter = b"--" + boundary
    start = 0 if body.startswith(delimiter) else body.find(b"\n" + delimiter) + 1
    if start == 0 and not body.startswith(delimiter):
        out.error = "multipart without its boundary"
        out.arguments.append((b"", body))
        return out
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
    return out


def _part(section: bytes, out: Body) -> None:
    first, newline, rest = section.partition(b"\n")
    if not newline or first.strip(b"\r\t ") or first[-1:] != b"\r":
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
    name, filename = b"", None
    if _BARE_LINE_END.search(head):
        out.error = "a part whose headers end their lines in two ways"
    lines = _unfolded(head)
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
        elif lowered == b"content-type" and _FOREIGN_CHARSET.search(value):
            out.error = "a part in an alphabet that hides ASCII"
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
_FOREIGN_CHARSET = re.compile(
    rb"charset\s*=\s*[\"']?(?!utf-?8\b|us-ascii\b|iso-8859-1\b|windows-1252\b)", re.IGNORECASE
)


_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


def _unfolded(head: bytes) -> list[bytes]:
    lines: list[bytes] = []
    for line in re.split(rb"\r?\n", head):
        if line[:1] in {b" ", b"\t"} and lines:
            lines[-1] += b" " + line.strip()
        elif line:
            lines.append(line)
    return lines


def _disposition(value: bytes, out: Body) -> tuple[bytes, bytes | None]:
    """The field name and, for a file, the file name."""
    found: dict[bytes, bytes] = {}
    for parameter, quoted, single, bare in _DISPOSITION_PARAMETER.findall(value):
        key = parameter.lower()
        if key in found:
            out.error = "a part whose Content-Disposition says something twice"
        found[key] = re.sub(rb"\\([\"\\])", rb"\1", quoted) or single or bare
    if b"name" not in found:
        out.error = "a part without a name"
    if b"name*" in found or b"filename*" in found:
        # RFC 7578 section 4.2 forbids it in forms, and who does not know it takes a file for a field.
        out.error = "a part whose name is spelt as in mails"
    if b"filename*" in found:
        out.files.append((found.get(b"name", b""), url_decode(found[b"filename*"].rpartition(b"'")[2]), 0))
    return found.get(b"name", b""), found.get(b"filename")
