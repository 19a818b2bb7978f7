"""The signed proof that somebody logged in.  [I/O]

A JWT (RFC 7519) signed with EdDSA (RFC 8037).  The key with the highest number
among `session-<number>.pem` signs; a new one takes over as soon as the directory
has changed, and the `kid` in the header tells L7 which public key to use.
"""

import os
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from edge.common.config import AuthConfig
from edge.common.errors import EdgeError
from edge.common.people import username


class NoKey(EdgeError):
    """There is no key to sign with; `edge up` makes one."""

    blame = "operator"
    status_hint = 503


class Signer:
    """Signs with the newest key."""

    def __init__(self, keys: Path) -> None:
        self._keys = keys
        self._changed_ns = -1
        self._kid = ""
        self._key: Ed25519PrivateKey | None = None

    def sign(self, account: int, auth: AuthConfig, unix_now: int) -> str:
        """A token for `account`, good from now for `auth.ttl_s`.  Raises `NoKey`."""
        key = self._newest()
        claims = {
            "iss": auth.issuer,
            "aud": auth.audience,
            "sub": str(account),
            "name": username(account),
            "iat": unix_now,
            "exp": unix_now + auth.ttl_s,
            "jti": os.urandom(12).hex(),
        }
        return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": self._kid})

    def _newest(self) -> Ed25519PrivateKey:
        try:
            changed_ns = self._keys.stat().st_mtime_ns
            if self._key is None or changed_ns != self._changed_ns:
                self._kid, self._key = self._load()
                self._changed_ns = changed_ns
        except OSError as error:
            raise NoKey(f"the session keys cannot be read: {error}") from error
        return self._key

    def _load(self) -> tuple[str, Ed25519PrivateKey]:
        kids = [
            path.name.removeprefix("session-").removesuffix(".pem")
            for path in self._keys.glob("session-*.pem")
        ]
        numbers = sorted(int(kid) for kid in kids if kid.isdigit())
        if not numbers:
            raise NoKey(f"no session key in {self._keys}")
        kid = str(numbers[-1])
        key = load_pem_private_key((self._keys / f"session-{kid}.pem").read_bytes(), None)
        if not isinstance(key, Ed25519PrivateKey):
            raise NoKey(f"session-{kid}.pem is not an Ed25519 key")
        return kid, key
