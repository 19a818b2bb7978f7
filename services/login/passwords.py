"""Is this the right password?

scrypt (RFC 7914) with a salt of its own for each account, written down with its
cost so that old hashes stay readable when the cost is raised:
`scrypt$<log2 of N>$<salt>$<digest>`, both in hex.

The default N of 2**13 costs some 40 ms and 8 MiB.  That is an eighth of what
OWASP recommends for N alone; a whole edge shares two cores here, and the option
`scrypt-log2` raises it.
"""

import hashlib
import hmac

# About 20 ms of a core, so that fifty phones of a load test get in on a laptop.  OWASP asks
# for 17 where passwords are worth stealing; the option `scrypt-log2` raises it.
COST_LOG2 = 12
BLOCK_SIZE = 8
SALT_BYTES = 16
# N * r * 128 is what scrypt needs; OpenSSL wants a little beside it.
_SPARE_BYTES = 1024 * 1024
# A password is hashed before it is known to be right; nobody types more than this.
PASSWORD_BYTES_MAX = 256


def enrol(password: bytes, salt: bytes, cost_log2: int) -> str:
    """What to store for `password`."""
    return f"scrypt${cost_log2}${salt.hex()}${_digest(password, salt, cost_log2).hex()}"


def verify(password: bytes, stored: str) -> bool:
    """Does `password` belong to what was stored?  As slow for a wrong one as for the right one."""
    _, cost, salt, digest = stored.split("$")
    given = _digest(password, bytes.fromhex(salt), int(cost))
    return hmac.compare_digest(given, bytes.fromhex(digest))


def equal(one: bytes, other: bytes) -> bool:
    """Are they the same?  In a time that does not tell how far they agree."""
    return hmac.compare_digest(one, other)


def _digest(password: bytes, salt: bytes, cost_log2: int) -> bytes:
    n = 1 << cost_log2
    maxmem = 128 * BLOCK_SIZE * n + _SPARE_BYTES
    return hashlib.scrypt(password, salt=salt, n=n, r=BLOCK_SIZE, p=1, maxmem=maxmem, dklen=32)
