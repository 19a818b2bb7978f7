"""What does a service see of a request, and what may it answer?

`HttpRequest` is what the server hands to a handler: the judged head, a body to
be read when it is wanted, the trace to continue and the time that is left.
`HttpResponse` is what comes back: bytes, a stream of bytes, or a function that
takes the connection over (WebSocket).  `Refusal` is the short way out of a
handler: raise it and the caller gets problem+json (RFC 9457).
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson

from edge.common.errors import EdgeError
from edge.common.spans import Attribute
from edge.common.trace import TraceContext

Header = tuple[bytes, bytes]

# A JSON body of an application; pictures never come in through these services.
BODY_BYTES_MAX = 1024 * 1024
# parse_qsl builds a list of every pair; a phone needs a handful.
QUERY_FIELDS_MAX = 100

JSON = b"application/json"
PROBLEM = b"application/problem+json"
PROBLEM_TYPES = b"https://edge.test/problems/"

REASONS = {
    100: b"Continue",
    101: b"Switching Protocols",
    200: b"OK",
    201: b"Created",
    204: b"No Content",
    206: b"Partial Content",
    304: b"Not Modified",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    409: b"Conflict",
    413: b"Content Too Large",
    415: b"Unsupported Media Type",
    416: b"Range Not Satisfiable",
    426: b"Upgrade Required",
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
}


class Refusal(EdgeError):
    """A handler's answer when it will not do what was asked."""

    blame = "phone"
    status_hint = 400

    def __init__(self, status: int, slug: str, detail: str, headers: tuple[Header, ...] = ()) -> None:
        """`slug` names the kind of problem in a URL; `detail` is for the person who asked."""
        super().__init__(detail)
        self.status = status
        self.slug = slug
        self.headers = headers


async def _no_body() -> bytes:
    return b""


