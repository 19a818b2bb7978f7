"""Genuine, ours, and still good: everything else is refused."""

import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from edge.l7.stages.session_token import BadToken, KeyUnusable, Verifier

NOW = 1_800_000_000.0
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)


def pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def token(key: Ed25519PrivateKey = PRIVATE, kid: str | None = "1", **claims: Any) -> bytes:
    payload = {"iss": "edge-login", "aud": "edge", "sub": "1", "name": "ada", "iat": NOW, "exp": NOW + 60}
    payload |= {"jti": "j-1"} | claims
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, key, "EdDSA", headers={"kid": kid} if kid else None).encode()


VERIFIER = Verifier("edge-login", "edge", {"1": pem(PRIVATE), "2": pem(OTHER)})


def test_a_genuine_token_says_who_it_is() -> None:
    """Account, name, end and id, and the line that the service will see."""
    login = VERIFIER.verify(token(sub="6", name="sally"), NOW)

    assert (login.account, login.name, login.jti, login.key_id) == (6, "sally", "j-1", "1")
    assert login.upstream_line == b"edge-account: 6\r\n"


def test_two_keys_are_valid_at_once() -> None:
    """So that login can change its key without logging anybody out."""
    assert VERIFIER.verify(token(OTHER, "2"), NOW).key_id == "2"


@pytest.mark.parametrize(
    "forged",
    [
        token(OTHER, "1"),
        token(kid="3"),
        token(kid=None),
        token(exp=NOW),
        token(exp=None),
        token(iat=NOW + 120),
        token(nbf=NOW + 120),
        token(iss="somebody"),
        token(aud="somebody"),
        token(sub="ada"),
        token(sub="-1"),
        token(sub="١"),
        token(jti=None),
        token(jti="x" * 3000),
        b"",
        b"..",
        b"a.b",
    ],
)
def test_anything_else_is_refused(forged: bytes) -> None:
    """Another key, another issuer, another time, no account, no token."""
    with pytest.raises(BadToken):
        VERIFIER.verify(forged, NOW)


def part(value: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS256", "ES256"])
def test_the_token_does_not_choose_its_algorithm(algorithm: str) -> None:
    """The oldest hole in JWT: `alg: none`, or the public key taken for an HMAC secret."""
    _, payload, _ = token().split(b".")
    forged = b".".join([part({"alg": algorithm, "kid": "1"}), payload, b"AAAA"])

    with pytest.raises(BadToken):
        VERIFIER.verify(forged, NOW)


@pytest.mark.parametrize("suffix", [b"=", b"==", b"\n", b" ", b"!"])
def test_one_login_has_one_spelling(suffix: bytes) -> None:
    """Lenient Base64 gives one token many strings; a revocation by string would leak."""
    with pytest.raises(BadToken):
        VERIFIER.verify(token() + suffix, NOW)


def test_unused_bits_have_to_be_zero() -> None:
    """The signature's last character carries four bits that decode to nothing."""
    good = token()
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(good[-1])
    variants = [good[:-1] + alphabet[n : n + 1] for n in range(last - last % 16, last - last % 16 + 16)]

    accepted = 0
    for variant in variants:
        try:
            VERIFIER.verify(variant, NOW)
        except BadToken:
            continue
        accepted += 1

    assert accepted == 1


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_changed_byte_survives(position: int, change: int) -> None:
    """Whatever an attacker flips, it is not genuine any more."""
    forged = bytearray(token())
    forged[position % len(forged)] ^= change

    with pytest.raises(BadToken):
        VERIFIER.verify(bytes(forged), NOW)


def test_a_key_that_is_none_of_ours_is_refused_at_start() -> None:
    """An operator who puts the wrong file there hears of it at once."""
    rsa = generate_private_key(65537, 2048).public_key()
    rsa_pem = rsa.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    for unusable in (rsa_pem, b"nonsense"):
        with pytest.raises(KeyUnusable):
            Verifier("i", "a", {"1": unusable})
