"""How does a request that a person typed (a file, a curl line) become one that the firewall can inspect?"""

import base64
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote_plus, urlsplit

from edge.common.errors import EdgeError
from edge.l7.waf.request import WafRequest


class SampleError(EdgeError):
    """The text is neither a raw HTTP request nor a curl line."""

    blame = "operator"
    status_hint = None


def parse_sample(text: bytes, client: str = "127.0.0.1") -> tuple[WafRequest, bytes]:
    """A request and its body.  Text that begins with `curl ` is a command line, anything else raw
    HTTP/1.1."""
    if text.lstrip().startswith(b"curl "):
        return _curl(text.decode("utf-8", "surrogateescape"), client)
    return _raw(text, client)


def _raw(text: bytes, client: str) -> tuple[WafRequest, bytes]:
    head, separator, body = text.partition(b"\r\n\r\n")
    if not separator:
        head, _, body = text.partition(b"\n\n")
    lines = head.lstrip(b"\r\n").replace(b"\r\n", b"\n").split(b"\n")
    parts = lines[0].split(b" ")
    if len(parts) < 2:
        raise SampleError("the first line is no request line")
    protocol = parts[-1] if parts[-1].startswith(b"HTTP/") else b"HTTP/1.1"
    target = b" ".join(parts[1:-1]) if parts[-1].startswith(b"HTTP/") else b" ".join(parts[1:])
    headers: list[tuple[bytes, bytes]] = []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon and line.strip():
            raise SampleError(f"no header: {line[:40].decode('latin-1')}")
        if colon:
            headers.append((name.strip().lower(), value.strip()))
    request = WafRequest(
        client, parts[0].decode("latin-1"), target, protocol.decode("latin-1"), tuple(headers)
    )
    return request, body


# Options whose value is a piece of the body, and whether it is sent as it stands, encoded, or a part.
_DATA = frozenset(("--data", "--data-raw", "--data-ascii", "--data-binary", "--data-urlencode", "--json"))
_SHORT = {
    "X": "--request",
    "H": "--header",
    "d": "--data",
    "A": "--user-agent",
    "e": "--referer",
    "b": "--cookie",
    "F": "--form",
    "u": "--user",
    "G": "--get",
    "I": "--head",
    "o": "--output",
    "m": "--max-time",
    "w": "--write-out",
    "x": "--proxy",
    "T": "--upload-file",
    "E": "--cert",
    "c": "--cookie-jar",
    "D": "--dump-header",
    "r": "--range",
    "U": "--proxy-user",
}
_WITHOUT_VALUE = frozenset(("--get", "--head"))
_HEADERS = {"--user-agent": b"user-agent", "--referer": b"referer", "--cookie": b"cookie"}
_IGNORED_WITH_VALUE = frozenset(
    (
        "--output", "--connect-to", "--resolve", "--max-time", "--cacert", "--write-out", "--proxy", "--cert",
        "--key", "--cookie-jar", "--dump-header", "--connect-timeout", "--retry", "--proxy-user",
        "--interface", "--limit-rate",
    )
)  # fmt: skip
_BOUNDARY = b"edge-sample-boundary"


@dataclass
class _Line:
    """What the options of one curl line add up to."""

    method: str = ""
    url: str = ""
    query: bool = False  # -G: the data belongs into the query
    headers: list[tuple[bytes, bytes]] = field(
        default_factory=lambda: [(b"user-agent", b"curl/8"), (b"accept", b"*/*")]
    )
    data: list[bytes] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    kind: bytes = b"application/x-www-form-urlencoded"

    def header(self, name: bytes, value: bytes) -> None:
        """A header; the last one of a name counts, as with curl's own."""
        self.headers = [header for header in self.headers if header[0] != name]
        self.headers.append((name, value))

    def option(self, name: str, value: str) -> None:
        """One long option.  Raises `SampleError` for what a sample cannot hold."""
        raw = value.encode("utf-8", "surrogateescape")
        if name == "--request":
            self.method = value
        elif name == "--url":
            self.url = value
        elif name == "--head":
            self.method = self.method or "HEAD"
        elif name == "--get":
            self.query = True
        elif name == "--header":
            key, _, content = raw.partition(b":")
            self.header(key.strip().lower(), content.strip())
        elif name in _HEADERS:
            self.header(_HEADERS[name], raw)
        elif name == "--user":
            self.header(b"authorization", b"Basic " + base64.b64encode(raw))
        elif name == "--range":
            self.header(b"range", b"bytes=" + raw)
        elif name in _DATA:
            if value.startswith("@") and name != "--data-raw":
                raise SampleError(f"{name} {value}: files are not read; put the text into the line")
            self.data.append(_encoded(raw) if name == "--data-urlencode" else raw)
            if name == "--json":
                self.kind = b"application/json"
        elif name == "--form":
            self.parts.append(_part(raw))
        elif name == "--upload-file":
            raise SampleError("-T: files are not read; use --data-binary with the text")


