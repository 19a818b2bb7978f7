"""Which values does `ARGS`, `REQUEST_FILENAME` or `&REQUEST_HEADERS:Host` stand for in this request?

A `Transaction` is one request under inspection.  Each part of it is worked out when a rule first asks, then
kept, because most rules ask for the same few.  A collection is a list of `(key, value)` pairs of bytes; a
single value has the key b"".

Where ModSecurity 2 and 3 differ, this follows what the Core Rule Set's own tests expect: REQUEST_FILENAME is
decoded, REQUEST_URI is not, and REQUEST_BODY is filled only for urlencoded bodies or when a rule forces it.
"""

from collections.abc import Callable
from typing import Literal

from edge.l7.waf.bodies import Body, Items, processor_for, read_body, urlencoded
from edge.l7.waf.body_type import problem_with
from edge.l7.waf.request import WafRequest, WafResponse

# Which part of the request a collection is computed from.  "head": all headers but Cookie, the method and the
# protocol; that part repeats from request to request and what was found out about it is remembered.
Part = Literal["head", "line", "cookies", "body", "all", "tx", "answer"]

# Keeping a shorter value costs more than making it again.
MADE_BYTES_MIN = 64


class Transaction:
    """One request (and perhaps its answer) under inspection."""

    __slots__ = (
        "_answer_headers",
        "_arguments",
        "_arguments_get",
        "_body",
        "_cookies",
        "_filename",
        "_headers_by_name",
        "_made",
        "_path_query",
        "answer",
        "body",
        "force_body",
        "forced_processor",
        "matched",
        "matched_all",
        "matched_name",
        "request",
        "tx",
        "tx_shared",
        "unique_id",
    )

    def __init__(self, request: WafRequest, body: bytes | None = None, unique_id: bytes = b"") -> None:
        self.request = request
        self.body = body
        self.answer: WafResponse | None = None
        self.tx: dict[bytes, bytes] = {}
        self.tx_shared = False
        self.matched = b""
        self.matched_name = b""
        self.matched_all: Items = []
        self.force_body = False
        self.forced_processor: str | None = None
        self.unique_id = unique_id
        self._made: dict[tuple[Callable[[bytes], bytes], bytes], bytes] = {}
        self._body: Body | None = None
        self._arguments: Items | None = None
        self._arguments_get: Items | None = None
        self._cookies: Items | None = None
        self._headers_by_name: dict[bytes, list[bytes]] | None = None
        self._path_query: tuple[bytes, bytes, bytes] | None = None
        self._filename: bytes | None = None
        self._answer_headers: dict[bytes, list[bytes]] | None = None

    def own_tx(self) -> dict[bytes, bytes]:
        """The variables, for writing: a snapshot that others share is copied first."""
        if self.tx_shared:
            self.tx = dict(self.tx)
            self.tx_shared = False
        return self.tx

    def made(self, pipeline: Callable[[bytes], bytes], value: bytes) -> bytes:
        """What `pipeline` makes of `value`; a long one is made once, for all rules that ask."""
        if len(value) < MADE_BYTES_MIN:
            return pipeline(value)
        known = self._made.get((pipeline, value))
        if known is None:
            known = self._made[pipeline, value] = pipeline(value)
        return known

    # -- the head -------------------------------------------------------------

    def header(self, name: bytes) -> list[bytes]:
        """Every value of one header."""
        by_name = self._headers_by_name
        if by_name is None:
            by_name = {}
            for key, value in self.request.headers:
                by_name.setdefault(key, []).append(value)
            self._headers_by_name = by_name
        return by_name.get(name, _NOTHING)

    def uri(self) -> bytes:
        """Path and query without scheme, authority and fragment."""
        return self._split()[0]

    def path(self) -> bytes:
        """The path as sent."""
        return self._split()[1]

    def query(self) -> bytes:
        """The query as sent, without the question mark."""
        return self._split()[2]

    def _split(self) -> tuple[bytes, bytes, bytes]:
        if self._path_query is None:
            uri = self.request.target
            if (
                uri[:1] != b"/"
                and (scheme := uri.find(b"://")) > 0
                and b"/" not in uri[:scheme]
                and b"?" not in uri[:scheme]
            ):
                slash = uri.find(b"/", scheme + 3)
                uri = uri[slash:] if slash != -1 else b"/"
            uri = uri.partition(b"#")[0]
            path, _, query = uri.partition(b"?")
            self._path_query = (uri, path, query)
        return self._path_query

    def filename(self) -> bytes:
        """The path, percent-decoded once (a plus sign is a plus sign here)."""
        if self._filename is None:
            path = self.path()
            self._filename = _decode_path(path) if b"%" in path else path
        return self._filename

    def arguments_get(self) -> Items:
        """Decoded pairs of the query."""
        if self._arguments_get is None:
            query = self.query()
            self._arguments_get = urlencoded(query) if query else []
        return self._arguments_get

    def cookies(self) -> Items:
        """Name and value of every cookie, as sent."""
        if self._cookies is None:
            found: Items = []
            for line in self.header(b"cookie"):
                for pair in line.split(b";"):
                    name, _, value = pair.partition(b"=")
                    name = name.strip()
                    if name or value:
                        found.append((name, value.strip()))
            self._cookies = found
        return self._cookies

    # -- the body -------------------------------------------------------------

    def processor(self) -> str:
        """Which reader the body goes through."""
        if self.forced_processor is not None:
            return self.forced_processor
        kinds = self.header(b"content-type")
        return processor_for(kinds[0]) if kinds else ""

    def read(self) -> Body:
        """The body, read once.  Call it in phase 2: before that a rule may still choose another reader."""
        if self._body is None:
            kinds = self.header(b"content-type")
            self._body = read_body(self.processor(), kinds[0] if kinds else b"", self.body or b"")
            if self.body:
                self._body.error = self._body.error or problem_with(self.request.headers)
            self._arguments = None
        return self._body

    def request_body(self) -> bytes:
        """The raw body where rules may see it."""
        if not self.body:
            return b""
        processor = self.processor()
        return self.body if processor == "URLENCODED" or (self.force_body and not processor) else b""

    def arguments(self) -> Items:
        """Decoded pairs of query and body."""
        if self._arguments is None:
            read = self._body
            self._arguments = (
                self.arguments_get() + read.arguments if read is not None else self.arguments_get()
            )
        return self._arguments

    def answer_header(self, name: bytes) -> list[bytes]:
        """Every value of one header of the answer."""
        if self._answer_headers is None:
            self._answer_headers = {}
            for key, value in self.answer.headers if self.answer else ():
                self._answer_headers.setdefault(key, []).append(value)
        return self._answer_headers.get(name, _NOTHING)


