"""For whom is this request?

The session is a signed token in a cookie or in `Authorization: Bearer`.  Its
signature costs 100 us to check, so a token is checked once and remembered, by
its exact bytes, until it expires: the repeated case is a search in the Cookie
header and a dict look-up.  What was found bad is remembered as well, in a table
of its own, so that a flood of forgeries cannot push out the genuine.

Each route has a policy: `public` looks at nothing, `optional` takes a good
session and ignores a bad one, `required` answers 401 without a good one.

A browser sends cookies whoever wrote the page.  A request that may change
something, or opens a tunnel, and is authenticated by a cookie must therefore
come from our own pages: `Sec-Fetch-Site`, which a page cannot forge, and for
older browsers `Origin` (the rules are those of Go's CrossOriginProtection).
A program that sends neither is no browser and has nothing to be tricked with.

State: remembered tokens (about 500 bytes each) and revoked token ids, both
bounded and owned by this worker.
"""

from collections.abc import Mapping
from typing import Final

from edge.common.config import AuthConfig
from edge.l7.request import Credentials, Request
from edge.l7.stages.session_token import BadToken, Login, Verifier
from edge.l7.verdict import CONTINUE, Answer

# Far more forgeries than that in one token lifetime are a matter for the limits and for L4.
BAD_REMEMBERED_MAX: Final = 2048
# One id is 36 bytes; a revocation ends with its token, so this is logouts per `ttl_s`.
REVOKED_MAX: Final = 100_000
EXPIRE_S: Final = 30.0  # a look through all revocations takes 5 ms

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 section 9.2.1
_LOOKED_AT: Final = frozenset({b"cookie", b"authorization", b"upgrade"})
_TWICE: Final = b"\x00"  # no cookie value: the name was sent twice


class Auth:
    """The stage: fills in `request.account`, or answers 401 or 403."""

    def __init__(self, config: AuthConfig, keys: Mapping[str, bytes]) -> None:
        """`keys`: key id to PEM of the public key.  Raises `KeyUnusable`."""
        self._config = config
        self._cookie = config.cookie.encode() + b"="
        self._verifier = Verifier(config.issuer, config.audience, keys)
        self._good: dict[bytes, Login] = {}
        self._bad: dict[bytes, str] = {}
        self._revoked: dict[str, float] = {}
        self._expire_at = 0.0
        self.verifications = 0

    def reload(self, config: AuthConfig, keys: Mapping[str, bytes]) -> None:
        """Use these keys from now on; sessions signed with a key that is gone end.  Raises `KeyUnusable`."""
        self._verifier = Verifier(config.issuer, config.audience, keys)
        self._config = config
        self._cookie = config.cookie.encode() + b"="
        self._good = {token: login for token, login in self._good.items() if login.key_id in keys}
        self._bad.clear()

    def revoke(self, jti: str, until_unix: float) -> None:
        """End the session `jti`; `until_unix` is when its token expires anyway."""
        while len(self._revoked) >= REVOKED_MAX:
            del self._revoked[next(iter(self._revoked))]
        self._revoked[jti] = until_unix

    def expire(self, unix_now: float) -> None:
        """Forget revocations of tokens that have expired; to be called as often as one likes."""
        if unix_now < self._expire_at:
            return
        self._expire_at = unix_now + EXPIRE_S
        self._revoked = {jti: until for jti, until in self._revoked.items() if until > unix_now}

    def __call__(self, request: Request, now: float, unix_now: float) -> Answer | None:
        """Say who it is, or that somebody has to be."""
        route = request.route
        policy = "required" if route is None else route.config.auth
        if policy == "public":
            return CONTINUE
        passed = request.passed
        if passed is None:
            token, by_cookie, tunnel = self._credentials(request)
        else:
            found = passed.credentials
            if found is None:
                found = passed.credentials = self._credentials(request)
            token, by_cookie, tunnel = found
        if token is None:
            return CONTINUE if policy == "optional" else _login_needed("no session", b"")
        outcome = self._look_up(token, unix_now)
        if outcome.__class__ is str:
            request.note("auth", "%s", outcome)
            return CONTINUE if policy == "optional" else _login_needed(str(outcome), b"invalid_token")
        assert isinstance(outcome, Login)
        if by_cookie and (tunnel or request.method not in _SAFE):
            foreign = _foreign(request)
            if foreign:
                return Answer(
                    status=403, reason="AUTH", detail="This request came from another site.", why=foreign
                )
        request.account = outcome.account
        request.account_name = outcome.name
        request.upstream_lines += outcome.upstream_line
        return CONTINUE

    def _credentials(self, request: Request) -> Credentials:
        """The token, whether a cookie brought it, and whether a tunnel is asked for.

        `Authorization` is deliberate, so it goes before a cookie.
        """
        cookies: bytes | None = None
        bearer: bytes | None = None
        tunnel = False
        for name, value in request.headers:
            if name not in _LOOKED_AT:
                continue
            if name == b"cookie":
                cookies = value if cookies is None else cookies + b"; " + value
            elif name == b"upgrade":
                tunnel = True
            elif value[:7].lower() == b"bearer ":
                bearer = value[7:].strip() if bearer is None else _TWICE
        if bearer is not None:
            return bearer, False, tunnel
        return (None if cookies is None else find_cookie(cookies, self._cookie)), True, tunnel

    def _look_up(self, token: bytes, unix_now: float) -> Login | str:
        """The login behind `token`, or why it does not count."""
        login = self._good.get(token)
        if login is None:
            bad = self._bad.get(token)
            if bad is not None:
                return bad
            try:
                self.verifications += 1
                login = self._verifier.verify(token, unix_now)
            except BadToken as error:
                return self._remember_bad(token, str(error))
            if len(self._good) >= self._config.remembered_max:
                # The oldest: whoever it was is verified again, at 100 us.
                del self._good[next(iter(self._good))]
            self._good[token] = login
        if login.expires_unix <= unix_now:
            del self._good[token]
            return self._remember_bad(token, "the token has expired")
        if self._revoked and login.jti in self._revoked:
            return "the session was ended"
        return login

    def _remember_bad(self, token: bytes, why: str) -> str:
        # "not valid yet" ends by itself, so it is not for keeping; nor are long strings.
        if "yet" not in why and "too long" not in why:
            if len(self._bad) >= BAD_REMEMBERED_MAX:
                self._bad.clear()
            self._bad[token] = why
        return why


