"""What is known about the request that a connection is serving?

A `Request` begins with what the phone sent and what L4 and TLS know, and is
annotated by the stages on its way.  It lives as long as the request; what is to
be remembered is copied into a flat record (`edge.l7.record`).

It is one mutable object with slots and not a chain of frozen values, because it
is made for every request and a frozen dataclass sets each field by a slow call.
"""

from typing import TYPE_CHECKING, Final

from edge.common.trace import TraceContext
from edge.l7.fetch import Fetch, Fields
from edge.l7.route import Route

if TYPE_CHECKING:
    from edge.l7.passed import Passed

NO_TRACE: Final = TraceContext("0" * 32, "0" * 16, 0)

# (stage, sentence, values for its placeholders).  Rendered only when somebody asks.
Note = tuple[str, str, tuple[object, ...]]
# A token, whether a cookie brought it, and whether a tunnel is asked for.
Credentials = tuple[bytes | None, bool, bool]


class Request:
    """One request; see the module."""

    __slots__ = (
        "_cookies",
        "account",
        "account_name",
        "body_expected",
        "body_prefix",
        "caller",
        "conn_id",
        "exposed",
        "fetch",
        "headers",
        "host",
        "limits",
        "listener",
        "marks",
        "method",
        "passed",
        "path",
        "query",
        "reply_lines",
        "route",
        "server_name",
        "source",
        "target",
        "tls_version",
        "trace",
        "upstream_lines",
        "variants",
        "waf",
        "waf_skipped",
        "why",
    )

    def __init__(
        self,
        method: str,
        target: bytes,
        headers: Fields,
        *,
        host: str = "",
        body_expected: bool = False,
        source: str = "",
        listener: str = "https",
        tls_version: str = "",
        server_name: str = "",
        conn_id: str = "",
        caller: str = "",
        trace: TraceContext = NO_TRACE,
    ) -> None:
        self.method = method
        self.target = target  # as sent; absolute-form is already reduced to origin-form
        self.headers = headers  # (lower-case name, value), in order, as the phone sent them
        self.host = host  # lower case, without port; "" where HTTP/1.0 sent none
        self.body_expected = body_expected
        self.source = source  # the phone's address, from L4's record and never from the phone
        self.listener = listener
        self.tls_version = tls_version
        self.server_name = server_name  # SNI
        self.conn_id = conn_id
        self.caller = caller  # whom the phone's certificate names, "" where it showed none
        self.trace = trace  # our own server span
        # What the stages say.
        self.path = ""  # normalised, by the first stage
        self.query = b""
        self.route: Route | None = None
        self.account: int | None = None
        self.account_name = ""
        self.waf: object | None = None
        self.waf_skipped = False  # not inspected: its turn has not come (sampling)
        self.limits: list[object] = []
        self.variants: dict[str, str] = {}
        self.exposed = ""  # the same for the log: "ranking=fresh, ..."
        self.fetch: Fetch | None = None
        self.upstream_lines = b""  # further header lines for the service, each ending in CRLF
        self.reply_lines = b""  # further header lines for the phone, each ending in CRLF
        self.body_prefix = b""  # what of the body arrived before the stages ran (WAF)
        self.passed: Passed | None = None  # what is known of its head from before
        self.why: list[Note] = []
        self.marks: list[int] = []  # when each stage ended, nanoseconds
        self._cookies: dict[str, str] | None = None

    def header(self, name: bytes) -> bytes | None:
        """The value of the first field called `name` (lower case)."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def cookies(self) -> dict[str, str]:
        """The phone's cookies; of two with one name the first counts (RFC 6265 section 5.4 sorts the
        more specific one first)."""
        if self._cookies is None:
            self._cookies = parse_cookies(self.headers)
        return self._cookies

    def note(self, stage: str, sentence: str, *values: object) -> None:
        """Say why, for the trace.  `sentence` is a `%`-template; nothing is formatted now."""
        self.why.append((stage, sentence, values))


def parse_cookies(headers: Fields) -> dict[str, str]:
    """Name to value over all Cookie fields; what is no pair is left out."""
    found: dict[str, str] = {}
    for name, value in headers:
        if name != b"cookie":
            continue
        for pair in value.decode("latin-1").split(";"):
            key, equals, content = pair.strip(" \t").partition("=")
            if equals and key not in found:
                found[key] = content
    return found
