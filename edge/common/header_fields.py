"""How does a span carry the headers of a message?

As attributes named `http.request.header.<name>` and `http.response.header.<name>`
(OpenTelemetry's semantic conventions, "HTTP attributes"; there the value is a
list, ours is its members joined).  What logs somebody in is replaced by its
length: a trace is made to be shown to others.  A name that sounds like a secret
is taken for one, because the cost of hiding too much is a shrug.
"""

import re
from collections.abc import Iterable, Iterator

from edge.common.spans import Attribute, Span

REQUEST = "http.request.header."
RESPONSE = "http.response.header."
# A trace of one request stays small whatever the service sends.
HEADERS_MAX = 64
VALUE_CHARS_MAX = 512

_SECRET_WORDS = (
    "authorization",
    "cookie",
    "token",
    "secret",
    "passw",
    "credential",
    "api-key",
    "apikey",
    "session",
)
# Fields that hold an address, whose query may hold a secret.
_WITH_QUERY = frozenset({"referer", "location", "content-location"})
_SECRET_IN_QUERY = re.compile(
    r"((?:^|[?&;])[^=&;#]*(?:token|secret|passw|credential|key|session|sig|auth|code)[^=&;#]*)=([^&;#\s]+)",
    re.I,
)

Text = str | bytes


def told(prefix: str, headers: Iterable[tuple[Text, Text]]) -> dict[str, Attribute]:
    """The attributes that hold `headers`."""
    found: dict[str, Attribute] = {}
    for raw_name, raw_value in headers:
        name = _text(raw_name).lower()
        shown = _shown(name, _text(raw_value))[:VALUE_CHARS_MAX]
        key = f"{prefix}{name}"
        if key in found:
            found[key] = f"{found[key]}, {shown}"[:VALUE_CHARS_MAX]
        elif len(found) < HEADERS_MAX:
            found[key] = shown
    return found


def fields_of(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The fields of a whole, well-formed message head, as it went over the wire."""
    for line in head.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        yield name, value.strip(b" \t")


def headers_of(span: Span, prefix: str) -> list[tuple[str, str]]:
    """The headers that `span` carries, in the order they were told."""
    return [
        (key.removeprefix(prefix), str(value))
        for key, value in span.attributes.items()
        if key.startswith(prefix)
    ]


def without_secrets(url: str) -> str:
    """A URL, or its query, in which no parameter that sounds like a secret has a value."""
    return _SECRET_IN_QUERY.sub(lambda found: f"{found[1]}=({len(found[2])} characters)", url)


def _shown(name: str, value: str) -> str:
    if name == "cookie":
        return "; ".join(_pair(pair.strip()) for pair in value.split(";"))
    if name == "set-cookie":
        # What follows the pair says how the cookie is guarded, which is worth seeing.
        pair, semicolon, guards = value.partition(";")
        return f"{_pair(pair)}{semicolon}{guards}"
    if any(word in name for word in _SECRET_WORDS):
        return f"({len(value)} characters)"
    return without_secrets(value) if name in _WITH_QUERY else value


def _pair(cookie: str) -> str:
    name, equals, secret = cookie.partition("=")
    return f"{name}=({len(secret)} characters)" if equals else f"({len(cookie)} characters)"


def _text(value: Text) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
