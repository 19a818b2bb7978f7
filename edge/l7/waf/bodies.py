"""What will the application find in this body?

A firewall and an application that read a body differently are a bypass, so every parser here is strict: what
two readers could understand in two ways is an error (`Body.error`), and in block mode an error is refused
with 400.  What was read before the error is still inspected.

Bounds: `ARGUMENTS_MAX` values, `DEPTH_MAX` levels, and what `multipart` says; the body itself is bounded by
the caller."""

import json
import re
from dataclasses import dataclass, field
from xml.parsers import expat

from edge.l7.waf.decoders import url_decode
from edge.l7.waf.multipart import read_multipart

Items = list[tuple[bytes, bytes]]

ARGUMENTS_MAX = 1000  # ModSecurity's SecArgumentsLimit
DEPTH_MAX = 64  # levels of JSON or XML; nothing honest is deeper, and recursion is what parsers die of


@dataclass(slots=True)
class Body:
    """A body, read.  `error` is empty or says in one sentence what is wrong with it."""

    arguments: Items = field(default_factory=list)
    files: list[tuple[bytes, bytes, int]] = field(default_factory=list)  # field name, file name, bytes
    part_headers: Items = field(default_factory=list)  # part name, the header line
    xml_text: bytes = b""
    xml_texts: list[bytes] = field(default_factory=list)  # that, what stands between two tags, instructions
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
        return _form(body)
    if not body:
        return Body()
    if processor == "MULTIPART":
        out = Body()
        read_multipart(content_type, body, out)
        return out
    if processor == "JSON":
        return _json(body)
    if processor == "XML":
        return _xml(body)
    return _unnamed(content_type, body)


def _unnamed(content_type: bytes, body: bytes) -> Body:
    # Its type promises no form, but who knows what the application takes it for: one value with one name, and
    # what it would be for those who read JSON whatever the type says, a form where none is said, and
    # multipart of any kind.
    out = Body(arguments=[(b"body", body)])
    kind = content_type.lower()
    if kind.startswith(b"multipart/") and b"form-data" in body.lower():
        read_multipart(content_type, body, out)
    elif body.lstrip()[:1] in {b"{", b"["}:
        if not (read := _json(body)).error:
            out.arguments += read.arguments
    elif not kind and b"=" in body:
        form = _form(body)
        out.arguments += form.arguments
        out.error = form.error
    return out


def _form(body: bytes) -> Body:
    out = Body(arguments=urlencoded(body))
    if len(out.arguments) > ARGUMENTS_MAX:
        out.error = f"more than {ARGUMENTS_MAX} values in a form"
    return out


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
    if item == {} or item == []:
        arguments.append((name, b""))  # its name came from the phone as well
    elif isinstance(item, dict):
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
    """Text, altogether and between two tags each, and attribute values.  A document type or an entity of its
    own is an error: it is how XML attacks parsers."""
    out = Body()
    texts: list[str] = []
    run: list[str] = []
    depth = 0

    def end_run() -> None:
        if text := "".join(run).strip():
            out.xml_texts.append(_utf8(text))
            if len(out.xml_texts) > ARGUMENTS_MAX:
                raise _Ambiguous(f"more than {ARGUMENTS_MAX} texts in XML")
        run.clear()

    def text(piece: str) -> None:
        texts.append(piece)
        run.append(piece)

    def start(_name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        end_run()
        depth += 1
        if depth > DEPTH_MAX:
            raise _Ambiguous(f"XML nested deeper than {DEPTH_MAX}")
        out.xml_attributes.extend(_utf8(value) for value in attributes.values())
        if len(out.xml_attributes) > ARGUMENTS_MAX:
            raise _Ambiguous(f"more than {ARGUMENTS_MAX} attributes in XML")

    def end(_name: str) -> None:
        nonlocal depth
        end_run()
        depth -= 1

    def instruction(target: str, data: str) -> None:
        end_run()
        run.append(f"<?{target} {data}?>")
        end_run()

    def refuse(*_: object) -> None:
        raise _Ambiguous("XML with a document type of its own")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.ProcessingInstructionHandler = instruction
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, _Ambiguous, ValueError, LookupError) as error:
        out.error = f"XML that cannot be read: {error}"
        # The application's parser may be more patient than ours, so the rules see the raw bytes.
        texts.append(body.decode("latin-1"))
    out.xml_text = _utf8("".join(texts))
    out.xml_texts = list(dict.fromkeys([out.xml_text, *out.xml_texts] if out.xml_text else out.xml_texts))
    return out
