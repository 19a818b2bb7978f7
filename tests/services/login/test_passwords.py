"""Hashes of passwords."""

from services.login.passwords import enrol, equal, verify

SALT = b"0123456789abcdef"
COST = 4  # the arithmetic is the same; tests have no time for the real cost


def test_the_right_password_is_right_and_others_are_wrong() -> None:
    """Nothing but this is login's promise."""
    stored = enrol(b"edge-ada", SALT, COST)

    assert verify(b"edge-ada", stored)
    assert not verify(b"edge-Ada", stored)
    assert not verify(b"", stored)


def test_what_is_stored_does_not_hold_the_password() -> None:
    """Salt and cost are told, so that old hashes can be read for ever."""
    stored = enrol(b"edge-ada", SALT, COST)

    assert stored.startswith(f"scrypt$4${SALT.hex()}$")
    assert "edge-ada" not in stored
    assert enrol(b"edge-ada", b"f" * 16, COST) != stored


def test_the_digest_is_scrypt_as_the_rfc_has_it() -> None:
    """Against another implementation of RFC 7914, the one in `cryptography`."""
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    other = Scrypt(salt=SALT, length=32, n=2**COST, r=8, p=1).derive(b"edge-ada")

    assert enrol(b"edge-ada", SALT, COST).endswith(other.hex())


def test_comparing() -> None:
    """In constant time, which a test cannot see."""
    assert equal(b"a", b"a")
    assert not equal(b"a", b"b")
    assert not equal(b"a", b"aa")
