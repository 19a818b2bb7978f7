"""Which endpoint did this phone have last time, or which is its own by hash?

By hash: the cluster's `hash-on` names what flows together (source, account,
path, a cookie, a header); the hashing balancers do the rest.

By cookie: the phone carries an opaque token for its endpoint, a keyed hash of
cluster and endpoint.  It can't be forged, says nothing about our insides, and
needs no table: the tokens of a handful of endpoints are computed once and
looked up.  A token that fits nobody (the endpoint is gone, the key changed)
means a new choice and a new cookie, never an error.
"""

from collections.abc import Iterable
from hashlib import blake2b

from edge.common.config import ClusterConfig
from edge.l7.request import Request

TOKEN_BYTES = 12  # 96 bits: an attacker has better things to guess


def affinity_key(config: ClusterConfig, request: Request) -> bytes:
    """What `hash-on` of the cluster names, for this request; the source where that is absent."""
    kind, _, name = config.hash_on.partition(":")
    found: bytes | str | None = None
    if kind == "account" and request.account is not None:
        found = str(request.account)
    elif kind == "path":
        found = request.path
    elif kind == "cookie":
        found = request.cookies().get(name)
    elif kind == "header":
        found = request.header(name.lower().encode())
    if not found:
        found = request.source
    return found if isinstance(found, bytes) else found.encode("latin-1", "replace")


class CookieAffinity:
    """The tokens of one cluster's endpoints."""

    __slots__ = ("_by_token", "_cluster", "_secret", "_tokens", "cookie")

    def __init__(self, cluster: str, secret: bytes) -> None:
        """`secret`: the same in every worker of the edge, up to 64 bytes."""
        self.cookie = f"edge_at_{cluster}"
        self._cluster = cluster.encode()
        self._secret = secret
        self._tokens: dict[str, str] = {}
        self._by_token: dict[str, str] = {}

    def set_endpoints(self, names: Iterable[str]) -> None:
        """Only these can be meant."""
        self._tokens = {name: self._token(name) for name in names}
        self._by_token = {token: name for name, token in self._tokens.items()}

    def wanted(self, request: Request) -> str | None:
        """The endpoint that the phone was given before, if it still exists."""
        token = request.cookies().get(self.cookie)
        return None if token is None else self._by_token.get(token)

    def reply_line(self, endpoint: str) -> bytes:
        """The Set-Cookie line, with its CRLF, that binds the phone to `endpoint`."""
        token = self._tokens.get(endpoint) or self._token(endpoint)
        return f"set-cookie: {self.cookie}={token}; Path=/; Secure; HttpOnly; SameSite=Lax\r\n".encode()

    def _token(self, endpoint: str) -> str:
        # The length in front keeps ("a", "bc") and ("ab", "c") apart.
        text = len(self._cluster).to_bytes(2, "big") + self._cluster + endpoint.encode()
        return blake2b(
            text, key=self._secret[:64], digest_size=TOKEN_BYTES, person=b"edge affinity"
        ).hexdigest()
