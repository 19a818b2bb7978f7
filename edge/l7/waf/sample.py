"""How does a request that a person typed (a file, a curl line) become one that the firewall can inspect?"""

import shlex
from urllib.parse import urlsplit

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
    lines = head.replace(b"\r\n", b"\n").split(b"\n")
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


_DATA = frozenset(
    ("-d", "--data", "--data-raw", "--data-ascii", "--data-binary", "--data-urlencode", "--json")
)
_IGNORED_WITH_VALUE = frozenset(
    ("-o", "--output", "--connect-to", "--resolve", "-m", "--max-time", "--cacert", "-w")
)


def _curl(line: str, client: str) -> tuple[WafRequest, bytes]:
    try:
        words = shlex.split(line.replace("\\\n", " "))[1:]
    except ValueError as error:
        raise SampleError(f"not a shell line: {error}") from None
    method, url, headers, data = "", "", [(b"user-agent", b"curl/8"), (b"accept", b"*/*")], []
    kind = b"application/x-www-form-urlencoded"
    at = 0
    while at < len(words):
        word = words[at]
        value = words[at + 1] if at + 1 < len(words) else ""
        at += 1
        if word in {"-X", "--request"}:
            method, at = value, at + 1
        elif word in {"-H", "--header"}:
            name, _, content = value.partition(":")
            lowered = name.strip().lower().encode("utf-8", "surrogateescape")
            headers = [header for header in headers if header[0] != lowered]
            headers.append((lowered, content.strip().encode("utf-8", "surrogateescape")))
            at += 1
        elif word in {"-A", "--user-agent", "-e", "--referer", "-b", "--cookie"}:
            name = {"-A": "user-agent", "-e": "referer", "-b": "cookie"}.get(word, word.lstrip("-"))
            headers = [header for header in headers if header[0] != name.encode()]
            headers.append((name.encode(), value.encode("utf-8", "surrogateescape")))
            at += 1
        elif word in _DATA:
            data.append(value.encode("utf-8", "surrogateescape"))
            if word == "--json":
                kind = b"application/json"
            at += 1
        elif word in _IGNORED_WITH_VALUE:
            at += 1
        elif not word.startswith("-"):
            url = word
    if not url:
        raise SampleError("the curl line has no URL")
    parts = urlsplit(url if "://" in url else "http://" + url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    body = b"&".join(data)
    present = {name for name, _ in headers}
    if b"host" not in present:
        headers.insert(0, (b"host", parts.netloc.encode()))
    if data and b"content-type" not in present:
        headers.append((b"content-type", kind))
    if data and b"content-length" not in present:
        headers.append((b"content-length", b"%d" % len(body)))
    request = WafRequest(
        client,
        method or ("POST" if data else "GET"),
        target.encode("utf-8", "surrogateescape"),
        "HTTP/1.1",
        tuple(headers),
    )
    return request, body
