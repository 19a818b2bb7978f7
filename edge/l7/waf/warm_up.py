"""What do requests usually look like?

A handful of ordinary ones, of every kind of body and of short and long text, so
that whatever the matchers build lazily is built before the first phone calls.
"""

from edge.l7.waf.inspector import Inspector
from edge.l7.waf.request import Headers, WafRequest

_PROSE = b"the quick brown fox, it's said, jumps over 12 lazy dogs (and more); costs 5% & rising + http://a.example"
_BROWSER: Headers = (
    (b"host", b"i.edge.test"),
    (
        b"user-agent",
        b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130 Safari/537",
    ),
    (b"accept", b"text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"en-GB,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"referer", b"https://i.edge.test/explore/?tag=sunset"),
    (b"cookie", b"edge_session=eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2ln; theme=dark; visit=1"),
    (b"origin", b"https://i.edge.test"),
)
_BODIES = (
    (b"application/x-www-form-urlencoded", b"username=ada&password=s3cret%21&note=" + b"hello+world+" * 4),
    (b"application/json", b'{"text": "hello there", "to": [1, 2, 3], "deep": {"a": {"b": "it\'s fine"}}}'),
    (
        b"multipart/form-data; boundary=xYzZy",
        b'--xYzZy\r\nContent-Disposition: form-data; name="photo"; filename="me.png"\r\n'
        b"Content-Type: image/png\r\n\r\n\x89PNG\r\n--xYzZy--\r\n",
    ),
    (b"application/x-www-form-urlencoded", b"text=" + _PROSE.replace(b" ", b"+").replace(b"%", b"%25") * 40),
    (b"application/xml", b"<a><b c='d'>text</b></a>"),
)


def warm_up(inspector: Inspector) -> None:
    """Build all matchers, and show them the requests.

    They build their automata at first sight of a kind of text; the first phone of the
    day must not pay for that, or be over its budget.
    """
    inspector.prepare()
    for head, body in warm_up_requests():
        if body is None:
            inspector.inspect_head(head, 0.0)
        else:
            inspector.inspect_body(head, body, 0.0)


def warm_up_requests() -> list[tuple[WafRequest, bytes | None]]:
    """Heads, and bodies where there is one, none of them an attack."""
    found: list[tuple[WafRequest, bytes | None]] = []
    for target in (
        b"/",
        b"/api/v1/feed/timeline/?max_id=953_6&page=2&q=a%20b%27c",
        b"/media/953_6?w=320",
        _long(),
    ):
        for headers in (_BROWSER, _BROWSER[:2]):
            found.append((_request("GET", target, headers), None))
    for content_type, body in _BODIES:
        about_body = ((b"content-type", content_type), (b"content-length", str(len(body)).encode()))
        found.append((_request("POST", b"/api/v1/direct_v2/threads/1/items/", _BROWSER + about_body), body))
    return found


def _long() -> bytes:
    words = b"+".join(b"word%d" % number for number in range(200))
    return b"/search?q=" + words


def _request(method: str, target: bytes, headers: Headers) -> WafRequest:
    return WafRequest("127.0.0.1", method, target, "HTTP/1.1", headers)