class HttpRequest:
    """One request, its body still on the wire.

    `route` is the pattern that matched and `parameters` what its braces held;
    `attributes` go onto the request's span, so a handler says there what it
    decided and why.  `deadline` is on the event loop's clock, None for no hurry.
    """

    __slots__ = (
        "_query",
        "_receive",
        "attributes",
        "body_expected",
        "deadline",
        "headers",
        "method",
        "parameters",
        "path",
        "query_string",
        "route",
        "target",
        "trace",
    )

    def __init__(
        self,
        method: str,
        target: bytes,
        headers: tuple[Header, ...] = (),
        *,
        trace: TraceContext,
        receive: Callable[[], Awaitable[bytes]] = _no_body,
        body_expected: bool = False,
        deadline: float | None = None,
    ) -> None:
        """`receive` returns the next piece of the body, b"" behind the last one."""
        self.method = method
        self.target = target
        self.headers = headers
        self.trace = trace
        self.body_expected = body_expected
        self.deadline = deadline
        path, _, query = target.decode("latin-1").partition("?")
        self.path = unquote(path) if "%" in path else path
        self.query_string = query
        self.route = ""
        self.parameters: dict[str, str] = {}
        self.attributes: dict[str, Attribute] = {}
        self._receive = receive
        self._query: dict[str, str] | None = None

    def header(self, name: bytes) -> bytes | None:
        """The first value of `name` (lower case), None where it is absent."""
        for known, value in self.headers:
            if known == name:
                return value
        return None

    @property
    def query(self) -> dict[str, str]:
        """The query's fields; of a repeated one the first counts."""
        if self._query is None:
            self._query = _form(self.query_string)
        return self._query

    @property
    def account(self) -> int | None:
        """Who asks, by L7's word: it sets `edge-account` after auth and strips it from outside."""
        value = self.header(b"edge-account")
        return None if value is None else whole_number(value.decode("latin-1"))

    @property
    def variants(self) -> dict[str, str]:
        """The experiments this request takes part in: `edge-experiment: name=variant, ...`."""
        value = self.header(b"edge-experiment")
        if value is None:
            return {}
        pairs = (part.partition("=") for part in value.decode("latin-1").split(","))
        return {name.strip(): variant.strip() for name, equals, variant in pairs if equals}

    def signed_in(self) -> int:
        """The account, or a 401 `Refusal` for a request that came without one."""
        account = self.account
        if account is None:
            raise Refusal(401, "unauthenticated", "log in first: POST /api/v1/accounts/login/")
        return account

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives."""
        while chunk := await self._receive():
            yield chunk

    async def read(self, bytes_max: int = BODY_BYTES_MAX) -> bytes:
        """The whole body, or a 413 `Refusal` when there is more than `bytes_max` of it."""
        parts: list[bytes] = []
        size = 0
        while chunk := await self._receive():
            size += len(chunk)
            if size > bytes_max:
                raise Refusal(413, "body-too-large", f"at most {bytes_max} bytes are taken here")
            parts.append(chunk)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def fields(self, bytes_max: int = BODY_BYTES_MAX) -> dict[str, Any]:
        """The body's fields, from JSON or a form; 400 or 415 `Refusal` where it is neither."""
        kind = (self.header(b"content-type") or JSON).split(b";")[0].strip().lower()
        body = await self.read(bytes_max)
        if kind == b"application/x-www-form-urlencoded":
            return dict(_form(body.decode("latin-1")))
        if kind != JSON:
            raise Refusal(415, "unsupported-media-type", "send application/json or a form")
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Refusal(400, "bad-json", f"the body is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise Refusal(400, "bad-json", "the body has to be a JSON object")
        return value


Takeover = Callable[[Any, bytes], Awaitable[None]]  # (trio stream, bytes that came early)


class HttpResponse:
    """An answer.

    A streamed `body` is sent chunked unless `length` says how long it is going
    to be; a 304 says the length of what it spares only if `length` is given.
    With `takeover` the status is 101 and the connection belongs to that function
    once the head is sent.
    """

    __slots__ = ("body", "headers", "length", "status", "takeover")

    def __init__(
        self,
        status: int,
        body: bytes | AsyncGenerator[bytes, None] = b"",
        headers: tuple[Header, ...] = (),
        *,
        length: int | None = None,
        takeover: Takeover | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.headers = headers
        self.length = len(body) if isinstance(body, bytes) and status != 304 else length
        self.takeover = takeover


class HttpReply:
    """What another service answered, whole."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: tuple[Header, ...], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name: bytes) -> bytes | None:
        """The first value of `name` (lower case), None where it is absent."""
        for known, value in self.headers:
            if known == name:
                return value
        return None

    def json(self) -> Any:
        """The body's value.  Raises `ValueError` where it is not JSON."""
        return orjson.loads(self.body)


Handler = Callable[[HttpRequest], Awaitable[HttpResponse]]


def whole_number(text: str, digits_max: int = 9) -> int | None:
    """The number that `text` spells in plain digits, None for anything else."""
    # isascii: str.isdigit also says yes to digits of other scripts.
    if not text.isascii() or not text.isdigit() or len(text) > digits_max:
        return None
    return int(text)


def json_response(value: Any, status: int = 200, headers: tuple[Header, ...] = ()) -> HttpResponse:
    """`value` as JSON."""
    return HttpResponse(status, orjson.dumps(value), ((b"content-type", JSON), *headers))


def problem(
    status: int,
    slug: str,
    detail: str,
    *,
    instance: str = "",
    trace_id: str = "",
    headers: tuple[Header, ...] = (),
) -> HttpResponse:
    """An error in the words of RFC 9457."""
    value: dict[str, Any] = {
        "type": PROBLEM_TYPES.decode() + slug,
        "title": REASONS.get(status, b"Error").decode(),
        "status": status,
        "detail": detail,
    }
    if instance:
        value["instance"] = instance
    if trace_id:
        value["trace_id"] = trace_id
    return HttpResponse(status, orjson.dumps(value), ((b"content-type", PROBLEM), *headers))


def _form(text: str) -> dict[str, str]:
    if not text:
        return {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX)
    except ValueError as error:
        raise Refusal(400, "too-many-fields", f"at most {QUERY_FIELDS_MAX} fields") from error
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields.setdefault(name, value)
    return fields
