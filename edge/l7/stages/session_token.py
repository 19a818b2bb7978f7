"""Is this session token genuine, ours, and still good?

A token is a JWS of three Base64 parts signed with EdDSA (RFC 7515, 8037) whose
payload is a set of claims (RFC 7519).  PyJWT checks the signature; the claims
are checked here, because the time is an argument in this house.

Base64 decoders are lenient: they skip foreign characters and unused bits, so
many strings decode to one token.  Whoever remembers tokens by their text, or
revokes them so, can be led around that.  So each part must be exactly what an
encoder would write, and revocation goes by the token's id (`jti`).

State: the public keys, by key id.  Several are valid at once, so that `login`
can change its key without logging anybody out.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import InvalidTokenError, PyJWS

from edge.common.errors import EdgeError

# `login`'s are 350 bytes; one Cookie header fits 4 KiB in every browser (RFC 6265 section 6.1).
TOKEN_BYTES_MAX = 2048
# Clocks of two hosts differ; a token issued further in the future is not from our login.
CLOCK_SKEW_S = 60.0

_PART = re.compile(rb"[A-Za-z0-9_-]+\Z")


class KeyUnusable(EdgeError):
    """A public key file holds no Ed25519 key."""

    blame = "operator"
    status_hint = None


class BadToken(ValueError):
    """The token does not count; the text says why, for log and trace, never for the phone."""


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    aud: str | list[str]
    sub: str
    exp: int | float
    iat: int | float
    jti: str
    name: str = ""
    nbf: int | float = 0


_CLAIMS = msgspec.json.Decoder(_Claims)


@dataclass(frozen=True, slots=True)
class Login:
    """What a genuine token says."""

    account: int
    name: str
    expires_unix: float
    jti: str
    key_id: str
    upstream_line: bytes  # "edge-account: 7\r\n", ready for the wire


class Verifier:
    """Judges tokens by signature and claims."""

    def __init__(self, issuer: str, audience: str, keys: Mapping[str, bytes]) -> None:
        """`keys`: key id to PEM.  Raises `KeyUnusable`."""
        self._issuer = issuer
        self._audience = audience
        self._jws = PyJWS(algorithms=["EdDSA"])
        self._keys = {key_id: _load(key_id, pem) for key_id, pem in keys.items()}

    def verify(self, token: bytes, unix_now: float) -> Login:
        """Who the token is for.  Raises `BadToken`."""
        if len(token) > TOKEN_BYTES_MAX:
            raise BadToken("the token is too long")
        parts = token.split(b".")
        if len(parts) != 3 or not all(map(_is_canonical, parts)):
            raise BadToken("the token is not three parts of canonical Base64")
        try:
            header = self._jws.get_unverified_header(token)
            key_id = header.get("kid")
            key = self._keys.get(key_id) if isinstance(key_id, str) else None
            if key is None or not isinstance(key_id, str):
                raise BadToken("the token was signed with a key we do not know")
            payload: bytes = self._jws.decode(token, key, algorithms=["EdDSA"])
        except InvalidTokenError as error:
            raise BadToken(f"the token is not genuine: {error}") from error
        return self._judge(payload, key_id, unix_now)

    def _judge(self, payload: bytes, key_id: str, unix_now: float) -> Login:
        try:
            claims = _CLAIMS.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadToken(f"the token's claims are incomplete: {error}") from error
        audience = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if claims.iss != self._issuer or self._audience not in audience:
            raise BadToken("the token was made by or for somebody else")
        if claims.exp <= unix_now:
            raise BadToken("the token has expired")
        if max(claims.iat, claims.nbf) > unix_now + CLOCK_SKEW_S:
            raise BadToken("the token is not valid yet")
        if not claims.sub.isascii() or not claims.sub.isdigit() or len(claims.sub) > 18:
            raise BadToken("the token names no account")
        account = int(claims.sub)
        line = b"edge-account: %d\r\n" % account
        return Login(account, claims.name, float(claims.exp), claims.jti, key_id, line)


def _is_canonical(part: bytes) -> bool:
    # RFC 7515 section 2: no padding; RFC 4648 section 3.5: unused bits are zero.
    if not _PART.match(part) or len(part) % 4 == 1:
        return False
    padded = part + b"=" * (-len(part) % 4)
    return urlsafe_b64encode(urlsafe_b64decode(padded)).rstrip(b"=") == part


def _load(key_id: str, pem: bytes) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyUnusable(f"session key {key_id!r} cannot be read: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyUnusable(f"session key {key_id!r} is no Ed25519 key")
    return key