def find_cookie(header: bytes, name_equals: bytes) -> bytes | None:
    """The value of the cookie whose name and "=" are `name_equals`, without parsing the others.

    A name that occurs twice gives a value that verifies as nothing: one of the
    two was planted by somebody else (a sibling domain), and guessing helps him.
    """
    found: bytes | None = None
    at = header.find(name_equals)
    while at >= 0:
        # RFC 6265 section 4.2.1: pairs are parted by "; "; we also take ";" alone.
        if at == 0 or header[at - 1 : at] == b";" or header[at - 2 : at] == b"; ":
            if found is not None:
                return _TWICE
            end = header.find(b";", at)
            found = header[at + len(name_equals) : end if end >= 0 else len(header)]
        at = header.find(name_equals, at + len(name_equals))
    return found


def _foreign(request: Request) -> str:
    """Why this cookie-authenticated write is not from our own pages; "" if it may be."""
    site = request.header(b"sec-fetch-site")
    origin = request.header(b"origin")
    if site is not None:
        if site in (b"same-origin", b"none"):
            return ""
        return f"auth: Sec-Fetch-Site is {site.decode('latin-1')}"
    if origin is None:
        return ""
    _, separator, host = origin.partition(b"://")
    if separator and host.lower() == (request.header(b"host") or b"").lower():
        return ""
    return f"auth: Origin is {origin.decode('latin-1')}"


def _login_needed(why: str, error: bytes) -> Answer:
    # RFC 9110 section 15.5.2: WWW-Authenticate is a MUST; RFC 6750 section 3 for its form.
    challenge = b'Bearer realm="edge"' + (b', error="' + error + b'"' if error else b"")
    return Answer(
        status=401,
        reason="AUTH",
        detail="Log in first." if not error else "Your session is not valid any more: log in again.",
        why=f"auth: {why}",
        headers=((b"www-authenticate", challenge),),
    )