_NOTHING: list[bytes] = []
_NO_BODY = Body()


def _decode_path(path: bytes) -> bytes:
    out = path.split(b"%")
    decoded = [out[0]]
    for piece in out[1:]:
        try:
            decoded.append(
                bytes.fromhex(piece[:2].decode("ascii")) + piece[2:] if len(piece) >= 2 else b"%" + piece
            )
        except ValueError:
            decoded.append(b"%" + piece)
    return b"".join(decoded)


def _body(t: Transaction) -> Body:
    return t._body or _NO_BODY


def _names(items: Items) -> Items:
    return [(key, key) for key, _ in items]


def _one(value: bytes) -> Items:
    return [(b"", value)]


def _basename(t: Transaction) -> bytes:
    return t.filename().rpartition(b"/")[2]


def _request_line(t: Transaction) -> bytes:
    request = t.request
    return b"%s %s %s" % (
        request.method.encode("latin-1"),
        request.target,
        request.protocol.encode("latin-1"),
    )


def _multipart_error(t: Transaction) -> bytes:
    return b"1" if t.processor() == "MULTIPART" and _body(t).error else b"0"


def _headers_of(t: Transaction) -> Items:
    return list(t.request.headers)


def _args_size(t: Transaction) -> bytes:
    return b"%d" % sum(len(key) + len(value) for key, value in t.arguments())


_Getter = Callable[[Transaction], Items]

