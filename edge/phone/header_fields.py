"""How does a span carry the headers of a message?

As attributes named `http.request.header.<name>` and `http.response.header.<name>`
(OpenTelemetry's semantic conventions, "HTTP attributes"; there the value is a
list, ours is its members joined).  What logs somebody in is replaced by its
length: a trace is made to be shown to others.
"""

from collections.abc import Iterable

from edge.common.spans import Attribute, Span

REQUEST = "http.request.header."
RESPONSE = "http.response.header."
# A trace of one request stays small whatever the service sends.
HEADERS_MAX = 64
VALUE_CHARS_MAX = 512
SECRET = frozenset({"cookie", "set-cookie", "authorization", "proxy-authorization"})

Header = tuple[str, str]


def told(prefix: str, headers: Iterable[Header]) -> dict[str, Attribute]:
    """The attributes that hold `headers` (lower-case names)."""
    found: dict[str, Attribute] = {}
    for name, value in headers:
        key = f"{prefix}{name.lower()}"
        shown = _hidden(value) if name.lower() in SECRET else value[:VALUE_CHARS_MAX]
        if key in found:
            found[key] = f"{found[key]}, {shown}"[:VALUE_CHARS_MAX]
        elif len(found) < HEADERS_MAX:
            found[key] = shown
    return found


def headers_of(span: Span, prefix: str) -> list[Header]:
    """The headers that `span` carries, in the order they were told."""
    return [
        (key.removeprefix(prefix), str(value))
        for key, value in span.attributes.items()
        if key.startswith(prefix)
    ]


def _hidden(value: str) -> str:
    name, equals, secret = value.partition("=")
    if equals:
        return f"{name[:VALUE_CHARS_MAX]}=({len(secret)} characters)"
    return f"({len(value)} characters)"