def _encoded(raw: bytes) -> bytes:
    """`name=text`, `=text` or `text`, the text percent-encoded: what --data-urlencode makes."""
    name, equals, text = raw.partition(b"=")
    if not equals:
        name, text = b"", raw
    return (name + b"=" if name else b"") + quote_plus(text).encode()


def _part(raw: bytes) -> bytes:
    name, _, content = raw.partition(b"=")
    if content.startswith((b"@", b"<")):
        # A picture's bytes are not searched; its name is.
        filename = content[1:].partition(b";")[0].rpartition(b"/")[2]
        head = b'form-data; name="%s"; filename="%s"\r\nContent-Type: application/octet-stream' % (
            name,
            filename,
        )
        content = b"(the file)"
    else:
        head = b'form-data; name="%s"' % name
    return b"--%s\r\nContent-Disposition: %s\r\n\r\n%s\r\n" % (_BOUNDARY, head, content)


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """Options as (long name, value) and the URL as ("--url", it).  Short ones may be glued: -XPOST, -sk."""
    at = 0
    while at < len(words):
        word, at = words[at], at + 1
        if not word.startswith("-") or word == "-":
            yield "--url", word
            continue
        if word.startswith("--"):
            name, equals, glued = word.partition("=")
            if equals and not glued:
                raise SampleError(f"{name} needs a value")
        else:
            letters = word[1:]
            # Letters without a meaning for us (-s, -k, -L, -v) take no value.
            while letters and letters[0] not in _SHORT:
                letters = letters[1:]
            if not letters:
                continue
            name, glued = _SHORT[letters[0]], letters[1:]
            if name in _WITHOUT_VALUE:
                words.insert(at, "-" + glued) if glued else None
        if name in _WITHOUT_VALUE:
            yield name, ""
        elif name in _IGNORED_WITH_VALUE or name in _HEADERS or name in _DATA or name in _TAKES_VALUE:
            if not glued and at >= len(words):
                raise SampleError(f"{word} needs a value")
            value = glued or words[at]
            at += not glued
            yield name, value


_TAKES_VALUE = frozenset(("--request", "--url", "--header", "--user", "--range", "--form", "--upload-file"))


def _curl(text: str, client: str) -> tuple[WafRequest, bytes]:
    try:
        words = shlex.split(text.replace("\\\n", " "))[1:]
    except ValueError as error:
        raise SampleError(f"not a shell line: {error}") from None
    line = _Line()
    for name, value in _options(words):
        line.option(name, value)
    if not line.url:
        raise SampleError("the curl line has no URL")
    parts = urlsplit(line.url if "://" in line.url else "http://" + line.url)
    body = b"&".join(line.data)
    query = parts.query.encode("utf-8", "surrogateescape")
    if line.query:
        query, body = b"&".join(filter(None, (query, body))), b""
    if line.parts:
        body = b"".join(line.parts) + b"--%s--\r\n" % _BOUNDARY
        line.kind = b"multipart/form-data; boundary=" + _BOUNDARY
    target = (parts.path or "/").encode("utf-8", "surrogateescape") + (b"?" + query if query else b"")
    present = {name for name, _ in line.headers}
    if b"host" not in present:
        line.headers.insert(0, (b"host", parts.netloc.rpartition("@")[2].encode()))
    if body and b"content-type" not in present:
        line.headers.append((b"content-type", line.kind))
    if body and b"content-length" not in present:
        line.headers.append((b"content-length", b"%d" % len(body)))
    method = line.method or ("POST" if body else "GET")
    return WafRequest(client, method, target, "HTTP/1.1", tuple(line.headers)), body