# Name of the collection -> (its values, the part of the request they come from).
COLLECTIONS: dict[str, tuple[_Getter, Part]] = {
    "ARGS": (Transaction.arguments, "all"),
    "ARGS_NAMES": (lambda t: _names(t.arguments()), "all"),
    "ARGS_GET": (Transaction.arguments_get, "line"),
    "ARGS_GET_NAMES": (lambda t: _names(t.arguments_get()), "line"),
    "ARGS_POST": (lambda t: _body(t).arguments, "body"),
    "ARGS_POST_NAMES": (lambda t: _names(_body(t).arguments), "body"),
    "ARGS_COMBINED_SIZE": (lambda t: _one(_args_size(t)), "all"),
    "REQUEST_HEADERS": (_headers_of, "head"),
    "REQUEST_HEADERS_NAMES": (lambda t: _names(_headers_of(t)), "head"),
    "REQUEST_COOKIES": (Transaction.cookies, "cookies"),
    "REQUEST_COOKIES_NAMES": (lambda t: _names(t.cookies()), "cookies"),
    "REQUEST_METHOD": (lambda t: _one(t.request.method.encode("latin-1")), "head"),
    "REQUEST_PROTOCOL": (lambda t: _one(t.request.protocol.encode("latin-1")), "head"),
    "REQUEST_LINE": (lambda t: _one(_request_line(t)), "line"),
    "REQUEST_URI": (lambda t: _one(t.uri()), "line"),
    "REQUEST_URI_RAW": (lambda t: _one(t.request.target), "line"),
    "REQUEST_FILENAME": (lambda t: _one(t.filename()), "line"),
    "REQUEST_BASENAME": (lambda t: _one(_basename(t)), "line"),
    "PATH_INFO": (lambda t: _one(b""), "line"),
    "QUERY_STRING": (lambda t: _one(t.query()), "line"),
    "REQUEST_BODY": (lambda t: _one(t.request_body()), "body"),
    "REQUEST_BODY_LENGTH": (lambda t: _one(b"%d" % len(t.body or b"")), "body"),
    "REQBODY_PROCESSOR": (lambda t: _one(t.processor().encode()), "head"),
    "REQBODY_ERROR": (lambda t: _one(b"1" if _body(t).error else b"0"), "body"),
    "REQBODY_ERROR_MSG": (lambda t: _one(_body(t).error.encode()), "body"),
    "REQBODY_PROCESSOR_ERROR": (lambda t: _one(b"1" if _body(t).error else b"0"), "body"),
    "MULTIPART_STRICT_ERROR": (lambda t: _one(_multipart_error(t)), "body"),
    "MULTIPART_UNMATCHED_BOUNDARY": (lambda t: _one(_multipart_error(t)), "body"),
    "MULTIPART_PART_HEADERS": (lambda t: _body(t).part_headers, "body"),
    "FILES": (lambda t: [(name, filename) for name, filename, _ in _body(t).files], "body"),
    "FILES_NAMES": (lambda t: [(name, name) for name, _, _ in _body(t).files], "body"),
    "FILES_SIZES": (lambda t: [(name, b"%d" % size) for name, _, size in _body(t).files], "body"),
    "FILES_COMBINED_SIZE": (lambda t: _one(b"%d" % sum(size for _, _, size in _body(t).files)), "body"),
    "XML": (lambda t: xml_items(t, b"/*"), "body"),
    "REMOTE_ADDR": (lambda t: _one(t.request.client.encode()), "line"),
    "SERVER_NAME": (lambda t: _one((t.header(b"host") or [b""])[0].partition(b":")[0]), "head"),
    "UNIQUE_ID": (lambda t: _one(t.unique_id), "line"),
    "HIGHEST_SEVERITY": (lambda t: _one(t.tx.get(b"highest_severity", b"255")), "tx"),
    "TX": (lambda t: list(t.tx.items()), "tx"),
    "MATCHED_VAR": (lambda t: _one(t.matched), "tx"),
    "MATCHED_VAR_NAME": (lambda t: _one(t.matched_name), "tx"),
    "MATCHED_VARS": (lambda t: t.matched_all, "tx"),
    "MATCHED_VARS_NAMES": (lambda t: _names(t.matched_all), "tx"),
    "RESPONSE_STATUS": (lambda t: _one(b"%d" % t.answer.status) if t.answer else [], "answer"),
    "RESPONSE_PROTOCOL": (lambda t: _one(t.answer.protocol.encode()) if t.answer else [], "answer"),
    "RESPONSE_HEADERS": (lambda t: list(t.answer.headers) if t.answer else [], "answer"),
    "RESPONSE_HEADERS_NAMES": (lambda t: _names(list(t.answer.headers)) if t.answer else [], "answer"),
    "RESPONSE_BODY": (lambda t: _one(t.answer.body) if t.answer else [], "answer"),
    "RESPONSE_CONTENT_TYPE": (lambda t: [(b"", v) for v in t.answer_header(b"content-type")], "answer"),
    "RESPONSE_CONTENT_LENGTH": (lambda t: _one(b"%d" % len(t.answer.body)) if t.answer else [], "answer"),
}

# What they would need that the edge does not have, or has elsewhere.
REFUSED_COLLECTIONS = {
    "IP": "state that outlives the request (see rate limits and bans)",
    "GLOBAL": "state that outlives the request",
    "RESOURCE": "state that outlives the request",
    "SESSION": "state that outlives the request",
    "USER": "state that outlives the request",
    "GEO": "a geographic database",
    "ENV": "the process environment",
    "RULE": "the rule's own text",
    "TIME": "the wall clock",
    "DURATION": "the wall clock",
    "REMOTE_USER": "HTTP authentication",
    "AUTH_TYPE": "HTTP authentication",
}


def xml_items(t: Transaction, path: bytes) -> Items:
    """`XML:/*` is the text of the document, and each piece between two tags, because a value of its own
    begins there; `XML://@*` is every attribute value; no other path is supported."""
    body = _body(t)
    if path == b"//@*":
        return [(b"//@*", value) for value in body.xml_attributes]
    return [(b"/*", text) for text in body.xml_texts]
